# The element-wise losses by name, and the two kernels that run any of them (elementwise.pxi has the loops).
cdef struct PairLoss:
    pair_span span
    pair_slope slope            # of x
    pair_slope target_slope     # of t; NULL: minus that of x


cdef PairLoss pair_loss(str kind) except *:
    if kind == "l1":
        return PairLoss(l1_span, l1_slope, NULL)
    if kind == "mse":
        return PairLoss(mse_span, mse_slope, NULL)
    if kind == "smooth_l1":
        return PairLoss(smooth_l1_span, smooth_l1_slope, NULL)
    if kind == "huber":
        return PairLoss(huber_span, huber_slope, NULL)
    if kind == "wing":
        return PairLoss(wing_span, wing_slope, NULL)
    if kind == "bce":
        return PairLoss(bce_span, bce_slope, bce_target_slope)
    if kind == "bce_logits":
        return PairLoss(bce_logits_span, bce_logits_slope, bce_logits_target_slope)
    if kind == "focal":
        return PairLoss(focal_span, focal_slope, focal_target_slope)
    if kind == "hinge":
        return PairLoss(hinge_span, hinge_slope, NULL)
    if kind == "kl":
        return PairLoss(kl_span, kl_slope, kl_target_slope)
    require(kind == "kl_log", "elementwise_loss: there is no loss of this kind")
    return PairLoss(kl_log_span, kl_log_slope, kl_log_target_slope)


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
