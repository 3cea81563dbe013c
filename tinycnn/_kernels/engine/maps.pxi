# What is done to whole maps in the blocked layout, a vector of channels at a time: pooling, means, sums, products and
# activations of maps, and the ways into the layout and out of it.  All of it moves memory more than it computes.

# ---------------------------------------------------------------- pooling: mode 0 largest, 1 mean of the window's part in the
# map, 2 mean with the padding counted (but not what lies beyond it, in ceil mode)
cdef enum:
    LARGEST = 0
    MEAN_INSIDE = 1
    MEAN_PADDED = 2


cdef void pool_row(const Op *g, const real *x, real *y, real *column, ix row) noexcept nogil:
    """An output row: first down the columns of the input rows it sees, then along the row.

    column: room for a row of the input.
    """
    cdef ix first = row*g.sh - g.top, above = 0, below = g.kh, left, right, i, a, c, j
    cdef ix high_pad, wide_pad
    cdef vf v
    cdef bint largest = g.mode == LARGEST
    while first + above*g.dh < 0:
        above += 1
    while below > above and first + (below - 1)*g.dh >= g.h:
        below -= 1
    for j in range(g.wd):
        v = vset(-INFINITY) if largest else vzero()
        for a in range(above, below):
            if largest:
                v = vmax_nan(v, vload(x + ((first + a*g.dh)*g.wd + j)*VW))
            else:
                v = v + vload(x + ((first + a*g.dh)*g.wd + j)*VW)
        vstore(column + j*VW, v)
    high_pad = min(first + g.kh, g.h + g.n) - first if g.mode == MEAN_PADDED else below - above
    for i in range(g.ow):
        left = i*g.sw - g.left
        v = vset(-INFINITY) if largest else vzero()
        right = 0
        for c in range(g.kw):
            j = left + c*g.dw
            if 0 <= j < g.wd:
                v = vmax_nan(v, vload(column + j*VW)) if largest else v + vload(column + j*VW)
                right += 1
        if not largest:
            wide_pad = min(left + g.kw, g.wd + g.px) - left if g.mode == MEAN_PADDED else right
            v = v/vset(<real>(high_pad*wide_pad))
        vstore(y + i*VW, v)


cdef void pool(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """n and px: padding below and on the right, for the mean that counts it."""
    cdef ix item, items = g.blocks*g.images*g.oh
    cdef real *column = run.arena + g.t + t*g.wd*VW
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        pool_row(g, run.arena + g.x + item//g.oh*g.h*g.wd*VW, run.arena + g.y + item*g.ow*VW, column, item%g.oh)


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
    return vmin_nan(a, b)


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

    b is a map as a is, or (px = 0) a vector per plane; without b (s = -1) y = a.
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
        if g.s < 0:
            finish_piece(g, run, a, at, count)
            continue
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
    cdef ix plane, block, image, lane, p, c, planes = g.blocks*g.images
    cdef const real *x = <const real *>run.io[g.mode]
    cdef const real *row
    cdef real *y
    for plane in range(share(planes, t, threads), share(planes, t + 1, threads)):
        block, image = plane//g.images, plane%g.images
        y = run.arena + g.y + plane*g.n*VW
        for lane in range(VW):
            c = block*VW + lane
            row = x + (image*g.k + c)*g.n
            if c < g.k:
                for p in range(g.n):
                    y[p*VW + lane] = row[p]
            else:
                for p in range(g.n):
                    y[p*VW + lane] = 0


cdef void write_output(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """Channels, wherever they lie, -> the caller's y (N, k, n pixels)."""
    cdef ix item, image, c, p, items = g.images*g.k
    cdef const int32_t *off = run.tables + g.off
    cdef const real *x
    cdef real *y
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        image, c = item//g.k, item%g.k
        x = run.arena + off[c] + image*g.n*VW
        y = <real *>run.io[g.mode] + item*g.n
        for p in range(g.n):
            y[p] = x[p*VW]


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
    cdef const real *x = run.arena + g.x if g.mode < 0 else <const real *>run.io[g.mode]
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
