# A pointwise layer of a training plan: y = z w, with z = clip(scale x + shift) per channel applied as x is loaded (the batch
# norm and the activation before it), and what is wanted of y while it is hot.
#
#     for each strip of n pixels                                   (threads share the strips; a strip and its results stay
#                                                                   in the second cache)
#         z, by blocks of channels, into this thread's scratch     (or x itself, where nothing is applied)
#         for each panel of up to 3 blocks of outputs              (threads share the panels where there is one strip alone)
#             the tiles of product.pxi, with weights from the arena
#             of each block, from the first cache: its sum over the strip, and the sum of squares about the strip's mean,
#             for the batch norm behind it
#
# The gradient of a layer's input is such a product, too (layer_back.pxi); of its blocks are wanted
#
#     g = (y + add) [low < scale raw + shift < high],   the sum of g,   the sum of g (raw - mean) / std
#
# for the activation and the batch norm that made the input: raw is what that norm read.  How many pixels a strip has depends
# on shapes alone, and so do the sums: sums[strip][block][2][VW].
#
# While the first panel of a strip is multiplied, each tile fetches what its own pixels will read in the next strip; where
# there is one strip alone, each panel the next one's weights.

cdef enum:
    TYPICAL_TILE = 10           # pixels of a tile, or more: the next panel's weights are fetched in as many steps

cdef struct Results:            # where the results of a strip go
    const Op *g                 # w, blocks, add, ga, r, sums
    const Run *run
    const real *b               # or NULL
    real *y
    ix ys
    real *panel                 # scratch for a panel of a strip


cdef inline void run_moments(const real *y, ix n, real *sums) noexcept nogil:
    """The sum of n vectors, and that of the squares of what they are off their mean."""
    cdef vf a = vzero(), b = vzero(), c = vzero(), d = vzero(), mean, e
    cdef ix i = 0
    while i + 4 <= n:
        a, b = a + vload(y + i*VW), b + vload(y + (i + 1)*VW)
        c, d = c + vload(y + (i + 2)*VW), d + vload(y + (i + 3)*VW)
        i += 4
    while i < n:
        a = a + vload(y + i*VW)
        i += 1
    a = (a + b) + (c + d)
    vstore(sums, a)
    mean = a*vset(<real>(1.0/n))
    a, b, i = vzero(), vzero(), 0
    while i + 2 <= n:
        e = vload(y + i*VW) - mean
        a = vfma(e, e, a)
        e = vload(y + (i + 1)*VW) - mean
        b = vfma(e, e, b)
        i += 2
    if i < n:
        e = vload(y + i*VW) - mean
        a = vfma(e, e, a)
    vstore(sums + VW, a + b)


cdef inline void add_run(const real *g, const real *add, real *y, ix n) noexcept nogil:
    cdef ix i
    for i in range(n):
        vstore(y + i*VW, vload(g + i*VW) + vload(add + i*VW))


cdef void row_of_tiles(const Tile *tile, const real *z, real *y, ix ys, ix n, int NB) noexcept nogil:
    """A panel's tiles over n pixels side by side; the last one is moved back to end with them."""
    cdef int m = tile_rows(n, NB)
    cdef ix last = n//m*m
    if tile.far != NULL:
        tiles_fetching(tile, z, y, ys, NULL, n//m, m, NB)
    else:
        tiles_side_by_side(tile, z, y, ys, NULL, n//m, m, NB)
    if last < n:
        tiles_side_by_side(tile, z + (n - m)*VW, y + (n - m)*VW, ys, NULL, 1, m, NB)


cdef void finish_block(const Results *o, const real *v, ix block, ix first, ix n, ix strip) noexcept nogil:
    """What is wanted of the n results v of a block, which are hot; they go to y unless they are there."""
    cdef const Op *g = o.g
    cdef ix at = block*o.ys + first*VW
    cdef const real *add = o.run.arena + g.add + at if g.add >= 0 else NULL
    cdef real one[VW]
    cdef vf sums[2]
    cdef Gate gate
    if g.ga >= 0:
        gate, sums[0], sums[1] = gate_of(g, o.run, block), vzero(), vzero()
        vstore(one, vset(1))
        gate_some(&gate, o.run.arena + g.r + at, v, VW, one, 0, add, o.y + at, n, sums)
        store_sums(g, o.run, strip, block, sums)
    elif add != NULL:
        add_run(v, add, o.y + at, n)
    elif g.sums >= 0:
        run_moments(v, n, sums_at(g, o.run, strip, block))


cdef void panel_results(const Results *o, Tile *tile, const real *z, ix block, int NB, ix first, ix n,
                        ix strip) noexcept nogil:
    """The panel from a block of outputs on, of n pixels from `first` on."""
    cdef real zeros[3*VW]
    cdef real *y = o.y + block*o.ys + first*VW
    cdef ix ys = o.ys
    cdef int i
    if o.g.ga >= 0 or o.g.add >= 0:
        y, ys = o.panel, n*VW       # (with `add` in place, the last tile, moved back, would meet its own results)
    memset(zeros, 0, sizeof(zeros))
    tile.w, tile.b = o.run.arena + o.g.w + block*VW*o.g.k, o.b + block*VW if o.b != NULL else zeros
    if o.g.rows == 1:               # each weight is used a few times: tiles bring in the next panel's
        tile.ahead, tile.step = tile.w + NB*VW*o.g.k, (NB*VW*TYPICAL_TILE + n - 1)//n
    row_of_tiles(tile, z, y, ys, n, NB)
    tile.far = NULL                 # one panel has fetched it all
    for i in range(NB):
        finish_block(o, y + i*ys, block + i, first, n, strip)


cdef void strip_results(const Results *o, Tile *tile, const real *z, ix first, ix n, ix strip, int t,
                        int threads) noexcept nogil:
    """A thread's share of the panels of a strip."""
    cdef ix block = 0, panels = max(1, o.g.blocks//2), i = 0
    cdef int NB
    while block < o.g.blocks:
        NB = panel_width(o.g.blocks - block)
        if share(panels, t, threads) <= i < share(panels, t + 1, threads):
            panel_results(o, tile, z, block, NB, first, n, strip)
        block += NB
        i += 1


cdef inline void set_tile(Tile *tile, const Op *g, const Run *run) noexcept nogil:
    """Tiles that only add up, and as long as nobody tells them otherwise fetch but the first of their weights."""
    tile.g, tile.off, tile.ahead, tile.step = g, run.tables + g.off, run.arena + g.w, 0
    tile.low, tile.high, tile.swish, tile.bare, tile.far = -INFINITY, INFINITY, False, False, NULL


cdef void layer(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """rows: strips of n of the pixels; off: where the k inputs of a strip's first pixel lie, from a thread's scratch or,
    where nothing is applied (a: -1), from the strip's first pixel on; soff: what a tile fetches of the next strip with each
    input that it multiplies, -1: nothing. t: scratch, per thread [block of inputs][n] and [3][n]."""
    cdef ix strip, first, n, block, inputs = (g.k + VW - 1)//VW if g.a >= 0 else 0
    cdef bint alone = g.rows == 1       # one strip: threads share its panels
    cdef real *scratch = run.arena + g.t + run.thread*(inputs + 3)*g.n*VW
    cdef const real *x
    cdef vf low = vset(<real>g.low), high = vset(<real>g.high)
    cdef Results results
    cdef Tile tile
    set_tile(&tile, g, run)
    results.g, results.run, results.b = g, run, run.arena + g.b if g.b >= 0 else NULL
    results.y, results.ys, results.panel = run.arena + g.y, g.ys, scratch + inputs*g.n*VW
    cdef ix last = 1 if alone else share(g.rows, t + 1, threads)
    for strip in range(0 if alone else share(g.rows, t, threads), last):
        first = strip*g.n
        n, x = min(g.n, g.pixels - first), run.arena + g.x + first*VW
        for block in range(inputs):
            lazy_run(x + block*g.xs, scratch + block*g.n*VW, n, run.arena + g.a + block*4*VW, low, high)
        if g.soff >= 0 and strip + 1 < g.rows:
            tile.far, tile.ahead = run.tables + g.soff, x + n*VW
        strip_results(&results, &tile, <const real *>scratch if inputs else x, first, n, strip, t if alone else 0,
                      threads if alone else 1)
