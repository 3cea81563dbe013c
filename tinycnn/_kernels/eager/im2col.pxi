# Patches of images as columns, so that a convolution becomes a matrix product, and the adjoint, which adds columns back.
#
#     cols[n,c,i,j,u,v] = x[n, c, u stride_h + i dilation_h - top, v stride_w + j dilation_w - left]      0 outside x
#
# Chellapilla, Puri and Simard, "High Performance Convolutional Neural Networks for Document Processing", 2006.
# For each plane and kernel tap, one output row after the other is a run of a row of x: copied whole for stride 1,
# every second element picked from pairs of vectors for stride 2.  The adjoint adds within a plane in that same order,
# a plane to a thread.

cdef struct Taps:               # what a plane of columns has to do with a plane of x
    ix kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, top, left
    ix height, width            # of x
    ix rows, columns            # of each tap's result


cdef inline ix inside(const Taps *t, ix j, ix *end) noexcept nogil:
    """The first result column whose tap j lies within x, and the first one after that no longer does."""
    cdef ix shift = j*t.dilation_w - t.left, last = t.width - 1 - shift
    end[0] = 0 if last < 0 else min(t.columns, last//t.stride_w + 1)
    return 0 if shift >= 0 else min(end[0], (t.stride_w - 1 - shift)//t.stride_w)


cdef inline void gather(const real *x, real *y, ix n, ix stride) noexcept nogil:
    """y[v] = x[v stride], for v below n."""
    cdef ix v = 0, left
    if stride == 1:
        while v + VW <= n:
            vstore(y + v, vload(x + v))
            v += VW
        vstore_part(y + v, vload_part(x + v, n - v), n - v)
    elif stride == 2:
        while v + VW < n:       # not <=: the odd element after the last may not be ours to read
            vstore(y + v, veven(vload(x + 2*v), vload(x + 2*v + VW)))
            v += VW
        left = 2*(n - v) - 1
        if left > 0:
            vstore_part(y + v, veven(vload_part(x + 2*v, min(left, VW)),
                                     vload_part(x + 2*v + (VW if left > VW else 0), max(0, left - VW))), n - v)
    else:
        for v in range(n):
            y[v] = x[v*stride]


cdef inline void scatter(const real *y, real *x, ix n, ix stride) noexcept nogil:
    """x[v stride] += y[v], for v below n."""
    cdef ix v = 0
    cdef vf part
    if stride == 1:
        while v + VW <= n:
            vstore(x + v, vload(x + v) + vload(y + v))
            v += VW
        vstore_part(x + v, vload_part(x + v, n - v) + vload_part(y + v, n - v), n - v)
        return
    if stride == 2:
        while v + VW < n:
            part = vload(y + v)
            vstore(x + 2*v, vload(x + 2*v) + vziplow(part, vzero()))
            vstore(x + 2*v + VW, vload(x + 2*v + VW) + vziphigh(part, vzero()))
            v += VW
    while v < n:
        x[v*stride] += y[v]
        v += 1


cdef void unfold(const Taps *t, const real *x, real *cols, ix i) noexcept nogil:
    """The taps (i, j) of one plane, for all j."""
    cdef ix j, u, r, first, end = 0
    cdef real *row
    for j in range(t.kernel_w):
        first = inside(t, j, &end)
        for u in range(t.rows):
            r = u*t.stride_h + i*t.dilation_h - t.top
            row = cols + (j*t.rows + u)*t.columns
            if not 0 <= r < t.height:
                memset(row, 0, t.columns*sizeof(real))
                continue
            memset(row, 0, first*sizeof(real))
            gather(x + r*t.width + first*t.stride_w + j*t.dilation_w - t.left, row + first, end - first, t.stride_w)
            memset(row + end, 0, (t.columns - end)*sizeof(real))


cdef void fold(const Taps *t, const real *cols, real *x) noexcept nogil:
    """All taps of one plane."""
    cdef ix i, j, u, r, first, end = 0
    for i in range(t.kernel_h):
        for j in range(t.kernel_w):
            first = inside(t, j, &end)
            for u in range(t.rows):
                r = u*t.stride_h + i*t.dilation_h - t.top
                if 0 <= r < t.height:
                    scatter(cols + (j*t.rows + u)*t.columns + first,
                            x + r*t.width + first*t.stride_w + j*t.dilation_w - t.left, end - first, t.stride_w)
        cols += t.kernel_w*t.rows*t.columns


def im2col(const real[:, :, :, ::1] x, real[:, :, :, :, :, ::1] cols, ix stride_h, ix stride_w, ix dilation_h,
           ix dilation_w, ix top, ix left):  # IN (N, C, H, W)  OUT (N, C, KH, KW, OH, OW)
    cdef ix planes = x.shape[0]*x.shape[1], plane = x.shape[2]*x.shape[3], unit
    cdef Taps t = Taps(cols.shape[2], cols.shape[3], stride_h, stride_w, dilation_h, dilation_w, top, left,
                       x.shape[2], x.shape[3], cols.shape[4], cols.shape[5])
    cdef ix tap = t.kernel_w*t.rows*t.columns
    require(cols.shape[0] == x.shape[0] and cols.shape[1] == x.shape[1], "im2col: x and cols differ in their planes")
    require(stride_h > 0 and stride_w > 0 and planes*plane*tap*t.kernel_h > 0, "im2col: an extent or a stride is 0")
    cdef int threads = team(planes*t.kernel_h*tap)
    for unit in prange(planes*t.kernel_h, nogil=True, num_threads=threads, schedule="static"):
        unfold(&t, &x[0, 0, 0, 0] + unit//t.kernel_h*plane, &cols[0, 0, 0, 0, 0, 0] + unit*tap, unit % t.kernel_h)


def col2im(const real[:, :, :, :, :, ::1] cols, real[:, :, :, ::1] gx, ix stride_h, ix stride_w, ix dilation_h,
           ix dilation_w, ix top, ix left):  # IN (N, C, KH, KW, OH, OW)  INOUT (N, C, H, W)
    cdef ix planes = gx.shape[0]*gx.shape[1], plane = gx.shape[2]*gx.shape[3], unit
    cdef Taps t = Taps(cols.shape[2], cols.shape[3], stride_h, stride_w, dilation_h, dilation_w, top, left,
                       gx.shape[2], gx.shape[3], cols.shape[4], cols.shape[5])
    cdef ix tap = t.kernel_w*t.rows*t.columns
    require(cols.shape[0] == gx.shape[0] and cols.shape[1] == gx.shape[1],
            "col2im: gx and cols differ in their planes")
    require(stride_h > 0 and stride_w > 0 and planes*plane*tap*t.kernel_h > 0, "col2im: an extent or a stride is 0")
    cdef int threads = team(planes*t.kernel_h*tap)
    for unit in prange(planes, nogil=True, num_threads=threads, schedule="static"):
        fold(&t, &cols[0, 0, 0, 0, 0, 0] + unit*t.kernel_h*tap, &gx[0, 0, 0, 0] + unit*plane)
