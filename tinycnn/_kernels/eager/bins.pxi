# The largest element of each bin of a grid, whose bins may overlap or be empty:
#
#     y[i, j] = max of x[r, c], rows[i, 0] <= r < rows[i, 1], columns[j, 0] <= c < columns[j, 1]        0 where there is none
#
# Adaptive pooling and RoI pooling are this; the callers make the bounds.  Rows of a bin are reduced to one line by
# vectors, which all bins beside each other share; then short runs of the line.  As in `pool.pxi` a NaN wins, nothing but
# x and y is kept, and the gradient goes to the first element of the bin, by rows, that equals its maximum.

cdef inline real run_highest(const real *x, ix first, ix last) noexcept nogil:
    """Without a branch, which would be guessed wrong for every other bin."""
    cdef real some, best = -INFINITY
    cdef bint unordered = False
    cdef ix c
    for c in range(first, last):
        some = x[c]    # of the type of `best`: Cython makes a float of `const real` or NAN beside a `real`
        best = some if some > best else best
        unordered |= some != some
    if unordered:
        return NAN
    return best


cdef void bin_max_plane(const real *x, real *y, real *line, const ix *rows, const ix *columns, ix w, ix oh,
                        ix ow) noexcept nogil:
    cdef ix i, j, left = columns[0], right = columns[2*ow - 1]
    for i in range(oh):
        max_rows(x + rows[2*i]*w + left, line + left, rows[2*i + 1] - rows[2*i], w, right - left)
        for j in range(ow):
            if rows[2*i] < rows[2*i + 1] and columns[2*j] < columns[2*j + 1]:
                y[i*ow + j] = run_highest(line, columns[2*j], columns[2*j + 1])
            else:
                y[i*ow + j] = 0


cdef inline ix first_highest(const real *x, real highest, const ix *rows, const ix *columns, ix w) noexcept nogil:
    """Where the bin first holds its maximum, by rows; -1 if that is NaN, which equals nothing.

    For each column the first such row, found from the last row to the first; then the least of these.
    """
    cdef real row_of[VW]
    cdef real row = rows[1]
    cdef ix at = -1, c = columns[0], r, i, n
    cdef vf found, wanted = vset(highest)
    while c < columns[1]:
        n = min(columns[1] - c, <ix>VW)
        found = vset(<real>rows[1])
        for r in range(rows[1] - 1, rows[0] - 1, -1):
            found = vselect(veq(vload_part(x + r*w + c, n), wanted), vset(<real>r), found)
        vstore(row_of, found)
        for i in range(n):
            at = <ix>row_of[i]*w + c + i if row_of[i] < row else at
            row = min(row, row_of[i])
        c += VW
    return at


cdef void bin_max_gradient(const real *x, const real *y, const real *gy, real *gx, const ix *rows, const ix *columns,
                           ix w, ix oh, ix ow) noexcept nogil:
    """Adds to gx."""
    cdef ix i, j, at
    for i in range(oh):
        for j in range(ow):
            at = first_highest(x, y[i*ow + j], rows + 2*i, columns + 2*j, w)
            if at >= 0:
                gx[at] += gy[i*ow + j]


cdef bint ascending(const ix[:, ::1] bounds, ix size):
    """Whether all [start, stop) lie inside [0, size), none before the first or behind the last."""
    cdef ix i, last = bounds.shape[0] - 1
    if last < 0 or not within(bounds, size):
        return False
    for i in range(last):
        if bounds[i, 0] > bounds[i + 1, 0] or bounds[i, 1] > bounds[i + 1, 1]:
            return False
    return True


cdef int require_bins(const ix[:, ::1] rows, const ix[:, ::1] columns, ix h, ix w, ix oh, ix ow) except -1:
    require(rows.shape[0] == oh and ascending(rows, h), "bin_max: rows do not fit")
    require(columns.shape[0] == ow and ascending(columns, w), "bin_max: columns do not fit")
    return 0


def bin_max_forward(const real[:, :, ::1] x, real[:, :, ::1] y, real[::1] scratch, const ix[:, ::1] rows,
                    const ix[:, ::1] columns):  # IN (p, h, w)  OUT (p, oh, ow)  SCRATCH  IN (oh, 2)  IN (ow, 2)
    cdef ix p, planes = x.shape[0], h = x.shape[1], w = x.shape[2], oh = y.shape[1], ow = y.shape[2]
    require(y.shape[0] == planes and planes >= 1 and min(h, w) >= 1, "bin_max_forward: x and y do not fit")
    require_bins(rows, columns, h, w, oh, ow)
    cdef int t, threads = <int>min(<ix>team(planes*h*w), scratch.shape[0]//w)
    require(threads >= 1, f"bin_max_forward: scratch must have {w} elements per thread")
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        for p in range(planes*t//threads, planes*(t + 1)//threads):
            bin_max_plane(&x[0, 0, 0] + p*h*w, &y[0, 0, 0] + p*oh*ow, &scratch[0] + t*w, &rows[0, 0], &columns[0, 0],
                          w, oh, ow)


def bin_max_backward(const real[:, :, ::1] x, const real[:, :, ::1] y, const real[:, :, ::1] gy, real[:, :, ::1] gx,
                     const ix[:, ::1] rows, const ix[:, ::1] columns):
    # IN (p, h, w)  IN (p, oh, ow)  IN (p, oh, ow)  OUT (p, h, w)  IN (oh, 2)  IN (ow, 2)
    cdef ix p, planes = x.shape[0], h = x.shape[1], w = x.shape[2], oh = y.shape[1], ow = y.shape[2]
    require(y.shape[0] == planes and planes >= 1 and min(h, w) >= 1, "bin_max_backward: x and y do not fit")
    require(gx.shape[0] == planes and gx.shape[1] == h and gx.shape[2] == w, "bin_max_backward: x and gx differ")
    require(gy.shape[0] == planes and gy.shape[1] == oh and gy.shape[2] == ow, "bin_max_backward: y and gy differ")
    require_bins(rows, columns, h, w, oh, ow)
    cdef int threads = team(planes*h*w)
    for p in prange(planes, nogil=True, num_threads=threads, schedule="static"):
        memset(&gx[0, 0, 0] + p*h*w, 0, h*w*sizeof(real))
        bin_max_gradient(&x[0, 0, 0] + p*h*w, &y[0, 0, 0] + p*oh*ow, &gy[0, 0, 0] + p*oh*ow, &gx[0, 0, 0] + p*h*w,
                         &rows[0, 0], &columns[0, 0], w, oh, ow)
