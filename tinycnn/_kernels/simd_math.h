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
#  define LOG_TERMS    11
#  define SMALLEST     2.2250738585072014e-308  /* of the normal numbers */
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
#  define LOG_TERMS    6
#  define SMALLEST     1.17549435e-38f
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

/* log x; of a negative number or NaN it is NaN, of 0 minus infinity, of infinity infinity. */
static inline vf vlog(vf x) {
    vf infinity = vset((real)__builtin_inf());
    vi tiny = x < vset(SMALLEST);
    vf scaled = vselect(tiny, x * vset((real)((int64_t)1 << FRACTION_BITS)), x);
    vi bits = (vi)scaled, half = (vi)vset((real)0.70710678118654752440);
    vi n = (bits - half) >> FRACTION_BITS;      /* so that what is left lies in [sqrt(1/2), sqrt(2)) */
    vf m = (vf)(bits - (n << FRACTION_BITS));
    n -= tiny & (FRACTION_BITS + (vi){0});
    vf s = vdivide(m - vset(1), m + vset(1)), z = s * s, sum = vset((real)1 / (2 * LOG_TERMS - 1));
    for (int k = LOG_TERMS - 2; k >= 1; k--) sum = vfma(sum, z, vset((real)1 / (2 * k + 1)));
    vf whole = (vf)(n + (vi)vset(ROUNDER)) - vset(ROUNDER), twice = s + s;
    vf y = vfma(whole, vset(LN2_HIGH), vfma(twice * z, sum, vfma(whole, vset(LN2_LOW), twice)));
    y = vselect(x < infinity, y, x);            /* infinity and NaN */
    y = vselect(veq(x, vzero()), -infinity, y);
    return vselect(x < vzero(), infinity - infinity, y);
}
