# Functions of one number, vector by vector: of maps, or of any other run of memory that is filled up to whole vectors.
#
# What fills up a vector is computed like the rest, and may well come out as NaN or infinite.  That is why nothing in this
# engine may add up lanes, or read channels, beyond those that a value has: products and Winograd's transforms find their
# k channels by offsets, normalisations across channels mask the others, and everything else keeps to its own lane.

cdef enum:
    EXP = 0
    LOG = 1
    SQRT = 2
    ABS = 3
    NEGATIVE = 4
    POWER = 5


cdef inline vf whole_power(vf x, ix n) noexcept nogil:
    """x^n for an integer n >= 0, by squaring."""
    cdef vf y = vset(1)
    while n > 0:
        if n & 1:
            y = y*x
        x = x*x
        n >>= 1
    return y


cdef inline vf powered(vf x, double exponent) noexcept nogil:
    """x^exponent as x^i e^(f ln x), i + f = exponent with i an integer: NaN for negative x where f is not 0.

    The rounding of ln x counts f times only, and i and f have one sign: neither factor overflows before the result does.
    """
    cdef ix whole = <ix>exponent
    cdef double rest = exponent - whole
    cdef vf y = whole_power(x, whole if whole >= 0 else -whole)
    if whole < 0:
        y = vset(1)/y
    if rest == 0.5:
        return y*vsqrt(x)
    return y*vexp(vset(<real>rest)*vlog(x)) if rest != 0 else y


cdef inline vf of_one(vf x, ix how, double exponent) noexcept nogil:
    if how == EXP:
        return vexp(x)
    if how == LOG:
        return vlog(x)
    if how == SQRT:
        return vsqrt(x)
    if how == ABS:
        return vselect(vgt(vzero(), x), -x, x) + vzero()  # |-0| is 0
    if how == NEGATIVE:
        return -x
    return powered(x, exponent)


cdef inline void unary_run(const real *x, real *y, ix n, ix how, double exponent) noexcept nogil:
    """n vectors; x may be y."""
    cdef ix i
    for i in range(n):
        vstore(y + i*VW, of_one(vload(x + i*VW), how, exponent))


cdef void unary(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """y = f(x) for planes of n vectors; low: the exponent of a power."""
    cdef ix all = g.blocks*g.images*g.n, begin = share(all, t, threads), n = share(all, t + 1, threads) - begin
    cdef const real *x = run.arena + g.x + begin*VW
    cdef real *y = run.arena + g.y + begin*VW
    if g.mode == EXP:
        unary_run(x, y, n, EXP, 0)
    elif g.mode == LOG:
        unary_run(x, y, n, LOG, 0)
    elif g.mode == SQRT:
        unary_run(x, y, n, SQRT, 0)
    elif g.mode == ABS:
        unary_run(x, y, n, ABS, 0)
    elif g.mode == NEGATIVE:
        unary_run(x, y, n, NEGATIVE, 0)
    else:
        unary_run(x, y, n, POWER, g.low)


cdef void prelu(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """y = x where it is above 0, else w x with a slope per channel."""
    cdef ix plane, i, planes = g.blocks*g.images
    cdef const real *x
    cdef real *y
    cdef vf v, slope
    for plane in range(share(planes, t, threads), share(planes, t + 1, threads)):
        x, y = run.arena + g.x + plane*g.n*VW, run.arena + g.y + plane*g.n*VW
        slope = vload(run.constants + g.w + plane//g.images*VW)
        for i in range(g.n):
            v = vload(x + i*VW)
            vstore(y + i*VW, vselect(vgt(v, vzero()), v, v*slope))
