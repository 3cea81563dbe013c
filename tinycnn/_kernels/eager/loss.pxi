# Softmax, log-softmax and cross-entropy over the rows of x (R, C), and their gradients, with m the largest element of a
# row and t = sum e^(x - m), so that nothing overflows:
#
#     softmax        y = e^(x - m) / t                gx = y (gy - sum gy y)
#     log-softmax    y = (x - m) - log t              gx = gy - e^y sum gy
#     cross-entropy  loss = log t - sum q (x - m)     gx = g (softmax(x) - q)
#
# where q, the target distribution, is 1 - smoothing at the target class plus smoothing / C at each (Szegedy et al.,
# "Rethinking the inception architecture", 2016, section 7).  m is taken off before anything else, so that logits that
# are large together keep their digits.  A row at a time, a few passes over it while it is in the nearest cache; rows
# are shared out.

cdef real row_highest(const real *x, ix n) noexcept nogil:
    cdef vf m = vset(x[0])
    cdef ix i
    i = 0
    while i + VW <= n:
        m = vmax(m, vload(x + i))
        i += VW
    cdef real highest = vhighest(m)
    for i in range(n//VW*VW, n):
        highest = max(highest, x[i])
    return highest


cdef real row_exp(const real *x, real *y, ix n, real shift, bint store) noexcept nogil:
    """Sum of e^(x - shift) over a row; stored in y if asked."""
    cdef vf e, s = vzero(), by = vset(shift)
    cdef ix i
    i = 0
    while i < n:
        e = vexp(vload_part(x + i, min(<ix>VW, n - i)) - by)
        if i + VW > n:
            e = vselect(vfirst(n - i), e, vzero())
        if store:
            vstore_part(y + i, e, min(<ix>VW, n - i))
        s = s + e
        i += VW
    return vsum(s)


cdef void softmax_row(const real *x, real *y, ix n) noexcept nogil:
    cdef vf total = vset(row_exp(x, y, n, row_highest(x, n), True))
    cdef ix i = 0, part
    while i < n:
        part = min(<ix>VW, n - i)
        vstore_part(y + i, vload_part(y + i, part)/total, part)
        i += VW


cdef void softmax_gradient_row(const real *y, const real *gy, real *gx, ix n) noexcept nogil:
    cdef vf s = vzero()
    cdef ix i, part
    i = 0
    while i < n:
        part = min(<ix>VW, n - i)
        s = vfma(vload_part(y + i, part), vload_part(gy + i, part), s)
        i += VW
    cdef real product = vsum(s)
    for i in range(n):
        gx[i] = y[i]*(gy[i] - product)


cdef void log_softmax_row(const real *x, real *y, ix n) noexcept nogil:
    cdef real m = row_highest(x, n)
    cdef real logarithm = <real>log(row_exp(x, NULL, n, m, False))
    cdef ix i
    for i in range(n):
        y[i] = (x[i] - m) - logarithm


cdef void log_softmax_gradient_row(const real *y, const real *gy, real *gx, ix n) noexcept nogil:
    cdef vf s = vzero()
    cdef ix i, part
    i = 0
    while i < n:
        s = s + vload_part(gy + i, min(<ix>VW, n - i))
        i += VW
    cdef vf total = vset(vsum(s))
    i = 0
    while i < n:
        part = min(<ix>VW, n - i)
        vstore_part(gx + i, vload_part(gy + i, part) - vexp(vload_part(y + i, part))*total, part)
        i += VW


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
ctypedef void (*row1)(const real *x, real *y, ix n) noexcept nogil
ctypedef void (*row2)(const real *y, const real *gy, real *gx, ix n) noexcept nogil


cdef int over_rows1(row1 f, const real[:, ::1] x, real[:, ::1] y) except -1:
    cdef ix rows = x.shape[0], n = x.shape[1]
    require(rows > 0 and n > 0 and y.shape[0] == rows and y.shape[1] == n, "softmax: x and y differ, or are empty")
    cdef const real *xs = &x[0, 0]
    cdef real *ys = &y[0, 0]
    cdef ix i
    cdef int threads = team(4*rows*n)
    for i in prange(rows, nogil=True, num_threads=threads, schedule="static"):
        f(xs + i*n, ys + i*n, n)
    return 0


cdef int over_rows2(row2 f, const real[:, ::1] y, const real[:, ::1] gy, real[:, ::1] gx) except -1:
    cdef ix rows = y.shape[0], n = y.shape[1]
    require(rows > 0 and n > 0 and gy.shape[0] == rows and gy.shape[1] == n and gx.shape[0] == rows
            and gx.shape[1] == n, "softmax: y, gy and gx differ, or are empty")
    cdef const real *ys = &y[0, 0]
    cdef const real *gys = &gy[0, 0]
    cdef real *gxs = &gx[0, 0]
    cdef ix i
    cdef int threads = team(4*rows*n)
    for i in prange(rows, nogil=True, num_threads=threads, schedule="static"):
        f(ys + i*n, gys + i*n, gxs + i*n, n)
    return 0


def softmax_forward(const real[:, ::1] x, real[:, ::1] y):  # IN (r, c)  OUT (r, c)
    over_rows1(softmax_row, x, y)


def softmax_backward(const real[:, ::1] y, const real[:, ::1] gy, real[:, ::1] gx):  # IN (r, c)  IN (r, c)  OUT (r, c)
    over_rows2(softmax_gradient_row, y, gy, gx)


def log_softmax_forward(const real[:, ::1] x, real[:, ::1] y):  # IN (r, c)  OUT (r, c)
    over_rows1(log_softmax_row, x, y)


def log_softmax_backward(const real[:, ::1] y, const real[:, ::1] gy, real[:, ::1] gx):
    # IN (r, c)  IN (r, c)  OUT (r, c)
    over_rows2(log_softmax_gradient_row, y, gy, gx)


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
