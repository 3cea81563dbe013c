# Cross-entropy over the rows of x (R, C), with m the largest element of a row and t = sum e^(x - m):
#
#     loss = log t - sum q (x - m)          gx = g (softmax(x) - q)
#
# where q, the target distribution, is 1 - smoothing at the target class plus smoothing / C at each (Szegedy et al.,
# "Rethinking the inception architecture", 2016, section 7).  A row at a time, a few passes over it while it is in the
# nearest cache; rows are shared out.

cdef real cross_entropy_row(const real *x, real *y, ix n, ix target, real smoothing) noexcept nogil:
    """The loss of a row; y becomes its softmax."""
    cdef real m = row_highest(x, n)
    cdef real total = row_exp(x, y, n, m, True), others = 0
    cdef ix i
    for i in range(n):
        y[i] /= total
    if smoothing != 0:
        for i in range(n):
            others += x[i] - m
    return <real>log(total) - (1 - smoothing)*(x[target] - m) - smoothing*others/n


cdef void cross_entropy_gradient_row(const real *y, real *gx, ix n, ix target, real smoothing, real g) noexcept nogil:
    cdef ix i
    for i in range(n):
        gx[i] = g*(y[i] - smoothing/n)
    gx[target] -= g*(1 - smoothing)


# ---------------------------------------------------------------- kernels
cdef int require_classes(const int64_t[::1] target, ix classes) except -1:
    cdef ix i
    for i in range(target.shape[0]):
        require(0 <= target[i] < classes, "cross_entropy: a target is not a class")
    return 0


def cross_entropy_forward(const real[:, ::1] x,        # IN  (r, c)
                          const int64_t[::1] target,   # IN  (r,)  in [0, c)
                          double smoothing,
                          real[::1] loss,              # OUT (r,)
                          real[:, ::1] y):             # OUT (r, c)  softmax(x)
    cdef ix rows = x.shape[0], n = x.shape[1]
    require(rows > 0 and n > 0 and target.shape[0] == rows and loss.shape[0] == rows and y.shape[0] == rows
            and y.shape[1] == n, "cross_entropy_forward: extents differ from x's")
    require_classes(target, n)
    cdef const real *xs = &x[0, 0]
    cdef const int64_t *targets = &target[0]
    cdef real *losses = &loss[0]
    cdef real *ys = &y[0, 0]
    cdef ix i
    cdef int threads = team(4*rows*n)
    for i in prange(rows, nogil=True, num_threads=threads, schedule="static"):
        losses[i] = cross_entropy_row(xs + i*n, ys + i*n, n, targets[i], <real>smoothing)


def cross_entropy_backward(const real[:, ::1] y,       # IN  (r, c)  softmax(x)
                           const int64_t[::1] target,  # IN  (r,)  in [0, c)
                           double smoothing,
                           const real[::1] g,          # IN  (r,)  gradient of each row's loss
                           real[:, ::1] gx):           # OUT (r, c)
    cdef ix rows = y.shape[0], n = y.shape[1]
    require(rows > 0 and n > 0 and target.shape[0] == rows and g.shape[0] == rows and gx.shape[0] == rows
            and gx.shape[1] == n, "cross_entropy_backward: extents differ from y's")
    require_classes(target, n)
    cdef const real *ys = &y[0, 0]
    cdef const int64_t *targets = &target[0]
    cdef const real *gs = &g[0]
    cdef real *gxs = &gx[0, 0]
    cdef ix i
    cdef int threads = team(rows*n)
    for i in prange(rows, nogil=True, num_threads=threads, schedule="static"):
        cross_entropy_gradient_row(ys + i*n, gxs + i*n, n, targets[i], <real>smoothing, gs[i])
