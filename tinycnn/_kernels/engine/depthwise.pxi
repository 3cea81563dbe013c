# Depthwise convolution: y[i, j] = b + sum over taps of x[i*sh + a*dh - top, j*sw + c*dw - left] w[a, c], a block of channels at
# a time, channels side by side in a vector.
#
#     for each block of channels, for each pair of output rows
#         columns whose taps all lie in the map: two rows by six columns at once, so that an input row that both
#             output rows see is loaded for both and 12 sums hide the latency of the multiply-add
#         the other columns: one at a time, only the taps inside
#
# Rows outside the map are a row of zeros.  Kernels 3x3, 5x5 and 7x7 of stride 1 and 2 have their own unrolled code.

cdef enum:
    MOST_ROWS = 32              # input rows that the taps of the output rows may touch


cdef struct Rows:
    const Op *g
    const real *rows[MOST_ROWS]     # input rows, from the first that an output row sees
    const real *w
    const real *b
    real *y                         # the first output row
    const real *r                   # its residual, or NULL
    bint bare                       # the last store is more than clipping


cdef inline void depthwise_tile(const Rows *z, real *y, ix yrow, ix at, vf low, vf high, int S, int K, int R,
                                int M) noexcept nogil:
    """R rows by M columns of outputs, all taps inside the map; `at`: the column of the first tap."""
    cdef vf acc[14]
    cdef vf bias = vload(z.b)
    cdef int m, j, r, a
    cdef const real *x
    for m in range(R*M):
        acc[m] = bias
    for a in range((R - 1)*S + K):
        x = z.rows[a] + at*VW
        for r in range(R):
            if 0 <= a - r*S < K:
                for j in range(K):
                    for m in range(M):
                        acc[r*M + m] = vfma(vload(x + (m*S + j)*VW), vload(z.w + ((a - r*S)*K + j)*VW), acc[r*M + m])
    for r in range(R):
        for m in range(M):
            vstore(y + r*yrow + m*VW, vclip(acc[r*M + m], low, high))


cdef inline void depthwise_columns(const Rows *z, ix column, vf low, vf high, int S, int K, int R, int M) noexcept nogil:
    """A tile with its last store."""
    cdef real sums[14*VW]
    cdef int r
    cdef ix at, yrow = z.g.ow*VW
    if z.bare:
        depthwise_tile(z, sums, M*VW, column*S - z.g.left, low, high, S, K, R, M)
        for r in range(R):
            at = r*yrow + column*VW
            finish(z.g, sums + r*M*VW, z.y + at, z.r + at if z.r != NULL else NULL, M)
    else:
        depthwise_tile(z, z.y + column*VW, yrow, column*S - z.g.left, low, high, S, K, R, M)


cdef void depthwise_pixel(const Rows *z, ix row, ix column, vf low, vf high) noexcept nogil:
    """One output, `row` rows below the first: the taps that lie in the map, of any kernel."""
    cdef const Op *g = z.g
    cdef vf acc = vload(z.b)
    cdef ix a, c, first = column*g.sw - g.left, at = (row*g.ow + column)*VW, top = row*g.sh
    for a in range(g.kh):
        for c in range(g.kw):
            if 0 <= first + c*g.dw < g.wd:
                acc = vfma(vload(z.rows[top + a] + (first + c*g.dw)*VW), vload(z.w + (a*g.kw + c)*VW), acc)
    vstore(z.y + at, vclip(acc, low, high))
    if z.bare:
        finish(g, z.y + at, z.y + at, z.r + at if z.r != NULL else NULL, 1)


cdef inline ix inside_from(const Op *g) noexcept nogil:
    """The first column all of whose taps lie in the map."""
    return min((g.left + g.sw - 1)//g.sw, g.ow)


cdef inline ix inside_to(const Op *g) noexcept nogil:
    """The column after the last such."""
    cdef ix room = g.wd + g.left - ((g.kw - 1)*g.dw + 1)
    return max(min(room//g.sw + 1 if room >= 0 else 0, g.ow), inside_from(g))


cdef inline void depthwise_rows(const Rows *z, vf low, vf high, int S, int K, int R, int M) noexcept nogil:
    """R output rows, from the input rows that they see."""
    cdef ix r, column, begin = inside_from(z.g), end = inside_to(z.g)
    for r in range(R):
        for column in range(begin):
            depthwise_pixel(z, r, column, low, high)
        for column in range(end, z.g.ow):
            depthwise_pixel(z, r, column, low, high)
    column = begin
    while column < end:
        if column + M > end and end - M >= begin:
            column = end - M
        if column + M <= end:
            depthwise_columns(z, column, low, high, S, K, R, M)
            column += M
        else:
            depthwise_columns(z, column, low, high, S, K, R, 1)
            column += 1


cdef inline void set_rows(Rows *z, const Op *g, const Run *run, ix plane, ix row, ix count, ix step) noexcept nogil:
    """Output row `row` of a plane (a block of channels of an image) and the input rows, `step` apart, from its first on.

    Rows outside the map are zeros.
    """
    cdef ix i, block = plane//g.images, first = row*g.sh - g.top, at = (plane*g.oh + row)*g.ow*VW
    for i in range(count):
        z.rows[i] = (run.arena + g.x + (plane*g.h + first + i*step)*g.wd*VW if 0 <= first + i*step < g.h
                     else run.constants + g.z)
    z.g, z.w, z.b = g, run.constants + g.w + block*g.kh*g.kw*VW, run.constants + g.b + block*VW
    z.y, z.r = run.arena + g.y + at, run.arena + g.r + at if g.r >= 0 else NULL
    z.bare = g.activation != CLIP or g.r >= 0


cdef inline void depthwise_fixed(const Op *g, const Run *run, int t, int threads, int S, int K, int R, int M) noexcept nogil:
    """Square kernels without dilation, R rows at a time; where the last are fewer, one at a time."""
    cdef Rows z
    cdef ix groups = (g.oh + R - 1)//R, item, row, items = g.blocks*g.images*groups
    cdef vf low = vset(<real>g.low), high = vset(<real>g.high)
    if g.activation != CLIP or g.r >= 0:
        low, high = vset(-INFINITY), vset(INFINITY)
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        row = item%groups*R
        if row + R <= g.oh:
            set_rows(&z, g, run, item//groups, row, (R - 1)*S + K, 1)
            depthwise_rows(&z, low, high, S, K, R, M)
        else:
            set_rows(&z, g, run, item//groups, row, K, 1)
            depthwise_rows(&z, low, high, S, K, 1, M)


cdef void depthwise_any(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """Any kernel, stride and dilation: a pixel at a time."""
    cdef Rows z
    cdef ix item, column, items = g.blocks*g.images*g.oh
    cdef vf low = vset(<real>g.low), high = vset(<real>g.high)
    if g.activation != CLIP or g.r >= 0:
        low, high = vset(-INFINITY), vset(INFINITY)
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        set_rows(&z, g, run, item//g.oh, item%g.oh, g.kh, g.dh)
        for column in range(g.ow):
            depthwise_pixel(&z, 0, column, low, high)


cdef void depthwise(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    cdef bint square = g.kh == g.kw and g.sh == g.sw and g.dh == 1 and g.dw == 1
    if square and g.kh == 3 and g.sh == 1 and g.ow == 7:
        depthwise_fixed(g, run, t, threads, 1, 3, 2, 5)
    elif square and g.kh == 3 and g.sh == 1:
        depthwise_fixed(g, run, t, threads, 1, 3, 2, 6)
    elif square and g.kh == 3 and g.sh == 2:
        depthwise_fixed(g, run, t, threads, 2, 3, 1, 6)
    elif square and g.kh == 5 and g.sh == 1:
        depthwise_fixed(g, run, t, threads, 1, 5, 2, 6)
    elif square and g.kh == 5 and g.sh == 2:
        depthwise_fixed(g, run, t, threads, 2, 5, 1, 6)
    elif square and g.kh == 7 and g.sh == 1:
        depthwise_fixed(g, run, t, threads, 1, 7, 2, 6)
    else:
        depthwise_any(g, run, t, threads)
