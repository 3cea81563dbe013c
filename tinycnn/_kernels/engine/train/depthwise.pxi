# Depthwise convolution in training plans, a plane (a block of channels of an image) at a time, forward:
#
#     y[i, j] = b + sum over taps of z[i sh + a dh - top, j sw + c dw - left] w[a, c],   z = clip(scale x + shift)
#
# and the moments of y, for the normalisation behind it.  Zeros pad z, not x, which is why it is framed:
#
#     for each plane, for each band of `rows` output rows
#         z into a frame of zeros that stays in the second cache: all columns that a tap may see
#         the tiles of ../depthwise.pxi, of which none is at a border
#         sums of y and of its squares while it is there, about the mean of the first band
#
# Weights, torch's (C, 1, kh, kw), are packed before: [block][tap] vectors, then the same with the last tap first (for gx),
# then [block] vectors of biases.  Taps that only ever meet the padding are left out: of 5x5 on a map of 2x2, all but 3x3.

cdef void pack_depthwise(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """y: packed weights of k channels, of the taps from row `top` and column `left` on, kh by kw of all h by wd.

    w, b: in the parameters; b = -1: zeros.
    """
    cdef const real *parameters = <const real *>run.io[g.parameters]
    cdef ix taps = g.kh*g.kw, block, tap, at, lane, channel, size = g.blocks*taps*VW
    cdef real *y
    cdef real v
    for block in range(share(g.blocks, t, threads), share(g.blocks, t + 1, threads)):
        y = run.arena + g.y + block*taps*VW
        for lane in range(VW):
            channel = block*VW + lane
            for tap in range(taps):
                at = (channel*g.h + g.top + tap//g.kw)*g.wd + g.left + tap%g.kw
                v = parameters[g.w + at] if channel < g.k else 0
                y[tap*VW + lane] = v
                y[size + (taps - 1 - tap)*VW + lane] = v
            run.arena[g.y + 2*size + channel] = parameters[g.b + channel] if g.b >= 0 and channel < g.k else 0


# ---------------------------------------------------------------- frames
cdef struct Frame:              # rows of `width` columns; [begin, stop) are of the map, the first being its column `first`
    real *rows
    ix size
    ix width
    ix begin
    ix stop
    ix first


cdef inline void set_frame(Frame *o, real *rows, ix size, ix width, ix left, ix wd) noexcept nogil:
    """A frame, all zeros, for maps of wd columns that lie `left` in it; what lies beyond its width is left out."""
    o.rows, o.size, o.width, o.begin = rows, size, width, max(left, 0)
    o.stop, o.first = max(o.begin, min(left + wd, width)), o.begin - left
    memset(rows, 0, size*sizeof(real))


cdef inline void clear_row(const Op *g, real *y, ix width) noexcept nogil:
    """A row outside of the map: zeros, which it is already where each plane is a band and its rows are the same ones."""
    if g.rows < g.oh:
        memset(y, 0, width*VW*sizeof(real))


cdef void frame_x(const Op *g, const Run *run, ix plane, ix first, ix rows, const Frame *o) noexcept nogil:
    """Rows of z from `first` on."""
    cdef ix i, row
    cdef vf low = vset(<real>g.low), high = vset(<real>g.high)
    cdef const real *a = coefficients_of(run, g.a, plane//g.images, 4)
    for i in range(rows):
        row = first + i
        if 0 <= row < g.h:
            lazy_run(run.arena + g.x + ((plane*g.h + row)*g.wd + o.first)*VW, o.rows + (i*o.width + o.begin)*VW,
                     o.stop - o.begin, a, low, high)
        else:
            clear_row(g, o.rows + i*o.width*VW, o.width)


cdef inline ix seen(ix n, ix stride, ix k, ix dilation) noexcept nogil:
    """Rows, or columns, that n outputs see."""
    return (n - 1)*stride + (k - 1)*dilation + 1


cdef inline void two_columns(const Rows *z, vf low, vf high) noexcept nogil:
    """Two rows of a map two or three columns wide, which the tiles of ../depthwise.pxi leave to single pixels."""
    cdef const Op *g = z.g
    cdef ix column = 0
    while column < g.ow:
        column = min(column, g.ow - 2)
        if g.kw == 3 and g.sw == 1:
            depthwise_tile(z, column, low, high, 1, 3, 0, 0, 2)
        elif g.kw == 3:
            depthwise_tile(z, column, low, high, 2, 3, 0, 0, 2)
        elif g.kw == 5 and g.sw == 1:
            depthwise_tile(z, column, low, high, 1, 5, 0, 0, 2)
        elif g.kw == 5:
            depthwise_tile(z, column, low, high, 2, 5, 0, 0, 2)
        else:
            depthwise_pixels(z, 2, column, column + 2, low, high)
        column += 2


cdef void correlate(const Op *o, const real *x, const real *w, const real *b, real *y, ix rows) noexcept nogil:
    """Output rows of o.ow columns from the framed rows, of o.wd columns, from x on; o.left is 0."""
    cdef Rows z
    cdef bint paired = unrolled(o) and rows > 1
    cdef ix i = 0, a, row, step = 1 if paired else o.dh, count = o.sh + o.kh if paired else o.kh
    z.g, z.w, z.b, z.r, z.bare = o, w, b, NULL, False
    while i < rows:
        row = min(i, rows - 2) if paired else i
        for a in range(count):
            z.rows[a] = x + (row*o.sh + a*step)*o.wd*VW
        z.y = y + row*o.ow*VW
        if paired and 2 <= o.ow < NARROW:
            two_columns(&z, vset(-INFINITY), vset(INFINITY))
        elif paired:
            depthwise_pair(&z, vset(-INFINITY), vset(INFINITY))
        else:
            depthwise_pixels(&z, 1, 0, o.ow, vset(-INFINITY), vset(INFINITY))
        i += 2 if paired else 1


# ---------------------------------------------------------------- forward
cdef struct Moments:
    vf about
    vf first                    # sum of y - about
    vf second                   # and of its square


cdef inline void add_moments(Moments *o, const real *y, ix n, bint begin) noexcept nogil:
    """n more vectors; with the first ones comes what all are taken about: their mean."""
    cdef vf first, second
    if begin:
        o.about, o.first, o.second = vload(y), vzero(), vzero()
        sums_about(y, n, o.about, &first, &second)
        o.about = vfma(first, vset(<real>(1.0/n)), o.about)
    sums_about(y, n, o.about, &first, &second)
    o.first, o.second = o.first + first, o.second + second


cdef void depthwise_train(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """w: packed weights; rows: of a band; px: room for a frame, in `t` for each thread.  A run of sums is a plane."""
    cdef Op o = g[0]
    cdef ix plane, planes = g.blocks*g.images, row, rows, taps = g.kh*g.kw, block
    cdef Frame frame
    cdef real *y
    cdef Moments sum
    o.wd, o.left = seen(g.ow, g.sw, g.kw, g.dw), 0
    set_frame(&frame, run.arena + g.t + run.thread*g.px, g.px, o.wd, g.left, g.wd)
    sum.about = sum.first = sum.second = vzero()
    for plane in range(share(planes, t, threads), share(planes, t + 1, threads)):
        block, row = plane//g.images, 0
        while row < g.oh:
            rows, y = min(g.rows, g.oh - row), run.arena + g.y + (plane*g.oh + row)*g.ow*VW
            frame_x(g, run, plane, row*g.sh - g.top, seen(rows, g.sh, g.kh, g.dh), &frame)
            correlate(&o, frame.rows, run.arena + g.w + block*taps*VW, run.arena + g.w + (2*g.blocks*taps + block)*VW, y, rows)
            if g.sums >= 0:
                add_moments(&sum, y, rows*g.ow, row == 0)
            row += rows
        if g.sums >= 0:
            store_moments(g, run, plane%g.images, block, g.oh*g.ow, sum.about, sum.first, sum.second)
