# The gradient of weights: gw[o, i, tap] = sum over pixels p of gy[p, o] x[p*px + offset of the tap, i].
#
#     for each chunk of groups of WEIGHT_ROWS outputs                      (threads share the chunks; whose sums stay in the
#                                                                          second cache)
#         for each strip of rows of pixels
#             for each panel of up to 3 blocks of inputs                   (which stays in the first cache)
#                 for each group, for each tap, for each pixel:
#                     load the panel's inputs, multiply with WEIGHT_ROWS gradients, broadcast: 24 sums in registers
#         turn the sums into the order of the array of gradients
#
# The sums of a strip start at zero and are added to those of the strips before: an error grows with the number of strips
# and with the pixels of one, not with their product.  Sums lie as [group][panel][tap][WEIGHT_ROWS][NB*VW].  What the channels
# that fill up a last block make of them, gradients of weights that do not exist, is left behind.

WEIGHT_GROUP = WEIGHT_ROWS      # outputs of a group

cdef struct Pixels:             # rows of n pixels, whose gradients lie side by side and whose inputs
    ix first
    ix rows
    ix n
    ix px
    ix xrow
    ix image_rows
    ix image_step
    const real *ahead           # what is fetched, `step` elements for each pixel
    ix step


cdef inline void weight_tile(const Pixels *pixels, const real *x, ix xs, const real *d, real *sums, bint more,
                             int NB) noexcept nogil:
    """WEIGHT_ROWS outputs, whose gradients d begins with, by NB blocks of inputs. more: add to the sums there are."""
    cdef vf acc[WEIGHT_ROWS*3]
    cdef vf xv[3]
    cdef vf dv
    cdef const real *xp
    cdef const real *ahead = pixels.ahead
    cdef ix row, p, step = pixels.step, px = pixels.px, n = pixels.n
    cdef int m, j
    for m in range(WEIGHT_ROWS*NB):
        acc[m] = vzero()
    for row in range(pixels.first, pixels.first + pixels.rows):
        xp = x + row//pixels.image_rows*pixels.image_step + row%pixels.image_rows*pixels.xrow
        for p in range(n):
            prefetch_far(ahead)
            ahead += step
            for j in range(NB):
                xv[j] = vload(xp + j*xs)
            for m in range(WEIGHT_ROWS):
                dv = vset(d[m])
                for j in range(NB):
                    acc[m*NB + j] = vfma(dv, xv[j], acc[m*NB + j])
            xp += px
            d += VW
    if more:
        for m in range(WEIGHT_ROWS*NB):
            acc[m] = acc[m] + vload(sums + m*VW)
    for m in range(WEIGHT_ROWS*NB):
        vstore(sums + m*VW, acc[m])


cdef void weight_tile1(const Pixels *p, const real *x, ix xs, const real *d, real *sums, bint more) noexcept nogil:
    weight_tile(p, x, xs, d, sums, more, 1)


cdef void weight_tile2(const Pixels *p, const real *x, ix xs, const real *d, real *sums, bint more) noexcept nogil:
    weight_tile(p, x, xs, d, sums, more, 2)


cdef void weight_tile3(const Pixels *p, const real *x, ix xs, const real *d, real *sums, bint more) noexcept nogil:
    weight_tile(p, x, xs, d, sums, more, 3)


cdef inline int weight_panel(ix left) noexcept nogil:
    """Blocks of the next panel: three, but two and two of four."""
    return <int>left if left <= 3 else 2 if left == 4 else 3


cdef struct Ahead:              # what the next strip reads: blocks of what gradients are blended with, of inputs
    const real *g
    const real *y
    const real *x
    ix outputs                  # blocks
    ix ys
    ix blocks
    ix xs


cdef inline void fetch_block(Pixels *pixels, const Ahead *next, ix i) noexcept nogil:
    """The i-th block of those; where all have been fetched, a line that is there."""
    pixels.step = VW
    if i < next.outputs:
        pixels.ahead = next.y + i*next.ys
    elif i < next.outputs + next.blocks:
        pixels.ahead = next.x + (i - next.outputs)*next.xs
    else:
        pixels.step = 0


cdef void weight_tiles(Pixels *pixels, const Ahead *next, const real *x, ix xs, ix blocks, const int32_t *off, ix taps,
                       const real *d,
                       ix ds, ix first, ix last, real *sums, bint more) noexcept nogil:
    """Groups [first, last) of outputs of a strip, all inputs and taps. d: gradients of the strip's first pixel, ds apart from
    block to block; next: NULL: nothing is fetched; off: where a tap begins (NULL: there is one)."""
    cdef ix block = 0, group, tap, channel, at
    cdef const real *here
    cdef const real *tile
    cdef real *to
    cdef int NB
    cdef ix i = 0
    pixels.ahead, pixels.step = d, 0
    while block < blocks:
        NB = weight_panel(blocks - block)
        for group in range(first, last):
            if next != NULL:
                fetch_block(pixels, next, i)
                i += 1
            channel = group*WEIGHT_ROWS
            here = d + channel//VW*ds + channel%VW
            to = sums + ((group - first)*blocks + block)*taps*WEIGHT_ROWS*VW
            for tap in range(taps):
                at = off[tap] if off != NULL else 0
                tile = x + block*xs + at
                if NB == 3:
                    weight_tile3(pixels, tile, xs, here, to, more)
                elif NB == 2:
                    weight_tile2(pixels, tile, xs, here, to, more)
                else:
                    weight_tile1(pixels, tile, xs, here, to, more)
                to += WEIGHT_ROWS*NB*VW
        block += NB


cdef void turn_taps(const real *sums, real *gw, ix step, ix taps, ix inputs) noexcept nogil:
    """Up to VW inputs of one output, their taps side by side: (taps, inputs) from rows that are `step` apart."""
    cdef vf square[VW]
    cdef ix i, tap = 0, some
    while tap < taps:
        some = min(VW, taps - tap)
        for i in range(VW):
            square[i] = vload(sums + (tap + i)*step) if i < some else vzero()
        vtranspose(square)
        for i in range(inputs):
            vstore_part(gw + i*taps + tap, square[i], some)
        tap += VW


cdef void store_weights(const real *sums, real *gw, ix outputs, ix inputs, ix group, ix block, int NB, ix taps) noexcept nogil:
    """One panel's sums of a group to where they belong in gw (outputs, inputs, taps)."""
    cdef ix m, j, o, some, step = WEIGHT_ROWS*NB*VW
    cdef real *to
    for m in range(min(WEIGHT_ROWS, outputs - group*WEIGHT_ROWS)):
        for j in range(NB):
            o, some = group*WEIGHT_ROWS + m, min(VW, inputs - (block + j)*VW)
            to = gw + (o*inputs + (block + j)*VW)*taps
            if taps == 1:
                vstore_part(to, vload(sums + (m*NB + j)*VW), some)
            else:
                turn_taps(sums + (m*NB + j)*VW, to, step, taps, some)


cdef void store_groups(const Op *g, const Run *run, const real *sums, ix first, ix last, ix inputs, ix taps) noexcept nogil:
    """All panels of groups [first, last)."""
    cdef real *gw = <real *>run.io[g.mode] + g.gw
    cdef ix group, block
    cdef int NB
    for group in range(first, last):
        block = 0
        while block < g.blocks:
            NB = weight_panel(g.blocks - block)
            store_weights(sums + ((group - first)*g.blocks + block)*taps*WEIGHT_ROWS*VW, gw, g.k, inputs, group, block, NB,
                          taps)
            block += NB


cdef void weight_gradient(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """k outputs, of which a chunk has `wd` groups; h inputs in `blocks`; kh taps at `off` from x; rows of n pixels, oh of
    them a strip; mode: the number of the array of gradients. t: scratch, per thread the sums of a chunk."""
    cdef ix groups = (g.k + WEIGHT_ROWS - 1)//WEIGHT_ROWS, chunks = (groups + g.wd - 1)//g.wd, chunk, last, row
    cdef real *sums = run.arena + g.t + run.thread*g.wd*WEIGHT_ROWS*g.blocks*g.kh*VW
    cdef Pixels pixels
    pixels.n, pixels.px, pixels.xrow, pixels.image_rows, pixels.image_step = g.n, g.px, g.xrow, g.image_rows, g.image_step
    for chunk in range(share(chunks, t, threads), share(chunks, t + 1, threads)):
        row, last = 0, min(groups, (chunk + 1)*g.wd)
        while row < g.rows:
            pixels.first, pixels.rows = row, min(g.oh, g.rows - row)
            weight_tiles(&pixels, NULL, run.arena + g.x, g.xs, g.blocks, run.tables + g.off, g.kh,
                         run.arena + g.g + row*g.n*VW, g.ys, chunk*g.wd, last, sums, row > 0)
            row += g.oh
        store_groups(g, run, sums, chunk*g.wd, last, g.h, g.kh)


cdef void add_lanes(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """The partial sums that a layer left at t, one behind the other, added in order: k outputs, h inputs in `blocks`;
    mode: the number of the array of gradients."""
    cdef ix groups = (g.k + WEIGHT_ROWS - 1)//WEIGHT_ROWS, size = WEIGHT_ROWS*g.blocks*VW, group, lane, i
    cdef real *sums
    cdef vf v
    for group in range(share(groups, t, threads), share(groups, t + 1, threads)):
        sums = run.arena + g.t + group*size
        for i in range(0, size//VW):
            v = vload(sums + i*VW)
            for lane in range(1, g.lanes):
                v = v + vload(sums + lane*groups*size + i*VW)
            vstore(sums + i*VW, v)
        store_groups(g, run, sums, group, group + 1, g.h, 1)
