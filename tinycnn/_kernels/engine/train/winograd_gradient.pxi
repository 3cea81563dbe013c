# The gradient of the weights of a 3x3 layer of stride 1 by Winograd's algorithm: gw = Gt [sum over tiles of (A g) (Bt z)] G.
#
#     for each chunk of inputs, for each chunk of outputs                  (threads share the pairs)
#         for each band of rows of tiles                                   (points and sums stay in the second cache)
#             points of z and of the gradient, with what loads apply
#             for each place the sums of weight_gradient.pxi over the band's tiles
#         from points to taps, in the order of the array of gradients
#
# How long a band is depends on shapes alone, and so do the sums.  Where there is one band a thread computes the points of
# inputs once for each chunk of them, those of gradients once.  Else, while it multiplies, it fetches what the next band reads.


cdef inline void taps_of_points(const real *sums, ix place, real *taps, int A) noexcept nogil:
    """A*A vectors, `place` apart, to nine side by side."""
    cdef vf d[6]
    cdef vf e[18]
    cdef vf o[3]
    cdef int i, j
    for j in range(A):
        for i in range(A):
            d[i] = vload(sums + (i*A + j)*place)
        kernel_values(d, o, A)
        for i in range(3):
            e[i*A + j] = o[i]
    for i in range(3):
        kernel_values(e + i*A, o, A)
        for j in range(3):
            vstore(taps + (3*i + j)*VW, o[j])


cdef void store_taps(const Op *g, const Run *run, const real *sums, ix place, ix group, ix groups, ix block,
                     ix blocks) noexcept nogil:
    """The sums of groups of outputs by blocks of inputs to their places in gw (k, h, 3, 3)."""
    cdef real *gw = <real *>run.io[g.mode] + g.gw
    cdef const real *part
    cdef real taps[KERNEL*VW]
    cdef ix i, at = 0, output, input
    cdef int m, j, NB
    while at < blocks:
        NB = weight_panel(blocks - at)
        for i in range(groups):
            part = sums + (i*blocks + at)*WEIGHT_ROWS*VW
            for m in range(WEIGHT_ROWS):
                output = (group + i)*WEIGHT_ROWS + m
                if output >= g.k:
                    break
                for j in range(NB):
                    input = (block + at + j)*VW
                    if g.kh == 4:
                        taps_of_points(part + (m*NB + j)*VW, place, taps, 6)
                    else:
                        taps_of_points(part + (m*NB + j)*VW, place, taps, 4)
                    turn_taps(taps, gw + (output*g.h + input)*KERNEL, VW, KERNEL, min(<ix>VW, g.h - input))
        at += NB


cdef struct Chunk:
    ix block                    # of inputs
    ix blocks
    ix group                    # of outputs
    ix groups
    bint kept                   # the points of the inputs are there,
    bint known                  # and those of the gradients


cdef inline bint fetch_band(const Tiles *o, const Source *x, const Source *d, const Chunk *chunk, ix blocks, ix first, ix n, ix q,
                            Ahead *next) noexcept nogil:
    """What the products of place q fetch of the band that begins with a row of tiles: n lines of each block. The first m*m
    places fetch x and what the gradient is blended with, the next ones the gradient."""
    cdef ix image = first//o.down, row = first%o.down*o.m, part = q%(o.m*o.m)*n
    cdef const real *y = d.raw if q < o.m*o.m and d.c != NULL else d.map
    next.x, next.blocks = x.map + (((chunk.block*x.images + image)*x.h + row)*x.wd + part)*VW, chunk.blocks
    next.xs, next.ys, next.outputs = x.images*x.h*x.wd*VW, d.images*d.h*d.wd*VW, blocks
    next.y = y + (((chunk.group*WEIGHT_ROWS//VW*d.images + image)*d.h + row)*d.wd + part)*VW
    if q >= o.m*o.m:
        next.blocks = 0
    return q < (2 if d.c != NULL else 1)*o.m*o.m


cdef inline bint fetch_place(const Tiles *o, const Chunk *chunk, ix blocks, const real *v, const real *p, Ahead *next) noexcept nogil:
    """Points of a place, which come from further away than the second cache where all of them are kept."""
    next.x, next.y, next.xs, next.ys, next.blocks, next.outputs = v, p, o.full*VW, o.full*VW, chunk.blocks, blocks
    return True


cdef void chunk_of_gradient(const Op *g, const Run *run, const Tiles *o, const Source *x, const Source *d, const Chunk *chunk,
                            real *frame) noexcept nogil:
    """A chunk of outputs by one of inputs."""
    cdef bint whole = o.rows >= o.total
    cdef ix first = 0, rows, q, block = chunk.group*WEIGHT_ROWS//VW, blocks, size = (g.sh*VW*g.sw | 1)*VW
    cdef ix vs = place_step(g.sw, o.full), ds = place_step((g.k + VW - 1)//VW if whole else g.sh, o.full)
    cdef real *v = frame + frame_size(o)
    cdef real *sums = v + o.places*vs
    cdef real *p = sums + o.places*size + (block*o.full*VW if whole else 0)
    cdef Pixels pixels
    cdef Ahead next
    cdef bint fetches
    blocks = (chunk.groups*WEIGHT_ROWS + VW - 1)//VW
    pixels.first, pixels.rows, pixels.px, pixels.xrow, pixels.image_rows, pixels.image_step = 0, 1, VW, 0, 1, 0
    while first < o.total:
        rows = min(o.rows, o.total - first)
        pixels.n = rows*o.across
        if not chunk.kept:
            points_of_rows(x, o, first, rows, chunk.block, 0, rows*chunk.blocks, g.top, g.left, False, frame, v, vs)
        if not chunk.known:
            points_of_rows(d, o, first, rows, block, 0, rows*blocks, 0, 0, True, frame, p, ds)
        for q in range(o.places):
            if whole:
                fetches = q + 1 < o.places and fetch_place(o, chunk, blocks, v + (q + 1)*vs, p + (q + 1)*ds, &next)
            else:
                fetches = (first + rows < o.total
                           and fetch_band(o, x, d, chunk, blocks, first + rows, pixels.n, q, &next))
            weight_tiles(&pixels, &next if fetches else NULL, v + q*vs, o.full*VW, chunk.blocks, NULL, 1, p + q*ds, o.full*VW, 0, chunk.groups,
                         sums + q*size, first > 0)
        first += o.rows
    store_taps(g, run, sums, size, chunk.group, chunk.groups, chunk.block, chunk.blocks)


cdef void winograd_gradient(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """k outputs (g, y: maps (oh, ow)), sh blocks of them a chunk; h inputs in `blocks` (x: maps
    (dh, wd)), sw blocks a chunk; kw: rows of tiles of a band; mode: the number of the array of gradients. t: scratch, per
    thread a frame, points of a chunk of inputs, sums, points of a chunk of gradients, or of all where there is one band."""
    cdef Tiles o = tiles_of(g, g.kw)
    cdef ix each = g.sh*VW//WEIGHT_ROWS, groups = (g.k + WEIGHT_ROWS - 1)//WEIGHT_ROWS, across = (groups + each - 1)//each
    cdef ix items = (g.blocks + g.sw - 1)//g.sw*across, item, begin = share(items, t, threads)
    cdef bint whole = o.rows >= o.total
    cdef ix size = frame_size(&o) + o.places*(place_step(g.sw, o.full) + (g.sh*VW*g.sw | 1)*VW
                                              + place_step((g.k + VW - 1)//VW if whole else g.sh, o.full))
    cdef Source x
    cdef Source d
    cdef Chunk chunk
    x.map, x.raw, x.c, x.a = run.arena + g.x, NULL, NULL, run.arena + g.a if g.a >= 0 else NULL
    x.low, x.high, x.images, x.h, x.wd = <real>g.low, <real>g.high, g.images, g.dh, g.wd
    d.map, d.raw, d.a, d.c = run.arena + g.g, run.arena + g.y, NULL, run.arena + g.c if g.c >= 0 else NULL
    d.images, d.h, d.wd = g.images, g.oh, g.ow
    for item in range(begin, share(items, t + 1, threads)):
        chunk.kept, chunk.known = whole and item > begin and item%across > 0, whole and item >= begin + across
        chunk.block, chunk.group = item//across*g.sw, item%across*each
        chunk.blocks, chunk.groups = min(g.sw, g.blocks - chunk.block), min(each, groups - chunk.group)
        chunk_of_gradient(g, run, &o, &x, &d, &chunk, run.arena + g.t + t*size)
