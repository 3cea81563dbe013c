# Sum, mean, largest and smallest over the middle axis of x (O, N, I), which axes that lie side by side always are:
#
#     sum    y[o, i] = sum_n x[o, n, i]                  mean   the same, divided by N
#     max    y[o, i] = max_n x[o, n, i]                  min    likewise; NaN where any element is NaN
#
# and the gradient of the last two, shared by the elements that are equal to the extreme,
#
#     gx[o, n, i] = gy[o, i] [x[o, n, i] = y[o, i]] / (how many are).
#
# Loop order.  x is read once, in one of three ways:
#   rows     I = 1: along each row, four vectors side by side, because an addition takes four cycles; rows are shared out;
#   parts    the same, where rows are few and long (a sum of everything): each row is cut into PIECES, which are shared
#            out and put together in their order;
#   columns  I > 1: lanes are columns.  Strips of up to four vectors walk down the N rows; strips are shared out.
# How rows are cut depends on shapes alone: any number of threads gives the same bits.
# Accuracy.  A vector sum takes up BLOCK elements of a row and is then added to a double; or STEPS rows of a strip, and is
# then added to the strip's total, with what the last such addition lost in rounding (Kahan, "Further remarks on reducing
# truncation errors", 1965).  So errors do not grow with N.

cdef enum:
    STEPS = 64          # rows that a strip adds up before it is flushed
    PIECES = 32          # pieces of a long row
    LONG = 1 << 16      # elements of a row that is worth cutting

cdef enum Kind:
    SUM
    MAX
    MIN


cdef inline real neutral(Kind kind) noexcept nogil:
    """What changes nothing that it is met with."""
    return -INFINITY if kind == MAX else INFINITY if kind == MIN else 0


cdef inline vf meet(Kind kind, vf a, vf b) noexcept nogil:
    return vmax_nan(a, b) if kind == MAX else vmin_nan(a, b) if kind == MIN else a + b


cdef inline double meet_totals(Kind kind, double a, double b) noexcept nogil:
    if kind == SUM:
        return a + b
    return b if b != b or (b > a if kind == MAX else b < a) else a


cdef inline double lanes_total(Kind kind, vf v) noexcept nogil:
    """The lanes, put together."""
    return vhighest(v) if kind == MAX else vlowest(v) if kind == MIN else vsum(v)


# ---------------------------------------------------------------- along rows
cdef inline double block_total(Kind kind, const real *x, ix n) noexcept nogil:
    cdef vf s[LANES]
    cdef ix i = 0
    cdef int k
    for k in range(LANES):
        s[k] = vset(neutral(kind))
    while i + LANES*VW <= n:
        for k in range(LANES):
            s[k] = meet(kind, s[k], vload(x + i + k*VW))
        i += LANES*VW
    while i + VW <= n:
        s[0] = meet(kind, s[0], vload(x + i))
        i += VW
    if i < n:
        s[1] = meet(kind, s[1], vselect(vfirst(n - i), vload_part(x + i, n - i), vset(neutral(kind))))
    return lanes_total(kind, meet(kind, meet(kind, s[0], s[1]), meet(kind, s[2], s[3])))


cdef inline double blocks_total(Kind kind, const real *x, ix n) noexcept nogil:
    cdef double total = block_total(kind, x, min(<ix>BLOCK, n))
    cdef ix i = BLOCK
    while i < n:
        total = meet_totals(kind, total, block_total(kind, x + i, min(<ix>BLOCK, n - i)))
        i += BLOCK
    return total


cdef double row_total(Kind kind, const real *x, ix n) noexcept nogil:
    """Here the kind becomes a constant, so that the loops have no choice left in them."""
    if kind == SUM:
        return blocks_total(SUM, x, n)
    return blocks_total(MAX, x, n) if kind == MAX else blocks_total(MIN, x, n)


cdef void reduce_rows(Kind kind, const real *x, real *y, ix rows, ix n, double divisor) noexcept nogil:
    cdef ix o
    cdef int threads = team(rows*n)
    for o in prange(rows, num_threads=threads, schedule="static"):
        y[o] = <real>(row_total(kind, x + o*n, n)/divisor)


cdef void reduce_parts(Kind kind, const real *x, real *y, ix rows, ix n, double divisor) noexcept nogil:
    cdef double totals[PIECES]
    cdef ix o
    cdef int k, threads = team(n)
    for o in range(rows):
        for k in prange(PIECES, num_threads=threads, schedule="static"):
            totals[k] = row_total(kind, x + o*n + n*k//PIECES, n*(k + 1)//PIECES - n*k//PIECES)
        for k in range(1, PIECES):
            totals[0] = meet_totals(kind, totals[0], totals[k])
        y[o] = <real>(totals[0]/divisor)


# ---------------------------------------------------------------- down columns
cdef inline void reduce_vectors(Kind kind, const real *x, real *y, ix n, ix inner, double divisor,
                                int vectors, ix part) noexcept nogil:
    """So many vectors of columns, each of them a `part` of VW."""
    cdef vf s[LANES]
    cdef vf total[LANES]
    cdef vf excess[LANES]  # what rounding added to the total, taken off the next sum
    cdef vf next
    cdef ix start = 0, i
    cdef int k
    for k in range(vectors):
        total[k] = vset(neutral(kind))
        excess[k] = vzero()
    while start < n:
        for k in range(vectors):
            s[k] = -excess[k] if kind == SUM else vset(neutral(kind))
        for i in range(start, min(n, start + STEPS)):
            for k in range(vectors):
                s[k] = meet(kind, s[k], vload_part(x + i*inner + k*VW, part))
        for k in range(vectors):
            next = meet(kind, total[k], s[k])
            excess[k] = (next - total[k]) - s[k]
            excess[k] = vselect(veq(excess[k], excess[k]), excess[k], vzero())  # infinities have none
            total[k] = next
        start += STEPS
    for k in range(vectors):
        vstore_part(y + k*VW, total[k]/vset(<real>divisor), part)


cdef inline void reduce_strip(Kind kind, const real *x, real *y, ix n, ix inner, double divisor, ix width) noexcept nogil:
    cdef ix i = 0
    if width == LANES*VW:
        reduce_vectors(kind, x, y, n, inner, divisor, LANES, VW)
    else:
        while i < width:
            reduce_vectors(kind, x + i, y + i, n, inner, divisor, 1, min(<ix>VW, width - i))
            i += VW


cdef void strip_of_kind(Kind kind, const real *x, real *y, ix n, ix inner, double divisor, ix width) noexcept nogil:
    """As `row_total`."""
    if kind == SUM:
        reduce_strip(SUM, x, y, n, inner, divisor, width)
    elif kind == MAX:
        reduce_strip(MAX, x, y, n, inner, divisor, width)
    else:
        reduce_strip(MIN, x, y, n, inner, divisor, width)


cdef void reduce_columns(Kind kind, const real *x, real *y, ix outer, ix n, ix inner, double divisor) noexcept nogil:
    cdef ix strips = (inner + LANES*VW - 1)//(LANES*VW)
    cdef ix t, o, i
    cdef int threads = team(outer*n*inner)
    for t in prange(outer*strips, num_threads=threads, schedule="static"):
        o = t//strips
        i = t%strips*LANES*VW
        strip_of_kind(kind, x + o*n*inner + i, y + o*inner + i, n, inner, divisor, min(<ix>LANES*VW, inner - i))


# ---------------------------------------------------------------- kernels
cdef int reduce(Kind kind, const real[:, :, ::1] x, real[:, ::1] y, double divisor) except -1:
    cdef ix outer = x.shape[0], n = x.shape[1], inner = x.shape[2]
    require(outer > 0 and n > 0 and inner > 0, "reduction: x has no elements")
    require(y.shape[0] == outer and y.shape[1] == inner, "reduction: y must have the outer and the inner extent of x")
    cdef const real *xs = &x[0, 0, 0]
    cdef real *ys = &y[0, 0]
    with nogil:
        if inner > 1:
            reduce_columns(kind, xs, ys, outer, n, inner, divisor)
        elif n >= LONG and outer < PIECES:
            reduce_parts(kind, xs, ys, outer, n, divisor)
        else:
            reduce_rows(kind, xs, ys, outer, n, divisor)
    return 0


def sum_forward(const real[:, :, ::1] x, real[:, ::1] y):  # IN (o, n, i)  OUT (o, i)
    reduce(SUM, x, y, 1)


def mean_forward(const real[:, :, ::1] x, real[:, ::1] y):  # IN (o, n, i)  OUT (o, i)
    reduce(SUM, x, y, x.shape[1])


def max_forward(const real[:, :, ::1] x, real[:, ::1] y):  # IN (o, n, i)  OUT (o, i)
    reduce(MAX, x, y, 1)


def min_forward(const real[:, :, ::1] x, real[:, ::1] y):  # IN (o, n, i)  OUT (o, i)
    reduce(MIN, x, y, 1)


# ---------------------------------------------------------------- the gradient of extremes
# A share is gy / count, times 1 or 0: where y is NaN nothing is equal to it, and 0 gy / 0 is NaN, as it should be.
cdef inline vf hits(vf x, vf extreme) noexcept nogil:
    return vselect(veq(x, extreme), vset(1), vzero())


cdef void extreme_gradient_row(const real *x, real y, real gy, real *gx, ix n) noexcept nogil:
    cdef vf extreme = vset(y), count = vzero(), share
    cdef ix i = 0
    while i + VW <= n:
        count = count + hits(vload(x + i), extreme)
        i += VW
    count = count + vselect(vfirst(n - i), hits(vload_part(x + i, n - i), extreme), vzero())
    share = vset(gy/vsum(count))
    i = 0
    while i + VW <= n:
        vstore(gx + i, share*hits(vload(x + i), extreme))
        i += VW
    vstore_part(gx + i, share*hits(vload_part(x + i, n - i), extreme), n - i)


cdef void extreme_gradient_columns(const real *x, const real *y, const real *gy, real *gx, ix n, ix inner,
                                   ix part) noexcept nogil:
    cdef vf extreme = vload_part(y, part), count = vzero(), share
    cdef ix i
    for i in range(n):
        count = count + hits(vload_part(x + i*inner, part), extreme)
    share = vload_part(gy, part)/count
    for i in range(n):
        vstore_part(gx + i*inner, share*hits(vload_part(x + i*inner, part), extreme), part)


def extreme_backward(const real[:, :, ::1] x,   # IN  (o, n, i)
                     const real[:, ::1] y,      # IN  (o, i)  the largest, or the smallest
                     const real[:, ::1] gy,     # IN  (o, i)
                     real[:, :, ::1] gx):       # OUT (o, n, i)
    cdef ix outer = x.shape[0], n = x.shape[1], inner = x.shape[2]
    require(outer > 0 and n > 0 and inner > 0, "extreme_backward: x has no elements")
    require(y.shape[0] == outer and y.shape[1] == inner and gy.shape[0] == outer and gy.shape[1] == inner,
            "extreme_backward: y and gy must have the outer and the inner extent of x")
    require(gx.shape[0] == outer and gx.shape[1] == n and gx.shape[2] == inner, "extreme_backward: gx is not like x")
    cdef const real *xs = &x[0, 0, 0]
    cdef const real *ys = &y[0, 0]
    cdef const real *gys = &gy[0, 0]
    cdef real *gxs = &gx[0, 0, 0]
    cdef ix strips = (inner + VW - 1)//VW
    cdef ix t, o, i
    cdef int threads = team(2*outer*n*inner)
    for t in prange(outer*strips, nogil=True, num_threads=threads, schedule="static"):
        o = t//strips
        i = t%strips*VW
        if inner == 1:
            extreme_gradient_row(xs + o*n, ys[o], gys[o], gxs + o*n, n)
        else:
            extreme_gradient_columns(xs + o*n*inner + i, ys + o*inner + i, gys + o*inner + i, gxs + o*n*inner + i,
                                     n, inner, min(<ix>VW, inner - i))
