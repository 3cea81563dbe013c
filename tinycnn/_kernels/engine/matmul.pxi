# Products of matrices in plain order, a stack of them: y[i] (rows, n) = a[i] (rows, k) b[i] (k, n).
#
#     for each matrix, for each tile of columns (two vectors), for each tile of rows
#         for k: multiply the k-th elements of the rows with the k-th row of the tile, sums in registers
#
# x: a, whose element (row, k) lies at row*xrow + k*px; s: b, whose rows follow each other; image_step, ys: from a matrix of a,
# and of b, to the next one.  mode: 0 both in the arena, 1 a in the constants, 2 b in the constants.

cdef inline void matmul_tile(const real *a, ix arow, ix ak, const real *b, ix brow, real *y, ix yrow, ix k, ix lanes,
                             int M, int NB) noexcept nogil:
    """M rows by NB vectors, of which `lanes` columns are there."""
    cdef vf acc[TILE]
    cdef vf bv[TILE_VECTORS]
    cdef vf av
    cdef ix i
    cdef int m, n
    for m in range(M*NB):
        acc[m] = vzero()
    for i in range(k):
        for n in range(NB - 1):
            bv[n] = vload(b + n*VW)
        bv[NB - 1] = lanes_of(b + (NB - 1)*VW, lanes - (NB - 1)*VW)
        for m in range(M):
            av = vset(a[m*arow])
            for n in range(NB):
                acc[m*NB + n] = vfma(av, bv[n], acc[m*NB + n])
        a += ak
        b += brow
    for m in range(M):
        for n in range(NB - 1):
            vstore(y + m*yrow + n*VW, acc[m*NB + n])
        lanes_to(y + m*yrow + (NB - 1)*VW, acc[m*NB + NB - 1], lanes - (NB - 1)*VW)


cdef inline void matmul_rows(const real *a, ix arow, ix ak, const real *b, ix brow, real *y, ix yrow, ix k, ix lanes,
                             ix rows, int NB) noexcept nogil:
    """Up to TILE_ROWS rows."""
    cdef ix m = 0
    if rows == TILE_ROWS:
        matmul_tile(a, arow, ak, b, brow, y, yrow, k, lanes, TILE_ROWS, NB)
        return
    while m + 4 <= rows:
        matmul_tile(a + m*arow, arow, ak, b, brow, y + m*yrow, yrow, k, lanes, 4, NB)
        m += 4
    while m < rows:
        matmul_tile(a + m*arow, arow, ak, b, brow, y + m*yrow, yrow, k, lanes, 1, NB)
        m += 1


cdef void matmul(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    cdef ix columns = (g.n + PANEL - 1)//PANEL, tiles = (g.rows + TILE_ROWS - 1)//TILE_ROWS
    cdef ix items = g.images*columns*tiles, item, image, row, column, lanes
    cdef const real *a
    cdef const real *b
    cdef real *y
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        image, column, row = item//(columns*tiles), item//tiles%columns*PANEL, item%tiles*TILE_ROWS
        a = (run.constants if g.mode == 1 else run.arena) + g.x + image*g.image_step + row*g.xrow
        b = (run.constants if g.mode == 2 else run.arena) + g.s + image*g.ys + column
        y = target(g, run) + (image*g.rows + row)*g.n + column
        lanes = min(<ix>PANEL, g.n - column)
        if lanes > 2*VW:
            matmul_rows(a, g.xrow, g.px, b, g.n, y, g.n, g.k, lanes, min(<ix>TILE_ROWS, g.rows - row), TILE_VECTORS)
        elif lanes > VW:
            matmul_rows(a, g.xrow, g.px, b, g.n, y, g.n, g.k, lanes, min(<ix>TILE_ROWS, g.rows - row), 2)
        else:
            matmul_rows(a, g.xrow, g.px, b, g.n, y, g.n, g.k, lanes, min(<ix>TILE_ROWS, g.rows - row), 1)
