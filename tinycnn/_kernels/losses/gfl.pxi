# Generalized focal loss (Li et al., NeurIPS 2020).
#
# Quality focal loss, equation 5, of a logit x and a quality y in [0, 1], with p = sigmoid(x) and d = y - p:
#
#     loss = |d|^beta bce        bce = -(y log p + (1 - y) log(1 - p)) = max(x, 0) - x y + log(1 + e^-|x|)
#     gx   = g (-d |d|^beta - bce beta |d|^(beta - 1) sign(d) p (1 - p))
#
# e^-|x| overflows nowhere and gives p and 1 - p with all digits; d is taken from whichever of the two is small.
#
# Distribution focal loss, equation 6, over rows of logits x_0 .. x_n and labels y in [0, n], with l = floor y (n - 1
# for y = n) and S = softmax(x):
#
#     loss = -((l + 1 - y) log S_l + (y - l) log S_l+1)          gx = g (S - the two weights at their places)

cdef struct Quality:
    vf difference, factor, slope, entropy, spread     # d, |d|^beta, its derivative by p, bce, p (1 - p)


cdef inline Quality quality(vf x, vf y, vf beta, int power) noexcept nogil:
    """power: beta where that is 0 or 2, else anything else."""
    cdef vf zero = vzero(), one = vset(1)
    cdef vf e = vexp(vmin(x, -x)), size, logarithm
    cdef vf small = e/(one + e)                          # the smaller of p and 1 - p
    cdef Quality q
    q.entropy = vmax(zero, x) - x*y + vlog1p(e)
    q.spread = small/(one + e)
    q.difference = vselect(vgt(x, zero), y - one + small, y - small)
    if power == 0:
        q.factor, q.slope = one, zero
    elif power == 2:
        q.factor, q.slope = q.difference*q.difference, -q.difference - q.difference
    else:
        size = vmax(q.difference, -q.difference)
        logarithm = vlog(size)
        q.factor = vexp(beta*logarithm)
        size = vselect(veq(size, zero), zero, beta*vexp((beta - one)*logarithm))
        q.slope = vselect(vgt(q.difference, zero), -size, size)
    return q


cdef inline int small_power(real beta) noexcept nogil:
    return 0 if beta == 0 else 2 if beta == 2 else -1


cdef void quality_span(const real *x, const real *y, real *loss, ix n, real beta) noexcept nogil:
    cdef ix i = 0, part
    cdef Quality q
    while i < n:
        part = min(<ix>VW, n - i)
        q = quality(vload_part(x + i, part), vload_part(y + i, part), vset(beta), small_power(beta))
        vstore_part(loss + i, q.factor*q.entropy, part)
        i += VW


cdef void quality_gradient_span(const real *x, const real *y, const real *g, real *gx, ix n, real beta) noexcept nogil:
    cdef ix i = 0, part
    cdef Quality q
    while i < n:
        part = min(<ix>VW, n - i)
        q = quality(vload_part(x + i, part), vload_part(y + i, part), vset(beta), small_power(beta))
        vstore_part(gx + i, vload_part(g + i, part)*(q.entropy*q.slope*q.spread - q.difference*q.factor), part)
        i += VW


cdef inline ix lower_bin(real label, ix n) noexcept nogil:
    return min(<ix>label, n - 2)


cdef real distribution_row(const real *x, real *y, ix n, real label) noexcept nogil:
    """The loss of a row; y becomes its softmax."""
    cdef real m = row_highest(x, n)
    cdef real total = row_exp(x, y, n, m, True)
    cdef ix i, low = lower_bin(label, n)
    for i in range(n):
        y[i] /= total
    return <real>log(total) - (low + 1 - label)*(x[low] - m) - (label - low)*(x[low + 1] - m)


cdef void distribution_gradient_row(const real *y, real *gx, ix n, real label, real g) noexcept nogil:
    cdef ix i, low = lower_bin(label, n)
    for i in range(n):
        gx[i] = g*y[i]
    gx[low] -= g*(low + 1 - label)
    gx[low + 1] -= g*(label - low)


# ---------------------------------------------------------------- kernels
def quality_focal_loss_forward(const real[::1] x, const real[::1] y, double beta, real[::1] loss):
    # IN (n,)  IN (n,)  OUT (n,)
    cdef ix n = x.shape[0]
    require(n > 0 and y.shape[0] == n and loss.shape[0] == n, "quality_focal_loss_forward: extents differ from x's")
    cdef const real *xs = &x[0]
    cdef const real *ys = &y[0]
    cdef real *losses = &loss[0]
    cdef real power = <real>beta
    cdef int t, threads = team(4*n)
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        quality_span(xs + cut(n, t, threads), ys + cut(n, t, threads), losses + cut(n, t, threads),
                     cut(n, t + 1, threads) - cut(n, t, threads), power)


def quality_focal_loss_backward(const real[::1] x, const real[::1] y, double beta, const real[::1] g, real[::1] gx):
    # IN (n,)  IN (n,)  IN (n,)  OUT (n,)
    cdef ix n = x.shape[0]
    require(n > 0 and y.shape[0] == n and g.shape[0] == n and gx.shape[0] == n,
            "quality_focal_loss_backward: extents differ from x's")
    cdef const real *xs = &x[0]
    cdef const real *ys = &y[0]
    cdef const real *gs = &g[0]
    cdef real *gxs = &gx[0]
    cdef real power = <real>beta
    cdef int t, threads = team(4*n)
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        quality_gradient_span(xs + cut(n, t, threads), ys + cut(n, t, threads), gs + cut(n, t, threads),
                              gxs + cut(n, t, threads), cut(n, t + 1, threads) - cut(n, t, threads), power)


cdef int require_bins(const real[::1] label, ix bins) except -1:
    cdef ix i
    require(bins > 1, "distribution_focal_loss: fewer than two bins")
    for i in range(label.shape[0]):
        require(0 <= label[i] <= bins - 1, "distribution_focal_loss: a label lies beyond the bins")
    return 0


def distribution_focal_loss_forward(const real[:, ::1] x,       # IN  (r, c)
                                    const real[::1] label,      # IN  (r,)  in [0, c - 1]
                                    real[::1] loss,             # OUT (r,)
                                    real[:, ::1] y):            # OUT (r, c)  softmax(x)
    cdef ix rows = x.shape[0], n = x.shape[1]
    require(rows > 0 and label.shape[0] == rows and loss.shape[0] == rows and y.shape[0] == rows and y.shape[1] == n,
            "distribution_focal_loss_forward: extents differ from x's")
    require_bins(label, n)
    cdef const real *xs = &x[0, 0]
    cdef const real *labels = &label[0]
    cdef real *losses = &loss[0]
    cdef real *ys = &y[0, 0]
    cdef ix i
    cdef int threads = team(4*rows*n)
    for i in prange(rows, nogil=True, num_threads=threads, schedule="static"):
        losses[i] = distribution_row(xs + i*n, ys + i*n, n, labels[i])


def distribution_focal_loss_backward(const real[:, ::1] y,      # IN  (r, c)  softmax(x)
                                     const real[::1] label,     # IN  (r,)  in [0, c - 1]
                                     const real[::1] g,         # IN  (r,)  gradient of each row's loss
                                     real[:, ::1] gx):          # OUT (r, c)
    cdef ix rows = y.shape[0], n = y.shape[1]
    require(rows > 0 and label.shape[0] == rows and g.shape[0] == rows and gx.shape[0] == rows and gx.shape[1] == n,
            "distribution_focal_loss_backward: extents differ from y's")
    require_bins(label, n)
    cdef const real *ys = &y[0, 0]
    cdef const real *labels = &label[0]
    cdef const real *gs = &g[0]
    cdef real *gxs = &gx[0, 0]
    cdef ix i
    cdef int threads = team(rows*n)
    for i in prange(rows, nogil=True, num_threads=threads, schedule="static"):
        distribution_gradient_row(ys + i*n, gxs + i*n, n, labels[i], gs[i])
