# Batch normalisation of x (N, C, P), P pixels to a plane, per channel over its M = N P elements:
#
#     y = (x - mean) inverse_std weight + bias,   inverse_std = 1 / sqrt(variance + eps)
#
# and, with g = gy and xhat = (x - mean) inverse_std, where mean and variance are those of the batch,
#
#     gb = sum g,   gw = sum g xhat,   gx = weight inverse_std (g - gb / M - xhat gw / M)
#
# (Ioffe and Szegedy, "Batch normalization", 2015, algorithm 1 and section 3); where they are constants, gx is the first
# term alone.
#
# Loop order.  A channel comes from memory once and is found in the cache after that: a thread sums it, sums the squared
# distances from its mean, normalises it.  Two ways to walk, by the size of a plane:
#   wide    planes of more than a vector: channel by channel, along each plane;
#   narrow  smaller ones (2x2 and 1x1 maps, 2-D inputs): a group of channels together, whose planes lie one after the
#           other in each image.  Vectors run along that row of up to ROW elements, sums run over the images, and the
#           factors of the channels are spread out to rows of their own.
# Accuracy.  Vector sums last for about BLOCK elements, then go to a double.  The variance is taken about the mean as
# rounded to real, m, and corrected for that: variance = mean (x - m)^2 - (mean (x - m))^2, and mean = m + mean (x - m);
# so neither suffers where the mean is many times the deviation (Chan, Golub and LeVeque, "Algorithms for computing the
# sample variance", 1983, equation 1.7).

cdef enum:
    BLOCK = 4096    # elements that one vector sum adds up before it is flushed
    ROW = 256       # elements in a row of narrow planes
    LANES = 4       # vectors summed side by side, because an addition takes several cycles

cdef struct Norm:           # one call: every function below takes it
    ix images
    ix channels
    ix p                    # pixels of a plane
    const real *x
    const real *g           # gy; x itself where nothing flows back
    real *y                 # y, or gx
    const real *weight
    const real *bias
    real *mean
    real *inverse_std


cdef inline bint wide(const Norm *o) noexcept nogil:
    return o.p > VW


cdef inline ix group_size(const Norm *o) noexcept nogil:
    """Channels that are walked together."""
    return 1 if wide(o) else ROW//o.p


# ---------------------------------------------------------------- sums over a group of channels
# Two at once: of g and of g (x - m) where `gradient`, else of x - m and of its square.
cdef inline void add_vector(vf x, vf g, vf m, bint gradient, vf *first, vf *second) noexcept nogil:
    cdef vf d = x - m
    cdef vf e = g if gradient else d
    first[0] = first[0] + e
    second[0] = vfma(e, d, second[0])


cdef inline void add_plane(const real *x, const real *g, ix p, vf m, bint gradient, vf *first, vf *second) noexcept nogil:
    cdef ix i = 0
    cdef int k
    while i + LANES*VW <= p:
        for k in range(LANES):
            add_vector(vload(x + i + k*VW), vload(g + i + k*VW), m, gradient, first + k, second + k)
        i += LANES*VW
    while i + VW <= p:
        add_vector(vload(x + i), vload(g + i), m, gradient, first, second)
        i += VW
    if i < p:  # beyond the end, x = m and g = 0 add nothing
        add_vector(vselect(vfirst(p - i), vload_part(x + i, p - i), m), vload_part(g + i, p - i), m, gradient,
                   first + 1, second + 1)


cdef inline void wide_sums(const Norm *o, ix c, const real *mean, bint gradient,
                           double *first, double *second) noexcept nogil:
    cdef vf s[LANES]
    cdef vf q[LANES]
    cdef ix n, i, start, at
    cdef ix planes = max(<ix>1, BLOCK//o.p)  # to a block
    cdef int k
    first[0] = second[0] = 0
    n = 0
    while n < o.images:
        start = 0
        while start < o.p:
            for k in range(LANES):
                s[k] = q[k] = vzero()
            for i in range(n, min(o.images, n + planes)):
                at = (i*o.channels + c)*o.p + start
                add_plane(o.x + at, o.g + at, min(<ix>BLOCK, o.p - start), vset(mean[0]), gradient, s, q)
            first[0] += vsum((s[0] + s[1]) + (s[2] + s[3]))
            second[0] += vsum((q[0] + q[1]) + (q[2] + q[3]))
            start += BLOCK
        n += planes


cdef inline void narrow_sums(const Norm *o, ix c0, ix count, const real *mean, bint gradient,
                             double *first, double *second) noexcept nogil:
    cdef real s_row[ROW]
    cdef real q_row[ROW]
    cdef vf s, q
    cdef ix n, i, j, c, at, part
    cdef ix width = count*o.p
    for c in range(count):
        first[c] = second[c] = 0
    n = 0
    while n < o.images:
        j = 0
        while j < width:
            s = q = vzero()
            part = min(<ix>VW, width - j)
            for i in range(n, min(o.images, n + BLOCK//ROW)):
                at = (i*o.channels + c0)*o.p + j
                add_vector(vload_part(o.x + at, part), vload_part(o.g + at, part), vload(mean + j), gradient, &s, &q)
            vstore(s_row + j, s)
            vstore(q_row + j, q)
            j += VW
        for c in range(count):
            for i in range(c*o.p, (c + 1)*o.p):
                first[c] += s_row[i]
                second[c] += q_row[i]
        n += BLOCK//ROW


cdef void moment_sums(const Norm *o, ix c0, ix count, const real *mean, double *first, double *second) noexcept nogil:
    if wide(o):
        wide_sums(o, c0, mean, False, first, second)
    else:
        narrow_sums(o, c0, count, mean, False, first, second)


cdef void gradient_sums(const Norm *o, ix c0, ix count, const real *mean, double *first, double *second) noexcept nogil:
    if wide(o):
        wide_sums(o, c0, mean, True, first, second)
    else:
        narrow_sums(o, c0, count, mean, True, first, second)


# ---------------------------------------------------------------- element by element
cdef inline void fill_row(const Norm *o, real value, ix k, real *row) noexcept nogil:
    """A factor of the group's k-th channel, repeated beside each of its elements."""
    cdef ix i
    if wide(o):
        vstore(row, vset(value))
    else:
        for i in range(k*o.p, (k + 1)*o.p):
            row[i] = value


# y = (x - m) scale + bias
cdef inline void affine_row(const real *x, real *y, ix n, const real *mean, const real *scale, const real *bias,
                            bint narrow) noexcept nogil:
    cdef vf m = vload(mean), a = vload(scale), b = vload(bias)
    cdef ix i
    i = 0
    while i + VW <= n:
        if narrow:
            m, a, b = vload(mean + i), vload(scale + i), vload(bias + i)
        vstore(y + i, vfma(vload(x + i) - m, a, b))
        i += VW
    if i < n:
        if narrow:
            m, a, b = vload(mean + i), vload(scale + i), vload(bias + i)
        vstore_part(y + i, vfma(vload_part(x + i, n - i) - m, a, b), n - i)


cdef void affine(const Norm *o, ix c0, ix count, const real *mean, const real *scale, const real *bias) noexcept nogil:
    cdef ix n, at
    for n in range(o.images):
        at = (n*o.channels + c0)*o.p
        if wide(o):
            affine_row(o.x + at, o.y + at, o.p, mean, scale, bias, False)
        else:
            affine_row(o.x + at, o.y + at, count*o.p, mean, scale, bias, True)


# gx = a g - (b (x - m) + c)
cdef inline void gradient_row(const real *x, const real *g, real *gx, ix n, const real *mean, const real *a,
                              const real *b, const real *c, bint narrow) noexcept nogil:
    cdef vf m = vload(mean), av = vload(a), bv = vload(b), cv = vload(c)
    cdef ix i
    i = 0
    while i + VW <= n:
        if narrow:
            m, av, bv, cv = vload(mean + i), vload(a + i), vload(b + i), vload(c + i)
        vstore(gx + i, vload(g + i)*av - vfma(vload(x + i) - m, bv, cv))
        i += VW
    if i < n:
        if narrow:
            m, av, bv, cv = vload(mean + i), vload(a + i), vload(b + i), vload(c + i)
        vstore_part(gx + i, vload_part(g + i, n - i)*av - vfma(vload_part(x + i, n - i) - m, bv, cv), n - i)


cdef void gradient(const Norm *o, ix c0, ix count, const real *mean, const real *a, const real *b,
                   const real *c) noexcept nogil:
    cdef ix n, at
    for n in range(o.images):
        at = (n*o.channels + c0)*o.p
        if wide(o):
            gradient_row(o.x + at, o.g + at, o.y + at, o.p, mean, a, b, c, False)
        else:
            gradient_row(o.x + at, o.g + at, o.y + at, count*o.p, mean, a, b, c, True)


# ---------------------------------------------------------------- a group of channels from start to end
cdef void eval_group(const Norm *o, ix c0, ix count) noexcept nogil:
    """y, from the mean and the inverse deviation of each channel."""
    cdef real mean[ROW + VW]  # rows are read by whole vectors
    cdef real scale[ROW + VW]
    cdef real bias[ROW + VW]
    cdef ix k
    for k in range(count):
        fill_row(o, o.mean[c0 + k], k, mean)
        fill_row(o, o.inverse_std[c0 + k]*o.weight[c0 + k], k, scale)
        fill_row(o, o.bias[c0 + k], k, bias)
    affine(o, c0, count, mean, scale, bias)


cdef void moments_group(const Norm *o, ix c0, ix count, double *mean, double *variance) noexcept nogil:
    """Mean and variance of each channel of a group."""
    cdef double size = o.images*o.p
    cdef real about[ROW + VW]
    cdef real m
    cdef ix k
    memset(about, 0, sizeof(about))
    moment_sums(o, c0, count, about, mean, variance)
    for k in range(count):
        mean[k] /= size
        fill_row(o, <real>mean[k], k, about)
    cdef double off[ROW]
    moment_sums(o, c0, count, about, off, variance)
    for k in range(count):
        m = <real>mean[k]
        mean[k] = m + off[k]/size
        variance[k] = max(variance[k]/size - (off[k]/size)*(off[k]/size), 0.0)


cdef void train_group(const Norm *o, ix c0, ix count, real *running_mean, real *running_var, double momentum,
                      double eps) noexcept nogil:
    cdef double mean[ROW]
    cdef double variance[ROW]
    cdef double size = o.images*o.p
    cdef ix k, c
    moments_group(o, c0, count, mean, variance)
    for k in range(count):
        c = c0 + k
        o.mean[c] = <real>mean[k]
        o.inverse_std[c] = <real>(1/sqrt(variance[k] + eps))
        running_mean[c] += <real>(momentum*(mean[k] - running_mean[c]))
        running_var[c] += <real>(momentum*(variance[k]*(size/(size - 1)) - running_var[c]))
    eval_group(o, c0, count)


cdef void backward_group(const Norm *o, ix c0, ix count, real *gw, real *gb, bint training) noexcept nogil:
    cdef double total[ROW]
    cdef double product[ROW]
    cdef double scale, inverse_std, size = o.images*o.p
    cdef real mean[ROW + VW]
    cdef real a[ROW + VW]
    cdef real b[ROW + VW]
    cdef real c[ROW + VW]
    cdef ix k
    memset(mean, 0, sizeof(mean))
    for k in range(count):
        fill_row(o, o.mean[c0 + k], k, mean)
    gradient_sums(o, c0, count, mean, total, product)
    for k in range(count):
        inverse_std = o.inverse_std[c0 + k]
        gb[c0 + k] = <real>total[k]
        gw[c0 + k] = <real>(product[k]*inverse_std)
        scale = o.weight[c0 + k]*inverse_std
        fill_row(o, <real>scale, k, a)
        fill_row(o, <real>(scale*inverse_std*inverse_std*product[k]/size) if training else 0, k, b)
        fill_row(o, <real>(scale*total[k]/size) if training else 0, k, c)
    gradient(o, c0, count, mean, a, b, c)


# ---------------------------------------------------------------- kernels
cdef Norm describe(const real[:, :, ::1] x, const real[:, :, ::1] g, real[:, :, ::1] y, const real[::1] weight,
                   const real[::1] bias, const real[::1] mean, const real[::1] inverse_std) except *:
    """The arrays of a call, once their extents are seen to agree."""
    cdef Norm o
    cdef int axis
    o.images, o.channels, o.p = x.shape[0], x.shape[1], x.shape[2]
    require(o.images > 0 and o.channels > 0 and o.p > 0, "batch_norm: x is empty")
    for axis in range(3):
        require(y.shape[axis] == x.shape[axis] and g.shape[axis] == x.shape[axis], "batch_norm: shapes differ from x's")
    require(weight.shape[0] == o.channels and bias.shape[0] == o.channels and mean.shape[0] == o.channels
            and inverse_std.shape[0] == o.channels, "batch_norm: expected one element per channel")
    o.x, o.g, o.y = &x[0, 0, 0], &g[0, 0, 0], &y[0, 0, 0]
    o.weight, o.bias, o.mean, o.inverse_std = &weight[0], &bias[0], <real *>&mean[0], <real *>&inverse_std[0]
    return o


def batch_norm_train(const real[:, :, ::1] x,     # IN  (n, c, p)
                     const real[::1] weight,      # IN  (c,)
                     const real[::1] bias,        # IN  (c,)
                     real[::1] running_mean,      # IN and OUT (c,)
                     real[::1] running_var,       # IN and OUT (c,)
                     real[:, :, ::1] y,           # OUT (n, c, p)
                     real[::1] mean,              # OUT (c,)  of the batch
                     real[::1] inverse_std,       # OUT (c,)
                     double momentum, double eps):
    cdef Norm o = describe(x, x, y, weight, bias, mean, inverse_std)
    require(running_mean.shape[0] == o.channels and running_var.shape[0] == o.channels,
            "batch_norm_train: expected one running statistic per channel")
    cdef real *means = &running_mean[0]
    cdef real *variances = &running_var[0]
    cdef ix step = group_size(&o), groups = (o.channels + step - 1)//step
    cdef ix i
    cdef int threads = team(o.images*o.channels*o.p)
    for i in prange(groups, nogil=True, num_threads=threads, schedule="static"):
        train_group(&o, i*step, min(step, o.channels - i*step), means, variances, momentum, eps)


def batch_norm_eval(const real[:, :, ::1] x,      # IN  (n, c, p)
                    const real[::1] weight,       # IN  (c,)
                    const real[::1] bias,         # IN  (c,)
                    const real[::1] mean,         # IN  (c,)
                    const real[::1] variance,     # IN  (c,)
                    real[:, :, ::1] y,            # OUT (n, c, p)
                    real[::1] inverse_std,        # OUT (c,)
                    double eps):
    cdef Norm o = describe(x, x, y, weight, bias, mean, inverse_std)
    require(variance.shape[0] == o.channels, "batch_norm_eval: expected one variance per channel")
    cdef ix step = group_size(&o), groups = (o.channels + step - 1)//step
    cdef ix i
    cdef int threads = team(o.images*o.channels*o.p)
    for i in range(o.channels):
        inverse_std[i] = <real>(1/sqrt(variance[i] + eps))
    for i in prange(groups, nogil=True, num_threads=threads, schedule="static"):
        eval_group(&o, i*step, min(step, o.channels - i*step))


def batch_norm_backward(const real[:, :, ::1] x,      # IN  (n, c, p)
                        const real[:, :, ::1] gy,     # IN  (n, c, p)
                        const real[::1] weight,       # IN  (c,)
                        const real[::1] mean,         # IN  (c,)
                        const real[::1] inverse_std,  # IN  (c,)
                        real[:, :, ::1] gx,           # OUT (n, c, p)
                        real[::1] gw,                 # OUT (c,)
                        real[::1] gb,                 # OUT (c,)
                        bint training):               # mean and inverse_std are those of x
    cdef Norm o = describe(x, gy, gx, weight, weight, mean, inverse_std)
    require(gw.shape[0] == o.channels and gb.shape[0] == o.channels, "batch_norm_backward: gw and gb: one per channel")
    cdef real *gws = &gw[0]
    cdef real *gbs = &gb[0]
    cdef ix step = group_size(&o), groups = (o.channels + step - 1)//step
    cdef ix i
    cdef int threads = team(o.images*o.channels*o.p)
    for i in prange(groups, nogil=True, num_threads=threads, schedule="static"):
        backward_group(&o, i*step, min(step, o.channels - i*step), gws, gbs, training)
