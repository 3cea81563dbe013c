# Losses of pairs of numbers, l_i = w_i f(x_i, t_i): each of them, or their sum; and their gradients g_i w_i df/dx, df/dt.
#
# A loss is a few point functions on vectors, which hold the mathematics (regression.pxi, binary.pxi); a span for each,
# which loops it over a stretch of memory (the point function is inlined); and a line in elementwise_table.pxi.  Training
# plans run the same spans (engine/train/pairs.pxi).
#
# One pass over memory; a sum writes nothing down.  It is cut into parts by the length alone, a part into blocks: a block
# is added up in one vector, blocks and parts in doubles, in the order of their index.  So the sum has the same bits for
# any number of threads, and does not lose digits to its length.  Tails go through the same point functions.
cdef enum:
    LOSS_BLOCK = 1024       # elements that one vector sum adds up
    LOSS_PARTS = 64         # the most parts of a sum

cdef struct Pairs:          # one call
    const real *x
    const real *t
    const real *weight      # w, NULL: 1 everywhere
    const real *other       # a third argument of f, NULL: 1 everywhere
    real a                  # constants of f
    real b
    real c
    real sign               # of the gradients: -1 turns df/dx into df/dt where f is told by x - t

ctypedef vf (*pair_point)(vf x, vf t, vf other, const Pairs *o) noexcept nogil
ctypedef double (*pair_span)(const Pairs *o, real *each, ix i, ix end) noexcept nogil
ctypedef void (*pair_slope)(const Pairs *o, const real *g, bint one_g, real *gx, ix i, ix end) noexcept nogil


cdef inline vf some(const real *p, ix i, ix n) noexcept nogil:
    """n <= VW elements at i; 1 everywhere where there is no array."""
    if p == NULL:
        return vset(1)
    return vload(p + i) if n == VW else vload_part(p + i, n)


cdef inline vf weighted_point(pair_point f, const Pairs *o, ix i, ix n) noexcept nogil:
    return f(some(o.x, i, n), some(o.t, i, n), some(o.other, i, n), o)*some(o.weight, i, n)


cdef inline void each_pair(pair_point f, const Pairs *o, real *each, ix i, ix end) noexcept nogil:
    while i + VW <= end:
        vstore(each + i, weighted_point(f, o, i, VW))
        i += VW
    if i < end:
        vstore_part(each + i, weighted_point(f, o, i, end - i), end - i)


cdef inline double span_pairs(pair_point f, const Pairs *o, real *each, ix i, ix end) noexcept nogil:
    """The losses of a stretch: stored, or, where each is NULL, their sum."""
    cdef double total = 0
    cdef ix stop
    cdef vf s
    if each != NULL:
        each_pair(f, o, each, i, end)
        return 0
    while i < end:
        stop = min(end, i + LOSS_BLOCK)
        s = vzero()
        while i + VW <= stop:
            s = s + weighted_point(f, o, i, VW)
            i += VW
        if i < stop:
            s = s + vselect(vfirst(stop - i), weighted_point(f, o, i, stop - i), vzero())
            i = stop
        total += vsum(s)
    return total


cdef inline void slope_pairs(pair_point f, const Pairs *o, const real *g, bint one_g, real *gx, ix i, ix end) noexcept nogil:
    """Gradients of a stretch; g holds one number for all losses, or one for each."""
    cdef vf all = vset(g[0]*o.sign), sign = vset(o.sign)
    while i + VW <= end:
        vstore(gx + i, weighted_point(f, o, i, VW)*(all if one_g else vload(g + i)*sign))
        i += VW
    if i < end:
        vstore_part(gx + i, weighted_point(f, o, i, end - i)*(all if one_g else vload_part(g + i, end - i)*sign), end - i)


# ---------------------------------------------------------------- what point functions share
cdef inline vf vabs(vf x) noexcept nogil:
    return vmax(-x, x)  # in this order 0 stays 0


cdef inline vf vsign(vf x) noexcept nogil:
    """-1, 0 or 1; NaN for NaN."""
    return vselect(vgt(x, vzero()), vset(1), vselect(vgt(vzero(), x), vset(-1), x))


cdef inline vf vclamp(vf x, vf bound) noexcept nogil:
    """x kept within -bound and bound; NaN stays."""
    return vmax(-bound, vmin(bound, x))

