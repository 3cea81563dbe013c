# Losses of pairs of numbers, l_i = w_i f(x_i, t_i), n of them in plain order, and their gradients: the functions and loops of
# losses/elementwise.pxi, regression.pxi and binary.pxi, in plans.
#
# Fields.  mode: which loss (PAIR_LOSSES);  x, s: the pairs;  z: a third argument of f, a: the weights (-1: 1 each);
# w: the constants a, b, c of f.
#     pair_loss       y (or r): each loss;  or (kh = 1) at t the sums of `rows` parts, cut by n alone, for `reduce` to add up
#     pair_gradient   y = high g w_i df/dx, or (kw = 1) df/dt;  g: one number for all, or (kh = 1) one for each
#
# Loop order: one pass; stretches of whole vectors, or parts of the sum, are shared out.

cdef enum:
    PAIR_KINDS = 11

PAIR_LOSSES = "l1 mse smooth_l1 huber wing bce bce_logits focal hinge kl kl_log".split()
PAIR_PARTS = LOSS_PARTS
PAIR_BLOCK = LOSS_BLOCK

cdef PairLoss planned[PAIR_KINDS]


cdef int plan_losses() except -1:
    for i, name in enumerate(PAIR_LOSSES):
        planned[i] = pair_loss(name)
    return 0


plan_losses()


cdef inline Pairs pairs_of(const Op *g, const Run *run) noexcept nogil:
    cdef Pairs o
    cdef const real *numbers = run.constants + g.w
    o.x, o.t, o.weight, o.other = run.arena + g.x, run.arena + g.s, NULL, NULL
    if g.a >= 0:
        o.weight = run.arena + g.a
    if g.z >= 0:
        o.other = run.arena + g.z
    o.a, o.b, o.c, o.sign = numbers[0], numbers[1], numbers[2], <real>g.high
    return o


cdef void pairs_loss(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    cdef Pairs o = pairs_of(g, run)
    cdef pair_span span = planned[g.mode].span
    cdef ix part
    if g.kh == 0:
        span(&o, target(g, run), cut(g.n, t, threads), cut(g.n, t + 1, threads))
        return
    for part in range(share(g.rows, t, threads), share(g.rows, t + 1, threads)):
        run.arena[g.t + part] = <real>span(&o, NULL, cut(g.n, <int>part, <int>g.rows), cut(g.n, <int>part + 1, <int>g.rows))


cdef void pairs_gradient(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    cdef Pairs o = pairs_of(g, run)
    cdef pair_slope slope = planned[g.mode].slope
    if g.kw and planned[g.mode].target_slope != NULL:
        slope = planned[g.mode].target_slope
    elif g.kw:                      # f is told by x - t
        o.sign = -o.sign
    slope(&o, run.arena + g.g, g.kh == 0, run.arena + g.y, cut(g.n, t, threads), cut(g.n, t + 1, threads))
