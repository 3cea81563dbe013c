# Layer, instance and group normalisation: of x (N, G, K, P), each row of M = K P elements, one for each image and each
# of G groups of K channels, by its own mean and variance; weight w and bias b are those of the channel (G, K):
#
#     xhat = (x - mean) s,   s = 1 / sqrt(variance + eps),   y = xhat w + b
#
# and, with h = gy w, where sums are over a row, gw and gb over images and pixels,
#
#     gx = s (h - sum h / M - xhat sum (h xhat) / M),   gw = sum gy xhat,   gb = sum gy
#
# (Ba et al., "Layer normalization", 2016; Ulyanov et al., "Instance normalization", 2016; Wu and He, "Group
# normalization", ECCV 2018).  Layer normalisation is G = 1, P = 1; instance normalisation is K = 1.
#
# Loop order.  A row comes from memory once and is found in the cache after that: summed, summed about its mean (by the
# sums of norm.pxi, with the accuracy explained there), normalised.  Rows are shared out.  Backward, by the size of a
# plane:
#   maps      P > 1: a row at a time, channel by channel, whose sums of gy and gy xhat make both sums of h and are the
#             image's part of gb and gw, kept in scratch memory
#   elements  P = 1: a channel is an element; images are dealt out in parts, each of which adds up its own gw and gb
# In the end the parts are added in their order.

cdef enum:
    PART_IMAGES = 64    # the most images in a part
    PARTS = 16          # parts that there should be at least
    SUMS = 64           # channels whose parts are added up together

cdef struct Rows:               # one call
    ix images
    ix groups
    ix k                        # channels of a row
    ix p                        # pixels of a channel
    const real *weight
    const real *bias
    real *mean                  # one for each row
    real *inverse_std
    real *partial               # [part][gw, gb][channel]
    Norm flat                   # a row as a channel of norm.pxi
    Norm planes                 # a channel of a row as one


# ---------------------------------------------------------------- forward
cdef void row_moments(const Norm *o, ix r, double *mean, double *variance) noexcept nogil:
    cdef real m = 0
    cdef double off, size = o.p
    wide_sums(o, r, &m, False, mean, variance)
    m = <real>(mean[0]/size)
    wide_sums(o, r, &m, False, &off, variance)
    mean[0] = m + off/size
    variance[0] = max(variance[0]/size - (off/size)*(off/size), 0.0)


cdef void normalised_elements(const real *x, real *y, ix n, real mean, real inverse_std, const real *weight,
                              const real *bias) noexcept nogil:
    cdef vf m = vset(mean), s = vset(inverse_std)
    cdef ix i = 0, part
    while i + VW <= n:
        vstore(y + i, vfma((vload(x + i) - m)*s, vload(weight + i), vload(bias + i)))
        i += VW
    if i < n:
        part = n - i
        vstore_part(y + i, vfma((vload_part(x + i, part) - m)*s, vload_part(weight + i, part),
                                vload_part(bias + i, part)), part)


cdef void normalised_maps(const Rows *o, ix r) noexcept nogil:
    cdef ix channel = r % o.groups*o.k, at = r*o.flat.p, c
    cdef real mean[VW]
    cdef real scale[VW]
    cdef real bias[VW]
    vstore(mean, vset(o.mean[r]))
    for c in range(o.k):
        vstore(scale, vset(o.inverse_std[r]*o.weight[channel + c]))
        vstore(bias, vset(o.bias[channel + c]))
        affine_row(o.flat.x + at, o.flat.y + at, o.p, mean, scale, bias, False)
        at += o.p


cdef void normalise_row(const Rows *o, ix r, double eps) noexcept nogil:
    cdef double mean, variance
    cdef ix channel = r % o.groups*o.k, at = r*o.flat.p
    row_moments(&o.flat, r, &mean, &variance)
    o.mean[r], o.inverse_std[r] = <real>mean, <real>(1/sqrt(variance + eps))
    if o.p > 1:
        normalised_maps(o, r)
    else:
        normalised_elements(o.flat.x + at, o.flat.y + at, o.k, o.mean[r], o.inverse_std[r], o.weight + channel,
                            o.bias + channel)


# ---------------------------------------------------------------- backward
cdef inline ix images_in_part(ix images, ix p) noexcept nogil:
    return 1 if p > 1 else max(<ix>1, min(<ix>PART_IMAGES, images//PARTS))


cdef inline ix part_count(ix images, ix p) noexcept nogil:
    return (images + images_in_part(images, p) - 1)//images_in_part(images, p)


cdef void row_gradient_of_maps(const Rows *o, ix r) noexcept nogil:
    cdef ix channel = r % o.groups*o.k, at = r*o.flat.p, c
    cdef real *gw = o.partial + r//o.groups*2*o.groups*o.k + channel
    cdef real *gb = gw + o.groups*o.k
    cdef double first, second, total = 0, product = 0, s = o.inverse_std[r], size = o.flat.p
    cdef real mean[VW]
    cdef real scale[VW]
    cdef real slope[VW]
    cdef real offset[VW]
    for c in range(o.k):
        wide_sums(&o.planes, r*o.k + c, o.mean + r, True, &first, &second)
        gw[c], gb[c] = <real>(second*s), <real>first
        total += o.weight[channel + c]*first
        product += o.weight[channel + c]*second
    vstore(mean, vset(o.mean[r]))
    vstore(slope, vset(<real>(s*s*s*product/size)))
    vstore(offset, vset(<real>(s*total/size)))
    for c in range(o.k):
        vstore(scale, vset(<real>(s*o.weight[channel + c])))
        gradient_row(o.flat.x + at, o.flat.g + at, o.flat.y + at, o.p, mean, scale, slope, offset, False)
        at += o.p


cdef inline void element_sums(const real *x, const real *g, const real *w, ix n, vf m, vf s, real *gw, real *gb,
                              vf *total, vf *product) noexcept nogil:
    """Of up to a vector of elements: adds to the sums of h and h (x - m), and to gw and gb."""
    cdef vf d = vload_part(x, n) - m, gv = vload_part(g, n)
    cdef vf h = gv*vload_part(w, n)
    total[0] = total[0] + h
    product[0] = vfma(h, d, product[0])
    vstore_part(gw, vfma(gv*s, d, vload_part(gw, n)), n)
    vstore_part(gb, vload_part(gb, n) + gv, n)


cdef void row_gradient_of_elements(const Rows *o, ix r, real *gw, real *gb) noexcept nogil:
    cdef const real *x = o.flat.x + r*o.k
    cdef const real *g = o.flat.g + r*o.k
    cdef real *gx = o.flat.y + r*o.k
    cdef const real *w = o.weight + r % o.groups*o.k
    cdef vf m = vset(o.mean[r]), s = vset(o.inverse_std[r]), slope, offset
    cdef vf total[LANES]
    cdef vf product[LANES]
    cdef double h = 0, h_d = 0, size = o.k, inverse_std = o.inverse_std[r]
    cdef ix i = 0, end, part
    cdef int lane
    while i < o.k:
        end = min(o.k, i + BLOCK)
        for lane in range(LANES):
            total[lane] = product[lane] = vzero()
        while i + LANES*VW <= end:
            for lane in range(LANES):
                element_sums(x + i, g + i, w + i, VW, m, s, gw + i, gb + i, total + lane, product + lane)
                i += VW
        while i < end:
            element_sums(x + i, g + i, w + i, min(<ix>VW, end - i), m, s, gw + i, gb + i, total, product)
            i += VW
        i = end
        h += vsum((total[0] + total[1]) + (total[2] + total[3]))
        h_d += vsum((product[0] + product[1]) + (product[2] + product[3]))
    slope = vset(<real>(inverse_std*inverse_std*inverse_std*h_d/size))
    offset = vset(<real>(inverse_std*h/size))
    i = 0
    while i < o.k:
        part = min(<ix>VW, o.k - i)
        vstore_part(gx + i, vload_part(g + i, part)*vload_part(w + i, part)*s
                    - vfma(vload_part(x + i, part) - m, slope, offset), part)
        i += VW


cdef void part_gradient(const Rows *o, ix part) noexcept nogil:
    """gx of the images of a part, where a channel is an element, and its sums of gw and gb."""
    cdef ix step = images_in_part(o.images, o.p), channels = o.groups*o.k, r
    cdef real *gw = o.partial + part*2*channels
    memset(gw, 0, 2*channels*sizeof(real))
    for r in range(part*step*o.groups, min(o.images, (part + 1)*step)*o.groups):
        row_gradient_of_elements(o, r, gw + r % o.groups*o.k, gw + channels + r % o.groups*o.k)


cdef void add_parts(const real *partial, ix parts, ix step, ix n, real *sums) noexcept nogil:
    """Up to SUMS columns of `parts` rows that lie `step` apart, added in their order."""
    cdef double totals[SUMS]
    cdef ix i, j
    for j in range(n):
        totals[j] = 0
    for i in range(parts):
        for j in range(n):
            totals[j] += partial[i*step + j]
    for j in range(n):
        sums[j] = <real>totals[j]


# ---------------------------------------------------------------- kernels
cdef Rows describe_rows(const real[:, :, :, ::1] x, const real[:, :, :, ::1] g, real[:, :, :, ::1] y,
                        const real[::1] weight, const real[::1] bias, const real[::1] mean,
                        const real[::1] inverse_std) except *:
    cdef Rows o
    cdef int axis
    memset(&o, 0, sizeof(Rows))
    o.images, o.groups, o.k, o.p = x.shape[0], x.shape[1], x.shape[2], x.shape[3]
    require(o.images > 0 and o.groups > 0 and o.k > 0 and o.p > 0, "row_norm: x is empty")
    for axis in range(4):
        require(y.shape[axis] == x.shape[axis] and g.shape[axis] == x.shape[axis], "row_norm: shapes differ from x's")
    require(weight.shape[0] == o.groups*o.k and bias.shape[0] == o.groups*o.k,
            "row_norm: expected a weight and a bias per channel")
    require(mean.shape[0] == o.images*o.groups and inverse_std.shape[0] == o.images*o.groups,
            "row_norm: expected a mean and a deviation per row")
    o.weight, o.bias, o.mean, o.inverse_std = &weight[0], &bias[0], <real *>&mean[0], <real *>&inverse_std[0]
    o.flat.images, o.flat.channels, o.flat.p = 1, o.images*o.groups, o.k*o.p
    o.flat.x, o.flat.g, o.flat.y = &x[0, 0, 0, 0], &g[0, 0, 0, 0], &y[0, 0, 0, 0]
    o.planes = o.flat
    o.planes.channels, o.planes.p = o.images*o.groups*o.k, o.p
    return o


def row_norm_forward(const real[:, :, :, ::1] x,  # IN  (n, g, k, p)
                     const real[::1] weight,      # IN  (g k,)
                     const real[::1] bias,        # IN  (g k,)
                     real[:, :, :, ::1] y,        # OUT (n, g, k, p)
                     real[::1] mean,              # OUT (n g,)
                     real[::1] inverse_std,       # OUT (n g,)
                     double eps):
    cdef Rows o = describe_rows(x, x, y, weight, bias, mean, inverse_std)
    cdef ix r
    cdef int threads = team(x.shape[0]*x.shape[1]*x.shape[2]*x.shape[3])
    for r in prange(o.images*o.groups, nogil=True, num_threads=threads, schedule="static"):
        normalise_row(&o, r, eps)


def row_norm_scratch(ix n, ix channels, ix p):
    return 2*part_count(n, p)*channels


def row_norm_backward(const real[:, :, :, ::1] x,     # IN  (n, g, k, p)
                      const real[:, :, :, ::1] gy,    # IN  (n, g, k, p)
                      const real[::1] weight,         # IN  (g k,)
                      const real[::1] mean,           # IN  (n g,)
                      const real[::1] inverse_std,    # IN  (n g,)
                      real[:, :, :, ::1] gx,          # OUT (n, g, k, p)
                      real[::1] gw,                   # OUT (g k,)
                      real[::1] gb,                   # OUT (g k,)
                      real[::1] scratch):             # row_norm_scratch elements
    cdef Rows o = describe_rows(x, gy, gx, weight, weight, mean, inverse_std)
    cdef ix channels = o.groups*o.k, parts = part_count(o.images, o.p), i, n
    require(gw.shape[0] == channels and gb.shape[0] == channels, "row_norm_backward: gw and gb: one per channel")
    require(scratch.shape[0] >= 2*parts*channels, "row_norm_backward: scratch is too small")
    o.partial = &scratch[0]
    cdef real *gws = &gw[0]
    cdef real *gbs = &gb[0]
    cdef int threads = team(o.images*channels*o.p)
    if o.p > 1:
        for i in prange(o.images*o.groups, nogil=True, num_threads=threads, schedule="static"):
            row_gradient_of_maps(&o, i)
    else:
        for i in prange(parts, nogil=True, num_threads=threads, schedule="static"):
            part_gradient(&o, i)
    threads = team(parts*channels)
    for i in prange((channels + SUMS - 1)//SUMS, nogil=True, num_threads=threads, schedule="static"):
        n = min(<ix>SUMS, channels - i*SUMS)
        add_parts(o.partial + i*SUMS, parts, 2*channels, n, gws + i*SUMS)
        add_parts(o.partial + channels + i*SUMS, parts, 2*channels, n, gbs + i*SUMS)
