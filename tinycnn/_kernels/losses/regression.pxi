# Losses of the distance d = x - t, each a function of |d| but for its sign: the gradient of t is minus that of x.
#
#     l1           |d|                                            sign d
#     mse          d^2                                            2 d
#     smooth_l1    d^2 / 2a  for |d| < a, else |d| - a/2          d / a     kept within -1 and 1
#     huber        d^2 / 2   for |d| < a, else a (|d| - a/2)      d         kept within -a and a
#     wing         a ln(1 + |d| / b)  for |d| < a, else |d| - c   sign d a / (b + |d|), or sign d
#
# In wing, c = a - a ln(1 + a/b) joins the two pieces (Feng et al., "Wing loss for robust facial landmark localisation
# with convolutional neural networks", CVPR 2018, equation 5).
cdef inline vf l1(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    return vabs(x - t)


cdef inline vf l1_gradient(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    return vsign(x - t)


cdef inline vf mse(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    return (x - t)*(x - t)


cdef inline vf mse_gradient(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    return vset(2)*(x - t)


cdef inline vf smooth_l1(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    cdef vf d = vabs(x - t), a = vset(o.a), half = vset(<real>0.5)
    return vselect(vgt(a, d), half*d*(d/a), d - half*a)


cdef inline vf smooth_l1_gradient(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    return vclamp((x - t)/vset(o.a), vset(1))


cdef inline vf huber(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    cdef vf d = vabs(x - t), a = vset(o.a), half = vset(<real>0.5)
    return vselect(vgt(a, d), half*d*d, a*(d - half*a))


cdef inline vf huber_gradient(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    return vclamp(x - t, vset(o.a))


cdef inline vf wing(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    cdef vf d = vabs(x - t), a = vset(o.a)
    return vselect(vgt(a, d), a*vlog1p(d/vset(o.b)), d - vset(o.c))


cdef inline vf wing_gradient(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    cdef vf d = x - t, a = vset(o.a)
    cdef vf size = vabs(d)
    return vsign(d)*vselect(vgt(a, size), a/(vset(o.b) + size), vset(1))


# ---------------------------------------------------------------- spans
cdef double l1_span(const Pairs *o, real *each, ix i, ix end) noexcept nogil:
    return span_pairs(l1, o, each, i, end)


cdef void l1_slope(const Pairs *o, const real *g, bint one_g, real *gx, ix i, ix end) noexcept nogil:
    slope_pairs(l1_gradient, o, g, one_g, gx, i, end)


cdef double mse_span(const Pairs *o, real *each, ix i, ix end) noexcept nogil:
    return span_pairs(mse, o, each, i, end)


cdef void mse_slope(const Pairs *o, const real *g, bint one_g, real *gx, ix i, ix end) noexcept nogil:
    slope_pairs(mse_gradient, o, g, one_g, gx, i, end)


cdef double smooth_l1_span(const Pairs *o, real *each, ix i, ix end) noexcept nogil:
    return span_pairs(smooth_l1, o, each, i, end)


cdef void smooth_l1_slope(const Pairs *o, const real *g, bint one_g, real *gx, ix i, ix end) noexcept nogil:
    slope_pairs(smooth_l1_gradient, o, g, one_g, gx, i, end)


cdef double huber_span(const Pairs *o, real *each, ix i, ix end) noexcept nogil:
    return span_pairs(huber, o, each, i, end)


cdef void huber_slope(const Pairs *o, const real *g, bint one_g, real *gx, ix i, ix end) noexcept nogil:
    slope_pairs(huber_gradient, o, g, one_g, gx, i, end)


cdef double wing_span(const Pairs *o, real *each, ix i, ix end) noexcept nogil:
    return span_pairs(wing, o, each, i, end)


cdef void wing_slope(const Pairs *o, const real *g, bint one_g, real *gx, ix i, ix end) noexcept nogil:
    slope_pairs(wing_gradient, o, g, one_g, gx, i, end)
