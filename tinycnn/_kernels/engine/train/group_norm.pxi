# Normalisation of x by the mean M and the variance V of each group of channels of each image: K channels of n pixels.  With
# the moments m, v of each plane (norm.pxi),
#
#     group_norm_finish  M = mean of m, V = mean of v + (m - M)^2;  scale = w / std, shift = b - M scale
#     group_norm_back    of S1 = sum g and S2 = sum g xhat of each plane:  gb = S1, gw = S2, summed over the images; and with
#                        T = sum of scale S over the channels of the group,
#                        gx = scale g - T1 / (K n) - xhat T2 / (K n) = c0 g + c1 x + c2
#
# (Wu and He, "Group normalization", 2018, equations 1 to 6.)  A plane has what in batch normalisation a block of channels
# has: scale, shift, mean, 1 / std, and c0, c1, c2, a vector each.  So lazy.pxi and elements.pxi go over these maps as over
# blocks * images blocks of one image, and there are no kernels but these two, which touch no pixels.  Groups may be parts
# of blocks; lanes that are no channels are in none, and have no coefficients.
#
# Loop order: groups of each image, channel by channel, in double; then, for the parameters, blocks, image by image.

cdef inline ix lane_at(const Op *g, ix image, ix channel, ix vectors) noexcept nogil:
    """Where a channel's lane lies among so many vectors of each plane."""
    return (channel//VW*g.images + image)*vectors*VW + channel%VW


cdef void finish_group(const Op *g, const Run *run, ix image, ix first, ix last) noexcept nogil:
    """The channels [first, last) of an image."""
    cdef const real *means = run.arena + g.s
    cdef const real *variances = means + g.blocks*g.images*VW
    cdef const real *parameters = <const real *>run.io[g.parameters]
    cdef real *to
    cdef double mean = 0, variance = 0, inverse, d, size = last - first
    cdef ix c, at
    for c in range(first, last):
        mean += means[lane_at(g, image, c, 1)]
    mean /= size
    for c in range(first, last):
        at = lane_at(g, image, c, 1)
        d = means[at] - mean
        variance += variances[at] + d*d
    inverse = 1/sqrt(variance/size + g.low)
    for c in range(first, last):
        to = run.arena + g.y + lane_at(g, image, c, 4)
        to[0] = <real>(inverse*parameters[g.w + c] if g.w >= 0 else inverse)
        to[VW] = <real>((parameters[g.b + c] if g.b >= 0 else 0) - mean*to[0])
        to[2*VW], to[3*VW] = <real>mean, <real>inverse


cdef void back_group(const Op *g, const Run *run, ix image, ix first, ix last) noexcept nogil:
    """The channels [first, last) of an image."""
    cdef const real *a
    cdef const real *s
    cdef real *to
    cdef double one = 0, two = 0, by = 1.0/((last - first)*g.n)
    cdef ix c
    for c in range(first, last):
        a, s = run.arena + g.a + lane_at(g, image, c, 4), run.arena + g.sums + lane_at(g, image, c, 2)
        one += <double>a[0]*s[0]
        two += <double>a[0]*s[VW]
    for c in range(first, last):
        a, to = run.arena + g.a + lane_at(g, image, c, 4), run.arena + g.y + lane_at(g, image, c, 3)
        to[0] = a[0]
        to[VW] = <real>(-by*a[3*VW]*two)
        to[2*VW] = <real>(by*(two*a[2*VW]*a[3*VW] - one))


cdef void back_channel(const Op *g, const Run *run, ix channel) noexcept nogil:
    """Gradients of the weight and the bias of a channel."""
    cdef real *gradients = <real *>run.io[g.gradients]
    cdef const real *s
    cdef double one = 0, two = 0
    cdef ix image
    for image in range(g.images):
        s = run.arena + g.sums + lane_at(g, image, channel, 2)
        one += s[0]
        two += s[VW]
    if g.gw >= 0:
        gradients[g.gw + channel] = <real>two
    if g.b >= 0:
        gradients[g.b + channel] = <real>one


cdef void group_norm_finish(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """y: coefficients of k channels in `rows` groups, from the moments s.  low: eps; w, b: in the parameters, -1: 1 and
    0."""
    cdef ix item, items = g.images*g.rows, each = g.k//g.rows
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        finish_group(g, run, item//g.rows, item%g.rows*each, (item%g.rows + 1)*each)


cdef void group_norm_back(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """y: c0, c1, c2, of coefficients a and the sums of planes of n pixels.  gw, b: gradients of weight and bias; -1: not
    wanted."""
    cdef ix item, items = g.images*g.rows, each = g.k//g.rows, c
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        back_group(g, run, item//g.rows, item%g.rows*each, (item%g.rows + 1)*each)
    for c in range(share(g.k, t, threads), share(g.k, t + 1, threads)):
        back_channel(g, run, c)
