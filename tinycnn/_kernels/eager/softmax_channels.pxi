# Softmax and log-softmax over the middle axis of x (O, C, I), the channels of maps, by the formulas of softmax.pxi.
#
# Loop order.  Lanes are columns, which stand for pixels: a strip of up to four vectors of them (LANES, because a
# maximum takes four cycles) walks down the C channels for the maxima, again for the exponentials and their sums, and
# again to divide.  Nothing is transposed; a strip of C rows stays in the nearest cache.  Strips are shared out.

cdef inline void softmax_vectors(const real *x, real *y, ix c, ix stride, int vectors, ix part,
                                 bint logarithm) noexcept nogil:
    """So many vectors of columns, each of them a `part` of VW."""
    cdef vf m[LANES]
    cdef vf t[LANES]
    cdef vf e
    cdef ix j
    cdef int k
    for k in range(vectors):
        m[k] = vload_part(x + k*VW, part)
        t[k] = vzero()
    for j in range(1, c):
        for k in range(vectors):
            m[k] = vmax(m[k], vload_part(x + j*stride + k*VW, part))
    for j in range(c):
        for k in range(vectors):
            e = vexp(vload_part(x + j*stride + k*VW, part) - m[k])
            t[k] = t[k] + e
            if not logarithm:
                vstore_part(y + j*stride + k*VW, e, part)
    for k in range(vectors):
        t[k] = vlog(t[k]) if logarithm else vset(1)/t[k]
    for j in range(c):
        for k in range(vectors):
            if logarithm:
                e = (vload_part(x + j*stride + k*VW, part) - m[k]) - t[k]
            else:
                e = vload_part(y + j*stride + k*VW, part)*t[k]
            vstore_part(y + j*stride + k*VW, e, part)


cdef inline void softmax_gradient_vectors(const real *y, const real *gy, real *gx, ix c, ix stride, int vectors,
                                          ix part, bint logarithm) noexcept nogil:
    cdef vf s[LANES]
    cdef vf a, g
    cdef ix j, at
    cdef int k
    for k in range(vectors):
        s[k] = vzero()
    for j in range(c):
        for k in range(vectors):
            at = j*stride + k*VW
            g = vload_part(gy + at, part)
            s[k] = s[k] + g if logarithm else vfma(g, vload_part(y + at, part), s[k])
    for j in range(c):
        for k in range(vectors):
            at = j*stride + k*VW
            a = vload_part(y + at, part)
            g = vload_part(gy + at, part)
            vstore_part(gx + at, g - vexp(a)*s[k] if logarithm else a*(g - s[k]), part)


cdef inline void softmax_strip(const real *x, real *y, ix c, ix stride, ix width, bint logarithm) noexcept nogil:
    cdef ix i = 0
    if width == LANES*VW:
        softmax_vectors(x, y, c, stride, LANES, VW, logarithm)
    else:
        while i < width:
            softmax_vectors(x + i, y + i, c, stride, 1, min(<ix>VW, width - i), logarithm)
            i += VW


cdef inline void softmax_gradient_strip(const real *y, const real *gy, real *gx, ix c, ix stride, ix width,
                                        bint logarithm) noexcept nogil:
    cdef ix i = 0
    if width == LANES*VW:
        softmax_gradient_vectors(y, gy, gx, c, stride, LANES, VW, logarithm)
    else:
        while i < width:
            softmax_gradient_vectors(y + i, gy + i, gx + i, c, stride, 1, min(<ix>VW, width - i), logarithm)
            i += VW


cdef void strip1(const real *x, real *y, ix c, ix stride, ix width, bint logarithm) noexcept nogil:
    """Here the choice becomes a constant, so that the loops have none left in them."""
    if logarithm:
        softmax_strip(x, y, c, stride, width, True)
    else:
        softmax_strip(x, y, c, stride, width, False)


cdef void strip2(const real *y, const real *gy, real *gx, ix c, ix stride, ix width, bint logarithm) noexcept nogil:
    if logarithm:
        softmax_gradient_strip(y, gy, gx, c, stride, width, True)
    else:
        softmax_gradient_strip(y, gy, gx, c, stride, width, False)


# ---------------------------------------------------------------- kernels
cdef int over_strips1(const real[:, :, ::1] x, real[:, :, ::1] y, bint logarithm) except -1:
    cdef ix outer = x.shape[0], c = x.shape[1], inner = x.shape[2]
    require(outer > 0 and c > 0 and inner > 0 and y.shape[0] == outer and y.shape[1] == c and y.shape[2] == inner,
            "softmax over channels: x and y differ, or are empty")
    cdef const real *xs = &x[0, 0, 0]
    cdef real *ys = &y[0, 0, 0]
    cdef ix strips = (inner + LANES*VW - 1)//(LANES*VW)
    cdef ix t, i, at
    cdef int threads = team(4*outer*c*inner)
    for t in prange(outer*strips, nogil=True, num_threads=threads, schedule="static"):
        i = t%strips*LANES*VW
        at = t//strips*c*inner + i
        strip1(xs + at, ys + at, c, inner, min(<ix>LANES*VW, inner - i), logarithm)
    return 0


cdef int over_strips2(const real[:, :, ::1] y, const real[:, :, ::1] gy, real[:, :, ::1] gx, bint logarithm) except -1:
    cdef ix outer = y.shape[0], c = y.shape[1], inner = y.shape[2]
    require(outer > 0 and c > 0 and inner > 0 and gy.shape[0] == outer and gy.shape[1] == c and gy.shape[2] == inner
            and gx.shape[0] == outer and gx.shape[1] == c and gx.shape[2] == inner,
            "softmax over channels: y, gy and gx differ, or are empty")
    cdef const real *ys = &y[0, 0, 0]
    cdef const real *gys = &gy[0, 0, 0]
    cdef real *gxs = &gx[0, 0, 0]
    cdef ix strips = (inner + LANES*VW - 1)//(LANES*VW)
    cdef ix t, i, at
    cdef int threads = team(4*outer*c*inner)
    for t in prange(outer*strips, nogil=True, num_threads=threads, schedule="static"):
        i = t%strips*LANES*VW
        at = t//strips*c*inner + i
        strip2(ys + at, gys + at, gxs + at, c, inner, min(<ix>LANES*VW, inner - i), logarithm)
    return 0


def softmax_channels_forward(const real[:, :, ::1] x, real[:, :, ::1] y):  # IN (o, c, i)  OUT (o, c, i)
    over_strips1(x, y, False)


def softmax_channels_backward(const real[:, :, ::1] y,   # IN  (o, c, i)
                              const real[:, :, ::1] gy,  # IN  (o, c, i)
                              real[:, :, ::1] gx):       # OUT (o, c, i)
    over_strips2(y, gy, gx, False)


def log_softmax_channels_forward(const real[:, :, ::1] x, real[:, :, ::1] y):  # IN (o, c, i)  OUT (o, c, i)
    over_strips1(x, y, True)


def log_softmax_channels_backward(const real[:, :, ::1] y,   # IN  (o, c, i)
                                  const real[:, :, ::1] gy,  # IN  (o, c, i)
                                  real[:, :, ::1] gx):       # OUT (o, c, i)
    over_strips2(y, gy, gx, True)
