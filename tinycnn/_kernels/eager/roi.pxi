# Regions of interest: box k of image images[k] is cut into a grid of (oh, ow) bins, and each bin of each channel pooled.
#
#     roi_pool      the largest element                    y[k, c, i, j] = max of x[image, c, rows of i, columns of j]
#     ps_roi_pool   the mean, from a channel for each bin  y[k, c, i, j] = mean of x[image, (c oh + i) ow + j, ...]
#     roi_align     the mean of bilinear samples           y[k, c] = R x[image, c] C'
#
# (Girshick 2015; Dai et al. 2016; He et al. 2017.)  A mean of bilinear samples on a regular grid falls apart into rows
# and columns: R (oh, h) holds the mean weight that the samples of bin i give to row r, and has few entries side by side;
# so does C.  `roi_align_axis` makes them for one axis, once for all channels; then a channel costs what its bins cover,
# however many samples there were.
#
# Boxes come as bounds [start, stop) of bins, checked before any pointer is taken: whatever the coordinates of a box, no
# kernel here turns one into an address.  Channels come first, then boxes: a plane stays in the cache while its boxes are
# pooled.  Forward is shared out by (channel, box).  Boxes overlap, so backward is shared out by channel, and a channel's
# boxes add in their order.

cdef struct Regions:
    ix n, c, h, w               # of x
    ix k, oh, ow, channels      # of y


cdef int require_regions(Regions *z, const ix[::1] images, const ix[:, :, ::1] rows, const ix[:, :, ::1] columns,
                         str kernel) except -1:
    """Every box names an image, every bin lies inside the map, and nothing is empty."""
    cdef ix k, i
    require(min(z.n, z.c, z.h, z.w) >= 1 and min(z.k, z.oh, z.ow, z.channels) >= 1, f"{kernel}: an array is empty")
    require(images.shape[0] == z.k and rows.shape[0] == z.k and columns.shape[0] == z.k
            and rows.shape[1] == z.oh and columns.shape[1] == z.ow, f"{kernel}: y and the bounds do not fit")
    for k in range(z.k):
        require(0 <= images[k] < z.n, f"{kernel}: a box of image {images[k]}, where there are {z.n}")
        require(ascending(rows[k], z.h) and ascending(columns[k], z.w), f"{kernel}: bins of box {k} lie outside x")
    return 0


# ---------------------------------------------------------------- the largest element
def roi_pool_forward(const real[:, :, :, ::1] x, real[:, :, :, ::1] y, real[::1] scratch, const ix[::1] images,
                     const ix[:, :, ::1] rows, const ix[:, :, ::1] columns):
    # IN (n, c, h, w)  OUT (k, c, oh, ow)  SCRATCH  IN (k,)  IN (k, oh, 2)  IN (k, ow, 2)
    cdef Regions z = Regions(x.shape[0], x.shape[1], x.shape[2], x.shape[3], y.shape[0], y.shape[2], y.shape[3],
                             y.shape[1])
    require(z.channels == z.c, "roi_pool_forward: x and y differ in channels")
    require_regions(&z, images, rows, columns, "roi_pool_forward")
    cdef ix unit, c, k, plane = z.h*z.w, units = z.k*z.c
    cdef int t, threads = <int>min(<ix>team(units*(plane//2 + z.oh*z.ow)), scratch.shape[0]//z.w)
    require(threads >= 1, f"roi_pool_forward: scratch must have {z.w} elements per thread")
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        for unit in range(units*t//threads, units*(t + 1)//threads):
            c, k = unit//z.k, unit%z.k
            bin_max_plane(&x[0, 0, 0, 0] + (images[k]*z.c + c)*plane, &y[0, 0, 0, 0] + (k*z.c + c)*z.oh*z.ow,
                          &scratch[0] + t*z.w, &rows[k, 0, 0], &columns[k, 0, 0], z.w, z.oh, z.ow)


cdef void roi_pool_channel(const Regions *z, const real *x, const real *y, const real *gy, real *gx, const ix *images,
                           const ix *rows, const ix *columns) noexcept nogil:
    """One channel of all images and boxes; the pointers are at its first plane."""
    cdef ix n, k, bins = z.oh*z.ow, at
    for n in range(z.n):
        memset(gx + n*z.c*z.h*z.w, 0, z.h*z.w*sizeof(real))
    for k in range(z.k):
        at = images[k]*z.c*z.h*z.w
        bin_max_gradient(x + at, y + k*z.c*bins, gy + k*z.c*bins, gx + at, rows + 2*k*z.oh, columns + 2*k*z.ow, z.w,
                         z.oh, z.ow)


def roi_pool_backward(const real[:, :, :, ::1] x, const real[:, :, :, ::1] y, const real[:, :, :, ::1] gy,
                      real[:, :, :, ::1] gx, const ix[::1] images, const ix[:, :, ::1] rows,
                      const ix[:, :, ::1] columns):
    # IN (n, c, h, w)  IN (k, c, oh, ow)  IN (k, c, oh, ow)  OUT (n, c, h, w)  IN (k,)  IN (k, oh, 2)  IN (k, ow, 2)
    cdef Regions z = Regions(x.shape[0], x.shape[1], x.shape[2], x.shape[3], y.shape[0], y.shape[2], y.shape[3],
                             y.shape[1])
    require(z.channels == z.c, "roi_pool_backward: x and y differ in channels")
    require(gx.shape[0] == z.n and gx.shape[1] == z.c and gx.shape[2] == z.h and gx.shape[3] == z.w,
            "roi_pool_backward: x and gx differ")
    require(gy.shape[0] == z.k and gy.shape[1] == z.c and gy.shape[2] == z.oh and gy.shape[3] == z.ow,
            "roi_pool_backward: y and gy differ")
    require_regions(&z, images, rows, columns, "roi_pool_backward")
    cdef ix c, plane = z.h*z.w, bins = z.oh*z.ow
    cdef int threads = team(z.c*(z.n + z.k)*plane)
    for c in prange(z.c, nogil=True, num_threads=threads, schedule="static"):
        roi_pool_channel(&z, &x[0, 0, 0, 0] + c*plane, &y[0, 0, 0, 0] + c*bins, &gy[0, 0, 0, 0] + c*bins,
                         &gx[0, 0, 0, 0] + c*plane, &images[0], &rows[0, 0, 0], &columns[0, 0, 0])


# ---------------------------------------------------------------- the mean, a channel for each bin
cdef inline ix bin_area(const ix *rows, const ix *columns) noexcept nogil:
    return (rows[1] - rows[0])*(columns[1] - columns[0])


cdef inline real bin_mean(const real *x, const ix *rows, const ix *columns, ix w) noexcept nogil:
    cdef vf total = vzero()
    cdef ix r, c, n, area = bin_area(rows, columns)
    if area == 0:
        return 0
    for r in range(rows[0], rows[1]):
        c = columns[0]
        while c < columns[1]:
            n = min(columns[1] - c, <ix>VW)
            total = total + vload_part(x + r*w + c, n)
            c += VW
    return vsum(total)/<real>area


cdef inline void bin_share(real *gx, const ix *rows, const ix *columns, ix w, real gy) noexcept nogil:
    """Add gy / area to every element of the bin."""
    cdef ix r, c, n, area = bin_area(rows, columns)
    if area == 0:
        return
    cdef vf share = vset(gy/<real>area)
    for r in range(rows[0], rows[1]):
        c = columns[0]
        while c < columns[1]:
            n = min(columns[1] - c, <ix>VW)
            vstore_part(gx + r*w + c, vload_part(gx + r*w + c, n) + share, n)
            c += VW


cdef void ps_roi_means(const real *x, real *y, const ix *rows, const ix *columns, const Regions *z) noexcept nogil:
    """One channel of one box; x is at the plane of the first bin."""
    cdef ix i
    for i in range(z.oh*z.ow):
        y[i] = bin_mean(x + i*z.h*z.w, rows + i//z.ow*2, columns + i%z.ow*2, z.w)


cdef void ps_roi_gradients(const Regions *z, const real *gy, real *gx, const ix *images, const ix *rows,
                           const ix *columns) noexcept nogil:
    """One channel of all images and boxes: the planes of its bins."""
    cdef ix n, k, i, bins = z.oh*z.ow, image = z.c*z.h*z.w
    for n in range(z.n):
        memset(gx + n*image, 0, bins*z.h*z.w*sizeof(real))
    for k in range(z.k):
        for i in range(bins):
            bin_share(gx + images[k]*image + i*z.h*z.w, rows + 2*(k*z.oh + i//z.ow), columns + 2*(k*z.ow + i%z.ow), z.w,
                      gy[k*z.channels*bins + i])


def ps_roi_pool_forward(const real[:, :, :, ::1] x, real[:, :, :, ::1] y, const ix[::1] images,
                        const ix[:, :, ::1] rows, const ix[:, :, ::1] columns):
    # IN (n, c oh ow, h, w)  OUT (k, c, oh, ow)  IN (k,)  IN (k, oh, 2)  IN (k, ow, 2)
    cdef Regions z = Regions(x.shape[0], x.shape[1], x.shape[2], x.shape[3], y.shape[0], y.shape[2], y.shape[3],
                             y.shape[1])
    cdef ix unit, c, k, plane = z.h*z.w, bins = z.oh*z.ow
    require(z.c == z.channels*bins, "ps_roi_pool_forward: x must have a channel for each bin of y")
    require_regions(&z, images, rows, columns, "ps_roi_pool_forward")
    cdef int threads = team(z.k*z.channels*(plane//2 + bins))
    for unit in prange(z.k*z.channels, nogil=True, num_threads=threads, schedule="static"):
        c, k = unit//z.k, unit%z.k
        ps_roi_means(&x[0, 0, 0, 0] + (images[k]*z.c + c*bins)*plane, &y[0, 0, 0, 0] + (k*z.channels + c)*bins,
                     &rows[k, 0, 0], &columns[k, 0, 0], &z)


def ps_roi_pool_backward(const real[:, :, :, ::1] gy, real[:, :, :, ::1] gx, const ix[::1] images,
                         const ix[:, :, ::1] rows, const ix[:, :, ::1] columns):
    # IN (k, c, oh, ow)  OUT (n, c oh ow, h, w)  IN (k,)  IN (k, oh, 2)  IN (k, ow, 2)
    cdef Regions z = Regions(gx.shape[0], gx.shape[1], gx.shape[2], gx.shape[3], gy.shape[0], gy.shape[2], gy.shape[3],
                             gy.shape[1])
    cdef ix c, plane = z.h*z.w, bins = z.oh*z.ow
    require(z.c == z.channels*bins, "ps_roi_pool_backward: gx must have a channel for each bin of gy")
    require_regions(&z, images, rows, columns, "ps_roi_pool_backward")
    cdef int threads = team((z.n*z.c + z.k*z.channels)*plane)
    for c in prange(z.channels, nogil=True, num_threads=threads, schedule="static"):
        ps_roi_gradients(&z, &gy[0, 0, 0, 0] + c*bins, &gx[0, 0, 0, 0] + c*bins*plane, &images[0], &rows[0, 0, 0],
                         &columns[0, 0, 0])


# ---------------------------------------------------------------- bilinear samples
cdef inline void sample_between(real at, ix size, real share, real *weight, ix *bound) noexcept nogil:
    """Share a sample at `at` out between the two elements beside it; weight[r] is kept for bound[0] <= r < bound[1]."""
    cdef ix low, high, r
    at = max(at, 0)
    low = min(<ix>at, size - 1)
    high = min(low + 1, size - 1)
    at = at - low if high > low else 0
    if bound[0] == bound[1]:
        bound[0] = bound[1] = low
    for r in range(low, bound[0]):
        weight[r] = 0
    for r in range(bound[1], high + 1):
        weight[r] = 0
    bound[0], bound[1] = min(bound[0], low), max(bound[1], high + 1)
    weight[low] += share*(1 - at)
    weight[high] += share*at


cdef void align_bin(real start, real bin, ix i, ix samples, ix size, real *weight, ix *bound) noexcept nogil:
    """Weights of bin i of an axis; samples further than one pixel outside count, but give nothing."""
    cdef real at, step = bin/<real>samples, base = start + i*bin
    cdef ix s = 0, last = samples
    bound[0] = bound[1] = 0
    if step > 0:            # only those about the map, for there may be millions beside it
        s = <ix>min(max((-1 - base)/step - 2, <real>0), <real>samples)
        last = <ix>min(max((size - base)/step + 2, <real>0), <real>samples)
    for s in range(s, last):
        at = base + (s + <real>0.5)*bin/<real>samples
        if at >= -1 and at <= size:
            sample_between(at, size, 1/<real>samples, weight, bound)


def roi_align_axis(const real[::1] start, const real[::1] length, real[:, :, ::1] weights, ix[:, :, ::1] bounds,
                   ix sampling_ratio):  # IN (k,)  IN (k,)  OUT (k, p, size), within the bounds  OUT (k, p, 2)
    cdef ix k, i, samples, boxes = weights.shape[0], bins = weights.shape[1], size = weights.shape[2]
    cdef real bin
    cdef real most = 1 << 24
    require(min(boxes, bins, size) >= 1, "roi_align_axis: an array is empty")
    require(start.shape[0] == boxes and length.shape[0] == boxes and bounds.shape[0] == boxes
            and bounds.shape[1] == bins and bounds.shape[2] == 2, "roi_align_axis: the arrays do not fit")
    for k in range(boxes):
        require(-most <= start[k] <= most and -most <= length[k] <= 2*most,
                f"roi_align_axis: box {k} is larger than {most}")
        bin = length[k]/<real>bins
        samples = sampling_ratio
        if samples <= 0:    # as many as bring them no more than a pixel apart
            samples = <ix>bin + (1 if bin > <ix>bin else 0)
        for i in range(bins):
            bounds[k, i, 0] = bounds[k, i, 1] = 0
            if samples > 0:
                align_bin(start[k], bin, i, samples, size, &weights[k, i, 0], &bounds[k, i, 0])


cdef inline void weigh_rows(const real *x, const real *weight, real *line, ix rows, ix w, ix n) noexcept nogil:
    """line[c] = sum over r of weight[r] x[r, c], for c below n."""
    cdef ix c = 0, r, some
    cdef vf total
    while c < n:
        some = min(n - c, <ix>VW)
        total = vzero()
        for r in range(rows):
            total = vfma(vset(weight[r]), vload_part(x + r*w + c, some), total)
        vstore_part(line + c, total, some)
        c += VW


cdef inline real weigh_run(const real *x, const real *weight, ix n) noexcept nogil:
    cdef vf total = vzero()
    cdef ix c = 0, some
    while c < n:
        some = min(n - c, <ix>VW)
        total = vfma(vload_part(weight + c, some), vload_part(x + c, some), total)
        c += VW
    return vsum(total)


cdef inline void add_weighted(const real *weight, real by, real *x, ix n) noexcept nogil:
    """x[c] += by weight[c], for c below n."""
    cdef ix c = 0, some
    while c < n:
        some = min(n - c, <ix>VW)
        vstore_part(x + c, vfma(vset(by), vload_part(weight + c, some), vload_part(x + c, some)), some)
        c += VW


cdef struct Samples:            # of one box
    const real *row_weight      # (oh, h)
    const real *column_weight   # (ow, w)
    const ix *rows              # (oh, 2)
    const ix *columns           # (ow, 2)
    ix left, right              # columns that some bin reads


cdef inline Samples samples_of(const Regions *z, ix k, const real *row_weight, const real *column_weight, const ix *rows,
                               const ix *columns) noexcept nogil:
    cdef Samples s = Samples(row_weight + k*z.oh*z.h, column_weight + k*z.ow*z.w, rows + 2*k*z.oh, columns + 2*k*z.ow,
                             z.w, 0)
    cdef ix j
    for j in range(z.ow):
        if s.columns[2*j] < s.columns[2*j + 1]:
            s.left, s.right = min(s.left, s.columns[2*j]), max(s.right, s.columns[2*j + 1])
    return s


cdef void align_plane(const Regions *z, const Samples *s, const real *x, real *y, real *line) noexcept nogil:
    cdef ix i, j, first
    for i in range(z.oh):
        first = s.rows[2*i]
        weigh_rows(x + first*z.w + s.left, s.row_weight + i*z.h + first, line + s.left, s.rows[2*i + 1] - first, z.w,
                   s.right - s.left)
        for j in range(z.ow):
            first = s.columns[2*j]
            y[i*z.ow + j] = weigh_run(line + first, s.column_weight + j*z.w + first, s.columns[2*j + 1] - first)


cdef void align_gradient(const Regions *z, const Samples *s, const real *gy, real *gx, real *line) noexcept nogil:
    """Adds to gx."""
    cdef ix i, j, r, first
    if s.left >= s.right:
        return
    for i in range(z.oh):
        memset(line + s.left, 0, (s.right - s.left)*sizeof(real))
        for j in range(z.ow):
            first = s.columns[2*j]
            add_weighted(s.column_weight + j*z.w + first, gy[i*z.ow + j], line + first, s.columns[2*j + 1] - first)
        for r in range(s.rows[2*i], s.rows[2*i + 1]):
            add_weighted(line + s.left, s.row_weight[i*z.h + r], gx + r*z.w + s.left, s.right - s.left)


cdef int require_inside(const ix[:, :, ::1] bounds, ix size) except -1:
    cdef ix k
    for k in range(bounds.shape[0]):
        require(within(bounds[k], size), f"roi_align: samples of box {k} lie outside x")
    return 0


cdef int align_team(const Regions *z, const ix[::1] images, const real[:, :, ::1] row_weights,
                    const ix[:, :, ::1] rows, const real[:, :, ::1] column_weights, const ix[:, :, ::1] columns,
                    ix scratch) except -1:
    """Threads for these arrays, which must fit each other."""
    cdef ix k
    require(min(z.n, z.c, z.h, z.w) >= 1 and min(z.k, z.oh, z.ow) >= 1, "roi_align: an array is empty")
    require(z.channels == z.c, "roi_align: x and y differ in channels")
    require(images.shape[0] == z.k and rows.shape[0] == z.k and columns.shape[0] == z.k and rows.shape[1] == z.oh
            and columns.shape[1] == z.ow, "roi_align: y and the bounds do not fit")
    require(row_weights.shape[0] == z.k and row_weights.shape[1] == z.oh and row_weights.shape[2] == z.h
            and column_weights.shape[0] == z.k and column_weights.shape[1] == z.ow
            and column_weights.shape[2] == z.w, "roi_align: the weights do not fit")
    for k in range(z.k):
        require(0 <= images[k] < z.n, f"roi_align: a box of image {images[k]}, where there are {z.n}")
    require_inside(rows, z.h)
    require_inside(columns, z.w)
    require(scratch >= z.w, f"roi_align: scratch must have {z.w} elements per thread")
    return <int>min(<ix>team(z.c*z.k*z.oh*(z.w + z.ow)), scratch//z.w)


def roi_align_forward(const real[:, :, :, ::1] x, real[:, :, :, ::1] y, real[::1] scratch, const ix[::1] images,
                      const real[:, :, ::1] row_weights, const ix[:, :, ::1] rows,
                      const real[:, :, ::1] column_weights, const ix[:, :, ::1] columns):
    # IN (n, c, h, w)  OUT (k, c, oh, ow)  SCRATCH  IN (k,)  IN (k, oh, h)  IN (k, oh, 2)  IN (k, ow, w)  IN (k, ow, 2)
    cdef Regions z = Regions(x.shape[0], x.shape[1], x.shape[2], x.shape[3], y.shape[0], y.shape[2], y.shape[3],
                             y.shape[1])
    cdef int t, threads = align_team(&z, images, row_weights, rows, column_weights, columns, scratch.shape[0])
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        align_planes(&z, &x[0, 0, 0, 0], &y[0, 0, 0, 0], &scratch[0] + t*z.w, &images[0], &row_weights[0, 0, 0],
                     &rows[0, 0, 0], &column_weights[0, 0, 0], &columns[0, 0, 0], z.k*z.c*t//threads,
                     z.k*z.c*(t + 1)//threads)


cdef void align_planes(const Regions *z, const real *x, real *y, real *line, const ix *images, const real *row_weights,
                       const ix *rows, const real *column_weights, const ix *columns, ix first, ix last) noexcept nogil:
    """Pairs of channel and box [first, last)."""
    cdef ix unit, c, k
    cdef Samples s
    for unit in range(first, last):
        c, k = unit//z.k, unit%z.k
        s = samples_of(z, k, row_weights, column_weights, rows, columns)
        align_plane(z, &s, x + (images[k]*z.c + c)*z.h*z.w, y + (k*z.c + c)*z.oh*z.ow, line)


cdef void align_gradients(const Regions *z, const real *gy, real *gx, real *line, const ix *images,
                          const real *row_weights, const ix *rows, const real *column_weights, const ix *columns,
                          ix first, ix last) noexcept nogil:
    """Channels [first, last) of all boxes."""
    cdef ix n, k, c
    cdef Samples s
    for n in range(z.n):
        memset(gx + (n*z.c + first)*z.h*z.w, 0, (last - first)*z.h*z.w*sizeof(real))
    for c in range(first, last):
        for k in range(z.k):
            s = samples_of(z, k, row_weights, column_weights, rows, columns)
            align_gradient(z, &s, gy + (k*z.c + c)*z.oh*z.ow, gx + (images[k]*z.c + c)*z.h*z.w, line)


def roi_align_backward(const real[:, :, :, ::1] gy, real[:, :, :, ::1] gx, real[::1] scratch, const ix[::1] images,
                       const real[:, :, ::1] row_weights, const ix[:, :, ::1] rows,
                       const real[:, :, ::1] column_weights, const ix[:, :, ::1] columns):
    # IN (k, c, oh, ow)  OUT (n, c, h, w)  SCRATCH  IN (k,)  IN (k, oh, h)  IN (k, oh, 2)  IN (k, ow, w)  IN (k, ow, 2)
    cdef Regions z = Regions(gx.shape[0], gx.shape[1], gx.shape[2], gx.shape[3], gy.shape[0], gy.shape[2], gy.shape[3],
                             gy.shape[1])
    cdef int t, threads = align_team(&z, images, row_weights, rows, column_weights, columns, scratch.shape[0])
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        align_gradients(&z, &gy[0, 0, 0, 0], &gx[0, 0, 0, 0], &scratch[0] + t*z.w, &images[0], &row_weights[0, 0, 0],
                        &rows[0, 0, 0], &column_weights[0, 0, 0], &columns[0, 0, 0], z.c*t//threads,
                        z.c*(t + 1)//threads)
