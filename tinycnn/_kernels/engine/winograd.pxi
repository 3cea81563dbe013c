# Winograd's algorithm for 3x3 kernels of stride 1: F(4x4, 3x3) and F(2x2, 3x3) of Lavin and Gray, "Fast algorithms for
# convolutional neural networks", CVPR 2016.  With A = 6 or 4, tiles d of A x A inputs give tiles of (A - 2) x (A - 2) outputs:
#
#     V = Bt d B,     M[q] = sum over channels of U[q] V[q]  for each of the A*A places q,     y = At M A + b
#
#     for each band of rows of tiles (what a band needs fits the second cache)
#         transform the input tiles of the band: vectors of channels, borders read as zeros
#         A*A products over all tiles of the band
#         transform back, add bias and residual, activation
#
# U = G w Gt is computed when the plan is made.  Where U fits the second cache too, each thread takes whole bands; else all share
# each band, so that U is read once, and wait for each other between the three parts of it.  The places of a tile lie an odd number of vectors apart: at a power of two they would share a few sets of the first-level cache.

cdef inline void input_transform(const vf *d, int s, vf *o, int so, int A) noexcept nogil:
    """Bt d of one column (or row) of A vectors, s apart."""
    cdef vf four, five, two
    if A == 4:
        o[0] = d[0] - d[2*s]
        o[so] = d[s] + d[2*s]
        o[2*so] = d[2*s] - d[s]
        o[3*so] = d[s] - d[3*s]
    else:
        four, five, two = vset(4), vset(5), vset(2)
        o[0] = four*d[0] - five*d[2*s] + d[4*s]
        o[so] = (d[4*s] + d[3*s]) - four*(d[s] + d[2*s])
        o[2*so] = (d[4*s] - d[3*s]) + four*(d[s] - d[2*s])
        o[3*so] = (d[4*s] - d[2*s]) + two*(d[3*s] - d[s])
        o[4*so] = (d[4*s] - d[2*s]) - two*(d[3*s] - d[s])
        o[5*so] = four*d[s] - five*d[3*s] + d[5*s]


cdef inline void output_transform(const vf *d, int s, vf *o, int so, int A) noexcept nogil:
    """At d of one column (or row) of A vectors, s apart."""
    cdef vf two, four, eight
    if A == 4:
        o[0] = d[0] + d[s] + d[2*s]
        o[so] = d[s] - d[2*s] - d[3*s]
    else:
        two, four, eight = vset(2), vset(4), vset(8)
        o[0] = d[0] + (d[s] + d[2*s]) + (d[3*s] + d[4*s])
        o[so] = (d[s] - d[2*s]) + two*(d[3*s] - d[4*s])
        o[2*so] = (d[s] + d[2*s]) + four*(d[3*s] + d[4*s])
        o[3*so] = (d[s] - d[2*s]) + eight*(d[3*s] - d[4*s]) + d[5*s]


cdef inline void winograd_input(const Op *g, const real *x, real *v, ix place_step, ix row, ix column, int A) noexcept nogil:
    """The tile whose first input is (row, column) of a plane, which may lie outside."""
    cdef vf d[36]
    cdef vf e[36]
    cdef int i, j
    if 0 <= row and row + A <= g.h and 0 <= column and column + A <= g.wd:
        for i in range(A):
            for j in range(A):
                d[i*A + j] = vload(x + ((row + i)*g.wd + column + j)*VW)
    else:
        for i in range(A):
            for j in range(A):
                d[i*A + j] = vzero()
                if 0 <= row + i < g.h and 0 <= column + j < g.wd:
                    d[i*A + j] = vload(x + ((row + i)*g.wd + column + j)*VW)
    for j in range(A):
        input_transform(d + j, A, e + j, A, A)
    for i in range(A):
        input_transform(e + i*A, 1, d + i*A, 1, A)
    for i in range(A*A):
        vstore(v + i*place_step, d[i])


cdef inline void winograd_output(const Op *g, const real *m, ix place_step, vf bias, real *y, const real *r, ix row, ix column,
                                 int A) noexcept nogil:
    """The tile whose first output is (row, column) of a plane; what lies beyond the map is left out."""
    cdef vf d[36]
    cdef vf e[36]
    cdef real sums[4*VW]
    cdef int i, j
    cdef ix at, wide = min(<ix>A - 2, g.ow - column)
    cdef vf low = vset(<real>g.low), high = vset(<real>g.high)
    for i in range(A*A):
        d[i] = vload(m + i*place_step)
    for j in range(A):
        output_transform(d + j, A, e + j, A, A)
    for i in range(A - 2):
        output_transform(e + i*A, 1, d + i*A, 1, A)
    for i in range(A - 2):
        if row + i < g.oh:
            at = ((row + i)*g.ow + column)*VW
            for j in range(A - 2):
                vstore(sums + j*VW, d[i*A + j] + bias)
            if plain_store(g):
                for j in range(<int>wide):
                    d[j] = vload(sums + j*VW)
                    if r != NULL:
                        d[j] = d[j] + vload(r + at + j*VW)
                    vstore(y + at + j*VW, vclip(d[j], low, high))
            else:
                finish(g, sums, y + at, r + at if r != NULL else NULL, wide)


cdef inline void winograd_band(const Op *g, const Run *run, ix memory, int t, int threads, ix first, ix tile_rows_,
                               int A) noexcept nogil:
    """Rows of tiles first, first + 1, ... of all images together.  k: input channels; kh, kw: rows and columns of tiles of an
    image; n: tiles of a full band; memory: where transformed tiles go in the arena."""
    cdef ix tiles = tile_rows_*g.kw, cb = (g.k + VW - 1)//VW, item, q, block, row, column, image, planes
    cdef ix place_in = (cb*tiles | 1)*VW, place_out = (g.blocks*tiles | 1)*VW
    cdef real *v = run.arena + memory
    cdef real *m = v + A*A*place_in
    cdef Op h
    for item in range(share(cb*tiles, t, threads), share(cb*tiles, t + 1, threads)):
        block, q = item//tiles, item%tiles
        image, row = (first + q//g.kw)//g.kh, (first + q//g.kw)%g.kh*(A - 2) - g.top
        winograd_input(g, run.arena + g.x + (block*g.images + image)*g.h*g.wd*VW, v + item*VW, place_in, row,
                       q%g.kw*(A - 2) - g.left, A)
    if threads > 1:
        team_wait(run.team, t, threads)
    memset(&h, 0, sizeof(Op))
    h.k, h.blocks, h.rows, h.n, h.px, h.image_rows, h.ys = g.k, g.blocks, 1, tiles, VW, 1, tiles*VW
    h.py, h.mode, h.r, h.s, h.b, h.low, h.high = VW, -1, -1, -1, g.z, -INFINITY, INFINITY
    h.off = g.off if tiles == g.n else g.soff
    h.fetch = g.k*g.blocks*VW
    for q in range(share(A*A, t, threads), share(A*A, t + 1, threads)):
        h.x, h.y, h.w = memory + q*place_in, memory + A*A*place_in + q*place_out, g.w + q*g.k*g.blocks*VW
        h.ahead = h.w + 2*VW*g.k
        product(&h, run, 0, 1)
    if threads > 1:
        team_wait(run.team, t, threads)
    for item in range(share(g.blocks*tiles, t, threads), share(g.blocks*tiles, t + 1, threads)):
        block, q = item//tiles, item%tiles
        image, row = (first + q//g.kw)//g.kh, (first + q//g.kw)%g.kh*(A - 2)
        planes = (block*g.images + image)*g.oh*g.ow*VW
        winograd_output(g, m + item*VW, place_out, vload(run.constants + g.b + block*VW), run.arena + g.y + planes,
                        run.arena + g.r + planes if g.r >= 0 else NULL, row, q%g.kw*(A - 2), A)


cdef inline void winograd(const Op *g, const Run *run, int t, int threads, int A) noexcept nogil:
    """`rows` rows of tiles at a time, of images*kh. mode: whether bands are shared out; s: memory of a thread then."""
    cdef ix first, band, total = g.images*g.kh, bands = (total + g.rows - 1)//g.rows
    if g.mode > 0:
        for band in range(share(bands, t, threads), share(bands, t + 1, threads)):
            first = band*g.rows
            winograd_band(g, run, g.t + t*g.s, 0, 1, first, min(g.rows, total - first), A)
        return
    for band in range(bands):
        if threads > 1 and band > 0:
            team_wait(run.team, t, threads)
        first = band*g.rows
        winograd_band(g, run, g.t, t, threads, first, min(g.rows, total - first), A)


cdef void winograd2(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    winograd(g, run, t, threads, 4)


cdef void winograd4(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    winograd(g, run, t, threads, 6)
