# PReLU of x (N, C, P) with a slope a for each channel, and leaky ReLU, which is the same with one constant slope:
#
#     y = x where x > 0, else a x        gx = gy where x > 0, else a gy        ga = sum of gy x where x <= 0
#
# (He et al., "Delving deep into rectifiers", ICCV 2015, equations 1 and 8.)
#
# Loop order.  One pass over memory.  A plane is cut into pieces of BLOCK elements, so that one long plane is shared out
# too; a piece leaves its part of ga in scratch memory, and the parts of a channel are added in their order.  Where P is
# 1, vectors run along the channels: forward row by row, backward a vector of channels down all rows.

cdef inline vf prelu(vf x, vf a) noexcept nogil:
    return vselect(vgt(x, vzero()), x, a*x)


cdef inline vf prelu_gradient(vf x, vf a, vf gy) noexcept nogil:
    return vselect(vgt(x, vzero()), gy, a*gy)


cdef inline vf prelu_slope_gradient(vf x, vf gy) noexcept nogil:
    return vselect(vgt(x, vzero()), vzero(), gy*x)


cdef inline ix pieces_of(ix p) noexcept nogil:
    return (p + BLOCK - 1)//BLOCK


cdef void prelu_piece(const real *x, real *y, ix n, real slope) noexcept nogil:
    cdef vf a = vset(slope)
    cdef ix i = 0
    while i + VW <= n:
        vstore(y + i, prelu(vload(x + i), a))
        i += VW
    vstore_part(y + i, prelu(vload_part(x + i, n - i), a), n - i)


cdef void prelu_row(const real *x, real *y, ix n, const real *slopes) noexcept nogil:
    """A slope for each element."""
    cdef ix i = 0, part
    while i < n:
        part = min(<ix>VW, n - i)
        vstore_part(y + i, prelu(vload_part(x + i, part), vload_part(slopes + i, part)), part)
        i += VW


cdef real prelu_gradient_piece(const real *x, const real *gy, real *gx, ix n, real slope) noexcept nogil:
    """gx, and the piece's part of the slope's gradient."""
    cdef vf a = vset(slope), s = vzero()
    cdef ix i = 0, part
    while i + VW <= n:
        vstore(gx + i, prelu_gradient(vload(x + i), a, vload(gy + i)))
        s = s + prelu_slope_gradient(vload(x + i), vload(gy + i))
        i += VW
    part = n - i
    vstore_part(gx + i, prelu_gradient(vload_part(x + i, part), a, vload_part(gy + i, part)), part)
    return vsum(s + prelu_slope_gradient(vload_part(x + i, part), vload_part(gy + i, part)))


cdef void prelu_gradient_columns(const real *x, const real *gy, real *gx, ix rows, ix channels, ix part,
                                 const real *slopes, real *gw) noexcept nogil:
    """Up to a vector of channels, whose pointers are given, down all rows; sums go to a double every BLOCK rows."""
    cdef double totals[VW]
    cdef real sums[VW]
    cdef vf a = vload_part(slopes, part), s, xv, gv
    cdef ix r0 = 0, r
    cdef int k
    memset(totals, 0, sizeof(totals))
    while r0 < rows:
        s = vzero()
        for r in range(r0, min(rows, r0 + BLOCK)):
            xv, gv = vload_part(x + r*channels, part), vload_part(gy + r*channels, part)
            vstore_part(gx + r*channels, prelu_gradient(xv, a, gv), part)
            s = s + prelu_slope_gradient(xv, gv)
        vstore(sums, s)
        for k in range(VW):
            totals[k] += sums[k]
        r0 += BLOCK
    for k in range(part):
        gw[k] = <real>totals[k]


cdef real sum_of_pieces(const real *partial, ix images, ix channels, ix pieces, ix c) noexcept nogil:
    cdef double total = 0
    cdef ix n, i
    for n in range(images):
        for i in range(pieces):
            total += partial[(n*channels + c)*pieces + i]
    return <real>total


# ---------------------------------------------------------------- kernels
cdef int require_prelu(const real[:, :, ::1] x, const real[::1] weight, const real[:, :, ::1] y) except -1:
    cdef int axis
    require(x.shape[0] > 0 and x.shape[1] > 0 and x.shape[2] > 0, "prelu: x is empty")
    require(weight.shape[0] == x.shape[1], "prelu: expected one slope per channel")
    for axis in range(3):
        require(y.shape[axis] == x.shape[axis], "prelu: shapes differ from x's")
    return 0


def prelu_forward(const real[:, :, ::1] x, const real[::1] weight, real[:, :, ::1] y):
    # IN (n, c, p)  IN (c,)  OUT (n, c, p)
    require_prelu(x, weight, y)
    cdef ix images = x.shape[0], c = x.shape[1], p = x.shape[2], pieces = pieces_of(p), i, at
    cdef const real *xs = &x[0, 0, 0]
    cdef const real *w = &weight[0]
    cdef real *ys = &y[0, 0, 0]
    cdef int threads = team(images*c*p)
    if p == 1:
        for i in prange(images, nogil=True, num_threads=threads, schedule="static"):
            prelu_row(xs + i*c, ys + i*c, c, w)
    else:
        for i in prange(images*c*pieces, nogil=True, num_threads=threads, schedule="static"):
            at = i//pieces*p + i % pieces*BLOCK
            prelu_piece(xs + at, ys + at, min(<ix>BLOCK, p - i % pieces*BLOCK), w[i//pieces % c])


def prelu_scratch(ix n, ix c, ix p):
    return n*c*pieces_of(p)


def prelu_backward(const real[:, :, ::1] x,      # IN  (n, c, p)
                   const real[:, :, ::1] gy,     # IN  (n, c, p)
                   const real[::1] weight,       # IN  (c,)
                   real[:, :, ::1] gx,           # OUT (n, c, p)
                   real[::1] gw,                 # OUT (c,)
                   real[::1] scratch):           # prelu_scratch elements
    require_prelu(x, weight, gy)
    require_prelu(x, gw, gx)
    cdef ix images = x.shape[0], c = x.shape[1], p = x.shape[2], pieces = pieces_of(p), i, at
    require(scratch.shape[0] >= images*c*pieces, "prelu_backward: scratch is too small")
    cdef const real *xs = &x[0, 0, 0]
    cdef const real *gys = &gy[0, 0, 0]
    cdef const real *w = &weight[0]
    cdef real *gxs = &gx[0, 0, 0]
    cdef real *gws = &gw[0]
    cdef real *partial = &scratch[0]
    cdef int threads = team(images*c*p)
    if p == 1:
        for i in prange((c + VW - 1)//VW, nogil=True, num_threads=threads, schedule="static"):
            at = i*VW
            prelu_gradient_columns(xs + at, gys + at, gxs + at, images, c, min(<ix>VW, c - at), w + at, gws + at)
        return
    for i in prange(images*c*pieces, nogil=True, num_threads=threads, schedule="static"):
        at = i//pieces*p + i % pieces*BLOCK
        partial[i] = prelu_gradient_piece(xs + at, gys + at, gxs + at, min(<ix>BLOCK, p - i % pieces*BLOCK),
                                          w[i//pieces % c])
    for i in range(c):
        gws[i] = sum_of_pieces(partial, images, c, pieces, i)
