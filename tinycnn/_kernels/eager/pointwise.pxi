# 1x1 convolution of NCHW images: the matrix product of the weights with channels by (image, pixel), for each group.
#
#     y = w x + b         gx = wᵀ gy         gw = gy xᵀ
#
# Pixels may be some rows of larger images: the memory views carry the distance between channels and between images.


cdef inline Matrix images(const real *at, ix image, ix channel, ix pixels) noexcept nogil:
    """(N, C, P) as channels by (image, pixel)."""
    return Matrix(<real *>at, channel, pixels, image)


cdef int grouped(Product *p, ix groups, ix c, ix o, ix n, ix pixels, str kernel) except -1:
    memset(p, 0, sizeof(Product))
    require(groups > 0 and n > 0 and pixels > 0 and o > 0, kernel + ": an extent is 0")
    require(o % groups == 0 and c % groups == 0, kernel + ": the groups do not divide the channels")
    p.groups = groups
    return 0


def pointwise_forward(const real[::strided, ::strided, ::contiguous] x, const real[:, ::1] w, const real[::1] b, real[::strided, ::strided, ::contiguous] y,
                      real[::1] scratch):  # IN (N, C, P)  IN (O, C/groups)  IN (O,) | None  OUT (N, O, P)
    cdef Product p
    cdef ix unit = sizeof(real)
    require(w.shape[1] > 0 and x.shape[1] % w.shape[1] == 0, "pointwise_forward: the channels of x and w do not fit")
    grouped(&p, x.shape[1]//w.shape[1], x.shape[1], w.shape[0], x.shape[0], x.shape[2], "pointwise_forward")
    require(y.shape[0] == x.shape[0] and y.shape[1] == w.shape[0] and y.shape[2] == x.shape[2],
            "pointwise_forward: y does not fit x and w")
    require(b is None or b.shape[0] == w.shape[0], "pointwise_forward: b does not fit w")
    p.m, p.n, p.k = w.shape[0]//p.groups, x.shape[0]*x.shape[2], w.shape[1]
    p.a, p.b_by_k = plain(&w[0, 0], p.k), True
    p.b = images(&x[0, 0, 0], x.strides[0]//unit, x.strides[1]//unit, x.shape[2])
    p.c = images(&y[0, 0, 0], y.strides[0]//unit, y.strides[1]//unit, y.shape[2])
    p.a_step, p.b_step, p.c_step, p.bias_step = p.m*p.k, p.k*p.b.row, p.m*p.c.row, p.m
    if b is not None:
        p.bias = &b[0]
    cdef int threads = fitting(&p, scratch, "pointwise_forward")
    with nogil:
        multiply(&p, &scratch[0], threads)


def pointwise_backward_input(const real[::strided, ::strided, ::contiguous] gy, const real[:, ::1] w, real[::strided, ::strided, ::contiguous] gx, real[::1] scratch):
    # IN (N, O, P)  IN (O, C/groups)  OUT (N, C, P)
    cdef Product p
    cdef ix unit = sizeof(real)
    require(w.shape[1] > 0 and gx.shape[1] % w.shape[1] == 0,
            "pointwise_backward_input: the channels of gx and w do not fit")
    grouped(&p, gx.shape[1]//w.shape[1], gx.shape[1], w.shape[0], gx.shape[0], gx.shape[2], "pointwise_backward_input")
    require(gy.shape[0] == gx.shape[0] and gy.shape[1] == w.shape[0] and gy.shape[2] == gx.shape[2],
            "pointwise_backward_input: gy does not fit gx and w")
    p.m, p.n, p.k = w.shape[1], gx.shape[0]*gx.shape[2], w.shape[0]//p.groups
    p.a, p.a_by_k, p.b_by_k = plain(&w[0, 0], p.m), True, True
    p.b = images(&gy[0, 0, 0], gy.strides[0]//unit, gy.strides[1]//unit, gy.shape[2])
    p.c = images(&gx[0, 0, 0], gx.strides[0]//unit, gx.strides[1]//unit, gx.shape[2])
    p.a_step, p.b_step, p.c_step = p.m*p.k, p.k*p.b.row, p.m*p.c.row
    cdef int threads = fitting(&p, scratch, "pointwise_backward_input")
    with nogil:
        multiply(&p, &scratch[0], threads)


def pointwise_backward_weight(const real[::strided, ::strided, ::contiguous] x, const real[::strided, ::strided, ::contiguous] gy, real[:, ::1] gw, bint accumulate,
                              real[::1] scratch):  # IN (N, C, P)  IN (N, O, P)  OUT (O, C/groups)
    cdef Product p
    cdef ix unit = sizeof(real)
    require(gw.shape[1] > 0 and x.shape[1] % gw.shape[1] == 0,
            "pointwise_backward_weight: the channels of x and gw do not fit")
    grouped(&p, x.shape[1]//gw.shape[1], x.shape[1], gw.shape[0], x.shape[0], x.shape[2], "pointwise_backward_weight")
    require(gy.shape[0] == x.shape[0] and gy.shape[1] == gw.shape[0] and gy.shape[2] == x.shape[2],
            "pointwise_backward_weight: gy does not fit x and gw")
    p.m, p.n, p.k = gw.shape[0]//p.groups, gw.shape[1], x.shape[0]*x.shape[2]
    p.a = images(&gy[0, 0, 0], gy.strides[0]//unit, gy.strides[1]//unit, gy.shape[2])
    p.b = images(&x[0, 0, 0], x.strides[0]//unit, x.strides[1]//unit, x.shape[2])
    p.c, p.add = plain(&gw[0, 0], p.n), accumulate
    p.a_step, p.b_step, p.c_step = p.m*p.a.row, p.n*p.b.row, p.m*p.n
    cdef int threads = fitting(&p, scratch, "pointwise_backward_weight")
    with nogil:
        multiply(&p, &scratch[0], threads)


# ---------------------------------------------------------------- the gradient of a bias: sums over images and pixels
cdef void sum_channel(const real *gy, ix images, ix image, ix pixels, real *gb) noexcept nogil:
    """Eight running sums of vectors hide the latency of an addition."""
    cdef vf sums[8]
    cdef ix i, n
    cdef int q
    for q in range(8):
        sums[q] = vzero()
    for n in range(images):
        i = 0
        while i + 8*VW <= pixels:
            for q in range(8):
                sums[q] = sums[q] + vload(gy + i + q*VW)
            i += 8*VW
        while i + VW <= pixels:
            sums[0] = sums[0] + vload(gy + i)
            i += VW
        sums[1] = sums[1] + vload_part(gy + i, pixels - i)
        gy += image
    gb[0] = vsum(((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7])))


def channel_sum(const real[::strided, ::strided, ::contiguous] gy, real[::1] gb):  # IN (N, C, P)  OUT (C,)
    cdef ix channels = gy.shape[1], c
    require(gb.shape[0] == channels, "channel_sum: gb does not have the channels of gy")
    require(gy.shape[0] > 0 and gy.shape[2] > 0 and channels > 0, "channel_sum: an extent is 0")
    cdef ix images = gy.shape[0], pixels = gy.shape[2], unit = sizeof(real)
    cdef ix image = gy.strides[0]//unit, channel = gy.strides[1]//unit
    cdef int threads = team(images*channels*pixels)
    for c in prange(channels, nogil=True, num_threads=threads, schedule="static"):
        sum_channel(&gy[0, 0, 0] + c*channel, images, image, pixels, &gb[0] + c)
