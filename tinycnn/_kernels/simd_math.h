/* Transcendental functions on vectors, built from the arithmetic of simd.h alone.
 *
 * exp: x = n ln 2 + r with n an integer and |r| <= ln 2 / 2, so that e^x = 2^n e^r.  The reduction subtracts n ln 2 in
 * two parts, of which the first has so few digits that n times it is exact (Cody and Waite, "Software Manual for the
 * Elementary Functions", 1980, chapter 6); e^r - 1 is a polynomial (Taylor's: on so short an interval the terms
 * below suffice for the last digit); 2^n is written straight into the exponent bits.  Errors are below 2 units in the
 * last place, tested over the whole range.
 *
 * log: x = 2^n m with m between sqrt(1/2) and sqrt(2), read from the exponent bits; log m = 2 artanh s with
 * s = (m - 1) / (m + 1), by the series s + s^3/3 + s^5/5 + ..., which is short as s^2 < 0.03 and exact near x = 1.
 */
#pragma once
#include <math.h>
#include "simd.h"

#ifdef TINYCNN_DOUBLE
#  define EXP_LOWEST  -746.0                    /* below: 0 */
#  define EXP_NORMAL  -708.0                    /* below: denormal */
#  define EXP_HIGHEST  710.0                    /* above: infinity */
#  define LN2_HIGH     6.93147180369123816490e-01
#  define LN2_LOW      1.90821492927058770002e-10
#  define ROUNDER      6755399441055744.0       /* 1.5 * 2^52: adding it leaves an integer in the low bits */
#  define FRACTION_BITS 52
#  define EXPONENT_BIAS 1023
#  define TANH_ONE     22.0                     /* from here on tanh is 1 to the last digit */
#  define EXP_TERMS    13
#  define LEAST_NORMAL 0x1p-1022
#  define SQRT_HALF_BITS 0x3fe6a09e667f3bcd
#  define LOG_TERMS    10
#  define ATAN_TERMS   21
#  define MISH_ONE     40.0                     /* from here on tanh(log(1 + e^x)) is 1, its slope 0 */
#else
#  define EXP_LOWEST  -104.0f
#  define EXP_NORMAL  -87.0f
#  define EXP_HIGHEST  89.0f
#  define LN2_HIGH     0.693359375f
#  define LN2_LOW      -2.12194440e-4f
#  define ROUNDER      12582912.0f              /* 1.5 * 2^23 */
#  define FRACTION_BITS 23
#  define EXPONENT_BIAS 127
#  define TANH_ONE     10.0f
#  define EXP_TERMS    7
#  define LEAST_NORMAL 0x1p-126f
#  define SQRT_HALF_BITS 0x3f3504f3
#  define LOG_TERMS    5
#  define ATAN_TERMS   9
#  define MISH_ONE     20.0f
#endif
#define LOG2_E ((real)1.44269504088896340736)

/* 2 to the power of integers in [-EXPONENT_BIAS + 1, EXPONENT_BIAS]; one more gives infinity. */
static inline vf vpower_of_two(vi n) { return (vf)((n + EXPONENT_BIAS) << FRACTION_BITS); }

/* e^r - 1, and n, for x = n ln 2 + r. */
static inline vf vexp_reduced(vf x, vi *n) {
    static const real inverse_factorial[] = {  /* 1/k! for k = 2, 3, ... */
        (real)(1.0 / 2), (real)(1.0 / 6), (real)(1.0 / 24), (real)(1.0 / 120), (real)(1.0 / 720), (real)(1.0 / 5040),
        (real)(1.0 / 40320), (real)(1.0 / 362880), (real)(1.0 / 3628800), (real)(1.0 / 39916800),
        (real)(1.0 / 479001600), (real)(1.0 / 6227020800)};
    vf shifted = vfma(x, vset(LOG2_E), vset(ROUNDER)), whole = shifted - vset(ROUNDER);
    *n = (vi)shifted - (vi)vset(ROUNDER);
    vf r = vfma(-whole, vset(LN2_HIGH), x);
    r = vfma(-whole, vset(LN2_LOW), r);
    vf sum = vset(inverse_factorial[EXP_TERMS - 2]);
    for (int k = EXP_TERMS - 3; k >= 0; k--) sum = vfma(sum, r, vset(inverse_factorial[k]));
    return vfma(sum, r * r, r);
}

/* e^x; NaN gives NaN, overflow infinity, underflow passes through the denormal numbers to 0. */
static inline vf vexp(vf x) {
    vi n;
    vf fraction = vexp_reduced(vmin(vset(EXP_HIGHEST), vmax(vset(EXP_LOWEST), x)), &n);
    vi half = n >> 1;                           /* 2^n itself may lie outside of the normal numbers */
    return (fraction + vset(1)) * vpower_of_two(half) * vpower_of_two(n - half);
}

/* tanh x = m / (m + 2) with m = e^2x - 1, which keeps its digits for small x: 2^n (e^r - 1) + (2^n - 1). */
static inline vf vtanh(vf x) {
    vi n;
    vf twice = vmin(vset(TANH_ONE), vmax(vset(-TANH_ONE), x)) * vset(2);
    vf fraction = vexp_reduced(twice, &n), power = vpower_of_two(n);
    vf m = vfma(fraction, power, power - vset(1));
    return vdivide(m, m + vset(2));
}

/* 1 / (1 + e^-x), where an e^-x below the normal numbers may as well be the least of them. */
static inline vf vsigmoid(vf x) {
    vi n;
    vf fraction = vexp_reduced(vmin(vset(EXP_HIGHEST), vmax(vset(EXP_NORMAL), -x)), &n);
    return vset(1) / vfma(fraction + vset(1), vpower_of_two(n), vset(1));
}

/* ln x: x = 2^k m with 1/sqrt 2 <= m < sqrt 2, and ln m = 2 artanh s = 2 (s + s^3/3 + s^5/5 + ...), s = (m - 1) / (m + 1),
 * |s| < 0.172.  k is what the exponent holds once the bits of sqrt 1/2 are taken off.  0 gives -infinity, less gives NaN. */
static inline vf vlog(vf x) {
    vi denormal = x < vset(LEAST_NORMAL);
    vf scaled = vselect(denormal, x * vset((real)(1ll << FRACTION_BITS)), x);   /* its exponent says nothing otherwise */
    vi bits = (vi)scaled, k = (bits - SQRT_HALF_BITS) >> FRACTION_BITS;
    vf m = (vf)(bits - (k << FRACTION_BITS));
    vf power = (vf)(k + (vi)vset(ROUNDER)) - vset(ROUNDER);
    power = power - vselect(denormal, vset(FRACTION_BITS), vzero());
    vf s = vdivide(m - vset(1), m + vset(1)), z = s * s, sum = vset((real)(2.0 / (2 * LOG_TERMS + 1)));
    for (int j = LOG_TERMS - 1; j > 0; j--) sum = vfma(sum, z, vset((real)(2.0 / (2 * j + 1))));
    vf y = vfma(power, vset(LN2_HIGH), vfma(s, vset(2), vfma(s * z, sum, power * vset(LN2_LOW))));
    y = vselect(x == vset(INFINITY), x, y);
    return vselect(x > vzero(), y, vselect(x == vzero(), vset(-INFINITY), vset(NAN)));
}

/* ln (1 + x), to the last digits for small x too: what was lost in rounding 1 + x is made good by x / ((1 + x) - 1)
 * (Goldberg, "What every computer scientist should know about floating-point arithmetic", 1991, theorem 4). */
static inline vf vlog1p(vf x) {
    vf y = vset(1) + x;
    vi as_it_is = (y == vset(1)) | (y == vset(INFINITY));
    return vselect(as_it_is, x, vlog(y) * (x / (y - vset(1))));
}

/* arctan x, from |x| brought down to u in [-0.4143, 0.4143] by arctan x = pi/2 - arctan 1/x above 1, and
 * arctan x = pi/4 + arctan (x - 1)/(x + 1) above tan pi/8; there it is u - u^3/3 + u^5/5 - ... */
static inline vf vatan(vf x) {
    vf size = vmax(x, -x), t = vselect(size > vset(1), vset(1) / size, size);
    vi upper = t > vset((real)0.41421356237309504880);
    vf u = vselect(upper, (t - vset(1)) / (t + vset(1)), t), z = -u * u, sum = vset((real)(1.0 / (2 * ATAN_TERMS - 1)));
    for (int k = ATAN_TERMS - 2; k > 0; k--) sum = vfma(sum, z, vset((real)(1.0 / (2 * k + 1))));
    vf y = vselect(upper, vset((real)0.78539816339744830962), vzero()) + vfma(u * z, sum, u);
    y = vselect(size > vset(1), vset((real)1.57079632679489661923) - y, y);
    return vselect(x < vzero(), -y, y);
}
