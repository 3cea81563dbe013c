# What is done to whole maps in the blocked layout, a vector of channels at a time: pooling, means, sums, products and
# activations of maps, and the ways into the layout and out of it.  All of it moves memory more than it computes.

# ---------------------------------------------------------------- pooling: mode 0 largest, 1 mean of the window's part in the
# map, 2 mean with the padding counted (but not what lies beyond it, in ceil mode)
cdef enum:
    LARGEST = 0
    MEAN_INSIDE = 1
    MEAN_PADDED = 2


cdef struct Loading:            # what loading x applies, of one block
    vf scale
    vf shift
    vf low
    vf high


cdef inline Loading loading(const Op *g, const Run *run, ix block) noexcept nogil:
    """By the vectors at a; without these what changes nothing."""
    cdef Loading l
    cdef const real *a = run.arena + g.a + 4*block*VW
    l.scale, l.shift, l.low, l.high = vset(1), vzero(), vset(<real>g.low), vset(<real>g.high)
    if g.a >= 0:
        l.scale, l.shift = vload(a), vload(a + VW)
    return l


cdef inline vf loaded(const real *x, const Loading *l, bint lazy) noexcept nogil:
    return vclip(vfma(vload(x), l.scale, l.shift), l.low, l.high) if lazy else vload(x)


cdef inline vf pooled(vf a, vf b, bint largest) noexcept nogil:
    return vmax_nan(a, b) if largest else a + b


cdef inline void pool_columns(const real *x, ix first, ix rows, ix step, ix mask, ix wd, real *column, bint largest,
                              const Loading *l, bint lazy) noexcept nogil:
    """Down each of wd columns: rows first, first + step, ... of x (`mask`: of the numbers in a ring of rows); three at once, as
    in most networks."""
    cdef ix j, a = 3
    cdef const real *x0 = x + (first & mask)*wd*VW
    cdef const real *x1 = x + (first + step & mask)*wd*VW
    cdef const real *x2 = x + (first + 2*step & mask)*wd*VW
    cdef vf v
    if rows < 3:
        for j in range(wd):
            vstore(column + j*VW, loaded(x0 + j*VW, l, lazy))
        a = 1
    else:
        for j in range(wd):
            v = pooled(loaded(x0 + j*VW, l, lazy), loaded(x1 + j*VW, l, lazy), largest)
            vstore(column + j*VW, pooled(v, loaded(x2 + j*VW, l, lazy), largest))
    while a < rows:
        x1 = x + (first + a*step & mask)*wd*VW
        for j in range(wd):
            vstore(column + j*VW, pooled(vload(column + j*VW), loaded(x1 + j*VW, l, lazy), largest))
        a += 1


cdef inline void pool_row(const Op *g, const real *x, ix mask, real *y, real *column, ix row, bint largest,
                          const Loading *l, bint lazy) noexcept nogil:
    """An output row: first down the columns of the input rows it sees, then along the row.

    x: a plane, or (`mask`, numbers in it less one) a ring of its rows; column: room for a row of the input.
    """
    cdef ix first = row*g.sh - g.top, above = 0, below = g.kh, left, i, c, high_pad, wide, from_, to
    cdef vf v
    while first + above*g.dh < 0:
        above += 1
    while below > above and first + (below - 1)*g.dh >= g.h:
        below -= 1
    if below > above:
        pool_columns(x, first + above*g.dh, below - above, g.dh, mask, g.wd, column, largest, l, lazy)
    high_pad = min(first + g.kh, g.h + g.n) - first if g.mode == MEAN_PADDED else below - above
    for i in range(g.ow):
        left, from_, to = i*g.sw - g.left, 0, g.kw
        if left < 0 or left + (g.kw - 1)*g.dw >= g.wd:              # at the border: the columns inside alone
            from_ = (g.dw - 1 - left)//g.dw if left < 0 else 0
            to = min(g.kw, (g.wd - left + g.dw - 1)//g.dw)
        v = vset(-INFINITY) if largest else vzero()
        if below > above and to > from_:
            v = vload(column + (left + from_*g.dw)*VW)
            for c in range(from_ + 1, to):
                v = pooled(v, vload(column + (left + c*g.dw)*VW), largest)
        if not largest:
            wide = min(left + g.kw, g.wd + g.px) - left if g.mode == MEAN_PADDED else max(to - from_, 0)
            v = v/vset(<real>(high_pad*wide))
        vstore(y + i*VW, v)


cdef void pool(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """n and px: padding below and on the right, for the mean that counts it. a: see Loading, for the largest alone."""
    cdef Loading l
    cdef ix item, items = g.blocks*g.images*g.oh
    cdef const real *x
    cdef real *y
    cdef real *column = run.arena + g.t + t*g.wd*VW
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        x, y = run.arena + g.x + item//g.oh*g.h*g.wd*VW, run.arena + g.y + item*g.ow*VW
        if g.mode == LARGEST and g.a >= 0:
            l = loading(g, run, item//(g.oh*g.images))
            pool_row(g, x, -1, y, column, item%g.oh, True, &l, True)
        elif g.mode == LARGEST:
            pool_row(g, x, -1, y, column, item%g.oh, True, NULL, False)
        else:
            pool_row(g, x, -1, y, column, item%g.oh, False, NULL, False)


cdef void adaptive_pool(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """The mean, or the largest, of each of oh by ow parts of the map: rows floor(i h / oh) to ceil((i + 1) h / oh)."""
    cdef ix item, i, j, a, c, a0, a1, c0, c1, items = g.blocks*g.images*g.oh
    cdef const real *x
    cdef vf v
    cdef bint largest = g.mode == LARGEST
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        x, i = run.arena + g.x + item//g.oh*g.h*g.wd*VW, item%g.oh
        a0, a1 = i*g.h//g.oh, ((i + 1)*g.h + g.oh - 1)//g.oh
        for j in range(g.ow):
            c0, c1 = j*g.wd//g.ow, ((j + 1)*g.wd + g.ow - 1)//g.ow
            v = vset(-INFINITY) if largest else vzero()
            for a in range(a0, a1):
                for c in range(c0, c1):
                    v = (vmax_nan(v, vload(x + (a*g.wd + c)*VW)) if largest else v + vload(x + (a*g.wd + c)*VW))
            if not largest:
                v = v/vset(<real>((a1 - a0)*(c1 - c0)))
            vstore(run.arena + g.y + (item*g.ow + j)*VW, v)


cdef void global_mean(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """The mean of each plane of n pixels."""
    cdef ix plane, p, planes = g.blocks*g.images
    cdef const real *x
    cdef vf a, b, c, d
    for plane in range(share(planes, t, threads), share(planes, t + 1, threads)):
        x = run.arena + g.x + plane*g.n*VW
        a, b, c, d = vzero(), vzero(), vzero(), vzero()
        p = 0
        while p + 4 <= g.n:
            a, b = a + vload(x + p*VW), b + vload(x + (p + 1)*VW)
            c, d = c + vload(x + (p + 2)*VW), d + vload(x + (p + 3)*VW)
            p += 4
        while p < g.n:
            a = a + vload(x + p*VW)
            p += 1
        vstore(run.arena + g.y + plane*VW, ((a + b) + (c + d))*vset(<real>(1.0/g.n)))


# ---------------------------------------------------------------- element by element
cdef enum:
    PIECE = 128                 # pixels that are finished while they lie in the first cache, with what they are made of

cdef enum:
    ADD = 0
    SUBTRACT = 1
    MULTIPLY = 2
    DIVIDE = 3
    LARGER = 4
    SMALLER = 5
    COPY = 6                    # the first operand alone
    SUBTRACT_FROM = 7           # b - a
    DIVIDE_INTO = 8             # b / a


cdef inline vf combined(vf a, vf b, ix how) noexcept nogil:
    if how == ADD:
        return a + b
    if how == SUBTRACT:
        return a - b
    if how == MULTIPLY:
        return a*b
    if how == DIVIDE:
        return a/b
    if how == LARGER:
        return vmax_nan(a, b)
    if how == SMALLER:
        return vmin_nan(a, b)
    if how == SUBTRACT_FROM:
        return b - a
    return b/a


cdef inline void combine_run(const real *a, const real *b, real *y, ix n, ix step, ix how, vf low,
                             vf high) noexcept nogil:
    """n vectors, clipped; the second operand moves on by `step` (0: the same vector for all of them)."""
    cdef ix i
    for i in range(n):
        vstore(y + i*VW, vclip(combined(vload(a + i*VW), vload(b + i*step), how), low, high))


cdef inline void affine_run(const real *x, const real *w, const real *b, real *y, ix n, ix step, vf low,
                            vf high) noexcept nogil:
    """n vectors, clipped; factors and summands move on by `step`."""
    cdef ix i
    for i in range(n):
        vstore(y + i*VW, vclip(vfma(vload(w + i*step), vload(x + i*VW), vload(b + i*step)), low, high))


cdef inline ix pieces(const Op *g) noexcept nogil:
    """Into how many pieces of at most PIECE pixels a plane is cut."""
    return (g.n + PIECE - 1)//PIECE


cdef inline bint clips(const Op *g) noexcept nogil:
    """Whether the last store is done once a result has been clipped."""
    return g.activation == CLIP and g.r < 0


cdef void finish_piece(const Op *g, const Run *run, const real *x, ix at, ix count) noexcept nogil:
    """The last store of `count` vectors of bare results x, which belong `at` elements into y."""
    finish(g, x, run.arena + g.y + at, run.arena + g.r + at if g.r >= 0 else NULL, count)


cdef void combine(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """y = a . b over planes of n pixels, then the last store.

    b is a map as a is, or (px = 0) a vector per plane.  s < 0: b lies in the constants, at w, as a map of all images, or
    (px = 0) as a vector per block of channels; COPY has no b.
    """
    cdef ix item, each = pieces(g), items = g.blocks*g.images*each, plane, first, count, at
    cdef vf low = vset(<real>g.low if clips(g) else -INFINITY), high = vset(<real>g.high if clips(g) else INFINITY)
    cdef const real *a
    cdef const real *b
    cdef real *y
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        plane, first = item//each, item%each*PIECE
        count, at = min(<ix>PIECE, g.n - first), (plane*g.n + first)*VW
        a, y = run.arena + g.x + at, run.arena + g.y + at
        if g.mode == COPY:
            finish_piece(g, run, a, at, count)
            continue
        b = run.constants + g.w + (at if g.px else plane//g.images*VW)
        if g.s >= 0:
            b = run.arena + g.s + (at if g.px else plane*VW)
        if g.mode == ADD:
            combine_run(a, b, y, count, g.px, ADD, low, high)
        elif g.mode == MULTIPLY:
            combine_run(a, b, y, count, g.px, MULTIPLY, low, high)
        else:
            combine_run(a, b, y, count, g.px, g.mode, low, high)
        if not clips(g):
            finish_piece(g, run, y, at, count)


cdef enum:
    OF_CHANNEL = 0              # factors (w) and summands (b) of affine: constants, one for each channel
    OF_IMAGE = 1                # s: maps of one pixel in the arena, factors and then summands
    OF_ELEMENT = 2              # constants, one for each channel and pixel


cdef void affine(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """y = w x + b over planes of n pixels, then the last store."""
    cdef ix item, each = pieces(g), planes = g.blocks*g.images, plane, first, count, at, here, step
    cdef vf low = vset(<real>g.low if clips(g) else -INFINITY), high = vset(<real>g.high if clips(g) else INFINITY)
    cdef const real *w = run.constants + g.w
    cdef const real *b = run.constants + g.b
    cdef real *y
    if g.mode == OF_IMAGE:
        w = run.arena + g.s
        b = w + planes*VW
    for item in range(share(planes*each, t, threads), share(planes*each, t + 1, threads)):
        plane, first = item//each, item%each*PIECE
        count, at = min(<ix>PIECE, g.n - first), (plane*g.n + first)*VW
        y, step = run.arena + g.y + at, 0
        here = (plane if g.mode == OF_IMAGE else plane//g.images)*VW
        if g.mode == OF_ELEMENT:
            here, step = (plane//g.images*g.n + first)*VW, VW
        affine_run(run.arena + g.x + at, w + here, b + here, y, count, step, low, high)
        if not clips(g):
            finish_piece(g, run, y, at, count)


# ---------------------------------------------------------------- into the layout, within it, out of it
cdef void read_input(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """The caller's x (N, k, n pixels) -> blocks of channels; the channels that fill up the last block are 0."""
    cdef ix at[VW]
    cdef ix zero = 0, plane, block, image, q, first, last, planes = g.blocks*g.images
    cdef ix begin = share(planes*g.n, t, threads), end = share(planes*g.n, t + 1, threads)
    for plane in range(begin//g.n, (end + g.n - 1)//g.n):
        block, image = plane//g.images, plane%g.images
        first, last = max(begin - plane*g.n, 0), min(end - plane*g.n, g.n)
        for q in range(VW):
            at[q] = (image*g.k + block*VW + q)*g.n + first
        turn(<const real *>run.io[g.mode], at, 1, run.arena + g.y + (plane*g.n + first)*VW, &zero, VW,
             max(min(g.k - block*VW, <ix>VW), 0), VW, last - first, False)


cdef void write_output(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """Channels, wherever they lie, -> the caller's y (N, k, n pixels)."""
    cdef ix to[VW]
    cdef ix item = share(g.images*g.k, t, threads), end = share(g.images*g.k, t + 1, threads), c, j, at
    cdef const int32_t *off = run.tables + g.off
    while item < end:
        c, j = item%g.k, 0
        while j < VW and c + j < g.k and item + j < end and off[c + j] == off[c] + j:
            to[j] = (item + j)*g.n
            j += 1
        at = off[c] + item//g.k*g.n*VW
        turn(run.arena, &at, VW, <real *>run.io[g.mode], to, 1, j, j, g.n, True)
        item += j


cdef enum:
    GATHERED = 32               # pixels for which all channels are gathered before the next ones: their sources stay near


cdef void gather_block(const real *arena, const int32_t *off, real *y, ix first, ix last) noexcept nogil:
    """Pixels [first, last) of one block."""
    cdef ix p
    cdef int lane
    cdef bint whole = off[0] >= 0
    for lane in range(VW):
        whole = whole and off[lane] == off[0] + lane
    if whole:
        memcpy(y + first*VW, arena + off[0] + first*VW, (last - first)*VW*sizeof(real))
        return
    for lane in range(VW):
        for p in range(first, last):
            y[p*VW + lane] = arena[off[lane] + p*VW] if off[lane] >= 0 else 0


cdef void gather(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """y: channels picked from anywhere. off: for each channel, filled up to whole blocks, where it begins; -1: zeros."""
    cdef ix item, block, first, n = g.images*g.n, items = g.blocks*((n + GATHERED - 1)//GATHERED)
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        block, first = item%g.blocks, item//g.blocks*GATHERED
        gather_block(run.arena, run.tables + g.off + block*VW, run.arena + g.y + block*n*VW, first,
                     min(n, first + GATHERED))


cdef void pad_planes(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """Maps (h, wd) of px elements a pixel into frames (oh, ow) of zeros, `top` down and `left` in; mode: -1, or the number of
    the caller's array that is read."""
    cdef ix item, plane, row, items = g.blocks*g.images*g.oh, width = g.wd*g.px
    cdef const real *x = <const real *>run.arena + g.x if g.mode < 0 else <const real *>run.io[g.mode]
    cdef real *y
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        plane, row = item//g.oh, item%g.oh - g.top
        y = run.arena + g.y + item*g.ow*g.px
        if 0 <= row < g.h:
            memset(y, 0, g.left*g.px*sizeof(real))
            memcpy(y + g.left*g.px, x + (plane*g.h + row)*width, width*sizeof(real))
            memset(y + (g.left + g.wd)*g.px, 0, (g.ow - g.left - g.wd)*g.px*sizeof(real))
        else:
            memset(y, 0, g.ow*g.px*sizeof(real))
