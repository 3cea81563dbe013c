# Products: y[p, o] = sum over k of x[p*px + off[k]] w[k, o], then bias, residual and activation in the last store.
#
# The k-th input of a pixel lies wherever a table of offsets says, so that this one tile computes pointwise, dense, strided,
# dilated, grouped and fully connected layers, the products inside Winograd's algorithm, and reads through concatenations,
# splits and shuffles of channels as if they were not there.
#
#     for each panel of 1 to 3 vectors of output channels          (its weights, k rows of them, stay in the second cache)
#         for each tile of up to 14 pixels                         (two vectors by 14 pixels: 28 sums in registers)
#             for k: load the panel's k-th weights, multiply with the k-th input of each pixel, broadcast
#
# Weights come from far away.  While it multiplies, each tile fetches its share of what the operation was given to fetch (`ahead`,
# `fetch`): its own weights from the second panel on and, where it computes much, those of operations after it, for fully
# connected layers wait for memory and compute little.  The last tile of a row is moved back to end with it and computes a few
# pixels again, so an output must not lie where its residual does.

cdef enum:
    FEW = 4                     # pixels of a tile that computes too little to hide more than a line of weights for each k
    NEAR = 2048                 # elements ahead that such a tile fetches its weights

cdef struct Tile:
    const Op *g
    const int32_t *off
    const real *w               # the panel's weights
    const real *b
    const real *ahead           # weights to fetch while multiplying, `step` elements for each k
    const int32_t *far          # or, in tiles_fetching, what lies there from `ahead` on
    ix step
    real low                    # what the last store clips to
    real high
    bint swish                  # hard swish instead
    bint bare                   # the last store is more than that, or not side by side: tiles only add up


cdef inline void product_tiles(const Tile *tile, const real *x, real *y, ix ys, const real *r, ix count, int M, int NB,
                               int PX, int FAR) noexcept nogil:
    """`count` tiles of M pixels by NB vectors of channels, one after the other. PX: from a pixel's input to the next one's, where
    that is known; else 0: an addition for each pixel and k then takes a fifth of the loop's instructions. FAR: fetch by a table.

    (In a loop, so that the compiler unrolls the loops over the sums before it decides where to keep them: in registers.)
    """
    cdef vf acc[TILE_SUMS]
    cdef vf wv[3]
    cdef vf xb, low = vset(tile.low), high = vset(tile.high)
    cdef const int32_t *off = tile.off
    cdef const real *w
    cdef const real *ahead = tile.ahead
    cdef const real *xk
    cdef ix i, j, px = PX if PX > 0 else tile.g.px, step = tile.step, k = tile.g.k
    cdef int m, n
    for j in range(count):
        w = tile.w
        for n in range(NB):
            for m in range(M):
                acc[n*M + m] = vload(tile.b + n*VW)
        for i in range(k):
            xk = x + off[i]
            if FAR:
                prefetch_far(ahead + tile.far[i])
            elif M <= FEW:
                for n in range(NB):
                    prefetch_far(ahead + n*VW)
                ahead += step
            else:
                prefetch_far(ahead)
                ahead += step
            for n in range(NB):
                wv[n] = vload(w + n*VW)
            for m in range(M):
                xb = vset(xk[m*px])
                for n in range(NB):
                    acc[n*M + m] = vfma(xb, wv[n], acc[n*M + m])
            w += NB*VW
        if r != NULL:
            for n in range(NB):
                for m in range(M):
                    acc[n*M + m] = acc[n*M + m] + vload(r + n*ys + m*VW)
            r += M*VW
        if tile.swish:
            for n in range(NB):
                for m in range(M):
                    acc[n*M + m] = acc[n*M + m]*hard_gate(acc[n*M + m])
        for n in range(NB):
            for m in range(M):
                vstore(y + n*ys + m*VW, vclip(acc[n*M + m], low, high))
        x += M*px
        y += M*VW
        if FAR:
            ahead += M*VW


cdef inline void tiles1(const Tile *z, const real *x, real *y, ix ys, const real *r, ix count, int m, int PX,
                        int FAR) noexcept nogil:
    if m == ROWS1:
        product_tiles(z, x, y, ys, r, count, ROWS1, 1, PX, FAR)
    elif m == 8:
        product_tiles(z, x, y, ys, r, count, 8, 1, 0, FAR)
    elif m == 4:
        product_tiles(z, x, y, ys, r, count, 4, 1, 0, FAR)
    elif m == 2:
        product_tiles(z, x, y, ys, r, count, 2, 1, 0, FAR)
    else:
        product_tiles(z, x, y, ys, r, count, 1, 1, 0, FAR)


cdef inline void tiles2(const Tile *z, const real *x, real *y, ix ys, const real *r, ix count, int m, int PX,
                        int FAR) noexcept nogil:
    if m == ROWS2:
        product_tiles(z, x, y, ys, r, count, ROWS2, 2, PX, FAR)
    elif ROWS2 > 6 and m == 13:
        product_tiles(z, x, y, ys, r, count, 13, 2, PX, FAR)
    elif ROWS2 > 6 and m == 12:
        product_tiles(z, x, y, ys, r, count, 12, 2, PX, FAR)
    elif ROWS2 > 6 and m == 10:
        product_tiles(z, x, y, ys, r, count, 10, 2, PX, FAR)
    elif ROWS2 > 6 and m == 8:
        product_tiles(z, x, y, ys, r, count, 8, 2, PX, FAR)
    elif ROWS2 > 6 and m == 7:
        product_tiles(z, x, y, ys, r, count, 7, 2, PX, FAR)
    elif m == 4:
        product_tiles(z, x, y, ys, r, count, 4, 2, 0, FAR)
    elif m == 2:
        product_tiles(z, x, y, ys, r, count, 2, 2, 0, FAR)
    else:
        product_tiles(z, x, y, ys, r, count, 1, 2, 0, FAR)


cdef inline void tiles3(const Tile *z, const real *x, real *y, ix ys, const real *r, ix count, int m, int PX,
                        int FAR) noexcept nogil:
    if m == ROWS3:
        product_tiles(z, x, y, ys, r, count, ROWS3, 3, PX, FAR)
    elif ROWS3 > 4 and m == 8:
        product_tiles(z, x, y, ys, r, count, 8, 3, PX, FAR)
    elif ROWS3 > 4 and m == 7:
        product_tiles(z, x, y, ys, r, count, 7, 3, PX, FAR)
    elif ROWS3 > 4 and m == 4:
        product_tiles(z, x, y, ys, r, count, 4, 3, 0, FAR)
    elif m == 2:
        product_tiles(z, x, y, ys, r, count, 2, 3, 0, FAR)
    else:
        product_tiles(z, x, y, ys, r, count, 1, 3, 0, FAR)


cdef inline void some_tiles(const Tile *z, const real *x, real *y, ix ys, const real *r, ix count, int m, int NB,
                             int PX, int FAR) noexcept nogil:
    if NB == 2:
        tiles2(z, x, y, ys, r, count, m, PX, FAR)
    elif NB == 3:
        tiles3(z, x, y, ys, r, count, m, PX, FAR)
    else:
        tiles1(z, x, y, ys, r, count, m, PX, FAR)


cdef void tiles_side_by_side(const Tile *z, const real *x, real *y, ix ys, const real *r, ix count, int m, int NB) noexcept nogil:
    some_tiles(z, x, y, ys, r, count, m, NB, VW, 0)


cdef void tiles_anywhere(const Tile *z, const real *x, real *y, ix ys, const real *r, ix count, int m, int NB) noexcept nogil:
    some_tiles(z, x, y, ys, r, count, m, NB, 0, 0)


cdef void tiles_fetching(const Tile *z, const real *x, real *y, ix ys, const real *r, ix count, int m, int NB) noexcept nogil:
    """Side by side; each fetches what lies at the places of `far`, from `ahead` on, which moves along as its own pixels do."""
    some_tiles(z, x, y, ys, r, count, m, NB, VW, 1)


cdef inline void any_tiles(const Tile *z, const real *x, real *y, ix ys, const real *r, ix count, int m,
                           int NB) noexcept nogil:
    if z.g.px == VW:
        tiles_side_by_side(z, x, y, ys, r, count, m, NB)
    else:
        tiles_anywhere(z, x, y, ys, r, count, m, NB)


cdef void run_tiles(Tile *z, const real *x, real *y, const real *r, ix count, int m, int NB) noexcept nogil:
    """`count` tiles with their last store.

    Where that is more than clipping it goes through memory of this thread's own: two threads may compute the same pixels,
    and neither must see there what the other has not finished.
    """
    cdef real sums[TILE_SUMS*VW]
    cdef int n, p
    cdef ix i, at
    cdef const Op *g = z.g
    if not z.bare:
        any_tiles(z, x, y, g.ys, r, count, m, NB)
        z.ahead += z.step*g.k*count
        return
    for i in range(count):
        any_tiles(z, x + i*m*g.px, sums, m*VW, NULL, 1, m, NB)
        z.ahead += z.step*g.k
        for n in range(NB):
            at = n*g.ys + i*m*g.py
            if g.py == VW:
                finish(g, sums + n*m*VW, y + at, r + at if r != NULL else NULL, m)
            else:
                for p in range(m):
                    finish(g, sums + (n*m + p)*VW, y + at + p*g.py, r + at + p*g.py if r != NULL else NULL, 1)


cdef inline int full_rows(int NB) noexcept nogil:
    return ROWS1 if NB == 1 else ROWS2 if NB == 2 else ROWS3


cdef inline int tile_rows(ix n, int NB) noexcept nogil:
    """Pixels of a tile: of the sizes that exist the smallest that covers n pixels in as few tiles as the largest does.

    Where n is less than that size, the largest that n holds.
    """
    cdef int full = full_rows(NB), m = 1
    cdef ix each = (n + (n + full - 1)//full - 1)//((n + full - 1)//full)
    if NB == 2 and full > 6:
        m = 14 if each > 13 else 13 if each > 12 else 12 if each > 10 else 10 if each > 8 else 8 if each > 7 else 7
        if m > n:
            m = 12 if n >= 12 else 10 if n >= 10 else 8 if n >= 8 else 7 if n >= 7 else 4 if n >= 4 else 2 if n >= 2 else 1
        elif each <= 4:
            m = 4 if each > 2 else 2 if each > 1 else 1
    elif NB == 3 and full > 4:
        m = 9 if each > 8 else 8 if each > 7 else 7 if each > 4 else 4 if each > 2 else 2 if each > 1 else 1
        if m > n:
            m = 8 if n >= 8 else 7 if n >= 7 else 4 if n >= 4 else 2 if n >= 2 else 1
    elif NB == 1:
        m = full if each > 8 else 8 if each > 4 else 4 if each > 2 else 2 if each > 1 else 1
        if m > n:
            m = 8 if n >= 8 else 4 if n >= 4 else 2 if n >= 2 else 1
    else:
        m = full if n >= full else 4 if n >= 4 else 2 if n >= 2 else 1
    return m


cdef inline int panel_width(ix left) noexcept nogil:
    """Vectors of the next panel, of so many that are left: two, and three where one would be left over."""
    return <int>left if left <= 3 else 2


cdef void scaled_panel(const Op *g, const Run *run, const real *w, real *copy, ix row, int NB) noexcept nogil:
    """A panel's weights times the factors of the input channels of an image: diag(s) w."""
    cdef const int32_t *soff = run.tables + g.soff
    cdef const real *s = run.arena + g.s + row*VW
    cdef vf f
    cdef ix i
    cdef int n
    for i in range(g.k):
        f = vset(s[soff[i]])
        for n in range(NB):
            vstore(copy + (i*NB + n)*VW, f*vload(w + (i*NB + n)*VW))


cdef void look_ahead(Tile *z, const Run *run, const real *w, ix block, int NB, int m, ix tiles) noexcept nogil:
    """What the tiles of the panel at `block` fetch while they multiply. (k is 0 where outputs see the bias alone.)"""
    cdef const Op *g = z.g
    cdef ix before = g.fetch*block//g.blocks, now = g.fetch*(block + NB)//g.blocks - before
    if m <= FEW:
        z.ahead, z.step = w + NEAR, NB*VW
    else:
        z.ahead, z.step = run.constants + g.ahead + before, (now + g.k*tiles - 1)//max(g.k*tiles, 1)


cdef void product(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """Panels one after the other; of all tiles together each thread takes one stretch.

    mode: -1, or the number of the caller's array that is read instead of the arena.
    """
    cdef int NB, m
    cdef ix block = 0, tiles, items, total = 0, before = 0, first, last, i, row, p, count, scaled_row, at
    cdef Tile tile
    cdef const real *w = run.constants + g.w
    cdef real *copy = run.arena + g.t + run.thread*g.k*3*VW
    cdef const real *x = <const real *>run.arena + g.x if g.mode < 0 else <const real *>run.io[g.mode] + g.x
    tile.g, tile.off = g, run.tables + g.off
    tile.swish = g.activation == HARDSWISH and g.r < 0 and g.py == VW
    tile.bare = not tile.swish and (not plain_store(g) or g.py != VW)
    tile.low, tile.high = <real>g.low, <real>g.high
    if tile.bare or tile.swish:
        tile.low, tile.high = -INFINITY, INFINITY
    while block < g.blocks:
        NB = panel_width(g.blocks - block)
        m = tile_rows(g.n, NB)
        total += (g.n + m - 1)//m*g.rows
        block += NB
    block = 0
    while block < g.blocks:
        NB = panel_width(g.blocks - block)
        m = tile_rows(g.n, NB)
        tiles = (g.n + m - 1)//m
        items = tiles*g.rows
        first, last = max(share(total, t, threads) - before, 0), min(share(total, t + 1, threads) - before, items)
        before += items
        tile.w, tile.b, scaled_row = w, run.constants + g.b + block*VW, -1
        look_ahead(&tile, run, w, block, NB, m, max(last - first, 1))
        i = first
        while i < last:
            row, p = i//tiles, i%tiles*m
            count = min(last - i, (g.n - p)//m)     # tiles that follow each other in this row
            if count < 1:
                count, p = 1, g.n - m
            if g.s >= 0:
                if row != scaled_row:
                    scaled_panel(g, run, w, copy, row, NB)
                scaled_row = row
                tile.w = copy
            at = block*g.ys + row//g.image_rows*g.yimage + row%g.image_rows*g.yrow + p*g.py
            run_tiles(&tile, x + row//g.image_rows*g.image_step + row%g.image_rows*g.xrow + p*g.px, run.arena + g.y + at,
                      run.arena + g.r + at if g.r >= 0 else NULL, count, m, NB)
            i += count
        w += NB*VW*g.k
        block += NB
