# Back through a depthwise convolution (see depthwise.pxi), gy = c0 g + c1 y + c2 computed on load:
#
#     gw[a, c] = sum over i, j of gy[i, j] z[i sh + a dh - top, j sw + c dw - left],   gb = sum of gy
#     gz[i, j] = sum over the taps with sh | i + top - a dh, sw | j + left - c dw of gy[(i + top - a dh) / sh, ...] w[a, c]
#
#     for each part of the images of a block of channels            (threads share these)
#     for each plane of it, for each band of `rows` output rows
#         gy, as far as gz needs it, and z, as far as gw does, into frames of zeros
#         gw: a register for each tap, added up over the part; the parts are summed in their order by depthwise_weights
#         gz, of the input rows from the band's first one on to the next band's
#             stride 1: the tiles of the forward pass, taps reversed;  stride 2: WIDE pairs of columns, whose odd and even
#             ones see different taps, at once;  others: pixel by pixel
#         gx = its gate, with sums of gx, while it is there
#
# Registers are added to memory every FLUSHED pixels, so that rounding stays what it is for few.

cdef enum:
    FLUSHED = 256
    MOST_COLUMNS = 5            # of a kernel that has code of its own


cdef struct Back:                # a band
    const Op *g
    ix row                      # output rows [row, row + rows)
    ix rows
    ix first                    # input rows [first, stop) of gz
    ix stop
    ix low                      # rows of gy in its frame
    ix high                     # (the last one)
    ix left                     # columns of zeros before gy
    Frame z
    Frame gy
    real *gz


cdef inline ix floored(ix a, ix b) noexcept nogil:
    """a / b, rounded down."""
    return a//b if a >= 0 else -((b - 1 - a)//b)


cdef inline void set_frames(Back *o, const Op *g, real *room) noexcept nogil:
    """Frames of as many columns as all rows need."""
    cdef ix first = -floored((g.kw - 1)*g.dw - g.left, g.sw), last = (g.wd - 1 + g.left)//g.sw
    o.g, o.left, o.gz = g, max(-first, 0), room + g.px + g.py
    set_frame(&o.z, room, g.px, seen(g.ow, g.sw, g.kw, g.dw), g.left, g.wd)
    set_frame(&o.gy, room + g.px, g.py, o.left + max(g.ow, last + 1), o.left, g.ow)


cdef inline void rows_of_band(Back *o, ix row) noexcept nogil:
    cdef const Op *g = o.g
    o.row, o.rows = row, min(g.rows, g.oh - row)
    o.first, o.stop = min(row*g.sh, g.h), g.h if row + o.rows == g.oh else min((row + o.rows)*g.sh, g.h)
    o.low = min(row, -floored((g.kh - 1)*g.dh - g.top - o.first, g.sh))
    o.high = max(row + o.rows - 1, floored(o.stop - 1 + g.top, g.sh))


cdef void frame_g(const Back *o, const Run *run, ix plane) noexcept nogil:
    """gy of the band."""
    cdef const Op *g = o.g
    cdef const real *c = coefficients_of(run, g.c, plane//g.images, 3)
    cdef real *to = o.gy.rows
    cdef ix row, at
    for row in range(o.low, o.high + 1):
        at = (plane*g.oh + row)*g.ow*VW
        if not 0 <= row < g.oh:
            clear_row(g, to, o.gy.width)
        elif c != NULL:
            blend_run(run.arena + g.g + at, run.arena + g.y + at, NULL, to + o.left*VW, g.ow, c)
        else:
            memcpy(to + o.left*VW, run.arena + g.g + at, g.ow*VW*sizeof(real))
        to += o.gy.width*VW


# ---------------------------------------------------------------- gw
cdef inline void tap_rows(const real *z, ix zrow, const real *gy, ix grow, ix rows, ix n, real *sums, int S, int K,
                          int R) noexcept nogil:
    """R rows of K taps of a kernel, over some rows of n pixels, added to `sums`."""
    cdef vf acc[MOST_COLUMNS*MOST_COLUMNS]
    cdef const real *x
    cdef vf v
    cdef ix i, p
    cdef int a, c
    for a in range(R*K):
        acc[a] = vzero()
    for i in range(rows):
        for p in range(n):
            v, x = vload(gy + i*grow + p*VW), z + i*S*zrow + p*S*VW
            for a in range(R):
                for c in range(K):
                    acc[a*K + c] = vfma(vload(x + a*zrow + c*VW), v, acc[a*K + c])
    for a in range(R*K):
        vstore(sums + a*VW, vload(sums + a*VW) + acc[a])


cdef inline void tap_sums(const real *z, ix zrow, const real *gy, ix grow, ix rows, ix n, real *sums, int S,
                          int K) noexcept nogil:
    """All taps of a kernel, as many rows of them at once as there are registers for: 32 with AVX-512, else 16."""
    if K == 3 or VW == 16:
        tap_rows(z, zrow, gy, grow, rows, n, sums, S, K, K)
    else:
        tap_rows(z, zrow, gy, grow, rows, n, sums, S, K, 3)
        tap_rows(z + 3*zrow, zrow, gy, grow, rows, n, sums + 3*K*VW, S, K, K - 3)


cdef void tap_sum(const Op *g, const real *z, ix zrow, const real *gy, ix grow, ix rows, real *sum) noexcept nogil:
    """One tap of any kernel; z: its first row."""
    cdef vf first, total = vzero()
    cdef ix i, p
    for i in range(rows):
        first = vzero()
        for p in range(g.ow):
            first = vfma(vload(z + i*g.sh*zrow + p*g.sw*VW), vload(gy + i*grow + p*VW), first)
        total = total + first
    vstore(sum, vload(sum) + total)


cdef void some_tap_sums(const Op *g, const real *z, ix zrow, const real *gy, ix grow, ix rows, real *sums) noexcept nogil:
    """Rows few enough to be summed at once."""
    cdef ix tap, code = g.kh*10 + g.sh if unrolled(g) else 0
    if code == 31:
        tap_sums(z, zrow, gy, grow, rows, g.ow, sums, 1, 3)
    elif code == 32:
        tap_sums(z, zrow, gy, grow, rows, g.ow, sums, 2, 3)
    elif code == 51:
        tap_sums(z, zrow, gy, grow, rows, g.ow, sums, 1, 5)
    elif code == 52:
        tap_sums(z, zrow, gy, grow, rows, g.ow, sums, 2, 5)
    else:
        for tap in range(g.kh*g.kw):
            tap_sum(g, z + tap//g.kw*g.dh*zrow + tap%g.kw*g.dw*VW, zrow, gy, grow, rows, sums + tap*VW)


cdef void band_weights(const Back *o, real *sums) noexcept nogil:
    """The band's part of gw, and of gb behind it."""
    cdef const Op *g = o.g
    cdef ix zrow = o.z.width*VW, grow = o.gy.width*VW, each = max(<ix>1, FLUSHED//g.ow), row = 0, rows, i, p, taps = g.kh*g.kw
    cdef const real *gy = o.gy.rows + (o.row - o.low)*grow + o.left*VW
    cdef vf total
    while row < o.rows:
        rows = min(each, o.rows - row)
        some_tap_sums(g, o.z.rows + row*g.sh*zrow, zrow, gy + row*grow, grow, rows, sums)
        if g.b >= 0:
            total = vzero()
            for i in range(row, row + rows):
                for p in range(g.ow):
                    total = total + vload(gy + i*grow + p*VW)
            vstore(sums + taps*VW, vload(sums + taps*VW) + total)
        row += rows


cdef void depthwise_weights(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """gw and gb (-1: not wanted) of k channels.  x: [part][block][taps, gb] sums of the taps that pack_depthwise packs;
    the others' gradients are zeros.  lanes: so many parts."""
    cdef ix taps = g.kh*g.kw, whole = g.h*g.wd, item, items = g.blocks*(whole + 1), size = g.blocks*(taps + 1)
    cdef ix block, tap, row, column, part, lane
    cdef real *gradients = <real *>run.io[g.gradients]
    cdef real total[VW]
    cdef vf sum
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        block, tap, sum = item//(whole + 1), item%(whole + 1), vzero()
        row, column = tap//g.wd - g.top, tap%g.wd - g.left
        if tap == whole or (0 <= row < g.kh and 0 <= column < g.kw):
            for part in range(g.lanes):
                sum = sum + vload(run.arena + g.x + (part*size + block*(taps + 1) + (
                    taps if tap == whole else row*g.kw + column))*VW)
        vstore(total, sum)
        for lane in range(real_lanes(g, block)):
            if tap == whole and g.b >= 0:
                gradients[g.b + block*VW + lane] = total[lane]
            elif tap < whole and g.gw >= 0:
                gradients[g.gw + (block*VW + lane)*whole + tap] = total[lane]


# ---------------------------------------------------------------- gz, stride 2
cdef inline void spread_tile(const real **gy, const real **w, ix count, ix at, real *y, int K, int L, int W) noexcept nogil:
    """Columns 2 at, ..., 2 (at + W) - 1 of a row, which `count` rows of gy reach, each by a row of taps.

    Column 2 u + e sees tap c where e = (c + L) % 2, at column u + (e + L - c) / 2 of gy.  L: padding.
    """
    cdef vf acc[2*WIDE]
    cdef vf tap
    cdef ix q
    cdef int m, c, e
    for m in range(2*W):
        acc[m] = vzero()
    for q in range(count):
        for c in range(K):
            e = (c + L) % 2
            tap = vload(w[q] + c*VW)
            for m in range(W):
                acc[e*W + m] = vfma(vload(gy[q] + (at + m + (e + L - c)//2)*VW), tap, acc[e*W + m])
    for m in range(W):
        vstore(y + 2*m*VW, acc[m])
        vstore(y + (2*m + 1)*VW, acc[W + m])


cdef inline void spread_tiles(const real **gy, const real **w, ix count, ix pairs, real *y, int K, int L, int W) noexcept nogil:
    """Pairs of columns, W or more."""
    cdef ix at = 0
    while at < pairs:
        at = min(at, pairs - W)
        spread_tile(gy, w, count, at, y + 2*at*VW, K, L, W)
        at += W


cdef inline void spread_pairs(const real **gy, const real **w, ix count, ix pairs, real *y, int K, int L) noexcept nogil:
    if pairs >= WIDE:
        spread_tiles(gy, w, count, pairs, y, K, L, WIDE)
    elif pairs >= NARROW:
        spread_tiles(gy, w, count, pairs, y, K, L, NARROW)
    else:
        spread_tiles(gy, w, count, pairs, y, K, L, 1)


cdef inline bint in_pairs(const Op *g) noexcept nogil:
    """Whether gz has code for its pairs of columns."""
    return (g.kh == g.kw and (g.kh == 3 or g.kh == 5) and g.sh == 2 and g.sw == 2 and g.dh == 1 and g.dw == 1
            and (g.left == g.kw//2 or g.left == g.kw//2 - 1))


cdef void spread_row(const Back *o, const real *w, ix row, real *y) noexcept nogil:
    """The pairs of columns of a row of gz."""
    cdef const Op *g = o.g
    cdef const real *gy[MOST_COLUMNS]
    cdef const real *taps[MOST_COLUMNS]
    cdef ix a, count = 0
    for a in range((row + g.top)%2, g.kh, 2):
        gy[count] = o.gy.rows + ((floored(row + g.top - a, 2) - o.low)*o.gy.width + o.left)*VW
        taps[count] = w + a*g.kw*VW
        count += 1
    if g.kh == 3 and g.left == 1:
        spread_pairs(gy, taps, count, g.wd//2, y, 3, 1)
    elif g.kh == 3:
        spread_pairs(gy, taps, count, g.wd//2, y, 3, 0)
    elif g.left == 2:
        spread_pairs(gy, taps, count, g.wd//2, y, 5, 2)
    else:
        spread_pairs(gy, taps, count, g.wd//2, y, 5, 1)


# ---------------------------------------------------------------- gz, any stride
cdef inline vf spread_pixel(const Back *o, const real *w, ix row, ix column) noexcept nogil:
    """An element of gz."""
    cdef const Op *g = o.g
    cdef ix a, c, i, j
    cdef vf sum = vzero()
    for a in range(g.kh):
        i = row + g.top - a*g.dh
        if i < 0 or i%g.sh or i//g.sh >= g.oh:
            continue
        for c in range(g.kw):
            j = column + g.left - c*g.dw
            if j >= 0 and j%g.sw == 0 and j//g.sw < g.ow:
                sum = vfma(vload(o.gy.rows + ((i//g.sh - o.low)*o.gy.width + o.left + j//g.sw)*VW),
                           vload(w + (a*g.kw + c)*VW), sum)
    return sum


cdef void spread(const Back *o, const real *w) noexcept nogil:
    """gz of a band, of strides other than 1."""
    cdef const Op *g = o.g
    cdef ix row, column
    cdef real *y = o.gz
    for row in range(o.first, o.stop):
        if in_pairs(g):
            spread_row(o, w, row, y)
        for column in range(g.wd//2*2 if in_pairs(g) else 0, g.wd):
            vstore(y + column*VW, spread_pixel(o, w, row, column))
        y += g.wd*VW


cdef void reversed_taps(const Back *o, const real *w) noexcept nogil:
    """gz of a band, of stride 1: a correlation of gy with the taps in reverse."""
    cdef const Op *g = o.g
    cdef Op other = g[0]
    cdef real zero[VW]
    cdef ix top = (g.kh - 1)*g.dh - g.top, left = (g.kw - 1)*g.dw - g.left
    vstore(zero, vzero())
    other.wd, other.left, other.ow = o.gy.width, 0, g.wd
    correlate(&other, o.gy.rows + ((o.first - top - o.low)*o.gy.width + o.left - left)*VW, w, zero, o.gz,
              o.stop - o.first)


# ---------------------------------------------------------------- planes
cdef void back_band(Back *o, const Run *run, ix plane, real *weights, vf *sums) noexcept nogil:
    """A band; its part of gw (weights; NULL: not wanted) and of the sums of gx."""
    cdef const Op *g = o.g
    cdef ix taps = g.kh*g.kw, block = plane//g.images, at = (plane*g.h + o.first)*g.wd*VW, size = g.blocks*taps*VW
    cdef const real *w = run.arena + g.w + block*taps*VW
    cdef real one[VW]
    cdef Gate gate
    frame_g(o, run, plane)
    if weights != NULL:
        frame_x(g, run, plane, o.row*g.sh - g.top, seen(o.rows, g.sh, g.kh, g.dh), &o.z)
        band_weights(o, weights)
    if g.gx < 0 or o.stop <= o.first:
        return
    if g.sh == 1 and g.sw == 1:
        reversed_taps(o, w + size)
    else:
        spread(o, w)
    gate = gate_if_lazy(g, run, block)
    gate.far = goes_far(run.arena + g.gx, g.blocks*g.images*g.h*g.wd*VW)
    vstore(one, vset(1))
    gate_run(&gate, run.arena + g.x + at, o.gz, VW, one, 0, run.arena + g.add + at if g.add >= 0 else NULL,
             run.arena + g.gx + at, (o.stop - o.first)*g.wd, sums)


cdef void back_plane(Back *o, const Run *run, ix block, ix image, real *weights) noexcept nogil:
    cdef const Op *g = o.g
    cdef ix row = 0
    cdef vf sums[2]
    sums[0], sums[1] = vzero(), vzero()
    while row < g.oh:
        rows_of_band(o, row)
        back_band(o, run, block*g.images + image, weights, sums)
        row += g.rows
    if g.gx >= 0:
        store_sums(g, run, image, block, sums)


cdef void depthwise_back(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """gx (-1: not wanted) and r: [part][block][taps, gb] sums, for depthwise_weights (-1: not wanted).

    w: packed weights; b: -1: gb is not wanted; y: what c applies to; lanes: parts of the images; px, py, ys: room for the
    frames of z, of gy, and for all three, in `t`.
    """
    cdef ix item, items = g.blocks*g.lanes, block, image, each = (g.kh*g.kw + 1)*VW
    cdef int part, parts = <int>g.lanes
    cdef real *weights = NULL
    cdef Back o
    set_frames(&o, g, run.arena + g.t + run.thread*g.ys)
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        block, part = item//g.lanes, <int>(item%g.lanes)
        if g.r >= 0:
            weights = run.arena + g.r + (part*g.blocks + block)*each
            memset(weights, 0, each*sizeof(real))
        for image in range(share(g.images, part, parts), share(g.images, part + 1, parts)):
            back_plane(&o, run, block, image, weights)
