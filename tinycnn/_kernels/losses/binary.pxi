# Losses of yes and no, and of distributions, with p = sigmoid(x) and l+(x) = log(1 + e^x), which overflows nowhere:
#
#     bce           -t log x - (1 - t) log(1 - x), the logarithms kept above -100
#     bce_logits    w t l+(-x) + (1 - t) l+(x),  w = other: both terms at least 0, nothing cancels
#     focal         at q^b l,  l = t l+(-x) + (1 - t) l+(x),  q = p (1 - t) + (1 - p) t,  at = a t + (1 - a)(1 - t),
#                   or 1 where a < 0   (Lin et al., "Focal loss for dense object detection", ICCV 2017, equation 5)
#     hinge         max(0, a - t x), t = -1 or 1, a constant
#     kl            t (log t - x), 0 where t is 0;    kl_log    e^t (t - x), 0 where e^t is 0
#
# Focal's gradient, with dl/dx = p (1 - t) - (1 - p) t and dq/dx = p (1 - p) (1 - 2t), is  at q^b (dl/dx + b l dq/dx / q).
# All is told by e^-|x| alone, which a point computes once: l+(x) = max(0, x) + log(1 + e^-|x|); p and 1 - p are
# 1 / (1 + e^-|x|) and e^-|x| / (1 + e^-|x|), or the other way around, exact where they round to 0.  q is kept above the least normal number: dq/dx / q is at most 1, and
# so never 0 / 0.
cdef inline vf surprise(vf log_p) noexcept nogil:
    """-log p, no higher than 100."""
    return vmin(vset(100), -log_p)


cdef inline vf bce(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    return t*surprise(vlog(x)) + (vset(1) - t)*surprise(vlog1p(-x))


cdef inline vf bce_gradient(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    return (x - t)/vmax(vset(<real>1e-12), (vset(1) - x)*x)


cdef inline vf bce_target_gradient(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    return surprise(vlog(x)) - surprise(vlog1p(-x))


cdef inline vf yes(vf x) noexcept nogil:
    """p = sigmoid(x)."""
    cdef vf e = vexp(-vabs(x)), large = vset(1)/(vset(1) + e)
    return vselect(vgt(x, vzero()), large, e*large)


cdef inline vf no(vf x) noexcept nogil:
    """1 - p."""
    cdef vf e = vexp(-vabs(x)), large = vset(1)/(vset(1) + e)
    return vselect(vgt(x, vzero()), e*large, large)


cdef inline vf bce_logits(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    cdef vf rest = vlog1p(vexp(-vabs(x)))
    return t*other*(vmax(vzero(), -x) + rest) + (vset(1) - t)*(vmax(vzero(), x) + rest)


cdef inline vf bce_logits_gradient(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    return (vset(1) - t)*yes(x) - t*other*no(x)


cdef inline vf bce_logits_target_gradient(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    cdef vf rest = vlog1p(vexp(-vabs(x)))
    return other*(vmax(vzero(), -x) + rest) - (vmax(vzero(), x) + rest)


cdef inline vf focal_alpha(vf t, const Pairs *o) noexcept nogil:
    cdef vf a = vset(o.a)
    return vselect(vgt(vzero(), a), vset(1), a*t + (vset(1) - a)*(vset(1) - t))


cdef inline vf focal_wrong(vf x, vf t) noexcept nogil:
    """q: how much of the probability lies where it should not."""
    return vmax(vset(LEAST_NORMAL), yes(x)*(vset(1) - t) + no(x)*t)


cdef inline vf focal_power(vf q, const Pairs *o) noexcept nogil:
    return vexp(vset(o.b)*vlog(q))


cdef inline vf focal(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    return focal_alpha(t, o)*focal_power(focal_wrong(x, t), o)*bce_logits(x, t, vset(1), o)


cdef inline vf focal_gradient(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    cdef vf q = focal_wrong(x, t), l = bce_logits(x, t, vset(1), o)
    cdef vf slope = yes(x)*no(x)*(vset(1) - vset(2)*t)
    return focal_alpha(t, o)*focal_power(q, o)*(bce_logits_gradient(x, t, vset(1), o) + vset(o.b)*l*(slope/q))


cdef inline vf focal_target_gradient(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    cdef vf q = focal_wrong(x, t), l = bce_logits(x, t, vset(1), o), alpha = focal_alpha(t, o), a = vset(o.a)
    cdef vf alpha_slope = vselect(vgt(vzero(), a), vzero(), vset(2)*a - vset(1))
    cdef vf slope = vset(o.b)*(no(x) - yes(x))
    return focal_power(q, o)*(alpha_slope*l - alpha*x + alpha*l*(slope/q))


cdef inline vf hinge(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    return vmax(vzero(), vset(o.a) - t*x)


cdef inline vf hinge_gradient(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    return vselect(vge(vset(o.a), t*x), -t, vzero())


cdef inline vf kl(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    return vselect(veq(t, vzero()), vzero(), t*(vlog(t) - x))


cdef inline vf kl_gradient(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    return -t


cdef inline vf kl_target_gradient(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    return vselect(veq(t, vzero()), vzero(), vlog(t) - x + vset(1))


cdef inline vf kl_log(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    cdef vf e = vexp(t)
    return vselect(veq(e, vzero()), vzero(), e*(t - x))


cdef inline vf kl_log_gradient(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    return -vexp(t)


cdef inline vf kl_log_target_gradient(vf x, vf t, vf other, const Pairs *o) noexcept nogil:
    cdef vf e = vexp(t)
    return vselect(veq(e, vzero()), vzero(), e*(t - x + vset(1)))


# ---------------------------------------------------------------- spans
cdef double bce_span(const Pairs *o, real *each, ix i, ix end) noexcept nogil:
    return span_pairs(bce, o, each, i, end)


cdef void bce_slope(const Pairs *o, const real *g, bint one_g, real *gx, ix i, ix end) noexcept nogil:
    slope_pairs(bce_gradient, o, g, one_g, gx, i, end)


cdef void bce_target_slope(const Pairs *o, const real *g, bint one_g, real *gx, ix i, ix end) noexcept nogil:
    slope_pairs(bce_target_gradient, o, g, one_g, gx, i, end)


cdef double bce_logits_span(const Pairs *o, real *each, ix i, ix end) noexcept nogil:
    return span_pairs(bce_logits, o, each, i, end)


cdef void bce_logits_slope(const Pairs *o, const real *g, bint one_g, real *gx, ix i, ix end) noexcept nogil:
    slope_pairs(bce_logits_gradient, o, g, one_g, gx, i, end)


cdef void bce_logits_target_slope(const Pairs *o, const real *g, bint one_g, real *gx, ix i, ix end) noexcept nogil:
    slope_pairs(bce_logits_target_gradient, o, g, one_g, gx, i, end)


cdef double focal_span(const Pairs *o, real *each, ix i, ix end) noexcept nogil:
    return span_pairs(focal, o, each, i, end)


cdef void focal_slope(const Pairs *o, const real *g, bint one_g, real *gx, ix i, ix end) noexcept nogil:
    slope_pairs(focal_gradient, o, g, one_g, gx, i, end)


cdef void focal_target_slope(const Pairs *o, const real *g, bint one_g, real *gx, ix i, ix end) noexcept nogil:
    slope_pairs(focal_target_gradient, o, g, one_g, gx, i, end)


cdef double hinge_span(const Pairs *o, real *each, ix i, ix end) noexcept nogil:
    return span_pairs(hinge, o, each, i, end)


cdef void hinge_slope(const Pairs *o, const real *g, bint one_g, real *gx, ix i, ix end) noexcept nogil:
    slope_pairs(hinge_gradient, o, g, one_g, gx, i, end)


cdef double kl_span(const Pairs *o, real *each, ix i, ix end) noexcept nogil:
    return span_pairs(kl, o, each, i, end)


cdef void kl_slope(const Pairs *o, const real *g, bint one_g, real *gx, ix i, ix end) noexcept nogil:
    slope_pairs(kl_gradient, o, g, one_g, gx, i, end)


cdef void kl_target_slope(const Pairs *o, const real *g, bint one_g, real *gx, ix i, ix end) noexcept nogil:
    slope_pairs(kl_target_gradient, o, g, one_g, gx, i, end)


cdef double kl_log_span(const Pairs *o, real *each, ix i, ix end) noexcept nogil:
    return span_pairs(kl_log, o, each, i, end)


cdef void kl_log_slope(const Pairs *o, const real *g, bint one_g, real *gx, ix i, ix end) noexcept nogil:
    slope_pairs(kl_log_gradient, o, g, one_g, gx, i, end)


cdef void kl_log_target_slope(const Pairs *o, const real *g, bint one_g, real *gx, ix i, ix end) noexcept nogil:
    slope_pairs(kl_log_target_gradient, o, g, one_g, gx, i, end)
