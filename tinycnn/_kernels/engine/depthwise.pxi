# Depthwise convolution: y[i, j] = b + sum over taps of x[i*sh + a*dh - top, j*sw + c*dw - left] w[a, c], a block of channels at
# a time, channels side by side in a vector.
#
#     for each block of channels, for each pair of output rows         (the last pair is moved back to end with the map)
#         for each tile of seven columns, or of four in narrow maps     (likewise)
#             for each input row, for each tap: an input row that both output rows see is loaded for both; 14 sums hide
#                 the latency of the multiply-add
#
# Rows outside the map are a row of zeros.  Of a tile at the border the taps outside are left out when its code is unrolled:
# there is a variant for each number of columns outside that occurs with the usual paddings.  Kernels 3x3, 5x5 and 7x7 have
# such code, for strides 1 and 2; other kernels, rarer borders and maps under four columns go pixel by pixel.

cdef enum:
    MOST_ROWS = 32              # input rows that the taps of the output rows may touch
    WIDE = 7                    # columns of a tile: 7, 14, 28, 56 and 112 are multiples
    NARROW = 4                  # columns of a tile of a map that has fewer


cdef struct Rows:
    const Op *g
    const real *rows[MOST_ROWS]     # input rows, from the first that an output row sees
    const real *w
    const real *b
    real *y                         # the first output row
    const real *r                   # its residual, or NULL
    bint bare                       # the last store is more than clipping


cdef inline void depthwise_sums(const Rows *z, real *y, ix yrow, ix at, vf low, vf high, int S, int K, int L,
                                int E, int W) noexcept nogil:
    """Two rows by W columns of outputs. at: column of the first tap; the first L input columns and the last E are outside."""
    cdef vf acc[2*WIDE]
    cdef vf bias = vload(z.b)
    cdef int m, j, r, a
    cdef const real *x
    for m in range(2*W):
        acc[m] = bias
    for a in range(S + K):
        x = z.rows[a] + at*VW
        for r in range(2):
            if 0 <= a - r*S < K:
                for j in range(K):
                    for m in range(W):
                        if L <= m*S + j < (W - 1)*S + K - E:
                            acc[r*W + m] = vfma(vload(x + (m*S + j)*VW), vload(z.w + ((a - r*S)*K + j)*VW),
                                                   acc[r*W + m])
    for r in range(2):
        for m in range(W):
            vstore(y + r*yrow + m*VW, vclip(acc[r*W + m], low, high))


cdef inline void depthwise_tile(const Rows *z, ix column, vf low, vf high, int S, int K, int L, int E,
                                int W) noexcept nogil:
    """A tile with its last store: by way of memory of its own where that is more than clipping."""
    cdef real sums[2*WIDE*VW]
    cdef real *y = z.y + column*VW
    cdef int r
    cdef ix at, yrow = z.g.ow*VW, step = yrow
    if z.bare:
        y, step = sums, W*VW
    depthwise_sums(z, y, step, column*S - z.g.left, low, high, S, K, L, E, W)
    if z.bare:
        for r in range(2):
            at = r*yrow + column*VW
            finish(z.g, sums + r*W*VW, z.y + at, z.r + at if z.r != NULL else NULL, W)


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


cdef void depthwise_pixels(const Rows *z, ix rows, ix begin, ix end, vf low, vf high) noexcept nogil:
    """Columns begin, ..., end - 1 of some rows, one by one."""
    cdef ix r, column
    for r in range(rows):
        for column in range(begin, end):
            depthwise_pixel(z, r, column, low, high)


cdef inline void tile_3x3(const Rows *z, ix column, ix left, ix right, vf low, vf high, int W) noexcept nogil:
    """A tile of a 3x3 kernel, `left` and `right` columns of whose window are outside."""
    if left == 0 and right == 0:
        depthwise_tile(z, column, low, high, 1, 3, 0, 0, W)
    elif left == 1 and right == 0:
        depthwise_tile(z, column, low, high, 1, 3, 1, 0, W)
    elif left == 0 and right == 1:
        depthwise_tile(z, column, low, high, 1, 3, 0, 1, W)
    elif left == 1 and right == 1:
        depthwise_tile(z, column, low, high, 1, 3, 1, 1, W)
    else:
        depthwise_pixels(z, 2, column, column + W, low, high)


cdef inline void tile_3x3_stride2(const Rows *z, ix column, ix left, ix right, vf low, vf high, int W) noexcept nogil:
    if left == 0 and right == 0:
        depthwise_tile(z, column, low, high, 2, 3, 0, 0, W)
    elif left == 1 and right == 0:
        depthwise_tile(z, column, low, high, 2, 3, 1, 0, W)
    elif left == 0 and right == 1:
        depthwise_tile(z, column, low, high, 2, 3, 0, 1, W)
    elif left == 1 and right == 1:
        depthwise_tile(z, column, low, high, 2, 3, 1, 1, W)
    else:
        depthwise_pixels(z, 2, column, column + W, low, high)


cdef inline void tile_5x5(const Rows *z, ix column, ix left, ix right, vf low, vf high, int W) noexcept nogil:
    if left == 0 and right == 0:
        depthwise_tile(z, column, low, high, 1, 5, 0, 0, W)
    elif left == 2 and right == 0:
        depthwise_tile(z, column, low, high, 1, 5, 2, 0, W)
    elif left == 0 and right == 2:
        depthwise_tile(z, column, low, high, 1, 5, 0, 2, W)
    elif left == 2 and right == 2:
        depthwise_tile(z, column, low, high, 1, 5, 2, 2, W)
    elif left == 2 and right == 1:                                  # a map one column wider than the tile
        depthwise_tile(z, column, low, high, 1, 5, 2, 1, W)
    elif left == 1 and right == 2:
        depthwise_tile(z, column, low, high, 1, 5, 1, 2, W)
    else:
        depthwise_pixels(z, 2, column, column + W, low, high)


cdef inline void tile_5x5_stride2(const Rows *z, ix column, ix left, ix right, vf low, vf high, int W) noexcept nogil:
    if left == 0 and right == 0:
        depthwise_tile(z, column, low, high, 2, 5, 0, 0, W)
    elif left == 2 and right == 0:
        depthwise_tile(z, column, low, high, 2, 5, 2, 0, W)
    elif left == 0 and right == 1:
        depthwise_tile(z, column, low, high, 2, 5, 0, 1, W)
    elif left == 2 and right == 1:
        depthwise_tile(z, column, low, high, 2, 5, 2, 1, W)
    elif left == 1 and right == 0:                                  # from here on TensorFlow's padding "same"
        depthwise_tile(z, column, low, high, 2, 5, 1, 0, W)
    elif left == 0 and right == 2:
        depthwise_tile(z, column, low, high, 2, 5, 0, 2, W)
    elif left == 1 and right == 2:
        depthwise_tile(z, column, low, high, 2, 5, 1, 2, W)
    else:
        depthwise_pixels(z, 2, column, column + W, low, high)


cdef inline void tile_7x7(const Rows *z, ix column, ix left, ix right, vf low, vf high, int W) noexcept nogil:
    if left == 0 and right == 0:
        depthwise_tile(z, column, low, high, 1, 7, 0, 0, W)
    elif left == 3 and right == 0:
        depthwise_tile(z, column, low, high, 1, 7, 3, 0, W)
    elif left == 0 and right == 3:
        depthwise_tile(z, column, low, high, 1, 7, 0, 3, W)
    elif left == 3 and right == 3:
        depthwise_tile(z, column, low, high, 1, 7, 3, 3, W)
    elif W == NARROW and left == 3 and right == 2:                        # a map of five columns
        depthwise_tile(z, column, low, high, 1, 7, 3, 2, W)
    elif W == NARROW and left == 2 and right == 3:
        depthwise_tile(z, column, low, high, 1, 7, 2, 3, W)
    elif W == NARROW and left == 3 and right == 1:                        # of six
        depthwise_tile(z, column, low, high, 1, 7, 3, 1, W)
    elif W == NARROW and left == 1 and right == 3:
        depthwise_tile(z, column, low, high, 1, 7, 1, 3, W)
    else:
        depthwise_pixels(z, 2, column, column + W, low, high)


cdef inline void depthwise_tiles(const Rows *z, vf low, vf high, int W) noexcept nogil:
    """Two output rows of a kernel that has unrolled code, of W columns or more."""
    cdef const Op *g = z.g
    cdef ix column = 0, left, right
    while column < g.ow:
        column = min(column, g.ow - W)
        left = max(g.left - column*g.sw, 0)
        right = max((column + W - 1)*g.sw - g.left + g.kw - g.wd, 0)
        if g.kw == 3 and g.sw == 1:
            tile_3x3(z, column, left, right, low, high, W)
        elif g.kw == 3:
            tile_3x3_stride2(z, column, left, right, low, high, W)
        elif g.kw == 5 and g.sw == 1:
            tile_5x5(z, column, left, right, low, high, W)
        elif g.kw == 5:
            tile_5x5_stride2(z, column, left, right, low, high, W)
        else:
            tile_7x7(z, column, left, right, low, high, W)
        column += W


cdef void narrow_tiles(const Rows *z, vf low, vf high) noexcept nogil:
    depthwise_tiles(z, low, high, NARROW)


cdef void wide_tiles(const Rows *z, vf low, vf high) noexcept nogil:
    depthwise_tiles(z, low, high, WIDE)


cdef void depthwise_pair(const Rows *z, vf low, vf high) noexcept nogil:
    """Two output rows of a kernel that has unrolled code."""
    if z.g.ow < NARROW:
        depthwise_pixels(z, 2, 0, z.g.ow, low, high)
    elif z.g.ow < WIDE:
        narrow_tiles(z, low, high)
    else:
        wide_tiles(z, low, high)


cdef inline bint unrolled(const Op *g) noexcept nogil:
    """Whether a kernel has code of its own."""
    return (g.kh == g.kw and g.sh == g.sw and g.dh == 1 and g.dw == 1
            and ((g.kh == 3 or g.kh == 5) and (g.sh == 1 or g.sh == 2) or g.kh == 7 and g.sh == 1))


cdef inline void set_rows(Rows *z, const Op *g, const Run *run, ix plane, ix row, ix count, ix step) noexcept nogil:
    """Output row `row` of a plane (a block of channels of an image) and the input rows, `step` apart, from its first on.

    Rows outside the map are zeros.
    """
    cdef ix i, block = plane//g.images, first = row*g.sh - g.top, at = (plane*g.oh + row)*g.ow*VW
    for i in range(count):
        z.rows[i] = (<const real *>run.arena + g.x + (plane*g.h + first + i*step)*g.wd*VW if 0 <= first + i*step < g.h
                     else run.constants + g.z)
    z.g, z.w, z.b = g, run.constants + g.w + block*g.kh*g.kw*VW, run.constants + g.b + block*VW
    z.y, z.r = run.arena + g.y + at, run.arena + g.r + at if g.r >= 0 else NULL
    z.bare = g.activation != CLIP or g.r >= 0


cdef void depthwise(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """Two output rows at a time, or one where there is only one or the kernel has no code of its own."""
    cdef Rows z
    cdef bint paired = unrolled(g) and g.oh > 1
    cdef ix groups = (g.oh + 1)//2 if paired else g.oh, item, items = g.blocks*g.images*groups
    cdef vf low = vset(<real>g.low), high = vset(<real>g.high)
    if g.activation != CLIP or g.r >= 0:
        low, high = vset(-INFINITY), vset(INFINITY)
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        if paired:
            set_rows(&z, g, run, item//groups, min(item%groups*2, g.oh - 2), g.sh + g.kh, 1)
            depthwise_pair(&z, low, high)
        else:
            set_rows(&z, g, run, item//groups, item%groups, g.kh, g.dh)
            depthwise_pixels(&z, 1, 0, g.ow, low, high)
