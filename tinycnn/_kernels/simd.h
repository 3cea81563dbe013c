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

typedef real vf __attribute__((vector_size(VECTOR_BYTES)));
typedef real_int vi __attribute__((vector_size(VECTOR_BYTES)));
typedef real vf_unaligned __attribute__((vector_size(VECTOR_BYTES), aligned(REAL_BYTES), may_alias));

static inline vf vload(const real *p)        { return *(const vf_unaligned *)p; }
static inline void vstore(real *p, vf v)     { *(vf_unaligned *)p = v; }
static inline vf vset(real s)                { return s - (vf){0}; }
static inline vf vzero(void)                 { return (vf){0}; }
static inline vf vfma(vf a, vf b, vf c)      { return a * b + c; }    /* contracted to one FMA where there is one */

/* The first n elements (0 <= n <= VW); the others are 0.  Tails run through the same vector code as the body, so that
 * where a loop is cut never changes a bit of its results. */
#define JOIN_(a, b, c) a##b##c
#define JOIN(a, b, c) JOIN_(a, b, c)
#if defined(__AVX512F__)
#  define FIRST(n) ((1u << (n)) - 1)
static inline vf vload_part(const real *p, ptrdiff_t n) {
    return (vf)JOIN(_mm512_maskz_loadu, _, VECTOR_SUFFIX)(FIRST(n), p);
}
static inline void vstore_part(real *p, vf v, ptrdiff_t n) { JOIN(_mm512_mask_storeu, _, VECTOR_SUFFIX)(p, FIRST(n), v); }
#elif defined(__AVX2__)
static const real_int FIRST[2 * VW] = {[0 ... VW - 1] = -1};  /* read from VW - n on: n times -1, then zeros */
static inline __m256i first(ptrdiff_t n) { return _mm256_loadu_si256((const __m256i *)(FIRST + VW - n)); }
static inline vf vload_part(const real *p, ptrdiff_t n) {
    return (vf)JOIN(_mm256_maskload, _, VECTOR_SUFFIX)(p, first(n));
}
static inline void vstore_part(real *p, vf v, ptrdiff_t n) {
    JOIN(_mm256_maskstore, _, VECTOR_SUFFIX)(p, first(n), v);
}
#else
static inline vf vload_part(const real *p, ptrdiff_t n) {
    real s[VW] = {0};
    for (ptrdiff_t i = 0; i < n; i++) s[i] = p[i];
    return vload(s);
}
static inline void vstore_part(real *p, vf v, ptrdiff_t n) {
    for (ptrdiff_t i = 0; i < n; i++) p[i] = v[i];
}
#endif

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

/* Larger and smaller; where either is NaN both give b, so write vmax(bound, x) to let a NaN in x through. */
#ifdef VECTOR_PREFIX
static inline vf vmax(vf a, vf b)             { return (vf)JOIN(VECTOR_PREFIX, _max_, VECTOR_SUFFIX)(a, b); }
static inline vf vmin(vf a, vf b)             { return (vf)JOIN(VECTOR_PREFIX, _min_, VECTOR_SUFFIX)(a, b); }
#else
static inline vf vmax(vf a, vf b)             { return vselect(a > b, a, b); }
static inline vf vmin(vf a, vf b)             { return vselect(a < b, a, b); }
#endif

/* Sum of the elements, in a fixed tree order. */
static inline real vsum(vf v) {
    real s[VW];
    memcpy(s, &v, sizeof v);
    for (int half = VW / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) s[i] += s[i + half];
    return s[0];
}

static inline real vhighest(vf v) {
    real s[VW];
    memcpy(s, &v, sizeof v);
    for (int i = 1; i < VW; i++) s[0] = s[i] > s[0] ? s[i] : s[0];
    return s[0];
}

static inline void prefetch(const void *p)    { __builtin_prefetch(p, 0, 2); }
