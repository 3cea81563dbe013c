/* One vector type, `vf`, of one element type, `real`, for every kernel: the build chooses both.
 *
 *   element  float, or double with -DTINYCNN_DOUBLE
 *   width    64 bytes with AVX-512, 32 with AVX, else 16 (SSE2, NEON, or whatever the compiler lowers 16 bytes to)
 *
 * Arithmetic (+ - * /) and comparison work on `vf` directly: they are the compiler's own vector extensions.
 * Everything else that a kernel may use of the machine is below, and nothing outside this file is written per ISA.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef TINYCNN_DOUBLE
typedef double real;
typedef int64_t real_int;
#  define VECTOR_SUFFIX pd
#  define REAL_BYTES 8
#else
typedef float real;
typedef int32_t real_int;
#  define VECTOR_SUFFIX ps
#  define REAL_BYTES 4
#endif

#if defined(__AVX512F__)
#  include <immintrin.h>
#  define VECTOR_BYTES 64
#  define VECTOR_PREFIX _mm512
#elif defined(__AVX__)
#  include <immintrin.h>
#  define VECTOR_BYTES 32
#  define VECTOR_PREFIX _mm256
#elif defined(__SSE2__)
#  include <emmintrin.h>
#  define VECTOR_BYTES 16
#  define VECTOR_PREFIX _mm
#else
#  define VECTOR_BYTES 16
#endif

enum { VW = VECTOR_BYTES / REAL_BYTES };     /* elements in a vector */

/* Register tile of the matrix product, rows by vectors: with the operands it fills the register file (32, or 16). */
#if defined(__AVX512F__)
enum { TILE_ROWS = 14, TILE_VECTORS = 2 };
#elif defined(__ARM_NEON)
enum { TILE_ROWS = 8, TILE_VECTORS = 3 };
#else
enum { TILE_ROWS = 6, TILE_VECTORS = 2 };
#endif
enum { PANEL = TILE_VECTORS * VW, TILE = TILE_ROWS * TILE_VECTORS };    /* columns of a tile; vectors in it */

/* Pixels of the engine's product tiles of 1, 2 and 3 vectors of channels; the sums of the largest. */
#if defined(__AVX512F__) || defined(__ARM_NEON)
enum { ROWS1 = 14, ROWS2 = 14, ROWS3 = 9, TILE_SUMS = 28 };
#else
enum { ROWS1 = 12, ROWS2 = 6, ROWS3 = 4, TILE_SUMS = 12 };
#endif

/* Output channels of a tile of the gradient of weights, by up to 3 vectors of input channels. */
enum { WEIGHT_ROWS = (ROWS3 == 9 ? 8 : 4) < VW ? (ROWS3 == 9 ? 8 : 4) : VW };

typedef real vf __attribute__((vector_size(VECTOR_BYTES)));
typedef real_int vi __attribute__((vector_size(VECTOR_BYTES)));
typedef real vf_unaligned __attribute__((vector_size(VECTOR_BYTES), aligned(REAL_BYTES), may_alias));

#define JOIN_(a, b, c) a##b##c
#define JOIN(a, b, c) JOIN_(a, b, c)

static inline vf vload(const real *p)        { return *(const vf_unaligned *)p; }
static inline void vstore(real *p, vf v)     { *(vf_unaligned *)p = v; }
/* To memory, past the caches, where p is aligned for it: what nobody reads soon then takes no room in them, and its line is
 * not fetched first. */
#ifdef VECTOR_PREFIX
static inline void vstream(real *p, vf v)    { JOIN(VECTOR_PREFIX, _stream_, VECTOR_SUFFIX)(p, v); }
#else
static inline void vstream(real *p, vf v)    { vstore(p, v); }
#endif
static inline vf vset(real s)                { return s - (vf){0}; }
static inline vf vzero(void)                 { return (vf){0}; }
static inline vf vfma(vf a, vf b, vf c)      { return a * b + c; }    /* contracted to one FMA where there is one */

/* The first n elements (0 <= n <= VW); the others are 0.  Tails run through the same vector code as the body, so that
 * where a loop is cut never changes a bit of its results.  Masked moves: a memcpy of n bytes would be a call. */
#if defined(__AVX512F__)
#  ifdef TINYCNN_DOUBLE
typedef __mmask8 lanes;
#  else
typedef __mmask16 lanes;
#  endif
static inline lanes first_lanes(ptrdiff_t n) { return (lanes)((1u << n) - 1); }
#  define MASKED_LOAD(p, m) JOIN(_mm512_maskz_loadu_, VECTOR_SUFFIX,)(m, p)
#  define MASKED_STORE(p, m, v) JOIN(_mm512_mask_storeu_, VECTOR_SUFFIX,)(p, m, v)
#elif defined(__AVX__)
typedef __m256i lanes;
static inline lanes first_lanes(ptrdiff_t n) {
    static const real_int mask[2 * VW] = {[0 ... VW - 1] = -1};
    return _mm256_loadu_si256((const __m256i *)(mask + VW - n));
}
#  define MASKED_LOAD(p, m) JOIN(_mm256_maskload_, VECTOR_SUFFIX,)(p, m)
#  define MASKED_STORE(p, m, v) JOIN(_mm256_maskstore_, VECTOR_SUFFIX,)(p, m, v)
#endif
#ifdef MASKED_LOAD
static inline vf vload_part(const real *p, ptrdiff_t n)    { return (vf)MASKED_LOAD(p, first_lanes(n)); }
static inline void vstore_part(real *p, vf v, ptrdiff_t n) { MASKED_STORE(p, first_lanes(n), v); }
#else
static inline vf vload_part(const real *p, ptrdiff_t n) {
    vf v = {0};
    memcpy(&v, p, (size_t)n * sizeof(real));
    return v;
}
static inline void vstore_part(real *p, vf v, ptrdiff_t n) { memcpy(p, &v, (size_t)n * sizeof(real)); }
#endif

/* Elements of even and of odd index in the sequence a, b; and back: the two halves of x0 y0 x1 y1 ... */
#define LANES (VECTOR_BYTES / REAL_BYTES)
#if LANES == 16
#  define EVEN_LANES 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#  define ODD_LANES 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#  define LOW_LANES 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#  define HIGH_LANES 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif LANES == 8
#  define EVEN_LANES 0, 2, 4, 6, 8, 10, 12, 14
#  define ODD_LANES 1, 3, 5, 7, 9, 11, 13, 15
#  define LOW_LANES 0, 8, 1, 9, 2, 10, 3, 11
#  define HIGH_LANES 4, 12, 5, 13, 6, 14, 7, 15
#elif LANES == 4
#  define EVEN_LANES 0, 2, 4, 6
#  define ODD_LANES 1, 3, 5, 7
#  define LOW_LANES 0, 4, 1, 5
#  define HIGH_LANES 2, 6, 3, 7
#else
#  define EVEN_LANES 0, 2
#  define ODD_LANES 1, 3
#  define LOW_LANES 0, 2
#  define HIGH_LANES 1, 3
#endif
#if defined(__clang__) || __GNUC__ >= 12
#  define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#  define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (vi){__VA_ARGS__})
#endif
static inline vf veven(vf a, vf b)            { return SHUFFLE(a, b, EVEN_LANES); }
static inline vf vodd(vf a, vf b)             { return SHUFFLE(a, b, ODD_LANES); }
static inline vf vziplow(vf x, vf y)          { return SHUFFLE(x, y, LOW_LANES); }
static inline vf vziphigh(vf x, vf y)         { return SHUFFLE(x, y, HIGH_LANES); }

/* VW vectors as the rows of a square, made its columns.  Each step zips vector i with vector i + VW/2, which turns the
 * bits of (row, column) by one place; log2(VW) turns exchange row and column. */
static inline void vtranspose(vf *t) {
    for (int step = 1; step < VW; step *= 2) {
        vf s[VW];
        for (int i = 0; i < VW / 2; i++) {
            s[2 * i] = vziplow(t[i], t[i + VW / 2]);
            s[2 * i + 1] = vziphigh(t[i], t[i + VW / 2]);
        }
        memcpy(t, s, sizeof s);
    }
}

/* Mask of the first n elements. */
static inline vi vfirst(ptrdiff_t n) {
    vi index;
    for (int i = 0; i < VW; i++) index[i] = i;
    return index < (real_int)n - (vi){0};
}

/* a where the mask (a comparison of two vf) holds, else b. */
static inline vf vselect(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }
static inline vi vgt(vf a, vf b)              { return a > b; }
static inline vi vge(vf a, vf b)              { return a >= b; }
static inline vi veq(vf a, vf b)              { return a == b; }

/* The elements of p that n numbers name (n <= VW, the others give p[0]); as many reads where there is no gather. */
static inline vf vgather(const real *p, const real_int *places, ptrdiff_t n) {
    vi at = (vi)vload_part((const real *)places, n);
#if defined(__AVX512F__) && defined(TINYCNN_DOUBLE)
    return (vf)_mm512_i64gather_pd((__m512i)at, p, 8);
#elif defined(__AVX512F__)
    return (vf)_mm512_i32gather_ps((__m512i)at, p, 4);
#else
    vf v;
    for (int i = 0; i < VW; i++) v[i] = p[at[i]];
    return v;
#endif
}

/* Larger and smaller; where either is NaN both give b, so write vmax(bound, x) to let a NaN in x through. */
#ifdef VECTOR_PREFIX
static inline vf vmax(vf a, vf b)             { return (vf)JOIN(VECTOR_PREFIX, _max_, VECTOR_SUFFIX)(a, b); }
static inline vf vmin(vf a, vf b)             { return (vf)JOIN(VECTOR_PREFIX, _min_, VECTOR_SUFFIX)(a, b); }
#else
static inline vf vmax(vf a, vf b)             { return vselect(a > b, a, b); }
static inline vf vmin(vf a, vf b)             { return vselect(a < b, a, b); }
#endif

/* Square root. */
#ifdef VECTOR_PREFIX
static inline vf vsqrt(vf x)                  { return (vf)JOIN(VECTOR_PREFIX, _sqrt_, VECTOR_SUFFIX)(x); }
#else
static inline vf vsqrt(vf x) {
    for (int i = 0; i < VW; i++) x[i] = (real)__builtin_sqrt(x[i]);
    return x;
}
#endif

/* a / b to the last digit or nearly, where b and 1 / b are normal numbers.  A division of 16 floats keeps its unit busy
 * for as many cycles; an estimate of 1 / b, one step of Newton's on it and one on the quotient take a third of that. */
#if defined(__AVX512F__) && !defined(TINYCNN_DOUBLE)
static inline vf vdivide(vf a, vf b) {
    vf r = (vf)_mm512_rcp14_ps(b);
    r = vfma(vfma(-b, r, vset(1)), r, r);
    vf q = a * r;
    return vfma(vfma(-b, q, a), r, q);
}
#else
static inline vf vdivide(vf a, vf b)          { return a / b; }
#endif

/* Larger and smaller; NaN where either is NaN (or-ing a number into a NaN leaves a NaN). */
static inline vf vmax_nan(vf a, vf b)         { return (vf)((vi)vmax(a, b) | (vi)vmax(b, a)); }
static inline vf vmin_nan(vf a, vf b)         { return (vf)((vi)vmin(a, b) | (vi)vmin(b, a)); }

/* Sum of the elements, in a fixed tree order: the upper half onto the lower one, until one is left. */
typedef real vf_16 __attribute__((vector_size(16)));
typedef real vf_32 __attribute__((vector_size(32)));
static inline real vsum_16(vf_16 v) {
#ifdef TINYCNN_DOUBLE
    return v[0] + v[1];
#else
    return (v[0] + v[2]) + (v[1] + v[3]);
#endif
}
static inline real vsum_32(vf_32 v) {
    vf_16 half[2];
    memcpy(half, &v, sizeof v);
    return vsum_16(half[0] + half[1]);
}
static inline real vsum(vf v) {
#if VECTOR_BYTES == 64
    vf_32 half[2];
    memcpy(half, &v, sizeof v);
    return vsum_32(half[0] + half[1]);
#elif VECTOR_BYTES == 32
    return vsum_32(v);
#else
    return vsum_16(v);
#endif
}

/* Largest and smallest of the elements, halving their number each time; NaN where any is NaN. */
static inline real vhighest(vf v) {
    for (int n = VW; n > 1; n /= 2) v = vmax_nan(veven(v, v), vodd(v, v));
    return v[0];
}
static inline real vlowest(vf v) {
    for (int n = VW; n > 1; n /= 2) v = vmin_nan(veven(v, v), vodd(v, v));
    return v[0];
}

static inline void prefetch(const void *p)     { __builtin_prefetch(p, 0, 3); }
static inline void prefetch_far(const void *p) { __builtin_prefetch(p, 0, 2); }   /* into the second cache */
