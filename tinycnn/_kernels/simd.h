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
#if defined(__AVX512F__) && !defined(TINYCNN_DOUBLE)
#  define FIRST(n) ((__mmask16)((1u << (n)) - 1))
static inline vf vload_part(const real *p, ptrdiff_t n)        { return (vf)_mm512_maskz_loadu_ps(FIRST(n), p); }
static inline void vstore_part(real *p, vf v, ptrdiff_t n)     { _mm512_mask_storeu_ps(p, FIRST(n), (__m512)v); }
#elif defined(__AVX512F__)
#  define FIRST(n) ((__mmask8)((1u << (n)) - 1))
static inline vf vload_part(const real *p, ptrdiff_t n)        { return (vf)_mm512_maskz_loadu_pd(FIRST(n), p); }
static inline void vstore_part(real *p, vf v, ptrdiff_t n)     { _mm512_mask_storeu_pd(p, FIRST(n), (__m512d)v); }
#else
static inline vf vload_part(const real *p, ptrdiff_t n) {
    vf v = {0};
    memcpy(&v, p, (size_t)n * sizeof(real));
    return v;
}
static inline void vstore_part(real *p, vf v, ptrdiff_t n) { memcpy(p, &v, (size_t)n * sizeof(real)); }
#endif

/* a where the mask (a comparison of two vf) holds, else b. */
static inline vf vselect(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }
static inline vi vgt(vf a, vf b)              { return a > b; }
static inline vi vge(vf a, vf b)              { return a >= b; }

/* Larger and smaller; where either is NaN both give b, so write vmax(bound, x) to let a NaN in x through. */
#ifdef VECTOR_PREFIX
#  define JOIN_(a, b, c) a##b##c
#  define JOIN(a, b, c) JOIN_(a, b, c)
static inline vf vmax(vf a, vf b)             { return (vf)JOIN(VECTOR_PREFIX, _max_, VECTOR_SUFFIX)(a, b); }
static inline vf vmin(vf a, vf b)             { return (vf)JOIN(VECTOR_PREFIX, _min_, VECTOR_SUFFIX)(a, b); }
#else
static inline vf vmax(vf a, vf b)             { return vselect(a > b, a, b); }
static inline vf vmin(vf a, vf b)             { return vselect(a < b, a, b); }
#endif

/* VW vectors as the rows of a square, made its columns.  Each step zips vector i with vector i + VW/2, which turns the
 * bits of (row, column) by one place; log2(VW) turns exchange row and column. */
#if defined(__has_builtin)
#  if __has_builtin(__builtin_shufflevector)
#    define HAS_SHUFFLE
#  endif
#endif
#ifdef HAS_SHUFFLE
#  define ZIP2(a, b, i)  __builtin_shufflevector(a, b, i, VW + i)
#  define ZIP4(a, b, i)  __builtin_shufflevector(a, b, i, VW + i, i + 1, VW + i + 1)
#  define ZIP8(a, b, i)  __builtin_shufflevector(a, b, i, VW + i, i + 1, VW + i + 1, i + 2, VW + i + 2, i + 3, VW + i + 3)
#  define ZIP16(a, b, i) __builtin_shufflevector(a, b, i, VW + i, i + 1, VW + i + 1, i + 2, VW + i + 2, i + 3, VW + i + 3, \
                                 i + 4, VW + i + 4, i + 5, VW + i + 5, i + 6, VW + i + 6, i + 7, VW + i + 7)
#  if VECTOR_BYTES / REAL_BYTES == 16
#    define ZIP ZIP16
#  elif VECTOR_BYTES / REAL_BYTES == 8
#    define ZIP ZIP8
#  elif VECTOR_BYTES / REAL_BYTES == 4
#    define ZIP ZIP4
#  else
#    define ZIP ZIP2
#  endif
static inline void vtranspose(vf *t) {
    for (int step = 1; step < VW; step *= 2) {
        vf s[VW];
        for (int i = 0; i < VW / 2; i++) {
            s[2*i] = ZIP(t[i], t[i + VW/2], 0);
            s[2*i + 1] = ZIP(t[i], t[i + VW/2], VW/2);
        }
        for (int i = 0; i < VW; i++) t[i] = s[i];
    }
}
#else
static inline void vtranspose(vf *t) {
    for (int i = 0; i < VW; i++)
        for (int j = 0; j < i; j++) {
            real s = t[i][j];
            t[i][j] = t[j][i];
            t[j][i] = s;
        }
}
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

static inline void prefetch(const void *p)    { __builtin_prefetch(p, 0, 3); }
