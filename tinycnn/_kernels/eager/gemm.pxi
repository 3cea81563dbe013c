# Matrix product: C[i,j] = bias[i] + sum over k of A[i,k] B[k,j].
#
# The sums of a tile of TILE_ROWS rows by TILE_VECTORS vectors stay in registers for a whole block of k; each step of k
# loads TILE_VECTORS vectors of B and broadcasts TILE_ROWS elements of A.
#
#     for each block of k:                          K_BLOCK steps: a panel of B then fits the first-level cache
#         pack the panels of A                      unless they are used too seldom to pay for it
#         for each panel of PANEL columns of B:     packed too, unless its rows can be read where they lie
#             for each panel of TILE_ROWS rows of A:
#                 tile
#
# Packed, an operand lies in the order in which tiles read it: A as [panel][k][rows], B as [k][PANEL] (Goto and van de
# Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008; Van Zee and van de Geijn, "BLIS", 2015).
#
# A matrix has columns that may lie in segments, so that NCHW activations are a matrix of channels by (image, pixel)
# without being copied: a whole batch is one product, however small its maps.
#
# Each element of C is computed by one thread, its k in an order that the shape alone decides, and so are its bits.

cdef enum:
    K_BLOCK = 256               # the most steps of k between a load and a store of the sums
    GROUP = 192                 # panels of B times steps of k that are read again while they are in the first cache
    USES = 5                    # panels of A that are used no more often than this are not packed
    FEW_TILES = 16              # fewer tiles than this, and k is sliced, for the threads to have something to share
    SLICE = 2048                # the least steps of k in a slice
    MOST_SLICES = 8
    ODD_COLUMNS = 2             # the most columns beyond whole vectors that are made by dot products
    DOT_ROWS = 4

cdef struct Matrix:             # element (r, j) is at[r*row + j//segment*jump + j % segment]
    real *at
    ix row, segment, jump

cdef struct Product:
    Matrix a, b, c
    bint a_by_k, b_by_k         # whether the rows of the stored matrix are k: then its lanes lie side by side
    const real *bias            # one for each row of C, or NULL
    bint add                    # to what C holds
    ix groups, m, n, k          # `groups` products, whose operands lie steps apart
    ix a_step, b_step, c_step, bias_step

cdef struct Pieces:             # a range of columns, cut into runs of at most a vector that lie in one segment
    int count
    int to[PANEL]
    int length[PANEL]
    ix offset[PANEL]


cdef inline ix place(const Matrix *x, ix j) noexcept nogil:
    return j//x.segment*x.jump + j % x.segment


cdef inline void cut_columns(Pieces *pieces, const Matrix *x, ix first, ix n) noexcept nogil:
    cdef ix j = 0, length, start = first//x.segment*x.jump, within = first % x.segment
    cdef int i = 0
    while j < n:
        length = min(min(n - j, VW), x.segment - within)
        pieces.to[i] = <int>j
        pieces.length[i] = <int>length
        pieces.offset[i] = start + within
        within += length
        if within == x.segment:
            within = 0
            start += x.jump
        j += length
        i += 1
    pieces.count = i


# ---------------------------------------------------------------- packing: element (k, lane) to packed[k*lanes + lane]
# Whole vectors are stored, and what they hold beyond the lanes is overwritten by the next row: rows go in ascending
# order, and a buffer ends in VW elements of slack.
cdef inline vf load_run(const real *x, int n) noexcept nogil:
    return vload(x) if n == VW else vload_part(x, n)


cdef void pack_rows(const Matrix *x, ix first, ix n, ix k0, ix k1, ix lanes, real *packed) noexcept nogil:
    """The stored rows are k: n neighbouring columns from `first`."""
    cdef Pieces s
    cdef const real *row = x.at + k0*x.row
    cdef ix k
    cdef int i
    cut_columns(&s, x, first, n)
    if s.count == 2 and s.length[0] == VW and s.length[1] == VW:
        for k in range(k0, k1):
            vstore(packed, vload(row + s.offset[0]))
            vstore(packed + VW, vload(row + s.offset[1]))
            packed += lanes
            row += x.row
        return
    for k in range(k0, k1):
        for i in range(s.count):
            vstore(packed + s.to[i], load_run(row + s.offset[i], s.length[i]))
        packed += lanes
        row += x.row


cdef inline void pack_square(const real *x, ix row, ix rows, ix columns, ix lanes, real *packed) noexcept nogil:
    """Up to VW rows and columns, transposed; the last row stands in for rows that are not there."""
    cdef vf t[VW]
    cdef ix i
    if columns == VW:
        for i in range(VW):
            t[i] = vload(x + min(i, rows - 1)*row)
    else:
        for i in range(VW):
            t[i] = vload_part(x + min(i, rows - 1)*row, columns)
    vtranspose(t)
    if columns == VW:
        for i in range(VW):
            vstore(packed + i*lanes, t[i])
    else:
        for i in range(columns):
            vstore(packed + i*lanes, t[i])


cdef void pack_columns(const Matrix *x, ix first, ix n, ix k0, ix k1, ix lanes, real *packed) noexcept nogil:
    """The stored columns are k: n rows from `first`, transposed in squares, the last lanes first (see above)."""
    cdef ix k = k0, run, q, lane
    cdef const real *start
    while k < k1:
        run = min(k1 - k, x.segment - k % x.segment)
        start = x.at + first*x.row + place(x, k)
        q = 0
        while q < run:
            lane = (n - 1)//VW*VW
            while lane >= 0:
                pack_square(start + lane*x.row + q, x.row, min(VW, n - lane), min(VW, run - q), lanes,
                            packed + q*lanes + lane)
                lane -= VW
            q += VW
        packed += run*lanes
        k += run


cdef inline void pack(const Matrix *x, bint by_k, ix first, ix n, ix k0, ix k1, ix lanes, real *packed) noexcept nogil:
    if by_k:
        pack_rows(x, first, n, k0, k1, lanes, packed)
    else:
        pack_columns(x, first, n, k0, k1, lanes, packed)


# ---------------------------------------------------------------- the tile
cdef struct Tile:               # operands of one row of tiles
    const real *a               # element (i, k) at a[i*a_row + k*a_step]; one of the two is 1
    const real *b               # vector j of row k at b[k*b_step + j*VW]
    const real *bias            # one for each row, or NULL
    real *c
    ix a_row, a_step, b_step, c_row, k
    ix tiles                    # how many, side by side in B and in C
    ix ahead                    # fetch what lies this far beyond b: the next panel
    bint add


cdef inline void tile(const Tile *t, ix a_row, ix a_step, int M, int V) noexcept nogil:
    """M rows by V vectors of C, and those to the right; M and V are constants where this is inlined: sums are registers.

    (The loop over tiles also makes gcc unroll the loops over sums before it decides what lives in memory.)
    """
    cdef vf sums[TILE]
    cdef vf vectors[TILE_VECTORS]
    cdef vf scalar
    cdef const real *a
    cdef const real *b
    cdef real *c = t.c
    cdef ix step, ahead = t.ahead, b_step = t.b_step, c_row = t.c_row
    cdef int i, j, q
    for q in range(t.tiles):
        a = t.a
        b = t.b + q*V*VW
        for i in range(M):
            for j in range(V):
                sums[i*V + j] = vzero()
        for step in range(t.k):
            for j in range(V):
                vectors[j] = vload(b + j*VW)
                prefetch(b + ahead + j*VW)
            for i in range(M):
                scalar = vset(a[i*a_row])
                for j in range(V):
                    sums[i*V + j] = vfma(scalar, vectors[j], sums[i*V + j])
            a += a_step
            b += b_step
        if t.add:
            for i in range(M):
                for j in range(V):
                    vstore(c + i*c_row + j*VW, vload(c + i*c_row + j*VW) + sums[i*V + j])
        elif t.bias != NULL:
            for i in range(M):
                for j in range(V):
                    vstore(c + i*c_row + j*VW, vset(t.bias[i]) + sums[i*V + j])
        else:
            for i in range(M):
                for j in range(V):
                    vstore(c + i*c_row + j*VW, sums[i*V + j])
        c += V*VW


cdef inline void tile_of(const Tile *t, ix a_row, ix a_step, ix m, int V) noexcept nogil:
    """The tile of m rows by V vectors."""
    if TILE_ROWS >= 14 and m == 14: tile(t, a_row, a_step, 14, V)
    elif TILE_ROWS >= 14 and m == 13: tile(t, a_row, a_step, 13, V)
    elif TILE_ROWS >= 14 and m == 12: tile(t, a_row, a_step, 12, V)
    elif TILE_ROWS >= 14 and m == 11: tile(t, a_row, a_step, 11, V)
    elif TILE_ROWS >= 14 and m == 10: tile(t, a_row, a_step, 10, V)
    elif TILE_ROWS >= 14 and m == 9: tile(t, a_row, a_step, 9, V)
    elif TILE_ROWS >= 8 and m == 8: tile(t, a_row, a_step, 8, V)
    elif TILE_ROWS >= 8 and m == 7: tile(t, a_row, a_step, 7, V)
    elif m == 6: tile(t, a_row, a_step, 6, V)
    elif m == 5: tile(t, a_row, a_step, 5, V)
    elif m == 4: tile(t, a_row, a_step, 4, V)
    elif m == 3: tile(t, a_row, a_step, 3, V)
    elif m == 2: tile(t, a_row, a_step, 2, V)
    else: tile(t, a_row, a_step, 1, V)


cdef void wide_lanes(const Tile *t, ix m) noexcept nogil:
    tile_of(t, 1, t.a_step, m, TILE_VECTORS)


cdef void wide_rows(const Tile *t, ix m) noexcept nogil:
    tile_of(t, t.a_row, 1, m, TILE_VECTORS)


cdef void narrow_lanes(const Tile *t, ix m) noexcept nogil:
    tile_of(t, 1, t.a_step, m, 1)


cdef void narrow_rows(const Tile *t, ix m) noexcept nogil:
    tile_of(t, t.a_row, 1, m, 1)


cdef inline void run_tiles(const Tile *t, ix m, ix n) noexcept nogil:
    """Tiles for n columns, by whether the rows of A or its steps of k lie side by side."""
    if n > VW:
        if t.a_row == 1: wide_lanes(t, m)
        else: wide_rows(t, m)
    elif t.a_row == 1: narrow_lanes(t, m)
    else: narrow_rows(t, m)


cdef void tile_apart(Tile *t, ix m, ix n, const Pieces *pieces) noexcept nogil:
    """A tile whose columns in C end before it does, or lie in several segments: by way of a copy."""
    cdef real copy[TILE*VW]
    cdef real *c = t.c
    cdef ix i, row = t.c_row
    cdef int q
    if t.add:
        for i in range(m):
            for q in range(pieces.count):
                vstore_part(copy + i*PANEL + pieces.to[q],
                            load_run(c + i*row + pieces.offset[q], pieces.length[q]), pieces.length[q])
    t.c, t.c_row = copy, PANEL
    run_tiles(t, m, n)
    for i in range(m):
        for q in range(pieces.count):
            vstore_part(c + i*row + pieces.offset[q],
                        load_run(copy + i*PANEL + pieces.to[q], pieces.length[q]), pieces.length[q])
    t.c, t.c_row = c, row


# ---------------------------------------------------------------- the loops around it
cdef inline ix over(ix n, ix by) noexcept nogil:
    return (n + by - 1)//by


cdef inline ix row_panels(ix m) noexcept nogil:
    return over(m, TILE_ROWS)


cdef inline ix first_row(ix m, ix panels, ix i) noexcept nogil:
    """Where panel i of `panels` begins: the first m % panels of them have one row more."""
    return i*(m//panels) + min(i, m % panels)


cdef inline ix k_steps(ix k) noexcept nogil:
    """Steps of k in a block: equal blocks, of whole vectors."""
    return over(over(k, over(k, K_BLOCK)), VW)*VW


cdef inline bint in_one_segment(const Matrix *x, ix j0, ix j1) noexcept nogil:
    return j0//x.segment == (j1 - 1)//x.segment


cdef inline ix together(const Product *p, ix j, ix end, ix steps) noexcept nogil:
    """How many whole panels from column j on lie side by side in B and C, up to what the first-level cache holds."""
    cdef ix n = min(end - j, max(1, GROUP//steps)*PANEL)
    if p.b_by_k:
        n = min(n, p.b.segment - j % p.b.segment)
    else:
        n = min(n, PANEL)
    return min(n, p.c.segment - j % p.c.segment)//PANEL


cdef void row_of_tiles(const Product *p, Tile *t, ix i0, ix i1, ix n, const real *packed_a, const Pieces *apart) noexcept nogil:
    """The tiles of row panels [i0, i1) and n columns; packed_a: NULL where A is read from where it lies."""
    cdef ix panels = row_panels(p.m), i, r, rows, first = first_row(p.m, panels, i0)
    cdef const real *a = t.a
    cdef real *c = t.c
    for i in range(i0, i1):
        r = first_row(p.m, panels, i)
        rows = first_row(p.m, panels, i + 1) - r
        t.c = c + r*t.c_row
        t.bias = NULL
        if p.bias != NULL and not t.add:
            t.bias = p.bias + r
        if packed_a != NULL:
            t.a, t.a_row, t.a_step = packed_a + (r - first)*t.k, 1, rows
        elif p.a_by_k:
            t.a, t.a_row, t.a_step = a + r, 1, p.a.row
        else:
            t.a, t.a_row, t.a_step = a + r*p.a.row, p.a.row, 1
        if apart == NULL:
            run_tiles(t, rows, n)
        else:
            tile_apart(t, rows, n, apart)
        t.ahead = 0             # one pass over the panel fetches the next


cdef void block(const Product *p, ix i0, ix i1, ix j0, ix j1, ix k0, ix k1, bint add, real *scratch) noexcept nogil:
    """Row panels [i0, i1) by column panels [j0, j1) of one product, over [k0, k1)."""
    cdef ix panels = row_panels(p.m), steps = k1 - k0, end = min(p.n, j1*PANEL), i, j = j0*PANEL, n, r
    cdef real *packed_b = scratch
    cdef real *packed_a = scratch + PANEL*steps + VW
    cdef const real *a = p.a.at + (k0*p.a.row if p.a_by_k else place(&p.a, k0))
    cdef Tile t
    cdef Pieces pieces
    if j1 - j0 <= USES and (p.a_by_k or in_one_segment(&p.a, k0, k1)):
        packed_a = NULL
    for i in range(i0, i1 if packed_a != NULL else i0):
        r = first_row(p.m, panels, i)
        n = first_row(p.m, panels, i + 1) - r
        pack(&p.a, p.a_by_k, r, n, k0, k1, n, packed_a + (r - first_row(p.m, panels, i0))*steps)
    t.k, t.add, t.c_row = steps, add, p.c.row
    while j < end:
        t.tiles = together(p, j, end, steps)
        n = t.tiles*PANEL if t.tiles > 0 else min(PANEL, end - j)
        t.a = a
        if p.b_by_k and t.tiles > 0:
            t.b, t.b_step = p.b.at + k0*p.b.row + place(&p.b, j), p.b.row
            t.ahead = n if j + n < end else 0
        else:
            t.b, t.b_step, t.ahead = packed_b, PANEL, 0
            pack(&p.b, p.b_by_k, j, n, k0, k1, PANEL, packed_b)
        if t.tiles > 0:
            t.c = p.c.at + place(&p.c, j)
            row_of_tiles(p, &t, i0, i1, n, packed_a, NULL)
        else:
            t.c, t.tiles = p.c.at, 1
            cut_columns(&pieces, &p.c, j, n)
            row_of_tiles(p, &t, i0, i1, n, packed_a, &pieces)
        j += n


cdef void blocks(const Product *p, ix i0, ix i1, ix j0, ix j1, ix k0, ix k1, real *scratch) noexcept nogil:
    cdef ix steps = k_steps(k1 - k0), k = k0
    while k < k1:
        block(p, i0, i1, j0, j1, k, min(k1, k + steps), p.add or k > k0, scratch)
        k += steps


# ---------------------------------------------------------------- single columns: dot products with the rows of A
cdef inline void dots(const real *a, ix row, const real *x, ix k, int R, real *sums) noexcept nogil:
    """R rows of A times a vector, the sums of each in a vector."""
    cdef vf total[DOT_ROWS]
    cdef vf part
    cdef ix q = 0
    cdef int i
    for i in range(R):
        total[i] = vzero()
    while q + VW <= k:
        part = vload(x + q)
        for i in range(R):
            total[i] = vfma(vload(a + i*row + q), part, total[i])
        q += VW
    part = vload_part(x + q, k - q)
    for i in range(R):
        total[i] = vfma(vload_part(a + i*row + q, k - q), part, total[i])
        sums[i] = vsum(total[i])


cdef void column(const Product *p, ix j, ix r0, ix r1, real *x) noexcept nogil:
    """Rows [r0, r1) of column j of C; x: room for that column of B."""
    cdef ix q, r = r0, n
    cdef real sums[DOT_ROWS]
    cdef real *c = p.c.at + place(&p.c, j)
    for q in range(p.k):
        x[q] = p.b.at[q*p.b.row + place(&p.b, j)] if p.b_by_k else p.b.at[j*p.b.row + place(&p.b, q)]
    while r < r1:
        n = min(DOT_ROWS, r1 - r)
        if n == DOT_ROWS:
            dots(p.a.at + r*p.a.row, p.a.row, x, p.k, DOT_ROWS, sums)
        else:
            n = 1
            dots(p.a.at + r*p.a.row, p.a.row, x, p.k, 1, sums)
        for q in range(n):
            if p.add: sums[q] = sums[q] + c[(r + q)*p.c.row]
            elif p.bias != NULL: sums[q] = sums[q] + p.bias[r + q]
            c[(r + q)*p.c.row] = sums[q]
        r += n


cdef inline ix odd_columns(const Product *p) noexcept nogil:
    """Columns at the end that `column` makes: where a vector of the tile would be nearly empty, and counts."""
    cdef ix odd = p.n % VW
    if p.a_by_k or p.a.segment < p.k or odd > ODD_COLUMNS or p.n > USES*PANEL:
        return 0
    return odd


# ---------------------------------------------------------------- sharing out
cdef inline ix private_scratch(ix m, ix k, ix all_k) noexcept nogil:
    """Elements that a thread packs into: all panels of A, one of B, slack after each; or a column of B."""
    return max(over((m + PANEL)*min(K_BLOCK, k + VW), VW)*VW + 2*VW, over(all_k, VW)*VW)


cdef inline ix slices(ix groups, ix m, ix n, ix k) noexcept nogil:
    """How many parts k is cut into: the shape alone decides."""
    if groups*row_panels(m)*over(n, PANEL) >= FEW_TILES:
        return 1
    return max(1, min(MOST_SLICES, k//SLICE))


cdef inline ix product_scratch(ix groups, ix m, ix n, ix k, int threads) noexcept nogil:
    cdef ix s = slices(groups, m, n, k)
    return threads*private_scratch(m, over(k, s), k) + (s*groups*m*n if s > 1 else 0)


cdef Product one_of(const Product *p, ix g) noexcept nogil:
    """The g-th of the products, alone."""
    cdef Product one = p[0]
    one.a.at += g*p.a_step
    one.b.at += g*p.b_step
    one.c.at += g*p.c_step
    if p.bias != NULL:
        one.bias += g*p.bias_step
    return one


cdef void share(const Product *p, int part, int parts, real *scratch) noexcept nogil:
    """What one of several threads does: a range of panels along the longer axis, of all products in turn."""
    cdef ix s = slices(p.groups, p.m, p.n, p.k), odd = 0 if s > 1 else odd_columns(p)
    cdef ix rows = row_panels(p.m), columns = over(p.n - odd, PANEL)
    cdef bint by_columns = columns >= rows
    cdef ix units = columns if by_columns else rows
    cdef ix unit = s*p.groups*units*part//parts, end = s*p.groups*units*(part + 1)//parts, g, q, u, more
    cdef ix private = private_scratch(p.m, over(p.k, s), p.k)
    cdef real *partial = scratch + parts*private
    cdef Product one
    scratch += part*private
    while unit < end:
        u = unit % units
        q = unit//units % s
        g = unit//units//s
        more = min(end - unit, units - u)
        one = one_of(p, g)
        one.n -= odd
        if s > 1:
            one.c = Matrix(partial + unit//units*p.m*p.n, p.n, p.n, 0)
            one.add, one.bias = False, NULL
        if by_columns:
            blocks(&one, 0, rows, u, u + more, p.k*q//s, p.k*(q + 1)//s, scratch)
        else:
            blocks(&one, u, u + more, 0, columns, p.k*q//s, p.k*(q + 1)//s, scratch)
        unit += more
    for g in range(p.groups if odd > 0 else 0):
        one = one_of(p, g)
        for u in range(p.n - odd, p.n):
            column(&one, u, p.m*part//parts, p.m*(part + 1)//parts, scratch)


cdef void add_slices(const Product *p, ix s, const real *partial, ix row) noexcept nogil:
    """One row of C from the slices of its k, in their order."""
    cdef ix g = row//p.m, i = row % p.m, j, q
    cdef const real *x = partial + (g*s*p.m + i)*p.n
    cdef real *c = p.c.at + g*p.c_step + i*p.c.row
    cdef real total, start = 0 if p.bias == NULL else p.bias[g*p.bias_step + i]
    for j in range(p.n):
        total = c[place(&p.c, j)] if p.add else start
        for q in range(s):
            total += x[q*p.m*p.n + j]
        c[place(&p.c, j)] = total


cdef void multiply(const Product *p, real *scratch, int threads) noexcept nogil:
    cdef ix s = slices(p.groups, p.m, p.n, p.k), row
    cdef const real *partial = scratch + threads*private_scratch(p.m, over(p.k, s), p.k)
    cdef int t
    for t in prange(threads, num_threads=threads, schedule="static"):
        share(p, t, threads, scratch)
    if s > 1:
        for row in range(p.groups*p.m):
            add_slices(p, s, partial, row)


cdef int fitting(const Product *p, real[::1] scratch, str kernel) except -1:
    """Threads that the product deserves and the scratch has room for."""
    cdef int threads = team(p.groups*p.m*p.k*over(p.n, VW))
    while threads > 1 and product_scratch(p.groups, p.m, p.n, p.k, threads) > scratch.shape[0]:
        threads -= 1
    require(product_scratch(p.groups, p.m, p.n, p.k, threads) <= scratch.shape[0], kernel + ": scratch is too small")
    return threads


def gemm_scratch(ix groups, ix m, ix n, ix k):
    return max(product_scratch(groups, m, n, k, team(groups*m*k*over(n, VW))),
               product_scratch(groups, n, m, k, team(groups*n*k*over(m, VW))))


cdef inline Matrix plain(const real *at, ix columns) noexcept nogil:
    return Matrix(<real *>at, columns, columns, 0)


cdef void exchange(Product *p) noexcept nogil:
    """The same product as C^T = B^T A^T: the other operand is the one that is read in rows."""
    cdef ix n = p.n
    p.a, p.b = p.b, p.a
    p.a_by_k, p.b_by_k = p.b_by_k, p.a_by_k
    p.a_step, p.b_step = p.b_step, p.a_step
    p.m, p.n = p.n, p.m
    p.c = Matrix(p.c.at, 1, 1, p.c.row)


def gemm(const real[:, :, ::1] a, const real[:, :, ::1] b, real[:, :, ::1] c, bint transpose_a, bint transpose_b,
         real[::1] scratch):  # IN (G | 1, M, K)  IN (G | 1, K, N)  OUT (G, M, N)
    cdef Product p
    memset(&p, 0, sizeof(Product))
    p.groups, p.m, p.n, p.k = c.shape[0], c.shape[1], c.shape[2], a.shape[1] if transpose_a else a.shape[2]
    require((a.shape[0] == p.groups or a.shape[0] == 1) and (b.shape[0] == p.groups or b.shape[0] == 1),
            "gemm: a and b differ from c in their number of matrices")
    require((a.shape[2] if transpose_a else a.shape[1]) == p.m, "gemm: the rows of a and c differ in number")
    require((b.shape[1] if transpose_b else b.shape[2]) == p.n, "gemm: the columns of b and c differ in number")
    require((b.shape[2] if transpose_b else b.shape[1]) == p.k, "gemm: the inner extents of a and b differ")
    require(p.groups > 0 and p.m > 0 and p.n > 0 and p.k > 0, "gemm: an extent is 0")
    p.a, p.b, p.c = plain(&a[0, 0, 0], a.shape[2]), plain(&b[0, 0, 0], b.shape[2]), plain(&c[0, 0, 0], p.n)
    p.a_by_k, p.b_by_k = transpose_a, not transpose_b
    p.a_step, p.b_step, p.c_step = p.m*p.k if a.shape[0] > 1 else 0, p.k*p.n if b.shape[0] > 1 else 0, p.m*p.n
    if transpose_b and not transpose_a and p.m <= p.n and p.m <= PANEL and p.k >= K_BLOCK//2:
        exchange(&p)            # few rows: b, the larger operand, is then read once and never packed
    cdef int threads = fitting(&p, scratch, "gemm")
    with nogil:
        multiply(&p, &scratch[0], threads)
