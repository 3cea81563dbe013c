# Updates of parameters p in place, from their gradients g, over flat arrays of any length: one pass over memory.
#
# Stochastic gradient descent with momentum (Polyak 1964; Nesterov's form as in Sutskever et al., "On the importance of
# initialization and momentum in deep learning", 2013, section 2):
#
#     d = g + weight_decay p,   v = momentum v + (1 - dampening) d,   p = p - rate (d + momentum v  or  v)

cdef inline void sgd_vector(vf *p, vf g, vf *v, vf rate, vf momentum, vf keep, vf decay, bint nesterov) noexcept nogil:
    cdef vf d = vfma(p[0], decay, g)
    v[0] = vfma(v[0], momentum, d*keep)
    p[0] = p[0] - rate*(vfma(v[0], momentum, d) if nesterov else v[0])


cdef inline void sgd_loop(real *p, const real *g, real *v, ix n, vf rate, vf momentum, vf keep, vf decay,
                          bint nesterov) noexcept nogil:
    cdef vf pv, vv
    cdef ix i, part
    i = 0
    while i + VW <= n:
        pv, vv = vload(p + i), vload(v + i)
        sgd_vector(&pv, vload(g + i), &vv, rate, momentum, keep, decay, nesterov)
        vstore(p + i, pv)
        vstore(v + i, vv)
        i += VW
    part = n - i
    pv, vv = vload_part(p + i, part), vload_part(v + i, part)
    sgd_vector(&pv, vload_part(g + i, part), &vv, rate, momentum, keep, decay, nesterov)
    vstore_part(p + i, pv, part)
    vstore_part(v + i, vv, part)


cdef void sgd_span(real *p, const real *g, real *v, ix n, real rate, real momentum, real keep, real decay,
                   bint nesterov) noexcept nogil:
    if nesterov:
        sgd_loop(p, g, v, n, vset(rate), vset(momentum), vset(keep), vset(decay), True)
    else:
        sgd_loop(p, g, v, n, vset(rate), vset(momentum), vset(keep), vset(decay), False)


def sgd_update(real[::1] p,          # IN and OUT (n,)
               const real[::1] g,    # IN  (n,)
               real[::1] v,          # IN and OUT (n,)  zeros before the first step
               double rate, double momentum, double dampening, double weight_decay, bint nesterov):
    cdef ix n = p.shape[0]
    require(n > 0 and g.shape[0] == n and v.shape[0] == n, "sgd_update: p, g and v must have one length, at least 1")
    cdef real *ps = &p[0]
    cdef const real *gs = &g[0]
    cdef real *vs = &v[0]
    cdef int t, threads = team(n)
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        sgd_span(ps + cut(n, t, threads), gs + cut(n, t, threads), vs + cut(n, t, threads),
                 cut(n, t + 1, threads) - cut(n, t, threads), <real>rate, <real>momentum, <real>(1 - dampening),
                 <real>weight_decay, nesterov)
