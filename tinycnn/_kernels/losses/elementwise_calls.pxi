# The two kernels that run any element-wise loss (elementwise.pxi has the loops, elementwise_table.pxi the names).
cdef double run_pairs(pair_span span, const Pairs *o, real *each, ix n) noexcept nogil:
    cdef double sums[LOSS_PARTS]
    cdef double total = 0
    cdef int parts = <int>min(<ix>LOSS_PARTS, (n + LOSS_BLOCK - 1)//LOSS_BLOCK)
    cdef int part, threads = team(4*n)
    for part in prange(parts, num_threads=threads, schedule="static"):
        sums[part] = span(o, each, cut(n, part, parts), cut(n, part + 1, parts))
    for part in range(parts):
        total += sums[part]
    return total


cdef void run_slopes(pair_slope slope, const Pairs *o, const real *g, bint one_g, real *gx, ix n) noexcept nogil:
    cdef int t, threads = team(4*n)
    for t in prange(threads, num_threads=threads, schedule="static"):
        slope(o, g, one_g, gx, cut(n, t, threads), cut(n, t + 1, threads))


cdef Pairs checked_pairs(const real[::1] x, const real[::1] target, const real[::1] weight, const real[::1] other,
                         double a, double b, double c) except *:
    cdef ix n = x.shape[0]
    cdef Pairs o
    require(n > 0 and target.shape[0] == n and (weight is None or weight.shape[0] == n)
            and (other is None or other.shape[0] == n), "elementwise_loss: arrays must have one length, at least 1")
    o.x, o.t = &x[0], &target[0]
    o.weight = o.other = NULL
    if weight is not None:
        o.weight = &weight[0]
    if other is not None:
        o.other = &other[0]
    o.a, o.b, o.c, o.sign = <real>a, <real>b, <real>c, 1
    return o


def elementwise_loss_forward(const real[::1] x,         # IN  (n,)
                             const real[::1] target,    # IN  (n,)
                             const real[::1] weight,    # IN  (n,)  or None: 1 each
                             const real[::1] other,     # IN  (n,)  or None: 1 each
                             str kind, double a, double b, double c,
                             real[::1] each):           # OUT (n,)  the losses; or None: their sum is returned
    cdef PairLoss loss = pair_loss(kind)
    cdef Pairs o = checked_pairs(x, target, weight, other, a, b, c)
    cdef ix n = x.shape[0]
    cdef real *losses = NULL
    cdef double total
    if each is not None:
        require(each.shape[0] == n, "elementwise_loss: each must be as long as x")
        losses = &each[0]
    with nogil:
        total = run_pairs(loss.span, &o, losses, n)
    return total


def elementwise_loss_backward(const real[::1] x,        # IN  (n,)
                              const real[::1] target,   # IN  (n,)
                              const real[::1] weight,   # IN  (n,)  or None: 1 each
                              const real[::1] other,    # IN  (n,)  or None: 1 each
                              str kind, double a, double b, double c,
                              const real[::1] g,        # IN  (n,)  gradient of each loss, or (1,): of all
                              bint to_target,           #     whether gx is the gradient of target
                              real[::1] gx):            # OUT (n,)
    cdef PairLoss loss = pair_loss(kind)
    cdef Pairs o = checked_pairs(x, target, weight, other, a, b, c)
    cdef ix n = x.shape[0]
    require((g.shape[0] == n or g.shape[0] == 1) and gx.shape[0] == n,
            "elementwise_loss: g must have 1 element or x's number, gx x's number")
    cdef pair_slope slope = loss.slope
    if to_target:
        if loss.target_slope == NULL:
            o.sign = -1
        else:
            slope = loss.target_slope
    with nogil:
        run_slopes(slope, &o, &g[0], g.shape[0] == 1, &gx[0], n)
