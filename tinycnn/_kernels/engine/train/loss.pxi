# Cross-entropy over the k classes of each of `rows` pixels x; m is the largest of a pixel's x, t = sum e^(x - m):
#
#     loss = A log t - sum a (x - m)        gx = g (A e^(x - m) / t - a)        A = sum a
#
# a is the target distribution times the weights w of the classes.  Of a target class c it is (1 - s) w_c at c plus
# s w / k everywhere, s being the smoothing (Szegedy et al., "Rethinking the inception architecture", 2016, section 7);
# of a target distribution q it is w ((1 - s) q + s / k).  Pixels whose target is to be ignored have loss and gradient 0.
#
# Fields.  Class c of pixel i lies at x + c // VW * ys + i * px + c % VW; so do q (s) and the gradient that is written.
#     mode    the caller's array of targets, int64; -1: distributions, at s
#     top     the target that is ignored;   low: the smoothing;   w: weights, then zeros up to whole blocks
#     t       m and 1 / t of each pixel, kept for the gradient
# cross_entropy writes one loss for each pixel to y (or r); loss_mean makes one number of those at x, their sum or (kh = 1)
# their mean, and leaves at t what the gradient of each is to be multiplied by; cross_entropy_gradient reads that at z
# (-1: 1), and g, one for each pixel (kh = 1) or for all, and adds `add`.
#
# Loop order.  A thread takes a pixel: a few passes over its classes, which are few or near.  A target that is no class is
# refused before a plan runs; here its loss is NaN, and nothing is read for it.

cdef struct Classes:            # the targets of one call
    ix k
    ix blocks
    const real *w
    const int64_t *target       # NULL: q
    const real *q
    ix ignored
    real smoothing


cdef inline Classes classes_of(const Op *g, const Run *run) noexcept nogil:
    cdef Classes o
    o.k, o.blocks, o.w, o.smoothing, o.ignored = g.k, (g.k + VW - 1)//VW, run.constants + g.w, <real>g.low, g.top
    o.target, o.q = NULL, NULL
    if g.mode >= 0:
        o.target = <const int64_t *>run.io[g.mode]
    else:
        o.q = run.arena + g.s
    return o


cdef inline bint spreads(const Classes *o) noexcept nogil:
    """Whether a is more than a number at the target class."""
    return o.q != NULL or o.smoothing != 0


cdef inline vf coefficients(const Classes *o, ix block, ix at) noexcept nogil:
    """a of a block of classes, but for what a target class adds."""
    cdef vf a = vset(o.smoothing/o.k)
    if o.q != NULL:
        a = vfma(vload(o.q + at), vset(1 - o.smoothing), a)
    return vselect(vfirst(min(o.k - block*VW, <ix>VW)), a*vload(o.w + block*VW), vzero())


cdef inline vf powers(const Op *g, const Classes *o, const real *x, ix block, vf m) noexcept nogil:
    """e^(x - m) of a block of classes, 0 beyond the last."""
    return vselect(vfirst(min(o.k - block*VW, <ix>VW)), vexp(vload(x + block*g.ys) - m), vzero())


cdef inline real of_target(const Classes *o, ix i) noexcept nogil:
    """What the target class of a pixel adds to a; 0 where there is none, or it is ignored."""
    if o.target == NULL or o.target[i] == o.ignored or not 0 <= o.target[i] < o.k:
        return 0
    return (1 - o.smoothing)*o.w[o.target[i]]


cdef real class_loss(const Op *g, const Classes *o, ix i, const real *x, real *kept) noexcept nogil:
    """The loss of pixel i, whose classes begin at x."""
    cdef ix b
    cdef vf m = vset(-INFINITY), total = vzero(), all = vzero(), hit = vzero(), a
    cdef real keep = of_target(o, i), sum_all = keep, sum_hit = 0
    for b in range(o.blocks):
        m = vmax(m, vselect(vfirst(min(o.k - b*VW, <ix>VW)), vload(x + b*g.ys), m))
    kept[0] = vhighest(m)
    m = vset(kept[0])
    for b in range(o.blocks):
        total = total + powers(g, o, x, b, m)
    kept[1] = 1/vsum(total)
    if o.target != NULL and o.target[i] == o.ignored:
        return 0
    if o.target != NULL and not 0 <= o.target[i] < o.k:
        return NAN
    if o.target != NULL:
        sum_hit = keep*(x[o.target[i]//VW*g.ys + o.target[i]%VW] - kept[0])
    if spreads(o):
        for b in range(o.blocks):
            a = coefficients(o, b, i*g.px + b*g.ys)
            all = all + a
            hit = hit + vselect(vfirst(min(o.k - b*VW, <ix>VW)), a*(vload(x + b*g.ys) - m), vzero())
        sum_all, sum_hit = sum_all + vsum(all), sum_hit + vsum(hit)
    return sum_all*<real>log(vsum(total)) - sum_hit


cdef void cross_entropy(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    cdef Classes o = classes_of(g, run)
    cdef ix i
    for i in range(share(g.rows, t, threads), share(g.rows, t + 1, threads)):
        target(g, run)[i] = class_loss(g, &o, i, run.arena + g.x + i*g.px, run.arena + g.t + 2*i)


cdef double counted(const Classes *o, ix rows) noexcept nogil:
    """What a mean divides by: the weights of the targets that count, or the number of distributions."""
    cdef double total = 0
    cdef ix i
    if o.target == NULL:
        return rows
    for i in range(rows):
        if o.target[i] != o.ignored and 0 <= o.target[i] < o.k:
            total += o.w[o.target[i]]
    return total


cdef void loss_mean(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    cdef Classes o = classes_of(g, run)
    cdef double by = 1
    if t > 0:
        return
    if g.kh:
        by = counted(&o, g.rows)
    target(g, run)[0] = <real>(sum_row(run.arena + g.x, g.rows, 0, False)/by if by != 0 else NAN)
    run.arena[g.t] = <real>(1/by if by != 0 else 0)


cdef void class_gradient(const Op *g, const Classes *o, ix i, const real *x, const real *kept, real gy, const real *add,
                         real *y) noexcept nogil:
    """Of the loss of pixel i, whose classes begin at x."""
    cdef ix b
    cdef vf m = vset(kept[0]), all = vzero(), gx
    cdef real keep = of_target(o, i), sum_all = keep
    if o.target != NULL and (o.target[i] == o.ignored or not 0 <= o.target[i] < o.k):
        gy = 0
    if spreads(o):
        for b in range(o.blocks):
            all = all + coefficients(o, b, i*g.px + b*g.ys)
        sum_all = sum_all + vsum(all)
    for b in range(o.blocks):
        gx = vzero()
        if gy != 0:                 # a pixel that is ignored may hold anything
            gx = powers(g, o, x, b, m)*vset(sum_all*kept[1])
            if spreads(o):
                gx = gx - coefficients(o, b, i*g.px + b*g.ys)
            gx = gx*vset(gy)
        vstore(y + b*g.ys, gx if add == NULL else gx + vload(add + b*g.ys))
    if keep != 0:
        y[o.target[i]//VW*g.ys + o.target[i]%VW] -= gy*keep


cdef void cross_entropy_gradient(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    cdef Classes o = classes_of(g, run)
    cdef real factor = 1 if g.z < 0 else run.arena[g.z]
    cdef const real *gy = run.arena + g.g
    cdef const real *add = NULL
    cdef ix i
    for i in range(share(g.rows, t, threads), share(g.rows, t + 1, threads)):
        if g.add >= 0:
            add = run.arena + g.add + i*g.px
        class_gradient(g, &o, i, run.arena + g.x + i*g.px, run.arena + g.t + 2*i, factor*gy[i if g.kh else 0], add,
                       run.arena + g.y + i*g.px)


# ---------------------------------------------------------------- softmax: gx = low y (g - sum g y); its logarithm (mode 1):
# gx = low (g - e^y sum g); x holds y, in plain order as (rows, k, n), and so do g and what is written.  A thread takes a row
# (n = 1), or a vector of columns, from end to end.
cdef inline vf softmax_part(vf y, vf gy, bint logarithm) noexcept nogil:
    return gy if logarithm else gy*y


cdef inline vf softmax_back(vf y, vf gy, vf total, bint logarithm) noexcept nogil:
    return gy - vexp(y)*total if logarithm else y*(gy - total)


cdef void softmax_row_gradient(const real *y, const real *gy, real *gx, ix k, vf factor, bint logarithm) noexcept nogil:
    cdef vf total = vzero()
    cdef ix i = 0
    while i < k:
        total = total + vselect(vfirst(min(k - i, <ix>VW)), softmax_part(lanes_of(y + i, k - i), lanes_of(gy + i, k - i),
                                                                         logarithm), vzero())
        i += VW
    total = vset(vsum(total))
    i = 0
    while i < k:
        lanes_to(gx + i, factor*softmax_back(lanes_of(y + i, k - i), lanes_of(gy + i, k - i), total, logarithm), k - i)
        i += VW


cdef void softmax_columns_gradient(const real *y, const real *gy, real *gx, ix k, ix n, ix lanes, vf factor,
                                   bint logarithm) noexcept nogil:
    """The first `lanes` of n columns of k elements."""
    cdef vf total = vzero()
    cdef ix i
    for i in range(k):
        total = total + softmax_part(lanes_of(y + i*n, lanes), lanes_of(gy + i*n, lanes), logarithm)
    for i in range(k):
        lanes_to(gx + i*n, factor*softmax_back(lanes_of(y + i*n, lanes), lanes_of(gy + i*n, lanes), total, logarithm),
                 lanes)


cdef void softmax_gradient(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    cdef ix vectors = (g.n + VW - 1)//VW, items = g.rows*vectors, item, at
    cdef vf factor = vset(<real>g.low)
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        at = item//vectors*g.k*g.n + item%vectors*VW
        if g.n == 1:
            softmax_row_gradient(run.arena + g.x + at, run.arena + g.g + at, run.arena + g.y + at, g.k, factor, g.mode)
        else:
            softmax_columns_gradient(run.arena + g.x + at, run.arena + g.g + at, run.arena + g.y + at, g.k, g.n,
                                     g.n - item%vectors*VW, factor, g.mode)
