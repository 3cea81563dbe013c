# The gradient of the weights of a 3x3 layer of stride 1 by Winograd's algorithm: gw = Gt [sum over tiles of (A g) (Bt z)] G.
#
#     for each chunk of inputs, for each chunk of outputs                  (threads share the pairs)
#         for each band of rows of tiles                                   (points and sums stay in the second cache)
#             points of z and of the gradient, with what loads apply
#             for each place the sums of weight_gradient.pxi over the band's tiles
#         from points to taps, in the order of the array of gradients
#
# How long a band is depends on shapes alone, and so do the sums.  Where there is one band, the points of a chunk of inputs
# are computed once for all chunks of outputs that a thread has.


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
    bint kept                   # the points of the inputs are there


cdef void chunk_of_gradient(const Op *g, const Run *run, const Tiles *o, const Source *x, const Source *d, const Chunk *chunk,
                            real *frame) noexcept nogil:
    """A chunk of outputs by one of inputs."""
    cdef ix vs = place_step(g.sw, o.full), ds = place_step(g.sh, o.full), size = (g.sh*VW*g.sw | 1)*VW
    cdef real *v = frame + frame_size(o)
    cdef real *p = v + o.places*vs
    cdef real *sums = p + o.places*ds
    cdef ix first = 0, rows, q, block = chunk.group*WEIGHT_ROWS//VW, blocks
    cdef Pixels pixels
    blocks = (chunk.groups*WEIGHT_ROWS + VW - 1)//VW
    pixels.first, pixels.rows, pixels.px, pixels.xrow, pixels.image_rows, pixels.image_step = 0, 1, VW, 0, 1, 0
    while first < o.total:
        rows = min(o.rows, o.total - first)
        pixels.n = rows*o.across
        if not chunk.kept:
            points_of_rows(x, o, first, rows, chunk.block, 0, rows*chunk.blocks, g.top, g.left, False, frame, v, vs)
        points_of_rows(d, o, first, rows, block, 0, rows*blocks, 0, 0, True, frame, p, ds)
        for q in range(o.places):
            weight_tiles(&pixels, NULL, v + q*vs, o.full*VW, chunk.blocks, NULL, 1, p + q*ds, o.full*VW, 0, chunk.groups,
                         sums + q*size, first > 0)
        first += o.rows
    store_taps(g, run, sums, size, chunk.group, chunk.groups, chunk.block, chunk.blocks)


cdef void winograd_gradient(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """k outputs (g, y: maps (oh, ow)), sh blocks of them a chunk; h inputs in `blocks` (x: maps
    (dh, wd)), sw blocks a chunk; kw: rows of tiles of a band; mode: the number of the array of gradients. t: scratch, per
    thread a frame, points of inputs, of gradients, and sums."""
    cdef Tiles o = tiles_of(g, g.kw)
    cdef ix each = g.sh*VW//WEIGHT_ROWS, groups = (g.k + WEIGHT_ROWS - 1)//WEIGHT_ROWS, across = (groups + each - 1)//each
    cdef ix items = (g.blocks + g.sw - 1)//g.sw*across, item, begin = share(items, t, threads)
    cdef ix size = frame_size(&o) + o.places*(place_step(g.sw, o.full) + place_step(g.sh, o.full)
                                              + (g.sh*VW*g.sw | 1)*VW)
    cdef Source x
    cdef Source d
    cdef Chunk chunk
    x.map, x.raw, x.c, x.a = run.arena + g.x, NULL, NULL, run.arena + g.a if g.a >= 0 else NULL
    x.low, x.high, x.images, x.h, x.wd = <real>g.low, <real>g.high, g.images, g.dh, g.wd
    d.map, d.raw, d.a, d.c = run.arena + g.g, run.arena + g.y, NULL, run.arena + g.c if g.c >= 0 else NULL
    d.images, d.h, d.wd = g.images, g.oh, g.ow
    for item in range(begin, share(items, t + 1, threads)):
        chunk.kept = item > begin and item%across > 0 and o.rows >= o.total
        chunk.block, chunk.group = item//across*g.sw, item%across*each
        chunk.blocks, chunk.groups = min(g.sw, g.blocks - chunk.block), min(each, groups - chunk.group)
        chunk_of_gradient(g, run, &o, &x, &d, &chunk, run.arena + g.t + t*size)
