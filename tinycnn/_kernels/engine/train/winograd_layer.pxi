# A 3x3 layer of stride 1 of a training plan by Winograd's algorithm (winograd_tiles.pxi), forward, or as the gradient of its
# input, for which the kernels are turned round and their inputs and outputs change places.
#
#     for each strip of rows of tiles                              (threads share the strips; its points stay in the second cache)
#         points of the strip's inputs, with what a load applies
#         for each panel of up to 3 blocks of outputs
#             A*A products over the tiles
#             values of the outputs, then what layer.pxi wants of them while they are hot
#
# Kernels change with every step.  Where strips are many their points are computed before (winograd_weights); where there is
# one strip alone, of few tiles and mostly of many channels, threads share its panels, and each has the points of a panel's
# kernels computed row by row of places just before they are multiplied: they never leave the second cache.

cdef enum:
    NEAR_KERNELS = 1 << 18      # elements of the points of kernels that stay in the second cache from strip to strip


cdef void panel_taps(const Op *g, const Run *run, ix block, int NB, real *taps) noexcept nogil:
    """The weights (outputs, inputs, 3, 3) at w of the array `mode`, of a panel of columns: [k][tap][NB*VW].

    sw: columns; sh: whether these are the inputs."""
    cdef const real *w = <const real *>run.io[g.mode] + g.w
    cdef ix first, some, row, at, i
    cdef int j
    for j in range(NB):
        first, i = (block + j)*VW, 0
        some = min(<ix>VW, g.sw - first)
        while g.sh == 0 and i < g.k*KERNEL:
            pack_square(w + first*g.k*KERNEL + i, g.k*KERNEL, some, min(<ix>VW, g.k*KERNEL - i), NULL, taps + (i*NB + j)*VW,
                        NB*VW)
            i += VW
        for row in range(g.k if g.sh else 0):
            at = (row*g.sw + first)*KERNEL
            i = 0
            while i < KERNEL:
                pack_square(w + at + i, KERNEL, some, min(<ix>VW, KERNEL - i), NULL,
                            taps + ((row*KERNEL + i)*NB + j)*VW, NB*VW)
                i += VW


cdef inline void points_of_kernels(const real *taps, ix k, int NB, int i, bint turned, real *u, int A) noexcept nogil:
    """Row i of the places of a panel's kernels: [A][k][NB*VW]. The first dimension is one row of G alone."""
    cdef vf unit[3]
    cdef vf column[6]
    cdef vf factors[3]
    cdef vf t[3]
    cdef vf o[6]
    cdef ix at, step = NB*VW
    cdef int a, b
    for a in range(3):
        for b in range(3):
            unit[b] = vset(1) if a == b else vzero()
        kernel_points(unit, column, A)
        factors[a] = column[i]
    if turned:
        taps += (KERNEL - 1)*step
        step = -step
    for at in range(0, k*NB):
        for b in range(3):
            t[b] = factors[0]*vload(taps + b*step)
            t[b] = vfma(factors[1], vload(taps + (3 + b)*step), t[b])
            t[b] = vfma(factors[2], vload(taps + (6 + b)*step), t[b])
        kernel_points(t, o, A)
        for b in range(A):
            vstore(u + (b*k*NB + at)*VW, o[b])
        taps += VW
        if (at + 1)%NB == 0:
            taps += (KERNEL - 1)*NB*VW


cdef void row_of_kernels(const Op *g, const real *taps, int NB, int i, real *u) noexcept nogil:
    if g.kh == 4:
        points_of_kernels(taps, g.k, NB, i, g.sh != 0, u, 6)
    else:
        points_of_kernels(taps, g.k, NB, i, g.sh != 0, u, 4)


cdef void winograd_weights(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """y: [panel][place][k][NB*VW]; t: scratch, per thread the taps of a panel of 3 blocks."""
    cdef ix block = 0, panels = max(1, g.blocks//2), number = 0, places = (g.kh + 2)*(g.kh + 2)
    cdef real *taps = run.arena + g.t + t*g.k*KERNEL*3*VW
    cdef int NB, i
    while block < g.blocks:
        NB = panel_width(g.blocks - block)
        if share(panels, t, threads) <= number < share(panels, t + 1, threads):
            panel_taps(g, run, block, NB, taps)
            for i in range(<int>g.kh + 2):
                row_of_kernels(g, taps, NB, i, run.arena + g.y + (block*places + i*(g.kh + 2)*NB)*g.k*VW)
        block += NB
        number += 1


cdef struct Scratch:            # of a strip
    real *v                     # points of inputs
    ix vs                       # from place to place
    real *p                     # points of outputs of a panel
    ix ps
    real *frame
    real *panel
    real *taps
    real *u


cdef inline Scratch scratch_of(const Op *g, const Run *run, const Tiles *o, int t) noexcept nogil:
    """Where one strip is alone its inputs are for all threads, and each has kernels; else each thread has inputs."""
    cdef Scratch s
    cdef bint alone = g.rows == 1
    cdef ix inputs, kernels, size
    s.vs, s.ps = place_step((g.k + VW - 1)//VW, o.full), place_step(3, o.full)
    inputs, kernels = o.places*s.vs, g.k*(KERNEL + o.m + 2)*3*VW if alone else 0
    size = frame_size(o) + o.places*s.ps + 3*g.n*VW + (0 if alone else inputs)
    s.v = run.arena + g.t + (0 if alone else t*size)
    s.frame = s.v + inputs + (t*(size + kernels) if alone else 0)
    s.p = s.frame + frame_size(o)
    s.panel = s.p + o.places*s.ps
    s.taps = s.panel + 3*g.n*VW
    s.u = s.taps + g.k*KERNEL*3*VW
    return s


cdef inline void fetch_strip(const Op *g, const Tiles *o, const Source *x, ix strip, ix number, ix count, Tile *tile) noexcept nogil:
    """The part of a strip's maps that a product of `count` tiles fetches, one of all places of all panels."""
    cdef ix maps = 2 if x.c != NULL else 1, blocks = (g.k + VW - 1)//VW, products = o.places*max(1, g.blocks//2)
    cdef ix all = maps*blocks*g.n, at = all*number//products, block = at//g.n%blocks, row = strip*o.rows
    cdef const real *map = x.map if at//g.n < blocks else x.raw
    at = ((block*x.images + row//o.down)*x.h + row%o.down*o.m)*x.wd + at%g.n
    tile.ahead, tile.step = map + at*VW, (all*VW*TYPICAL_TILE//products + g.k*count - 1)//(g.k*count)


cdef void winograd_panel(const Results *o, Tile *tile, const Tiles *tiles, const Scratch *s, const Source *x, ix block, int NB,
                         ix strip, ix rows, ix n) noexcept nogil:
    """The panel from a block of outputs on, of `rows` rows of tiles, n pixels.

    What products fetch: other inputs' points, where kernels are near; of kernels that are small and stay, the next strip's
    maps; else the next place's kernels."""
    cdef const Op *g = o.g
    cdef ix first = strip*g.n, ys = o.ys, q, A = tiles.m + 2, count = rows*tiles.across
    cdef real *y = o.y + block*ys + first*VW
    cdef int i
    if g.ga >= 0 or g.add >= 0:
        y, ys = s.panel, n*VW
    for q in range(tiles.places):
        tile.w = o.run.arena + g.w + (block*tiles.places + q*NB)*g.k*VW
        if g.mode >= 0:
            tile.w = s.u + q%A*NB*g.k*VW
            if q%A == 0:
                row_of_kernels(g, s.taps, NB, <int>(q//A), s.u)
        if g.mode < 0 and g.k*g.blocks*VW*tiles.places > NEAR_KERNELS:
            tile.ahead, tile.step = tile.w + NB*VW*g.k, (NB*VW*TYPICAL_TILE + count - 1)//count
        elif g.mode < 0:
            fetch_strip(g, tiles, x, min(strip + 1, g.rows - 1), block//2*tiles.places + q, count, tile)
        else:
            tile.ahead, tile.step = s.v + (q + 1)%tiles.places*s.vs, (s.vs*TYPICAL_TILE + g.k*count - 1)//(g.k*count)
        row_of_tiles(tile, s.v + q*s.vs, s.p + q*s.ps, tiles.full*VW, count, NB)
    for i in range(NB):
        values_of_rows(tiles, s.p + i*tiles.full*VW, s.ps, vload(o.b + (block + i)*VW) if o.b != NULL else vzero(), y + i*ys,
                       g.oh, g.ow, strip*tiles.rows, rows)
        finish_block(o, y + i*ys, block + i, first, n, strip)


cdef inline Source source_of(const Op *g, const Run *run) noexcept nogil:
    """x with a applied, or where there is c, a gradient g blended with x."""
    cdef Source s
    s.map, s.raw = run.arena + (g.g if g.c >= 0 else g.x), run.arena + g.x
    s.a, s.c = run.arena + g.a if g.a >= 0 else NULL, run.arena + g.c if g.c >= 0 else NULL
    s.low, s.high, s.images, s.h, s.wd = <real>g.low, <real>g.high, g.images, g.h, g.wd
    return s


cdef void winograd_layer(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """k inputs in maps (h, wd), `blocks` of outputs in maps (oh, ow), kh outputs down and across a tile; rows: strips of n of
    the pixels, which are kw rows of tiles; x, a, c, g: what is loaded, see source_of; y, ys, add, r, ga, sums: as a layer's;
    off: where the k inputs of a tile lie. mode: -1: w: points of kernels in the arena; else the array of parameters, where w
    is, sw columns, sh: turned round. t: scratch, see scratch_of."""
    cdef Tiles tiles = tiles_of(g, g.kw)
    cdef Scratch s = scratch_of(g, run, &tiles, t)
    cdef Source source = source_of(g, run)
    cdef bint alone = g.rows == 1
    cdef ix strip, rows, items, block, panels = max(1, g.blocks//2), number, cb = (g.k + VW - 1)//VW
    cdef int NB
    cdef Results results
    cdef Tile tile
    cdef real zeros[3*VW]
    memset(zeros, 0, sizeof(zeros))
    set_tile(&tile, g, run)
    tile.b = zeros
    results.g, results.run, results.b = g, run, run.arena + g.b if g.b >= 0 else NULL
    results.y, results.ys, results.panel = run.arena + g.y, g.ys, s.panel
    for strip in range(0 if alone else share(g.rows, t, threads), 1 if alone else share(g.rows, t + 1, threads)):
        rows, block, number = min(tiles.rows, tiles.total - strip*tiles.rows), 0, 0
        items = rows*cb
        points_of_rows(&source, &tiles, strip*tiles.rows, rows, 0, share(items, t, threads) if alone else 0,
                       share(items, t + 1, threads) if alone else items, g.top, g.left, False, s.frame, s.v, s.vs)
        if alone and threads > 1:
            team_wait(run.team, t, threads)
        while block < g.blocks:
            NB = panel_width(g.blocks - block)
            if not alone or share(panels, t, threads) <= number < share(panels, t + 1, threads):
                if g.mode >= 0:
                    panel_taps(g, run, block, NB, s.taps)
                winograd_panel(&results, &tile, &tiles, &s, &source, block, NB, strip, rows, min(g.n, g.pixels - strip*g.n))
            block += NB
            number += 1
