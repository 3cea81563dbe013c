# 1x1 convolution of NCHW images: the matrix product of the weights with channels by (image, pixel), for each group.
#
#     y = w x + b         gx = wᵀ gy         gw = gy xᵀ
#
# Pixels may be some rows of larger images: the memory views carry the distance between channels and between images.


cdef inline Matrix images(const real *at, const ix *strides, ix pixels) noexcept nogil:
    """(N, C, P) as channels by (image, pixel)."""
    cdef ix unit = sizeof(real)
    return Matrix(<real *>at, strides[1]//unit, pixels, strides[0]//unit)


cdef int check(Product *p, ix n, ix c, ix o, ix pixels, ix w_rows, ix w_columns, bint side_by_side, str kernel) except -1:
    """The extents of x (n, c, pixels) and y (n, o, pixels) fit w; sets the number of groups and clears the rest."""
    require(n > 0 and o > 0 and pixels > 0 and c > 0 and w_columns > 0, kernel + ": an extent is 0")
    require(c % w_columns == 0 and w_rows == o and o % (c//w_columns) == 0,
            kernel + ": the channels do not fit the weights")
    require(side_by_side, kernel + ": the pixels of a channel do not lie side by side")
    memset(p, 0, sizeof(Product))
    p.groups = c//w_columns
    return 0


def pointwise_forward(const real[:, :, :] x, const real[:, ::1] w, const real[::1] b, real[:, :, :] y,
                      real[::1] scratch):  # IN (N, C, P)  IN (O, C/groups)  IN (O,) | None  OUT (N, O, P)
    cdef Product p
    cdef ix pixels = x.shape[2], unit = sizeof(real)
    check(&p, x.shape[0], x.shape[1], y.shape[1], pixels, w.shape[0], w.shape[1],
          pixels == 1 or (x.strides[2] == unit and y.strides[2] == unit), "pointwise_forward")
    require(y.shape[0] == x.shape[0] and y.shape[2] == pixels, "pointwise_forward: x and y do not fit")
    require(b is None or b.shape[0] == w.shape[0], "pointwise_forward: b and w do not fit")
    p.m, p.n, p.k = w.shape[0]//p.groups, x.shape[0]*pixels, w.shape[1]
    p.a, p.b_by_k = plain(&w[0, 0], p.k), True
    p.b, p.c = images(&x[0, 0, 0], x.strides, pixels), images(&y[0, 0, 0], y.strides, pixels)
    p.a_step, p.b_step, p.c_step, p.bias_step = p.m*p.k, p.k*p.b.row, p.m*p.c.row, p.m
    if b is not None:
        p.bias = &b[0]
    cdef int threads = fitting(&p, scratch, "pointwise_forward")
    with nogil:
        multiply(&p, &scratch[0], threads)


def pointwise_backward_input(const real[:, :, :] gy, const real[:, ::1] w, real[:, :, :] gx, real[::1] scratch):
    # IN (N, O, P)  IN (O, C/groups)  OUT (N, C, P)
    cdef Product p
    cdef ix pixels = gx.shape[2], unit = sizeof(real)
    check(&p, gx.shape[0], gx.shape[1], gy.shape[1], pixels, w.shape[0], w.shape[1],
          pixels == 1 or (gx.strides[2] == unit and gy.strides[2] == unit), "pointwise_backward_input")
    require(gy.shape[0] == gx.shape[0] and gy.shape[2] == pixels, "pointwise_backward_input: gx and gy do not fit")
    p.m, p.n, p.k = w.shape[1], gx.shape[0]*pixels, w.shape[0]//p.groups
    p.a, p.a_by_k, p.b_by_k = plain(&w[0, 0], p.m), True, True
    p.b, p.c = images(&gy[0, 0, 0], gy.strides, pixels), images(&gx[0, 0, 0], gx.strides, pixels)
    p.a_step, p.b_step, p.c_step = p.m*p.k, p.k*p.b.row, p.m*p.c.row
    cdef int threads = fitting(&p, scratch, "pointwise_backward_input")
    with nogil:
        multiply(&p, &scratch[0], threads)


def pointwise_backward_weight(const real[:, :, :] x, const real[:, :, :] gy, real[:, ::1] gw, bint accumulate,
                              real[::1] scratch):  # IN (N, C, P)  IN (N, O, P)  OUT (O, C/groups)
    cdef Product p
    cdef ix pixels = x.shape[2], unit = sizeof(real)
    check(&p, x.shape[0], x.shape[1], gy.shape[1], pixels, gw.shape[0], gw.shape[1],
          pixels == 1 or (x.strides[2] == unit and gy.strides[2] == unit), "pointwise_backward_weight")
    require(gy.shape[0] == x.shape[0] and gy.shape[2] == pixels, "pointwise_backward_weight: x and gy do not fit")
    p.m, p.n, p.k = gw.shape[0]//p.groups, gw.shape[1], x.shape[0]*pixels
    p.a, p.b = images(&gy[0, 0, 0], gy.strides, pixels), images(&x[0, 0, 0], x.strides, pixels)
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


def channel_sum(const real[:, :, ::1] gy, real[::1] gb):  # IN (N, C, P)  OUT (C,)
    cdef ix channels = gy.shape[1], c
    require(gb.shape[0] == channels, "channel_sum: gb does not have the channels of gy")
    require(gy.shape[0] > 0 and gy.shape[2] > 0 and channels > 0, "channel_sum: an extent is 0")
    cdef ix images = gy.shape[0], pixels = gy.shape[2], unit = sizeof(real)
    cdef ix image = gy.strides[0]//unit, channel = gy.strides[1]//unit
    cdef int threads = team(images*channels*pixels)
    for c in prange(channels, nogil=True, num_threads=threads, schedule="static"):
        sum_channel(&gy[0, 0, 0] + c*channel, images, image, pixels, &gb[0] + c)
