# Arrays in plain order as (rows, k, n): what is computed over the middle axis.  With n = 1 that is along rows, in vectors;
# else lanes are columns, a vector of them at a time (the last one in part); short rows of a softmax are turned into columns.
# One thread computes a row, or a vector of columns, from end to end.  r: -1, or the number of the caller's array that is written.

# ---------------------------------------------------------------- softmax of low x: mode 0; its logarithm: mode 1
cdef void softmax_row(const real *x, real *y, ix k, real factor, bint logarithm) noexcept nogil:
    cdef real m, total
    cdef vf shift
    cdef ix i
    if factor != 1:
        for i in range(k):
            y[i] = x[i]*factor
        x = y
    m = row_highest(x, k)
    total = row_exp(x, y, k, m, not logarithm)
    if not logarithm:
        row_scale(y, k, 1/total)
        return
    shift = vset(m)
    i = 0
    while i < k:
        lanes_to(y + i, lanes_of(x + i, k - i) - shift - vlog(vset(total)), k - i)
        i += VW


cdef void softmax_columns(const real *x, real *y, ix k, ix n, ix lanes, real factor, bint logarithm) noexcept nogil:
    """The first `lanes` of n columns of k elements."""
    cdef vf m = vset(-INFINITY), total = vzero(), e, by = vset(factor)
    cdef ix i
    for i in range(k):
        m = vmax(m, by*lanes_of(x + i*n, lanes))
    for i in range(k):
        e = by*lanes_of(x + i*n, lanes) - m
        if logarithm:
            total = total + vexp(e)
        else:
            e = vexp(e)
            total = total + e
        lanes_to(y + i*n, e, lanes)
    total = vlog(total) if logarithm else vset(1)/total
    for i in range(k):
        e = lanes_of(y + i*n, lanes)
        lanes_to(y + i*n, e - total if logarithm else e*total, lanes)


cdef void softmax_turned(const real *x, real *y, ix rows, ix k, real factor, bint logarithm) noexcept nogil:
    """Up to a vector of short rows, as columns."""
    cdef real columns[2*VW*VW]
    cdef ix at[VW]
    cdef ix zero = 0, q
    for q in range(VW):
        at[q] = q*k
    turn(x, at, 1, columns, &zero, VW, rows, VW, k, False)
    softmax_columns(columns, columns, k, VW, VW, factor, logarithm)
    turn(columns, &zero, VW, y, at, 1, rows, rows, k, True)


cdef void softmax(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    cdef ix vectors = (g.n + VW - 1)//VW, items = g.rows*vectors, item, at
    cdef bint short = g.n == 1 and g.k <= 2*VW
    cdef const real *x = run.arena + g.x
    cdef real *y = target(g, run)
    if short:
        items = (g.rows + VW - 1)//VW
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        at = item//vectors*g.k*g.n + item%vectors*VW
        if short:
            at = item*VW*g.k
            softmax_turned(x + at, y + at, min(<ix>VW, g.rows - item*VW), g.k, <real>g.low, g.mode)
        elif g.n == 1:
            softmax_row(x + at, y + at, g.k, <real>g.low, g.mode)
        else:
            softmax_columns(x + at, y + at, g.k, g.n, g.n - item%vectors*VW, <real>g.low, g.mode)


# ---------------------------------------------------------------- reductions: y (rows, n) = low times the sum, ...
cdef enum:
    SUM = 0
    HIGHEST = 1
    LOWEST = 2
    VARIANCE = 3                # sum of (x - mean)^2
    STRETCH = 1024              # elements that a vector sums up before the sum goes to a double


cdef inline vf met(vf a, vf b, ix how) noexcept nogil:
    return a + b if how == SUM else vmax_nan(a, b) if how == HIGHEST else vmin_nan(a, b)


cdef inline vf met_first(ix how) noexcept nogil:
    return vzero() if how == SUM else vset(-INFINITY) if how == HIGHEST else vset(INFINITY)


cdef inline real extreme_row(const real *x, ix k, ix how) noexcept nogil:
    cdef vf v = met_first(how)
    cdef ix i = 0
    while i + VW <= k:
        v = met(v, vload(x + i), how)
        i += VW
    if i < k:
        v = met(v, vselect(vfirst(k - i), vload_part(x + i, k - i), met_first(how)), how)
    return vhighest(v) if how == HIGHEST else vlowest(v)


cdef inline double sum_row(const real *x, ix k, real mean, bint squares) noexcept nogil:
    """The sum of x, or of (x - mean)^2."""
    cdef double total = 0
    cdef vf v, a
    cdef ix i = 0, end
    while i < k:
        v, end = vzero(), min(k, i + STRETCH)
        while i < end:
            a = lanes_of(x + i, end - i)
            if squares:
                a = a - vset(mean)
                a = a*a if end - i >= VW else vselect(vfirst(end - i), a*a, vzero())
            v = v + a
            i += VW
        i = end
        total += vsum(v)
    return total


cdef inline vf reduced_columns(const real *x, ix k, ix n, ix lanes, ix how) noexcept nogil:
    cdef vf v = met_first(how)
    cdef ix i
    for i in range(k):
        v = met(v, lanes_of(x + i*n, lanes), how)
    return v


cdef inline vf squares_of_columns(const real *x, ix k, ix n, ix lanes) noexcept nogil:
    cdef vf mean = reduced_columns(x, k, n, lanes, SUM)*vset(<real>(1.0/k)), v = vzero(), a
    cdef ix i
    for i in range(k):
        a = lanes_of(x + i*n, lanes) - mean
        v = vfma(a, a, v)
    return v


cdef double reduced_row(const real *x, ix k, ix how) noexcept nogil:
    if how == SUM:
        return sum_row(x, k, 0, False)
    if how == VARIANCE:
        return sum_row(x, k, <real>(sum_row(x, k, 0, False)/k), True)
    return extreme_row(x, k, HIGHEST) if how == HIGHEST else extreme_row(x, k, LOWEST)


cdef void reduce_axis(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    cdef ix vectors = (g.n + VW - 1)//VW, items = g.rows*vectors, item, lanes, how = g.mode
    cdef const real *x
    cdef real *y
    cdef vf v
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        x = run.arena + g.x + item//vectors*g.k*g.n + item%vectors*VW
        y = target(g, run) + item//vectors*g.n + item%vectors*VW
        lanes = g.n - item%vectors*VW
        if g.n == 1:
            y[0] = <real>(reduced_row(x, g.k, how)*g.low)
        else:
            if how == SUM:
                v = reduced_columns(x, g.k, g.n, lanes, SUM)
            elif how == VARIANCE:
                v = squares_of_columns(x, g.k, g.n, lanes)
            elif how == HIGHEST:
                v = reduced_columns(x, g.k, g.n, lanes, HIGHEST)
            else:
                v = reduced_columns(x, g.k, g.n, lanes, LOWEST)
            lanes_to(y, v*vset(<real>g.low), lanes)


# ---------------------------------------------------------------- layer normalisation: rows of k; low: eps
cdef void layer_norm(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """y = (x - mean)/sqrt(variance + eps) w + b."""
    cdef ix row, i
    cdef const real *x
    cdef const real *w = run.constants + g.w
    cdef const real *b = run.constants + g.b
    cdef real *y
    cdef real mean
    cdef vf factor, v
    for row in range(share(g.rows, t, threads), share(g.rows, t + 1, threads)):
        x, y = run.arena + g.x + row*g.k, target(g, run) + row*g.k
        mean = <real>(sum_row(x, g.k, 0, False)/g.k)
        factor = vset(<real>(1/sqrt(sum_row(x, g.k, mean, True)/g.k + g.low)))
        i = 0
        while i < g.k:
            v = (lanes_of(x + i, g.k - i) - vset(mean))*factor
            lanes_to(y + i, vfma(v, lanes_of(w + i, g.k - i), lanes_of(b + i, g.k - i)), g.k - i)
            i += VW


# ---------------------------------------------------------------- choice by a mask
cdef void select(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """y = x where the condition s is not 0, else the elements at z; n elements."""
    cdef ix i = cut(g.n, t, threads), end = cut(g.n, t + 1, threads)
    cdef const real *c = run.arena + g.s
    cdef const real *a = run.arena + g.x
    cdef const real *b = run.arena + g.z
    cdef real *y = target(g, run)
    while i < end:
        lanes_to(y + i, vselect(veq(lanes_of(c + i, end - i), vzero()), lanes_of(b + i, end - i),
                                lanes_of(a + i, end - i)), end - i)
        i += VW
