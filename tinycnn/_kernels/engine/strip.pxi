# Strips: a few rows at a time through layers whose inner map, several times as large as the second-level cache, then never
# exists as a whole: expand -> depthwise -> project (MobileNetV2's bottleneck; Sandler et al., CVPR 2018, section 5.1), first
# layer -> depthwise -> project, first layer -> max pooling.
#
#     for each strip of output rows
#         produce the inner rows that it needs and that are not there yet, into a ring of rows
#         depthwise from the ring into a strip of its own, a block of channels at a time, and project that; or pool the ring
#
# Each thread takes consecutive rows of the whole batch and has a ring and a strip of its own; where its rows begin it produces
# the few rows again that its neighbour also needs.  The operations after a strip are its members: products that produce the
# ring (none: the inner map is there; several: the first layer's parts), depthwise or pooling, and what projects (after depthwise
# only).  Of the strip: mode, how many members; kh, how many produce; k, rows of the ring, a power of two; rows, those of a strip;
# n, elements of a thread's memory at t.  Of a product that produces: top, left and oh, the rows and columns of its outputs.

cdef void produce(const Op *g, const Run *run, real *ring, ix ring_rows, ix wd, ix image, ix begin, ix end) noexcept nogil:
    """Inner rows begin, ..., end - 1 of an image into the ring, where they do not wrap around: those that g computes."""
    cdef Op h = g[0]
    cdef ix first = max(begin, g.top), count = min(end, g.top + g.oh) - first
    if count <= 0:
        return
    h.x = g.x + image*g.image_step
    h.y = ring - run.arena + ((first & (ring_rows - 1))*wd + g.left)*VW
    h.ys = ring_rows*wd*VW
    if g.py != VW:                                          # pixels run down a narrow strip of columns
        h.x += (first - g.top)*g.px
        h.n, h.rows, h.py = count, g.image_rows, wd*VW
    elif g.n == wd and g.xrow == wd*g.px:                   # rows follow each other
        h.x += (first - g.top)*g.xrow
        h.n, h.rows = count*wd, 1
    else:
        h.x += (first - g.top)*g.xrow
        h.rows, h.image_rows, h.yrow = count, count, wd*VW
    product(&h, run, 0, 1)


cdef void strip_pool(const Op *d, const Run *run, const real *ring, ix ring_rows, real *column, ix image, ix row,
                     ix count) noexcept nogil:
    """`count` output rows of all channels."""
    cdef ix c, i
    for c in range(d.blocks):
        for i in range(row, row + count):
            pool_row(d, ring + c*ring_rows*d.wd*VW, ring_rows - 1, run.arena + d.y + ((c*d.images + image)*d.oh + i)*d.ow*VW,
                     column, i, True, NULL, False)


cdef void strip_depthwise(const Op *d, const Run *run, const real *ring, ix ring_rows, real *strip, ix strip_rows, ix image,
                          ix row, ix count) noexcept nogil:
    """`count` output rows of all channels. ring: NULL where the input is a map of its own."""
    cdef Rows z
    cdef ix c, i, at, first, some = min(count, 2), steps, plane
    cdef vf low = vset(<real>d.low), high = vset(<real>d.high)
    if d.activation != CLIP:
        low, high = vset(-INFINITY), vset(INFINITY)
    z.g, z.r, z.bare = d, NULL, d.activation != CLIP
    for c in range(d.blocks):
        z.w, z.b = run.constants + d.w + c*d.kh*d.kw*VW, run.constants + d.b + c*VW
        plane = c*d.images + image
        i = 0
        while i < count:
            i = min(i, count - some)
            first = (row + i)*d.sh - d.top
            for steps in range((some - 1)*d.sh + d.kh):
                at = first + steps
                if not 0 <= at < d.h:
                    z.rows[steps] = run.constants + d.z
                elif ring != NULL:
                    z.rows[steps] = ring + (c*ring_rows + (at & (ring_rows - 1)))*d.wd*VW
                else:
                    z.rows[steps] = run.arena + d.x + (plane*d.h + at)*d.wd*VW
            z.y = strip + (c*strip_rows + i)*d.ow*VW
            if some == 2:
                depthwise_pair(&z, low, high)
            else:
                depthwise_pixels(&z, 1, 0, d.ow, low, high)
            i += some


cdef void strip_project(const Op *d, const Run *run, const real *strip, ix image, ix row, ix count) noexcept nogil:
    """The product behind depthwise: of `count` output rows."""
    cdef Op h = d[1]
    cdef ix at = (image*d.oh + row)*d.ow*VW
    h.x, h.n = strip - run.arena, count*d.ow
    h.y += at
    if h.r >= 0:
        h.r += at
    product(&h, run, 0, 1)


cdef void strip_part(const Op *g, const Run *run, real *memory, ix image, ix row, ix end) noexcept nogil:
    """Output rows row, ..., end - 1 of an image."""
    cdef const Op *d = g + 1 + g.kh
    cdef real *ring = memory if g.kh else NULL
    cdef real *strip = memory + (d.blocks*g.k*d.wd*VW if g.kh else 0)
    cdef ix done = max(0, row*d.sh - d.top), need, count, some, i
    while row < end:
        count = min(g.rows, end - row)
        need = min(d.h, (row + count - 1)*d.sh - d.top + (d.kh - 1)*d.dh + 1) if g.kh else done
        while done < need:
            some = min(need - done, g.k - (done & (g.k - 1)))
            for i in range(g.kh):
                produce(g + 1 + i, run, ring, g.k, d.wd, image, done, done + some)
            done += some
        if d.kind == POOL:
            strip_pool(d, run, ring, g.k, strip, image, row, count)
        else:
            strip_depthwise(d, run, ring, g.k, strip, g.rows, image, row, count)
            strip_project(d, run, strip, image, row, count)
        row += count


cdef void strip(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    cdef const Op *d = g + 1 + g.kh
    cdef ix first = share(d.images*d.oh, t, threads), last = share(d.images*d.oh, t + 1, threads), image, row, end
    while first < last:
        image, row = first//d.oh, first%d.oh
        end = min(d.oh, row + last - first)
        strip_part(g, run, run.arena + g.t + t*g.n, image, row, end)
        first += end - row
