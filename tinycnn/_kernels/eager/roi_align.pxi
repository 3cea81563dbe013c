# Regions of interest pooled without rounding: the mean of bilinear samples in each bin (He et al., 2017),
#
#     y[k, c] = R x[images[k], c] C'
#
# A mean of bilinear samples on a regular grid falls apart into rows and columns: R (oh, h) holds the mean weight that the
# samples of bin i give to row r, and has few entries, side by side; so does C.  `roi_align_axis` makes them for one axis,
# once for all channels, as weights and bounds; then a channel costs what its bins cover, however many samples there were.
#
# Loop order and threads as in `roi.pxi`.  Per row of bins, rows of x are added by vectors into a line, and runs of the
# line are weighed.  A coordinate becomes an index only once it is known to lie on the map, or a pixel beside it.

def roi_align_axis(const real[::1] start, const real[::1] length, real[:, :, ::1] weights, ix[:, :, ::1] bounds,
                   ix sampling_ratio):  # IN (k,)  IN (k,)  OUT (k, p, size), within the bounds  OUT (k, p, 2)
    cdef ix k, boxes = weights.shape[0], bins = weights.shape[1], size = weights.shape[2]
    cdef real most = 1 << 24
    require(min(boxes, bins, size) >= 1, "roi_align_axis: an array is empty")
    require(start.shape[0] == boxes and length.shape[0] == boxes and bounds.shape[0] == boxes
            and bounds.shape[1] == bins and bounds.shape[2] == 2, "roi_align_axis: the arrays do not fit")
    for k in range(boxes):
        require(-most <= start[k] <= most and -most <= length[k] <= 2*most,
                f"roi_align_axis: box {k} is larger than {most}")
        align_axis(start[k], length[k], bins, size, sampling_ratio, &weights[k, 0, 0], &bounds[k, 0, 0])


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
