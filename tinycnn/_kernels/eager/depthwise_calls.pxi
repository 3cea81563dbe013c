# Depthwise convolution: the kernels, which choose between strips (`depthwise.pxi`) and channels as lanes (`channels.pxi`).


cdef int describe_depthwise(Depthwise *d, const real[:, :, :, ::1] x, const real[:, :, :, ::1] y,
                            const real[:, :, ::1] w, int sh, int sw, int dh, int dw, int top, int left) except -1:
    """The extents, once they are known to fit."""
    require(x.shape[0] == y.shape[0] and x.shape[1] >= 1 and y.shape[1]%x.shape[1] == 0 and y.shape[1] == w.shape[0],
            "depthwise: x, y and w do not fit")
    require(min(sh, sw, dh, dw) >= 1 and min(top, left) >= 0, "depthwise: the window has no extent")
    require(w.shape[1]*w.shape[2] <= MOST_TAPS and sh*sw <= MOST_TAPS, f"depthwise: more than {MOST_TAPS} taps or phases")
    require(min(x.shape[0], x.shape[2], x.shape[3]) >= 1 and
            min(y.shape[1], y.shape[2], y.shape[3], w.shape[1], w.shape[2]) >= 1, "depthwise: an array is empty")
    d.n, d.c, d.m, d.h, d.w = x.shape[0], x.shape[1], y.shape[1]//x.shape[1], x.shape[2], x.shape[3]
    d.oh, d.ow, d.kh, d.kw = y.shape[2], y.shape[3], w.shape[1], w.shape[2]
    d.sh, d.sw, d.dh, d.dw, d.top, d.left = sh, sw, dh, dw, top, left
    return 0


def depthwise_scratch(int kh, int kw, ix n, ix c, ix h, ix w, ix oh, ix ow, int sh, int sw, int dh, int dw, int top, int left):
    """Elements of scratch memory that these kernels want per thread."""
    cdef Depthwise d
    cdef Cells z
    require(kh*kw <= MOST_TAPS and sh*sw <= MOST_TAPS, f"depthwise: more than {MOST_TAPS} taps or phases")
    d.n, d.c, d.m, d.h, d.w, d.oh, d.ow, d.kh, d.kw = n, c, 1, h, w, oh, ow, kh, kw
    d.sh, d.sw, d.dh, d.dw, d.top, d.left = sh, sw, dh, dw, top, left
    strips_of_x(&d)
    cdef ix size = max(strip_size(&d.z), cells_size(&z) if cells_of_x(&d, &z) else 0)
    strips_of_gy(&d)
    return max(size, max(strip_size(&d.z), cells_size(&z) if cells_of_gy(&d, &z) else 0))


cdef int depthwise_team(const Depthwise *d, ix scratch, ix need) except -1:
    """Threads that the work deserves and the scratch memory is enough for. Moving a vector takes about eight steps."""
    require(scratch >= need, f"depthwise: scratch must have {need} elements per thread")
    cdef ix multiplied = d.m*d.oh*d.ow*d.kh*d.kw, moved = d.h*d.w + d.m*d.oh*d.ow
    return <int>min(<ix>team(d.n*d.c*(multiplied + 8*moved)//VW), scratch//need)


def depthwise_forward(const real[:, :, :, ::1] x, const real[:, :, ::1] w, const real[::1] b, real[:, :, :, ::1] y,
                      real[::1] scratch, int sh, int sw, int dh, int dw, int top, int left):
    # IN (n, c, h, w)  IN (c m, kh, kw)  IN (c m,) or None  OUT (n, c m, oh, ow)
    cdef Depthwise d
    cdef Cells z
    describe_depthwise(&d, x, y, w, sh, sw, dh, dw, top, left)
    require(b is None or b.shape[0] == y.shape[1], "depthwise: y and b do not fit")
    strips_of_x(&d)
    cdef bint lanes = cells_of_x(&d, &z)
    cdef ix need = cells_size(&z) if lanes else strip_size(&d.z), planes = d.n*d.c, items = d.n*((d.c + VW - 1)//VW)
    cdef const real *bias = NULL
    if b is not None:
        bias = &b[0]
    cdef int t, threads = depthwise_team(&d, scratch.shape[0], need)
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        if lanes:
            cells_span(&d, &z, &x[0, 0, 0, 0], &w[0, 0, 0], bias, &y[0, 0, 0, 0], &scratch[0] + t*need,
                       items*t//threads, items*(t + 1)//threads)
        else:
            forward_span(&d, &x[0, 0, 0, 0], &w[0, 0, 0], bias, &y[0, 0, 0, 0], &scratch[0] + t*need,
                         planes*t//threads, planes*(t + 1)//threads)


def depthwise_backward_input(const real[:, :, :, ::1] gy, const real[:, :, ::1] w, real[:, :, :, ::1] gx,
                             real[::1] scratch, int sh, int sw, int dh, int dw, int top, int left):
    # IN (n, c m, oh, ow)  IN (c m, kh, kw)  OUT (n, c, h, w)
    cdef Depthwise d
    cdef Cells z
    describe_depthwise(&d, gx, gy, w, sh, sw, dh, dw, top, left)
    strips_of_gy(&d)
    cdef bint lanes = cells_of_gy(&d, &z)
    cdef ix need = cells_size(&z) if lanes else strip_size(&d.z), planes = d.n*d.c, items = d.n*((d.c + VW - 1)//VW)
    cdef int t, threads = depthwise_team(&d, scratch.shape[0], need)
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        if lanes:
            cells_span(&d, &z, &gy[0, 0, 0, 0], &w[0, 0, 0], NULL, &gx[0, 0, 0, 0], &scratch[0] + t*need,
                       items*t//threads, items*(t + 1)//threads)
        else:
            input_span(&d, &gy[0, 0, 0, 0], &w[0, 0, 0], &gx[0, 0, 0, 0], &scratch[0] + t*need,
                       planes*t//threads, planes*(t + 1)//threads)


def depthwise_backward_weight(const real[:, :, :, ::1] x, const real[:, :, :, ::1] gy, real[:, :, ::1] gw,
                              real[::1] scratch, int sh, int sw, int dh, int dw, int top, int left):
    # IN (n, c, h, w)  IN (n, c m, oh, ow)  OUT (c m, kh, kw)
    cdef Depthwise d
    cdef Cells z
    describe_depthwise(&d, x, gy, gw, sh, sw, dh, dw, top, left)
    strips_of_x(&d)
    cdef bint lanes = cells_of_x(&d, &z)
    cdef ix need = cells_size(&z) if lanes else strip_size(&d.z), k = gy.shape[1], items = (d.c + VW - 1)//VW
    cdef int t, threads = depthwise_team(&d, scratch.shape[0], need)
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        if lanes:
            cells_weight_span(&d, &z, &x[0, 0, 0, 0], &gy[0, 0, 0, 0], &gw[0, 0, 0], &scratch[0] + t*need,
                              items*t//threads, items*(t + 1)//threads)
        else:
            weight_span(&d, &x[0, 0, 0, 0], &gy[0, 0, 0, 0], &gw[0, 0, 0], &scratch[0] + t*need,
                        k*t//threads, k*(t + 1)//threads)
