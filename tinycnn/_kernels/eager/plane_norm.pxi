# What a normalisation needs whose statistics are made from those of the planes x (R, P): switchable normalisation mixes
# them, a few numbers per plane, in NumPy, and leaves these passes over memory to the kernels.
#
#     moments         mean and variance of each plane
#     affine          y = (x - mean) scale + bias, with three numbers per plane
#     gradient sums   sum of gy, and of gy (x - mean)
#     gradient        gx = scale gy + slope (x - mean) + offset
#
# A plane at a time, with the sums and the rows of norm.pxi; planes are shared out.

cdef Norm describe_planes(const real[:, ::1] x, const real[:, ::1] g, const real[:, ::1] y) except *:
    """y: what is written, or x where nothing of its shape is."""
    cdef Norm o
    memset(&o, 0, sizeof(Norm))
    o.images, o.channels, o.p = 1, x.shape[0], x.shape[1]
    require(o.channels > 0 and o.p > 0, "planes: x is empty")
    require(g.shape[0] == o.channels and g.shape[1] == o.p and y.shape[0] == o.channels and y.shape[1] == o.p,
            "planes: shapes differ from x's")
    o.x, o.g, o.y = &x[0, 0], &g[0, 0], <real *>&y[0, 0]
    return o


cdef int require_numbers(const Norm *o, const real[::1] numbers) except -1:
    require(numbers.shape[0] == o.channels, "planes: expected a number per plane")
    return 0


cdef void moments_of_plane(const Norm *o, ix r, real *mean, real *variance) noexcept nogil:
    cdef double m, v
    row_moments(o, r, &m, &v)
    mean[r], variance[r] = <real>m, <real>v


cdef void affine_plane(const Norm *o, ix r, real mean, real scale, real bias) noexcept nogil:
    cdef real means[VW]
    cdef real scales[VW]
    cdef real biases[VW]
    vstore(means, vset(mean))
    vstore(scales, vset(scale))
    vstore(biases, vset(bias))
    affine_row(o.x + r*o.p, o.y + r*o.p, o.p, means, scales, biases, False)


cdef void sums_of_plane(const Norm *o, ix r, const real *mean, real *total, real *product) noexcept nogil:
    cdef double first, second
    wide_sums(o, r, mean + r, True, &first, &second)
    total[r], product[r] = <real>first, <real>second


cdef void gradient_of_plane(const Norm *o, ix r, real mean, real scale, real slope, real offset) noexcept nogil:
    cdef real means[VW]
    cdef real scales[VW]
    cdef real slopes[VW]
    cdef real offsets[VW]
    vstore(means, vset(mean))
    vstore(scales, vset(scale))
    vstore(slopes, vset(-slope))
    vstore(offsets, vset(-offset))
    gradient_row(o.x + r*o.p, o.g + r*o.p, o.y + r*o.p, o.p, means, scales, slopes, offsets, False)


def plane_moments(const real[:, ::1] x, real[::1] mean, real[::1] variance):  # IN (r, p)  OUT (r,)  OUT (r,)
    cdef Norm o = describe_planes(x, x, x)
    require_numbers(&o, mean)
    require_numbers(&o, variance)
    cdef real *means = &mean[0]
    cdef real *variances = &variance[0]
    cdef ix r
    cdef int threads = team(o.channels*o.p)
    for r in prange(o.channels, nogil=True, num_threads=threads, schedule="static"):
        moments_of_plane(&o, r, means, variances)


def plane_affine(const real[:, ::1] x, const real[::1] mean, const real[::1] scale, const real[::1] bias,
                 real[:, ::1] y):  # IN (r, p)  IN (r,)  IN (r,)  IN (r,)  OUT (r, p)
    cdef Norm o = describe_planes(x, x, y)
    require_numbers(&o, mean)
    require_numbers(&o, scale)
    require_numbers(&o, bias)
    cdef const real *means = &mean[0]
    cdef const real *scales = &scale[0]
    cdef const real *biases = &bias[0]
    cdef ix r
    cdef int threads = team(o.channels*o.p)
    for r in prange(o.channels, nogil=True, num_threads=threads, schedule="static"):
        affine_plane(&o, r, means[r], scales[r], biases[r])


def plane_gradient_sums(const real[:, ::1] x, const real[:, ::1] gy, const real[::1] mean, real[::1] total,
                        real[::1] product):  # IN (r, p)  IN (r, p)  IN (r,)  OUT (r,)  OUT (r,)
    cdef Norm o = describe_planes(x, gy, x)
    require_numbers(&o, mean)
    require_numbers(&o, total)
    require_numbers(&o, product)
    cdef const real *means = &mean[0]
    cdef real *totals = &total[0]
    cdef real *products = &product[0]
    cdef ix r
    cdef int threads = team(o.channels*o.p)
    for r in prange(o.channels, nogil=True, num_threads=threads, schedule="static"):
        sums_of_plane(&o, r, means, totals, products)


def plane_gradient(const real[:, ::1] x,      # IN  (r, p)
                   const real[:, ::1] gy,     # IN  (r, p)
                   const real[::1] mean,      # IN  (r,)
                   const real[::1] scale,     # IN  (r,)
                   const real[::1] slope,     # IN  (r,)
                   const real[::1] offset,    # IN  (r,)
                   real[:, ::1] gx):          # OUT (r, p)
    cdef Norm o = describe_planes(x, gy, gx)
    require_numbers(&o, mean)
    require_numbers(&o, scale)
    require_numbers(&o, slope)
    require_numbers(&o, offset)
    cdef const real *means = &mean[0]
    cdef const real *scales = &scale[0]
    cdef const real *slopes = &slope[0]
    cdef const real *offsets = &offset[0]
    cdef ix r
    cdef int threads = team(o.channels*o.p)
    for r in prange(o.channels, nogil=True, num_threads=threads, schedule="static"):
        gradient_of_plane(&o, r, means[r], scales[r], slopes[r], offsets[r])
