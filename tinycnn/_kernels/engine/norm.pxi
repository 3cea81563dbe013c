# Normalisation by statistics of the map itself (group, instance, layer and switchable normalisation), in three steps:
#
#     moments   mean m and variance v of each plane: of each image and channel
#     factors   from those, factor f and summand s of each image and channel, so that y = f x + s
#     affine    (maps.pxi) y, and the last store
#
# Moments and factors are maps of one pixel each, one behind the other: means, then variances; factors, then summands.
#
# Sums in float32 are careful twice over.  A plane is gone through twice, first about its first pixel, then about the mean
# found so: what is left of x are its deviations, whose sum sets the mean right, and whose squares lose no digits to a
# large mean.  And sums are taken by runs of RUN pixels, whose totals are added.  Planes are shared out, then groups.
#
# What planes hold together (a group of K channels) has the mean M of their means, and V = the mean of v + (m - M)^2 as its
# variance.  Each channel is then normalised by
#
#     mean = a m + b M + c,   variance = d v + e V + f,   f = weight / sqrt(variance + eps),   s = bias - mean f
#
# with shares a, b, d, e and numbers c and f per channel that are 0, 1, 0, 1, 0, 0 but for switchable normalisation.  The
# channels that fill up the last block have moments, whatever lies there, but no part in any group; they get no factors.

cdef enum:
    RUN = 512

cdef inline void sums_about(const real *x, ix n, vf m, vf *sum, vf *squares) noexcept nogil:
    """Sums over n pixels of x - m and of its square."""
    cdef ix i = 0, end
    cdef vf a, b, d, e, first, second
    sum[0], squares[0] = vzero(), vzero()
    while i < n:
        end = min(n, i + RUN)
        a, b, first, second = vzero(), vzero(), vzero(), vzero()
        while i + 2 <= end:
            d, e = vload(x + i*VW) - m, vload(x + (i + 1)*VW) - m
            a, b = a + d, b + e
            first, second = vfma(d, d, first), vfma(e, e, second)
            i += 2
        if i < end:
            d = vload(x + i*VW) - m
            a, first = a + d, vfma(d, d, first)
            i += 1
        sum[0], squares[0] = sum[0] + (a + b), squares[0] + (first + second)


cdef void moments(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """Of each plane of n pixels."""
    cdef ix plane, planes = g.blocks*g.images
    cdef const real *x
    cdef vf m, sum, squares, by = vset(<real>(1.0/g.n))
    for plane in range(share(planes, t, threads), share(planes, t + 1, threads)):
        x = run.arena + g.x + plane*g.n*VW
        m = vload(x)
        sums_about(x, g.n, m, &sum, &squares)
        m = vfma(sum, by, m)
        sums_about(x, g.n, m, &sum, &squares)
        sum = sum*by
        vstore(run.arena + g.y + plane*VW, m + sum)
        vstore(run.arena + g.y + (planes + plane)*VW, vmax(vzero(), vfma(squares, by, -sum*sum)))


cdef void group_factors(const Op *g, const Run *run, ix image, ix first, ix last) noexcept nogil:
    """Factors of the channels [first, last) of an image: a group."""
    cdef ix c, at, rest = g.blocks*g.images*VW
    cdef const real *moment = run.arena + g.s
    cdef const real *shares = run.constants + g.z
    cdef const real *means = shares + 4
    cdef const real *variances = means + g.k
    cdef real *y = run.arena + g.y
    cdef double mean = 0, variance = 0, own, v, factor, size = last - first
    for c in range(first, last):
        mean += moment[(c//VW*g.images + image)*VW + c%VW]
    mean /= size
    for c in range(first, last):
        at = (c//VW*g.images + image)*VW + c%VW
        own = moment[at] - mean
        variance += moment[rest + at] + own*own
    variance /= size
    for c in range(first, last):
        at = (c//VW*g.images + image)*VW + c%VW
        own = shares[0]*moment[at] + shares[1]*mean + means[c]
        v = shares[2]*moment[rest + at] + shares[3]*variance + variances[c]
        factor = <real>(run.constants[g.w + c]/sqrt(v + g.low))
        y[at], y[rest + at] = <real>factor, <real>(run.constants[g.b + c] - own*factor)


cdef void factors(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """k channels in `rows` groups. s: moments; z: the shares a, b, d, e, then c and f of each channel; low: eps."""
    cdef ix item, group, items = g.images*g.rows, each = g.k//g.rows
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        group = item%g.rows
        group_factors(g, run, item//g.rows, group*each, (group + 1)*each)
