# Elements from one order to another: y[at y] = x[at x] over an index space of AXES axes, last axis fastest.  Each side finds
# an element by a step for each axis, plus the entry of a table that another step for each axis numbers:
#
#     at x = x + sum over axes of i step  + xtable[sum over axes of i entry],        and likewise for y
#
# Plain (row-major) order, any view of it, and the channels of the blocked layout, wherever they lie, are all of that form.
# In the table of integers, from `off` on: extent, step of x, entry of x, step of y, entry of y for each axis; the k entries
# of x's table; the n entries of y's.  Without a table: one entry, 0.
# mode: where x lies, -1 the arena, -2 the constants, else the number of the caller's array.  r: -1, or the number of the
# caller's array that is written.
#
#     for each row (all axes but the last)                                    rows, and parts of them, are shared out
#         last axis without tables: a copy; squares of VW by VW that are turned, where on one side the rows lie side by
#             side; or a loop with strides
#         last axis with a table, the last but one without: stretches that lie side by side on both sides, each copied
#             for many rows
#         else: element by element

cdef enum:
    AXES = 8
    AXIS = 5                    # numbers that describe one


# The first n elements, or a vector of them if there are as many.
cdef inline vf lanes_of(const real *x, ix n) noexcept nogil:
    return vload(x) if n >= VW else vload_part(x, n)


cdef inline void lanes_to(real *y, vf v, ix n) noexcept nogil:
    if n >= VW:
        vstore(y, v)
    else:
        vstore_part(y, v, n)


cdef inline void copy_run(const real *x, real *y, ix n) noexcept nogil:
    cdef ix i = 0
    if n > 32*VW:
        memcpy(y, x, n*sizeof(real))
        return
    while i + VW <= n:
        vstore(y + i, vload(x + i))
        i += VW
    if i < n:
        vstore_part(y + i, vload_part(x + i, n - i), n - i)


cdef inline void copy_strided(const real *x, ix xs, real *y, ix ys, ix n) noexcept nogil:
    cdef ix i
    if xs == 1 and ys == 1:
        copy_run(x, y, n)
    elif xs == 0 and ys == 1:
        for i in range(n):
            y[i] = x[0]
    elif ys == 1:
        for i in range(n):
            y[i] = x[i*xs]
    else:
        for i in range(n):
            y[i*ys] = x[i*xs]


cdef void move_stretches(const int32_t *a, const int32_t *b, const real *x, const int32_t *xt, real *y,
                         const int32_t *yt, ix row, ix rows, ix first, ix n) noexcept nogil:
    """Rows of n elements along axis b, of which each stretch is copied for all rows along axis a before the next."""
    cdef ix i = first, j, r, at, to, end = first + n
    while i < end:
        at, to = xt[i*b[2]] + i*b[1], yt[i*b[4]] + i*b[3]
        j = 1
        while (j < VW and i + j < end and xt[(i + j)*b[2]] + (i + j)*b[1] == at + j
               and yt[(i + j)*b[4]] + (i + j)*b[3] == to + j):
            j += 1
        if j == VW:
            for r in range(row, row + rows):
                vstore(y + to + r*a[3], vload(x + at + r*a[1]))
        elif j > 1:
            for r in range(row, row + rows):
                vstore_part(y + to + r*a[3], vload_part(x + at + r*a[1], j), j)
        else:
            for r in range(row, row + rows):
                y[to + r*a[3]] = x[at + r*a[1]]
        i += j


cdef inline void turn(const real *x, const ix *at, ix xs, real *y, const ix *to, ix ys, ix rows, ix lanes, ix n,
                      bint reads) noexcept nogil:
    """`rows` rows of n elements; those of x (if it `reads`), or of y, lie side by side, at distances xs or ys.

    lanes: how many are written side by side; those beyond the rows are 0.
    """
    cdef vf square[VW]
    cdef ix p = 0, q, m
    while p < n:
        m = min(n - p, <ix>VW)
        if reads:
            for q in range(VW):
                square[q] = lanes_of(x + at[0] + (p + q)*xs, rows) if q < m else vzero()
            vtranspose(square)
            for q in range(rows):
                lanes_to(y + to[q] + p, square[q], m)
        else:
            for q in range(VW):
                square[q] = lanes_of(x + at[q] + p, m) if q < rows else vzero()
            vtranspose(square)
            for q in range(m):
                lanes_to(y + to[0] + (p + q)*ys, square[q], lanes)
        p += VW


cdef void move_squares(const int32_t *a, const int32_t *b, const real *x, const int32_t *xt, real *y,
                       const int32_t *yt, ix row, ix rows, ix n) noexcept nogil:
    """Rows of which the elements follow each other on one side, and the rows themselves, as long as they do, on the other."""
    cdef ix at[VW]
    cdef ix to[VW]
    cdef ix j, end = row + rows
    cdef bint reads = b[3] == 1
    while row < end:
        j = 0
        while j < VW and row + j < end:
            at[j], to[j] = xt[(row + j)*a[2]] + (row + j)*a[1], yt[(row + j)*a[4]] + (row + j)*a[3]
            if (at[j] - at[0] if reads else to[j] - to[0]) != j:
                break
            j += 1
        if j < 3:
            j = 1
            copy_strided(x + at[0], b[1], y + to[0], b[3], n)
        else:
            turn(x, at, b[1], y, to, b[3], j, j, n, reads)
        row += j


cdef void move_rows(const int32_t *a, const int32_t *b, const real *x, const int32_t *xt, real *y, const int32_t *yt,
                    ix row, ix rows, ix first, ix n) noexcept nogil:
    """Rows of axis a, from `row` on, of n elements of axis b, from `first` on."""
    cdef ix i, r
    cdef const real *from_row
    cdef real *to_row
    if b[2] == 0 and b[4] == 0 and rows > 2 and (b[1] == 1) != (b[3] == 1) and b[1] != 0:
        move_squares(a, b, x + first*b[1], xt, y + first*b[3], yt, row, rows, n)
    elif b[2] == 0 and b[4] == 0:
        for r in range(row, row + rows):
            copy_strided(x + r*a[1] + xt[r*a[2]] + first*b[1], b[1], y + r*a[3] + yt[r*a[4]] + first*b[3], b[3], n)
    elif a[2] == 0 and a[4] == 0:
        move_stretches(a, b, x, xt, y, yt, row, rows, first, n)
    else:
        for r in range(row, row + rows):
            from_row, to_row = x + r*a[1], y + r*a[3]
            for i in range(first, first + n):
                to_row[yt[r*a[4] + i*b[4]] + i*b[3]] = from_row[xt[r*a[2] + i*b[2]] + i*b[1]]


cdef inline const real *source(const Op *g, const Run *run) noexcept nogil:
    """Where x lies, by the mode."""
    if g.mode == -1:
        return run.arena + g.x
    return run.constants + g.x if g.mode == -2 else <const real *>run.io[g.mode] + g.x


cdef inline real *target(const Op *g, const Run *run) noexcept nogil:
    """Where y lies: in the arena, or in the caller's array of number r."""
    return run.arena + g.y if g.r < 0 else <real *>run.io[g.r] + g.y


cdef void move(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    cdef const int32_t *axes = run.tables + g.off
    cdef const int32_t *a = axes + AXIS*(AXES - 2)
    cdef const int32_t *b = axes + AXIS*(AXES - 1)
    cdef const int32_t *xt
    cdef const int32_t *yt
    cdef const real *x
    cdef real *y
    cdef ix length = b[0], total = length, row, outer, i, first, n, at, end, rows
    cdef int axis
    for axis in range(AXES - 1):
        total *= axes[AXIS*axis]
    at, end = share(total, t, threads), share(total, t + 1, threads)
    while at < end:
        row, first = at//length, at%length
        n = min(length - first, end - at)
        rows = 1 if n < length else min((end - at)//length, a[0] - row%a[0])
        x, y, xt = source(g, run), target(g, run), axes + AXIS*AXES
        yt = xt + g.k
        outer = row//a[0]
        for axis in range(AXES - 3, -1, -1):
            i = outer%axes[AXIS*axis]
            outer //= axes[AXIS*axis]
            x += i*axes[AXIS*axis + 1]
            xt += i*axes[AXIS*axis + 2]
            y += i*axes[AXIS*axis + 3]
            yt += i*axes[AXIS*axis + 4]
        move_rows(a, b, x, xt, y, yt, row%a[0], rows, first, n)
        at += rows*n


cdef void fill(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """n elements of y become `low`."""
    cdef ix i
    cdef real *y = target(g, run)
    for i in range(share(g.n, t, threads), share(g.n, t + 1, threads)):
        y[i] = <real>g.low
