# Regions of interest: box k of image images[k] is cut into a grid of (oh, ow) bins, and each bin of each channel pooled.
#
#     roi_pool      the largest element                    y[k, c, i, j] = max of x[image, c, rows of i, columns of j]
#     ps_roi_pool   the mean, from a channel for each bin  y[k, c, i, j] = mean of x[image, (c oh + i) ow + j, ...]
#
# (Girshick 2015; Dai et al. 2016.)  RoI align is in `roi_align.pxi`.
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
