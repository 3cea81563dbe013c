# Element-wise activations, y_i = f(x_i), and their gradients, gx_i = gy_i f'(x_i).
#
# One pass over memory, which is what they cost.  An activation is two point functions on vectors, which hold the
# mathematics; two spans, which loop one of them over a stretch of memory (map1, map2: the point function is inlined);
# and two kernels, which cut the arrays into a stretch per thread (run1, run2).  The tail of a stretch goes through the
# same point function (vload_part), so where an array is cut does not change its bits.  A gradient that is easier told
# by y than by x takes y.

ctypedef vf (*point1)(vf x) noexcept nogil
ctypedef vf (*point2)(vf x, vf gy) noexcept nogil
ctypedef void (*span1)(const real *x, real *y, ix n) noexcept nogil
ctypedef void (*span2)(const real *x, const real *gy, real *gx, ix n) noexcept nogil


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


cdef int run1(span1 span, const real[::1] x, real[::1] y) except -1:
    cdef ix n = x.shape[0]
    require(n > 0 and y.shape[0] == n, "activation: x and y must have one length, at least 1")
    cdef const real *xs = &x[0]
    cdef real *ys = &y[0]
    cdef int t, threads = team(n)
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        span(xs + cut(n, t, threads), ys + cut(n, t, threads), cut(n, t + 1, threads) - cut(n, t, threads))
    return 0


cdef int run2(span2 span, const real[::1] x, const real[::1] gy, real[::1] gx) except -1:
    cdef ix n = x.shape[0]
    require(n > 0 and gy.shape[0] == n and gx.shape[0] == n,
            "activation: x (or y), gy and gx must have one length, at least 1")
    cdef const real *xs = &x[0]
    cdef const real *gys = &gy[0]
    cdef real *gxs = &gx[0]
    cdef int t, threads = team(n)
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        span(xs + cut(n, t, threads), gys + cut(n, t, threads), gxs + cut(n, t, threads),
             cut(n, t + 1, threads) - cut(n, t, threads))
    return 0


# ---------------------------------------------------------------- ReLU: max(x, 0); y > 0 just where x > 0
cdef inline vf relu(vf x) noexcept nogil:
    return vmax(vzero(), x)


cdef inline vf relu_gradient(vf y, vf gy) noexcept nogil:
    return vselect(vgt(y, vzero()), gy, vzero())


cdef void relu_span(const real *x, real *y, ix n) noexcept nogil:
    map1(relu, x, y, n)


cdef void relu_gradient_span(const real *y, const real *gy, real *gx, ix n) noexcept nogil:
    map2(relu_gradient, y, gy, gx, n)


def relu_forward(const real[::1] x, real[::1] y):  # IN (n,)  OUT (n,)
    run1(relu_span, x, y)


def relu_backward(const real[::1] y, const real[::1] gy, real[::1] gx):  # IN (n,)  IN (n,)  OUT (n,)
    run2(relu_gradient_span, y, gy, gx)


# ---------------------------------------------------------------- ReLU6: min(max(x, 0), 6); 0 < y < 6 just where x is
cdef inline vf relu6(vf x) noexcept nogil:
    return vmin(vset(6), vmax(vzero(), x))


cdef inline vf relu6_gradient(vf y, vf gy) noexcept nogil:
    return vselect(vgt(y, vzero()) & vgt(vset(6), y), gy, vzero())


cdef void relu6_span(const real *x, real *y, ix n) noexcept nogil:
    map1(relu6, x, y, n)


cdef void relu6_gradient_span(const real *y, const real *gy, real *gx, ix n) noexcept nogil:
    map2(relu6_gradient, y, gy, gx, n)


def relu6_forward(const real[::1] x, real[::1] y):  # IN (n,)  OUT (n,)
    run1(relu6_span, x, y)


def relu6_backward(const real[::1] y, const real[::1] gy, real[::1] gx):  # IN (n,)  IN (n,)  OUT (n,)
    run2(relu6_gradient_span, y, gy, gx)


# ---------------------------------------------------------------- hard sigmoid: relu6(x + 3) / 6
cdef inline vf hardsigmoid(vf x) noexcept nogil:
    return relu6(x + vset(3)) * vset(1.0/6)


cdef inline vf hardsigmoid_gradient(vf y, vf gy) noexcept nogil:
    return vselect(vgt(y, vzero()) & vgt(vset(1), y), gy * vset(1.0/6), vzero())


cdef void hardsigmoid_span(const real *x, real *y, ix n) noexcept nogil:
    map1(hardsigmoid, x, y, n)


cdef void hardsigmoid_gradient_span(const real *y, const real *gy, real *gx, ix n) noexcept nogil:
    map2(hardsigmoid_gradient, y, gy, gx, n)


def hardsigmoid_forward(const real[::1] x, real[::1] y):  # IN (n,)  OUT (n,)
    run1(hardsigmoid_span, x, y)


def hardsigmoid_backward(const real[::1] y, const real[::1] gy, real[::1] gx):  # IN (n,)  IN (n,)  OUT (n,)
    run2(hardsigmoid_gradient_span, y, gy, gx)


# ---------------------------------------------------------------- h-swish: x relu6(x + 3) / 6
cdef inline vf hardswish(vf x) noexcept nogil:
    return x * hardsigmoid(x)


cdef inline vf hardswish_gradient(vf x, vf gy) noexcept nogil:
    cdef vf inside = gy * vfma(x, vset(1.0/3), vset(0.5))
    return vselect(vgt(x, vset(-3)), vselect(vgt(vset(3), x), inside, gy), vzero())


cdef void hardswish_span(const real *x, real *y, ix n) noexcept nogil:
    map1(hardswish, x, y, n)


cdef void hardswish_gradient_span(const real *x, const real *gy, real *gx, ix n) noexcept nogil:
    map2(hardswish_gradient, x, gy, gx, n)


def hardswish_forward(const real[::1] x, real[::1] y):  # IN (n,)  OUT (n,)
    run1(hardswish_span, x, y)


def hardswish_backward(const real[::1] x, const real[::1] gy, real[::1] gx):  # IN (n,)  IN (n,)  OUT (n,)
    run2(hardswish_gradient_span, x, gy, gx)


# ---------------------------------------------------------------- sigmoid: 1 / (1 + e^-x); its derivative is y (1 - y)
cdef inline vf sigmoid_gradient(vf y, vf gy) noexcept nogil:
    return gy * y * (vset(1) - y)


cdef void sigmoid_span(const real *x, real *y, ix n) noexcept nogil:
    map1(vsigmoid, x, y, n)


cdef void sigmoid_gradient_span(const real *y, const real *gy, real *gx, ix n) noexcept nogil:
    map2(sigmoid_gradient, y, gy, gx, n)


def sigmoid_forward(const real[::1] x, real[::1] y):  # IN (n,)  OUT (n,)
    run1(sigmoid_span, x, y)


def sigmoid_backward(const real[::1] y, const real[::1] gy, real[::1] gx):  # IN (n,)  IN (n,)  OUT (n,)
    run2(sigmoid_gradient_span, y, gy, gx)


# ---------------------------------------------------------------- exponential, its own derivative
cdef inline vf exponential(vf x) noexcept nogil:
    return vexp(x)


cdef void exp_span(const real *x, real *y, ix n) noexcept nogil:
    map1(exponential, x, y, n)


def exp_forward(const real[::1] x, real[::1] y):  # IN (n,)  OUT (n,)
    run1(exp_span, x, y)


# ---------------------------------------------------------------- SiLU: x s, s = sigmoid(x); its derivative s + y (1 - s)
cdef inline vf silu(vf x) noexcept nogil:
    return x * vsigmoid(x)


cdef inline vf silu_gradient(vf x, vf gy) noexcept nogil:
    cdef vf s = vsigmoid(x)
    return gy * s * (vset(1) + x * (vset(1) - s))


cdef void silu_span(const real *x, real *y, ix n) noexcept nogil:
    map1(silu, x, y, n)


cdef void silu_gradient_span(const real *x, const real *gy, real *gx, ix n) noexcept nogil:
    map2(silu_gradient, x, gy, gx, n)


def silu_forward(const real[::1] x, real[::1] y):  # IN (n,)  OUT (n,)
    run1(silu_span, x, y)


def silu_backward(const real[::1] x, const real[::1] gy, real[::1] gx):  # IN (n,)  IN (n,)  OUT (n,)
    run2(silu_gradient_span, x, gy, gx)


# ---------------------------------------------------------------- tanh; its derivative is 1 - y^2
cdef inline vf tanh_gradient(vf y, vf gy) noexcept nogil:
    return gy * (vset(1) - y * y)


cdef void tanh_span(const real *x, real *y, ix n) noexcept nogil:
    map1(vtanh, x, y, n)


cdef void tanh_gradient_span(const real *y, const real *gy, real *gx, ix n) noexcept nogil:
    map2(tanh_gradient, y, gy, gx, n)


def tanh_forward(const real[::1] x, real[::1] y):  # IN (n,)  OUT (n,)
    run1(tanh_span, x, y)


def tanh_backward(const real[::1] y, const real[::1] gy, real[::1] gx):  # IN (n,)  IN (n,)  OUT (n,)
    run2(tanh_gradient_span, y, gy, gx)


# ---------------------------------------------------------------- mish: x t, t = tanh(log(1 + e^x))
# With e = e^x and n = e (e + 2): t = n / (n + 2), which neither overflows, as e is cut off where t is 1, nor loses the
# digits of a small e; and t' = 4 e (e + 1) / (n + 2)^2.
cdef inline vf mish(vf x) noexcept nogil:
    cdef vf e = vexp(vmin(vset(MISH_ONE), x))
    cdef vf n = e * (e + vset(2))
    return x * vdivide(n, n + vset(2))


cdef inline vf mish_gradient(vf x, vf gy) noexcept nogil:
    cdef vf e = vexp(vmin(vset(MISH_ONE), x))
    cdef vf n = e * (e + vset(2)), inverse = vdivide(vset(1), n + vset(2))
    cdef vf slope = vset(4) * e * (e + vset(1)) * inverse * inverse
    return gy * vfma(x, slope, n * inverse)


cdef void mish_span(const real *x, real *y, ix n) noexcept nogil:
    map1(mish, x, y, n)


cdef void mish_gradient_span(const real *x, const real *gy, real *gx, ix n) noexcept nogil:
    map2(mish_gradient, x, gy, gx, n)


def mish_forward(const real[::1] x, real[::1] y):  # IN (n,)  OUT (n,)
    run1(mish_span, x, y)


def mish_backward(const real[::1] x, const real[::1] gy, real[::1] gx):  # IN (n,)  IN (n,)  OUT (n,)
    run2(mish_gradient_span, x, gy, gx)
