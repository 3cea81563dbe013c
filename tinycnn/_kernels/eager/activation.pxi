# Element-wise activations, y_i = f(x_i), and their gradients, gx_i = gy_i f'(x_i).
#
# One pass over memory, which is what they cost: a point function on a vector holds the mathematics, `map1` and `map2`
# loop.  A chunk per thread; the tail of a chunk goes through the same point function (vload_part), so where an array
# is cut does not change its bits.

ctypedef vf (*point1)(vf x) noexcept nogil
ctypedef vf (*point2)(vf x, vf gy) noexcept nogil


cdef inline void map1(point1 f, const real *x, real *y, ix n) noexcept nogil:
    cdef ix i = 0
    while i + VW <= n:
        vstore(y + i, f(vload(x + i)))
        i += VW
    vstore_part(y + i, f(vload_part(x + i, n - i)), n - i)


cdef inline void map2(point2 f, const real *x, const real *gy, real *gx, ix n) noexcept nogil:
    cdef ix i = 0
    while i + VW <= n:
        vstore(gx + i, f(vload(x + i), vload(gy + i)))
        i += VW
    vstore_part(gx + i, f(vload_part(x + i, n - i), vload_part(gy + i, n - i)), n - i)


# ---------------------------------------------------------------- ReLU: max(x, 0); its gradient at 0 is 0
cdef inline vf relu_point(vf x) noexcept nogil:
    return vmax(vzero(), x)


cdef inline vf relu_gradient(vf x, vf gy) noexcept nogil:
    return vselect(vgt(x, vzero()), gy, vzero())


cdef void relu_span(const real *x, real *y, ix n) noexcept nogil:
    map1(relu_point, x, y, n)


cdef void relu_gradient_span(const real *x, const real *gy, real *gx, ix n) noexcept nogil:
    map2(relu_gradient, x, gy, gx, n)


def relu_forward(const real[::1] x, real[::1] y):  # IN (n,)  OUT (n,)
    cdef ix n = x.shape[0]
    require(y.shape[0] == n, "relu_forward: x and y differ in length")
    cdef int t, threads = team(n)
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        relu_span(&x[0] + n*t//threads, &y[0] + n*t//threads, n*(t + 1)//threads - n*t//threads)


def relu_backward(const real[::1] x, const real[::1] gy, real[::1] gx):  # IN (n,)  IN (n,)  OUT (n,)
    cdef ix n = x.shape[0]
    require(gy.shape[0] == n and gx.shape[0] == n, "relu_backward: x, gy and gx differ in length")
    cdef int t, threads = team(n)
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        relu_gradient_span(&x[0] + n*t//threads, &gy[0] + n*t//threads, &gx[0] + n*t//threads,
                           n*(t + 1)//threads - n*t//threads)
