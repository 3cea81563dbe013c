# Dropout of a map in blocks of channels: y = x scale where a word is at least a threshold, else 0, as in the eager kernels
# (random.pxi).  The words (philox.pxi) belong to places in the order (N, C, H, W), whatever the layout:
#
#     mode 0  each element has its own, number ((n C + c) H + i) W + j
#     mode 1  one for all,   mode 2  one for each image,   mode 3  one for each channel of each image
#
# A lane of a plane is a stretch of consecutive numbers, and words come by SPAN: they are kept until another span begins.
# Back it is the same kernel, on g.

cdef enum:
    OF_ELEMENTS = 0
    OF_ALL = 1
    OF_IMAGES = 2
    OF_CHANNELS = 3


cdef struct Words:
    uint64_t seed
    uint64_t draw
    ix span                     # whose words these are
    uint32_t words[SPAN]


cdef inline uint32_t word(Words *o, ix number) noexcept nogil:
    """The word of a number."""
    if number//SPAN != o.span:
        o.span = number//SPAN
        philox(<uint64_t>o.span*PHILOX_LANES, o.draw, o.seed, o.words)
    return o.words[number%SPAN]


cdef void dropped_elements(const Op *g, Words *o, const real *x, real *y, ix number, ix lanes) noexcept nogil:
    """A plane. number: that of its first channel's first pixel."""
    cdef ix lane, p
    cdef real scale = <real>g.low
    for lane in range(lanes):
        for p in range(g.n):
            y[p*VW + lane] = x[p*VW + lane]*scale if word(o, number + lane*g.n + p) >= <uint32_t>g.px else 0


cdef void dropped_channels(const Op *g, Words *o, const real *x, real *y, ix number, ix step, ix lanes) noexcept nogil:
    """A plane of one decision for each lane, whose numbers are `step` apart."""
    cdef real kept[VW]
    cdef ix p, lane
    cdef vf keeps, scale = vset(<real>g.low)
    for lane in range(VW):
        kept[lane] = 1 if lane < lanes and word(o, number + lane*step) >= <uint32_t>g.px else 0
    keeps = vload(kept)
    for p in range(g.n):
        vstore(y + p*VW, vselect(vgt(keeps, vzero()), vload(x + p*VW)*scale, vzero()))


cdef void dropout(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """k channels. px: the threshold; low: the scale. Planes go image by image: numbers then come in order."""
    cdef ix item, planes = g.blocks*g.images, image, block, at, channel, lanes
    cdef Words o
    o.seed, o.draw, o.span = <uint64_t>g.seed, <uint64_t>g.draw, -1
    for item in range(share(planes, t, threads), share(planes, t + 1, threads)):
        image, block = item//g.blocks, item%g.blocks
        at, channel, lanes = (block*g.images + image)*g.n*VW, image*g.k + block*VW, real_lanes(g, block)
        if g.mode == OF_ELEMENTS:
            memset(run.arena + g.y + at, 0, g.n*VW*sizeof(real))
            dropped_elements(g, &o, run.arena + g.x + at, run.arena + g.y + at, channel*g.n, lanes)
        elif g.mode == OF_CHANNELS:
            dropped_channels(g, &o, run.arena + g.x + at, run.arena + g.y + at, channel, 1, lanes)
        else:
            dropped_channels(g, &o, run.arena + g.x + at, run.arena + g.y + at, image if g.mode == OF_IMAGES else 0, 0,
                             lanes)
