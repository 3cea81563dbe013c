# Resizing of planes x (p, h, w) to (p, oh, ow) by a linear rule for rows and one for columns,
#
#     y[o, u] = sum over s, t of row_weights[s, o] column_weights[t, u] x[row_places[s, o], column_places[t, u]]
#
# that is y = R x C' with few numbers in each row of R and of C: one for the nearest element, two for bilinear
# interpolation.  The gradient is R' gy C, of the same form: the caller turns the tables round, and this kernel is its own
# adjoint.  No element is added to by two others, so nothing depends on threads.
#
# Loop order: plane, output row; its rows of x are added up by vectors into a line, then lanes are output columns, and a
# gather fetches from the line.  An output row that is made as the one before (nearest, enlarging) is copied from there.

cdef struct Resize:
    ix h, w, oh, ow, row_taps, column_taps
    const real_int *row_places
    const real *row_weights
    const real_int *column_places
    const real *column_weights


cdef inline void combine_rows(const Resize *z, const real *x, real *line, ix o) noexcept nogil:
    cdef ix c = 0, s, n
    cdef vf total
    while c < z.w:
        n = min(z.w - c, <ix>VW)
        total = vzero()
        for s in range(z.row_taps):
            total = vfma(vset(z.row_weights[s*z.oh + o]), vload_part(x + z.row_places[s*z.oh + o]*z.w + c, n), total)
        vstore_part(line + c, total, n)
        c += VW


cdef inline void combine_columns(const Resize *z, const real *line, real *y) noexcept nogil:
    cdef ix u = 0, t, n
    cdef vf total
    while u < z.ow:
        n = min(z.ow - u, <ix>VW)
        total = vzero()
        for t in range(z.column_taps):
            total = vfma(vload_part(z.column_weights + t*z.ow + u, n), vgather(line, z.column_places + t*z.ow + u, n),
                         total)
        vstore_part(y + u, total, n)
        u += VW


cdef inline bint repeats(const Resize *z, ix o) noexcept nogil:
    """Whether output row o is made as the one before."""
    return (o > 0 and z.row_taps == 1 and z.row_places[o] == z.row_places[o - 1]
            and z.row_weights[o] == z.row_weights[o - 1])


cdef void resize_plane(const Resize *z, const real *x, real *y, real *line) noexcept nogil:
    cdef ix o
    for o in range(z.oh):
        if repeats(z, o):
            copy_row(y + (o - 1)*z.ow, y + o*z.ow, z.ow)
        else:
            combine_rows(z, x, line, o)
            combine_columns(z, line, y + o*z.ow)


cdef int require_places(const real_int[:, ::1] places, const real[:, ::1] weights, ix size, ix out) except -1:
    cdef ix s, i
    require(places.shape[0] == weights.shape[0] and places.shape[0] >= 1, "resize: places and weights differ")
    require(places.shape[1] == out and weights.shape[1] == out and out >= 1, "resize: tables and y do not fit")
    for s in range(places.shape[0]):
        for i in range(out):
            require(0 <= places[s, i] < size, "resize: a place lies outside x")
    return 0


def resize(const real[:, :, ::1] x, real[:, :, ::1] y, real[::1] scratch, const real_int[:, ::1] row_places,
           const real[:, ::1] row_weights, const real_int[:, ::1] column_places, const real[:, ::1] column_weights):
    # IN (p, h, w)  OUT (p, oh, ow)  SCRATCH  IN (s, oh)  IN (s, oh)  IN (t, ow)  IN (t, ow)
    cdef ix p, planes = x.shape[0], w = x.shape[2]
    cdef Resize z
    z.h, z.w, z.oh, z.ow, z.row_taps, z.column_taps = (x.shape[1], w, y.shape[1], y.shape[2], row_places.shape[0],
                                                       column_places.shape[0])
    require(y.shape[0] == planes and planes >= 1 and min(z.h, w) >= 1, "resize: x and y do not fit")
    require_places(row_places, row_weights, z.h, z.oh)
    require_places(column_places, column_weights, w, z.ow)
    z.row_places, z.row_weights = &row_places[0, 0], &row_weights[0, 0]
    z.column_places, z.column_weights = &column_places[0, 0], &column_weights[0, 0]
    cdef ix each = z.oh*(w*z.row_taps + z.ow*z.column_taps)
    cdef int t, threads = <int>min(<ix>team(planes*each//2), scratch.shape[0]//w)
    require(threads >= 1, f"resize: scratch must have {w} elements per thread")
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        for p in range(planes*t//threads, planes*(t + 1)//threads):
            resize_plane(&z, &x[0, 0, 0] + p*z.h*w, &y[0, 0, 0] + p*z.oh*z.ow, &scratch[0] + t*w)
