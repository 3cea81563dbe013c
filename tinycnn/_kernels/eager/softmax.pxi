# Softmax and log-softmax over the rows of x (R, C), and their gradients, with m the largest element of a row and
# t = sum e^(x - m), so that nothing overflows:
#
#     softmax        y = e^(x - m) / t                gx = y (gy - sum gy y)
#     log-softmax    y = (x - m) - log t              gx = gy - e^y sum gy
#
# A row at a time, a few passes over it while it is in the nearest cache; rows are shared out.

cdef void softmax_row(const real *x, real *y, ix n) noexcept nogil:
    row_scale(y, n, 1/row_exp(x, y, n, row_highest(x, n), True))


cdef void softmax_gradient_row(const real *y, const real *gy, real *gx, ix n) noexcept nogil:
    cdef vf s = vzero()
    cdef ix i = 0
    while i + VW <= n:
        s = vfma(vload(y + i), vload(gy + i), s)
        i += VW
    s = vfma(vload_part(y + i, n - i), vload_part(gy + i, n - i), s)
    cdef vf product = vset(vsum(s))
    i = 0
    while i + VW <= n:
        vstore(gx + i, vload(y + i)*(vload(gy + i) - product))
        i += VW
    vstore_part(gx + i, vload_part(y + i, n - i)*(vload_part(gy + i, n - i) - product), n - i)


cdef void log_softmax_row(const real *x, real *y, ix n) noexcept nogil:
    cdef real m = row_highest(x, n)
    cdef vf highest = vset(m), logarithm = vlog(vset(row_exp(x, NULL, n, m, False)))
    cdef ix i = 0
    while i + VW <= n:
        vstore(y + i, (vload(x + i) - highest) - logarithm)
        i += VW
    vstore_part(y + i, (vload_part(x + i, n - i) - highest) - logarithm, n - i)


cdef void log_softmax_gradient_row(const real *y, const real *gy, real *gx, ix n) noexcept nogil:
    cdef vf s = vzero()
    cdef ix i = 0
    while i + VW <= n:
        s = s + vload(gy + i)
        i += VW
    cdef vf total = vset(vsum(s + vload_part(gy + i, n - i)))
    i = 0
    while i + VW <= n:
        vstore(gx + i, vload(gy + i) - vexp(vload(y + i))*total)
        i += VW
    if i < n:
        vstore_part(gx + i, vload_part(gy + i, n - i) - vexp(vload_part(y + i, n - i))*total, n - i)


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
