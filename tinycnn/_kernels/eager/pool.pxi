# Pooling, on planes: x (p, h, w) -> y (p, oh, ow), where p counts the channels of all images.
#
# Maximum: y[oy, ox] = max over (i, j) of x[oy*sh - top + i*dh, ox*sw - left + j*dw]; what lies outside is -inf.  A
# maximum over a rectangle is one over its rows, then one over columns: for each row of y, the rows of x that take part
# are reduced to one line (kh maxima per column, contiguous, whatever the stride), which is laid out as its sw phases
# (columns 0, sw, 2 sw, ...; 1, sw + 1, ...) with -inf on either side; then tap j of every output is unit-stride.
# Its gradient goes to the first element of the window that equals the maximum: found again, so that nothing is saved.
#
# Mean: y[i, j] = row_scale[i] column_scale[j] sum of x over rows [rows[i, 0], rows[i, 1]) and the same for columns.
# The bounds come as arrays: average pooling (with or without counting padding), adaptive and global pooling are all this.
# Sums over rows by vectors, then over columns; the gradient is the same, backwards.


cdef inline void max_rows(const real *x, real *line, ix rows, ix row_step, ix w) noexcept nogil:
    """line[c] = max over r of x[r*row_step + c]; -inf where there are no rows."""
    cdef ix c = 0, r, n
    cdef vf best
    while c < w:
        n = min(w - c, <ix>VW)
        best = vset(-INFINITY)
        for r in range(rows):
            best = vmax_nan(best, vload_part(x + r*row_step + c, n))
        vstore_part(line + c, best, n)
        c += VW


cdef inline void max_columns(const real *phases, ix pitch, real *y, ix ow, ix kw, ix sw, ix dw) noexcept nogil:
    cdef ix c = 0, j
    cdef vf best
    while c < ow:
        best = vset(-INFINITY)
        for j in range(kw):
            best = vmax_nan(best, vload(phases + j*dw%sw*pitch + j*dw//sw + c))
        vstore_part(y + c, best, min(ow - c, <ix>VW))
        c += VW


cdef inline ix first_tap(ix start, ix step) noexcept nogil:
    """The smallest i >= 0 with start + i*step >= 0."""
    return 0 if start >= 0 else (step - 1 - start)//step


cdef inline ix last_tap(ix start, ix step, ix size, ix kernel) noexcept nogil:
    """One more than the largest i < kernel with start + i*step < size."""
    return 0 if start >= size else min(kernel, (size - 1 - start)//step + 1)


cdef void max_pool_planes(const real *x, real *y, real *scratch, ix first, ix last, ix h, ix w, ix oh, ix ow,
                          ix kh, ix kw, ix sh, ix sw, ix dh, ix dw, ix top, ix left, ix pitch) noexcept nogil:
    cdef ix p, oy, i, start
    cdef real *phases = scratch
    cdef real *line = scratch + sw*pitch
    for i in range(sw*pitch):
        phases[i] = -INFINITY
    for p in range(first, last):
        for oy in range(oh):
            start = oy*sh - top
            i = first_tap(start, dh)
            max_rows(x + (p*h + start + i*dh)*w, line, last_tap(start, dh, h, kh) - i, dh*w, w)
            spread_row(line, phases, pitch, w, sw, left)
            max_columns(phases, pitch, y + (p*oh + oy)*ow, ow, kw, sw, dw)


def max_pool_forward(const real[:, :, ::1] x, real[:, :, ::1] y, real[::1] scratch, int kh, int kw, int sh, int sw,
                     int dh, int dw, int top, int left):  # IN (p, h, w)  OUT (p, oh, ow)  SCRATCH
    cdef ix p = x.shape[0], h = x.shape[1], w = x.shape[2], oh = y.shape[1], ow = y.shape[2]
    require(y.shape[0] == p, "max_pool_forward: x and y differ in planes")
    require(min(kh, kw, sh, sw, dh, dw) >= 1 and min(top, left) >= 0, "max_pool_forward: the window has no extent")
    cdef ix pitch = max(left + w, ow*sw + (kw - 1)*dw)//sw + 1 + VW
    cdef ix need = sw*pitch + w
    cdef int t, threads = <int>min(<ix>team(p*oh*(w*kh + ow*kw)), scratch.shape[0]//need)
    require(threads >= 1, f"max_pool_forward: scratch must have {need} elements per thread")
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        max_pool_planes(&x[0, 0, 0], &y[0, 0, 0], &scratch[0] + t*need, p*t//threads, p*(t + 1)//threads,
                        h, w, oh, ow, kh, kw, sh, sw, dh, dw, top, left, pitch)


cdef inline ix find_tap(const real *x, real value, ix w, ix i0, ix i1, ix j0, ix j1, ix dh, ix dw) noexcept nogil:
    """Offset of the first of these taps that holds the value (NaN finds NaN), or -1."""
    cdef ix i, j
    cdef real candidate
    for i in range(i0, i1):
        for j in range(j0, j1):
            candidate = x[i*dh*w + j*dw]
            if candidate == value or (candidate != candidate and value != value):
                return i*dh*w + j*dw
    return -1


cdef void max_pool_gradient(const real *x, const real *y, const real *gy, real *gx, ix h, ix w, ix oh, ix ow,
                            ix kh, ix kw, ix sh, ix sw, ix dh, ix dw, ix top, ix left) noexcept nogil:
    """One plane."""
    cdef ix oy, ox, r, c, at, i0, i1
    memset(gx, 0, h*w*sizeof(real))
    for oy in range(oh):
        r = oy*sh - top
        i0, i1 = first_tap(r, dh), last_tap(r, dh, h, kh)
        for ox in range(ow):
            c = ox*sw - left
            at = find_tap(x + r*w + c, y[oy*ow + ox], w, i0, i1, first_tap(c, dw), last_tap(c, dw, w, kw), dh, dw)
            if at != -1:
                gx[r*w + c + at] += gy[oy*ow + ox]


def max_pool_backward(const real[:, :, ::1] x, const real[:, :, ::1] y, const real[:, :, ::1] gy, real[:, :, ::1] gx,
                      int kh, int kw, int sh, int sw, int dh, int dw, int top, int left):  # IN x, y, gy  OUT gx
    cdef ix planes = x.shape[0], h = x.shape[1], w = x.shape[2], oh = y.shape[1], ow = y.shape[2], p
    require(gx.shape[0] == planes and gx.shape[1] == h and gx.shape[2] == w, "max_pool_backward: x and gx differ")
    require(y.shape[0] == planes and gy.shape[0] == planes and gy.shape[1] == oh and gy.shape[2] == ow,
            "max_pool_backward: x, y and gy do not fit")
    require(min(kh, kw, sh, sw, dh, dw) >= 1 and min(top, left) >= 0, "max_pool_backward: the window has no extent")
    cdef int threads = team(planes*oh*ow*kh*kw)
    for p in prange(planes, nogil=True, num_threads=threads, schedule="static"):
        max_pool_gradient(&x[p, 0, 0], &y[p, 0, 0], &gy[p, 0, 0], &gx[p, 0, 0], h, w, oh, ow,
                          kh, kw, sh, sw, dh, dw, top, left)


# ---------------------------------------------------------------- mean
cdef bint within(const ix[:, ::1] bounds, ix size):
    """Whether every [start, stop) lies inside [0, size)."""
    cdef ix i
    for i in range(bounds.shape[0]):
        if not 0 <= bounds[i, 0] <= bounds[i, 1] <= size:
            return False
    return bounds.shape[1] == 2


cdef int require_windows(const ix[:, ::1] rows, const ix[:, ::1] columns, const real[::1] row_scale,
                         const real[::1] column_scale, ix h, ix w, ix oh, ix ow) except -1:
    require(rows.shape[0] == oh and row_scale.shape[0] == oh and within(rows, h), "mean_pool: rows do not fit")
    require(columns.shape[0] == ow and column_scale.shape[0] == ow and within(columns, w),
            "mean_pool: columns do not fit")
    return 0


cdef inline void sum_rows(const real *x, real *line, ix rows, ix w) noexcept nogil:
    """line[c] = sum over r of x[r, c]."""
    cdef ix c = 0, r, n
    cdef vf total
    while c < w:
        n = min(w - c, <ix>VW)
        total = vzero()
        for r in range(rows):
            total = total + vload_part(x + r*w + c, n)
        vstore_part(line + c, total, n)
        c += VW


cdef inline void add_to_rows(const real *line, real *gx, ix rows, ix w) noexcept nogil:
    """gx[r, c] += line[c] for every r."""
    cdef ix c = 0, r, n
    cdef vf some
    while c < w:
        n = min(w - c, <ix>VW)
        some = vload_part(line + c, n)
        for r in range(rows):
            vstore_part(gx + r*w + c, vload_part(gx + r*w + c, n) + some, n)
        c += VW


cdef void mean_pool_plane(const real *x, real *y, real *line, const ix *rows, const ix *columns, const real *row_scale,
                          const real *column_scale, ix w, ix oh, ix ow) noexcept nogil:
    cdef ix i, j, c
    cdef real total
    for i in range(oh):
        sum_rows(x + rows[2*i]*w, line, rows[2*i + 1] - rows[2*i], w)
        for j in range(ow):
            total = 0
            for c in range(columns[2*j], columns[2*j + 1]):
                total += line[c]
            y[i*ow + j] = total * (row_scale[i]*column_scale[j])


cdef void mean_pool_gradient(const real *gy, real *gx, real *line, const ix *rows, const ix *columns,
                             const real *row_scale, const real *column_scale, ix h, ix w, ix oh, ix ow) noexcept nogil:
    cdef ix i, j, c
    cdef real share
    memset(gx, 0, h*w*sizeof(real))
    for i in range(oh):
        memset(line, 0, w*sizeof(real))
        for j in range(ow):
            share = gy[i*ow + j] * (row_scale[i]*column_scale[j])
            for c in range(columns[2*j], columns[2*j + 1]):
                line[c] += share
        add_to_rows(line, gx + rows[2*i]*w, rows[2*i + 1] - rows[2*i], w)


cdef void mean_pool_planes(const real *x, real *y, real *line, const ix *rows, const ix *columns,
                           const real *row_scale, const real *column_scale, ix first, ix last,
                           ix h, ix w, ix oh, ix ow) noexcept nogil:
    cdef ix p
    for p in range(first, last):
        mean_pool_plane(x + p*h*w, y + p*oh*ow, line, rows, columns, row_scale, column_scale, w, oh, ow)


cdef void mean_pool_gradients(const real *gy, real *gx, real *line, const ix *rows, const ix *columns,
                              const real *row_scale, const real *column_scale, ix first, ix last,
                              ix h, ix w, ix oh, ix ow) noexcept nogil:
    cdef ix p
    for p in range(first, last):
        mean_pool_gradient(gy + p*oh*ow, gx + p*h*w, line, rows, columns, row_scale, column_scale, h, w, oh, ow)


def mean_pool_forward(const real[:, :, ::1] x, real[:, :, ::1] y, real[::1] scratch, const ix[:, ::1] rows,
                      const ix[:, ::1] columns, const real[::1] row_scale, const real[::1] column_scale):
    # IN (p, h, w)  OUT (p, oh, ow)  SCRATCH  IN (oh, 2)  IN (ow, 2)  IN (oh,)  IN (ow,)
    cdef ix p = x.shape[0], h = x.shape[1], w = x.shape[2], oh = y.shape[1], ow = y.shape[2]
    require(y.shape[0] == p, "mean_pool_forward: x and y differ in planes")
    require_windows(rows, columns, row_scale, column_scale, h, w, oh, ow)
    cdef int t, threads = <int>min(<ix>team(p*h*w), scratch.shape[0]//w)
    require(threads >= 1, f"mean_pool_forward: scratch must have {w} elements per thread")
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        mean_pool_planes(&x[0, 0, 0], &y[0, 0, 0], &scratch[0] + t*w, &rows[0, 0], &columns[0, 0], &row_scale[0],
                         &column_scale[0], p*t//threads, p*(t + 1)//threads, h, w, oh, ow)


def mean_pool_backward(const real[:, :, ::1] gy, real[:, :, ::1] gx, real[::1] scratch, const ix[:, ::1] rows,
                       const ix[:, ::1] columns, const real[::1] row_scale, const real[::1] column_scale):
    # IN (p, oh, ow)  OUT (p, h, w)  SCRATCH  IN (oh, 2)  IN (ow, 2)  IN (oh,)  IN (ow,)
    cdef ix p = gx.shape[0], h = gx.shape[1], w = gx.shape[2], oh = gy.shape[1], ow = gy.shape[2]
    require(gy.shape[0] == p, "mean_pool_backward: gy and gx differ in planes")
    require_windows(rows, columns, row_scale, column_scale, h, w, oh, ow)
    cdef int t, threads = <int>min(<ix>team(p*h*w), scratch.shape[0]//w)
    require(threads >= 1, f"mean_pool_backward: scratch must have {w} elements per thread")
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        mean_pool_gradients(&gy[0, 0, 0], &gx[0, 0, 0], &scratch[0] + t*w, &rows[0, 0], &columns[0, 0],
                            &row_scale[0], &column_scale[0], p*t//threads, p*(t + 1)//threads, h, w, oh, ow)
