# Strips: expand -> depthwise -> project, a few rows at a time, so that the expanded map, which is several times as large as
# the second-level cache, never exists as a whole (MobileNetV2's bottleneck; Sandler et al., CVPR 2018, section 5.1).
#
#     for each strip of output rows
#         expand the input rows that it needs and that are not there yet, into a ring of rows
#         depthwise from the ring into a strip of its own, a block of channels at a time
#         project the strip
#
# Each thread takes consecutive rows of the whole batch and has a ring and a strip of its own; where its rows begin it expands
# the few rows again that its neighbour also needs.  The operations after a strip are its members: expand (there may be none),
# depthwise, project.  Of the strip: mode, how many members; k, rows of the ring, a power of two; rows, those of a strip; n,
# elements of a thread's memory at t.

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


cdef void strip_part(const Op *g, const Run *run, real *memory, ix image, ix row, ix end) noexcept nogil:
    """Output rows row, ..., end - 1 of an image."""
    cdef const Op *d = g + g.mode - 1
    cdef Op expand = g[1], project = g[g.mode]
    cdef bint expands = g.mode == 3
    cdef real *ring = memory if expands else NULL
    cdef real *strip = memory + (d.blocks*g.k*d.wd*VW if expands else 0)
    cdef ix done = max(0, row*d.sh - d.top), need, count, some
    while row < end:
        count = min(g.rows, end - row)
        need = min(d.h, (row + count - 1)*d.sh - d.top + d.kh) if expands else done
        while done < need:
            some = min(need - done, g.k - (done & (g.k - 1)))
            expand.x = g[1].x + (image*d.h + done)*d.wd*VW
            expand.y = ring - run.arena + (done & (g.k - 1))*d.wd*VW
            expand.n, expand.ys = some*d.wd, g.k*d.wd*VW
            product(&expand, run, 0, 1)
            done += some
        strip_depthwise(d, run, ring, g.k, strip, g.rows, image, row, count)
        project.x, project.n = strip - run.arena, count*d.ow
        project.y = g[g.mode].y + (image*d.oh + row)*d.ow*VW
        if project.r >= 0:
            project.r = g[g.mode].r + (image*d.oh + row)*d.ow*VW
        product(&project, run, 0, 1)
        row += count


cdef void strip(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    cdef const Op *d = g + g.mode - 1
    cdef ix first = share(d.images*d.oh, t, threads), last = share(d.images*d.oh, t + 1, threads), image, row, end
    while first < last:
        image, row = first//d.oh, first%d.oh
        end = min(d.oh, row + last - first)
        strip_part(g, run, run.arena + g.t + t*g.n, image, row, end)
        first += end - row
