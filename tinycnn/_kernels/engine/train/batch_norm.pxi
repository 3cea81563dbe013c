# Batch normalisation of x by the M = images n values of each channel, in three steps forward and two back, between which
# x is only read by those who compute with it anyway (lazy.pxi):
#
#     batch_moments      per run of pixels: the sum, and the sum of squares about the run's own mean
#     batch_norm_finish  their mean m and variance v; scale = w / std, shift = b - m scale; running statistics move
#     batch_norm_back    S1 = sum g, S2 = sum g xhat:  gb = S1, gw = S2,
#                        gx = scale (g - S1 / M - xhat S2 / M) = c0 g + c1 x + c2
#
# (Ioffe and Szegedy, "Batch normalization", 2015, algorithm 1 and section 3.)  Runs are combined in the order of their
# numbers, in double: with means m_i of n_i pixels and squares q_i about these,
#
#     M v = sum of q_i + n_i (m_i - m)^2
#
# (Chan, Golub and LeVeque, "Algorithms for computing the sample variance", 1983, equation 1.5b), so that no digits are
# lost where the mean is large.  A run is as long as `rows` says, the last as long as what is left; sums of a run are
# vectors.  Where statistics are frozen (mode 1), mean and variance are the running ones, and c1 and c2 are 0.

cdef enum:
    OF_BATCH = 0                # mode: statistics are those of x
    FROZEN = 1


cdef inline ix runs_of(const Op *g) noexcept nogil:
    """Runs of `rows` pixels in a block."""
    return (g.images*g.n + g.rows - 1)//g.rows


cdef inline ix real_lanes(const Op *g, ix block) noexcept nogil:
    """Lanes of a block that are channels, of k."""
    return min(<ix>VW, g.k - block*VW)


cdef inline void store_moments(const Op *g, const Run *run, ix number, ix block, ix n, vf about, vf sum,
                               vf squares) noexcept nogil:
    """Moments of n pixels from sums of x - about and of its square: about is near the mean, and little is lost."""
    cdef real *to = sums_at(g, run, number, block)
    cdef vf by = vset(<real>(1.0/n))
    vstore(to, vfma(about, vset(<real>n), sum))
    vstore(to + VW, vmax(vzero(), vfma(-sum*by, sum, squares)))


cdef void batch_moments(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """Sums of x, where whoever made it left none."""
    cdef ix item, block, number, n, pixels = g.images*g.n, runs = runs_of(g), items = g.blocks*runs
    cdef const real *x
    cdef vf m, sum, squares
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        block, number = item//runs, item%runs
        n = min(g.rows, pixels - number*g.rows)
        x = run.arena + g.x + (block*pixels + number*g.rows)*VW
        m = vload(x)
        sums_about(x, n, m, &sum, &squares)
        m = vfma(sum, vset(<real>(1.0/n)), m)
        sums_about(x, n, m, &sum, &squares)
        store_moments(g, run, number, block, n, m, sum, squares)


# ---------------------------------------------------------------- forward
cdef void batch_statistics(const Op *g, const Run *run, ix block, double *mean, double *variance) noexcept nogil:
    """Of the lanes of a block, from the sums of all runs."""
    cdef ix number, runs = runs_of(g)
    cdef double pixels = g.images*g.n, n, d
    cdef const real *part
    cdef int lane
    for lane in range(VW):
        mean[lane] = variance[lane] = 0
    for number in range(runs):
        part = sums_at(g, run, number, block)
        for lane in range(VW):
            mean[lane] += part[lane]
    for lane in range(VW):
        mean[lane] /= pixels
    for number in range(runs):
        part, n = sums_at(g, run, number, block), min(g.rows, g.images*g.n - number*g.rows)
        for lane in range(VW):
            d = part[lane]/n - mean[lane]
            variance[lane] += part[VW + lane] + n*d*d
    for lane in range(VW):
        variance[lane] /= pixels


cdef void move_statistics(const Op *g, const Run *run, ix block, const double *mean, const double *variance) noexcept nogil:
    """Running statistics towards those of the batch, by the momentum (high); the unbiased variance."""
    cdef real *means = <real *>run.io[g.statistics] + g.s + block*VW
    cdef real *variances = <real *>run.io[g.statistics] + g.z + block*VW
    cdef double pixels = g.images*g.n
    cdef ix lane
    for lane in range(real_lanes(g, block)):
        means[lane] += <real>(g.high*(mean[lane] - means[lane]))
        variances[lane] += <real>(g.high*(variance[lane]*(pixels/(pixels - 1)) - variances[lane]))


cdef void running_statistics(const Op *g, const Run *run, ix block, double *mean, double *variance) noexcept nogil:
    """Those of frozen lanes."""
    cdef const real *numbers = <const real *>run.io[g.statistics]
    cdef ix lane
    for lane in range(real_lanes(g, block)):
        mean[lane], variance[lane] = numbers[g.s + block*VW + lane], numbers[g.z + block*VW + lane]


cdef void store_coefficients(const Op *g, const Run *run, ix block, const double *mean,
                             const double *variance) noexcept nogil:
    """Scale, shift, mean, 1 / std; zeros for lanes that are no channels, so that these read as 0."""
    cdef real *to = run.arena + g.y + block*4*VW
    cdef const real *parameters = <const real *>run.io[g.parameters]
    cdef double inverse
    cdef ix lane
    memset(to, 0, 4*VW*sizeof(real))
    for lane in range(real_lanes(g, block)):
        inverse = 1/sqrt(variance[lane] + g.low)
        to[lane] = <real>(inverse*parameters[g.w + block*VW + lane] if g.w >= 0 else inverse)
        to[VW + lane] = <real>((parameters[g.b + block*VW + lane] if g.b >= 0 else 0) - mean[lane]*to[lane])
        to[2*VW + lane], to[3*VW + lane] = <real>mean[lane], <real>inverse


cdef void batch_norm_finish(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """y: coefficients of k channels.  low: eps, high: momentum; w, b: in the parameters, -1: 1 and 0; s, z: running mean
    and variance in the statistics, s = -1: none."""
    cdef double mean[VW]
    cdef double variance[VW]
    cdef ix block
    for block in range(share(g.blocks, t, threads), share(g.blocks, t + 1, threads)):
        if g.mode == FROZEN:
            running_statistics(g, run, block, mean, variance)
        else:
            batch_statistics(g, run, block, mean, variance)
            if g.s >= 0:
                move_statistics(g, run, block, mean, variance)
        store_coefficients(g, run, block, mean, variance)


# ---------------------------------------------------------------- back
cdef void gradient_sums(const Op *g, const Run *run, ix block, double *first, double *second) noexcept nogil:
    cdef ix number
    cdef const real *part
    cdef int lane
    for lane in range(VW):
        first[lane] = second[lane] = 0
    for number in range(runs_of(g)):
        part = sums_at(g, run, number, block)
        for lane in range(VW):
            first[lane] += part[lane]
            second[lane] += part[VW + lane]


cdef void back_block(const Op *g, const Run *run, ix block) noexcept nogil:
    cdef double first[VW]
    cdef double second[VW]
    cdef const real *a = run.arena + g.a + block*4*VW
    cdef real *c = run.arena + g.y + block*3*VW
    cdef real *gradients = <real *>run.io[g.gradients]
    cdef double by = 0 if g.mode == FROZEN else 1.0/(g.images*g.n)
    cdef ix lane
    gradient_sums(g, run, block, first, second)
    memset(c, 0, 3*VW*sizeof(real))
    for lane in range(real_lanes(g, block)):
        c[lane] = a[lane]
        c[VW + lane] = <real>(-by*a[lane]*a[3*VW + lane]*second[lane])
        c[2*VW + lane] = <real>(by*a[lane]*(second[lane]*a[2*VW + lane]*a[3*VW + lane] - first[lane]))
        if g.gw >= 0:
            gradients[g.gw + block*VW + lane] = <real>second[lane]
        if g.b >= 0:
            gradients[g.b + block*VW + lane] = <real>first[lane]


cdef void batch_norm_back(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """y: c0, c1, c2, of k channels with coefficients a.  gw, b: gradients of weight and bias; -1: not wanted."""
    cdef ix block
    for block in range(share(g.blocks, t, threads), share(g.blocks, t + 1, threads)):
        back_block(g, run, block)
