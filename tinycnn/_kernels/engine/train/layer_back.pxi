# A pointwise layer backwards: gw = gyᵀ z, and gx = gy w with what is wanted of it (layer.pxi), from
#
#     gy = c0 g + c1 y + c2     the gradient of a batch norm's input, applied as the gradient g of its output is loaded
#     z = clip(scale x + shift) as forward
#
#     for each lane of strips, in order                            (threads share the lanes: each has sums of its own for gw,
#                                                                   which add_lanes adds up)
#         for each strip of n pixels
#             gy and z, by blocks of channels, into this thread's scratch, where anything is applied
#             the tiles of weight_gradient.pxi, then the panels of layer.pxi
#
# A first layer (of few channels) has no gx.  Its z is gathered: a vector of a pixel's z holds VW of the k I taps that a table
# finds in a frame of the input, so that gw comes out as (O, I kh kw).

cdef void gather_taps(const Op *g, const Run *run, ix first, ix n, real *z) noexcept nogil:
    """Every tap that pixels [first, first + n) see, VW of them side by side: z[block][n][VW]."""
    cdef const int32_t *off
    cdef const real *x
    cdef ix i, block, pixel, row
    cdef int j
    for i in range(n):
        pixel = first + i
        row = pixel//g.ow
        x = run.arena + g.x + row//g.image_rows*g.image_step + row%g.image_rows*g.xrow + pixel%g.ow*g.px
        off = run.tables + g.soff
        for block in range(g.blocks):
            for j in range(VW):
                z[(block*g.n + i)*VW + j] = x[off[j]]
            off += VW


cdef const real *inputs_of(const Op *g, const Run *run, ix first, ix n, real *scratch, ix *zs) noexcept nogil:
    """z of pixels [first, first + n); zs: from block to block."""
    cdef const real *x = run.arena + g.x + first*VW
    cdef ix block
    zs[0] = g.n*VW
    if g.soff >= 0:
        gather_taps(g, run, first, n, scratch)
        return scratch
    if g.a < 0:
        zs[0] = g.xs
        return x
    for block in range(g.blocks):
        lazy_run(x + block*g.xs, scratch + block*g.n*VW, n, run.arena + g.a + block*4*VW, vset(<real>g.low),
                 vset(<real>g.high))
    return scratch


cdef const real *gradients_of(const Op *g, const Run *run, ix first, ix n, real *scratch, ix *ds) noexcept nogil:
    """gy of pixels [first, first + n); ds: from block to block."""
    cdef ix block, at
    ds[0] = g.ys if g.c < 0 else g.n*VW
    if g.c < 0:
        return run.arena + g.g + first*VW
    for block in range((g.k + VW - 1)//VW):
        at = block*g.ys + first*VW
        blend_run(run.arena + g.g + at, run.arena + g.y + at, NULL, scratch + block*g.n*VW, n,
                  run.arena + g.c + block*3*VW)
    return scratch


cdef inline Ahead next_strip(const Op *g, const Run *run, ix first) noexcept nogil:
    """What a strip reads that begins with pixel `first`."""
    cdef Ahead next
    next.g, next.y = run.arena + g.g + first*VW, run.arena + g.y + first*VW
    next.x, next.xs, next.blocks = run.arena + g.x + first*VW, g.xs, g.blocks
    next.outputs, next.ys = (g.k + VW - 1)//VW if g.c >= 0 else 0, g.ys
    if g.soff >= 0:                 # no product of gx fetches the gradient
        next.x, next.xs, next.blocks = next.g, g.ys, (g.k + VW - 1)//VW
    return next


cdef void layer_back(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """k outputs (g, y: ys from block to block), `blocks` of inputs (x, gx, r, add: xs); rows: strips of n of the pixels;
    lanes: 0 where gw is not wanted; gx: -1 where it is not; w: packed with inputs as columns; off: where the k gradients
    of a pixel lie;
    soff: where taps lie that are gathered, of rows of ow pixels; else -1; kw: a table of what
    a tile of gx fetches of the next strip's g with each gradient that it multiplies; -1: nothing is fetched.
    t: scratch: the sums of all lanes, then per thread [block of outputs][n], [block of inputs][n] and [3][n]."""
    cdef ix groups = (g.k + WEIGHT_ROWS - 1)//WEIGHT_ROWS, size = groups*WEIGHT_ROWS*g.blocks*VW
    cdef ix outputs = (g.k + VW - 1)//VW, lanes = g.lanes if g.lanes > 0 else g.rows, lane, strip, first, zs, ds, begin, end
    cdef bint fetches
    cdef real *sums
    cdef real *scratch = run.arena + g.t + g.lanes*size + run.thread*(outputs + g.blocks + 3)*g.n*VW
    cdef const real *z
    cdef const real *d
    cdef Results results
    cdef Pixels pixels
    cdef Ahead next
    cdef Tile tile
    set_tile(&tile, g, run)
    results.g, results.run, results.b, results.y, results.ys = g, run, NULL, run.arena + g.gx, g.xs
    results.panel = scratch + (outputs + g.blocks)*g.n*VW
    pixels.first, pixels.rows, pixels.px, pixels.xrow, pixels.image_rows, pixels.image_step = 0, 1, VW, 0, 1, 0
    for lane in range(share(lanes, t, threads), share(lanes, t + 1, threads)):
        begin, end, sums = g.rows*lane//lanes, g.rows*(lane + 1)//lanes, run.arena + g.t + lane*size
        for strip in range(begin, end):
            first = strip*g.n
            pixels.n = min(g.n, g.pixels - first)
            d = gradients_of(g, run, first, pixels.n, scratch, &ds)
            next = next_strip(g, run, first + pixels.n)
            if g.lanes > 0:
                z = inputs_of(g, run, first, pixels.n, scratch + outputs*g.n*VW, &zs)
                fetches = (g.kw >= 0 or g.soff >= 0) and strip + 1 < g.rows
                weight_tiles(&pixels, &next if fetches else NULL, z, zs, g.blocks, NULL, 1, d, ds,
                             0, groups, sums, strip > begin)
            if g.gx >= 0:
                if g.kw >= 0 and strip + 1 < g.rows:
                    tile.far, tile.ahead = run.tables + g.kw, next.g
                strip_results(&results, &tile, d, first, pixels.n, strip, 0, 1)
