# Pooling, on planes: x (p, h, w) -> y (p, oh, ow), where p counts the channels of all images.
#
# Maximum: y[oy, ox] = max over (i, j) of x[oy*sh - top + i*dh, ox*sw - left + j*dw]; what lies outside is -inf.  A
# maximum over a rectangle is one over its rows, then one over columns: for each row of y, the rows of x that take part
# are reduced to one line (kh maxima per column, contiguous, whatever the stride), which is laid out as its sw phases
# (columns 0, sw, 2 sw, ...; 1, sw + 1, ...) with -inf on either side; then tap j of every output is unit-stride.
#
# Its gradient goes to the first element of the window that equals the maximum.  Nothing is saved: the number of that tap
# is found again for every output, last tap first, and then each gx gathers from the outputs that could have taken it,
#     gx[r, c] = sum over taps (i, j) with sh | r + top - i dh, sw | c + left - j dw, of gy where the tap's number is (i, j),
# which adds in registers; scattering gy would load what was stored just before, a little to the side, and wait for it.
#
# Mean: y[i, j] = row_scale[i] column_scale[j] sum of x over rows [rows[i, 0], rows[i, 1]) and the same for columns.
# The bounds come as arrays: average pooling (with or without counting padding), adaptive and global pooling are all this.
# Sums over rows by vectors, then over columns; the gradient is the same, backwards.

cdef struct MaxPool:
    ix h, w, oh, ow, kh, kw, sh, sw, dh, dw, top, left
    ix phase                     # elements of a phase of a line
    ix up, back                  # rows and columns that the first window reaches back from an output, in outputs
    ix next_phase, next_column   # from one tap of a row to the next: dw as phases and columns of a phase
    ix columns                   # outputs in a row that could have taken an element of a phase
    ix pitch, rows               # of the planes of tap numbers and of gy, with what lies outside


cdef MaxPool max_pool_of(ix h, ix w, ix oh, ix ow, int kh, int kw, int sh, int sw, int dh, int dw, int top,
                         int left) except *:
    require(min(kh, kw, sh, sw, dh, dw) >= 1 and min(top, left) >= 0, "max_pool: the window has no extent")
    require(min(h, w, oh, ow) >= 1, "max_pool: an array is empty")
    cdef MaxPool m
    m.h, m.w, m.oh, m.ow, m.kh, m.kw, m.sh, m.sw, m.dh, m.dw, m.top, m.left = h, w, oh, ow, kh, kw, sh, sw, dh, dw, top, left
    m.phase = max(left + w, ow*sw + (kw - 1)*dw)//sw + 1 + VW
    m.next_phase, m.next_column = dw%sw, dw//sw
    m.up, m.back = (kh - 1)*dh//sh, (kw - 1)*dw//sw
    m.columns = (left + w - 1)//sw + 1
    m.pitch, m.rows = max(m.columns, ow) + m.back + VW, max((top + h - 1)//sh + 1, oh) + m.up
    return m


cdef inline ix max_pool_size(const MaxPool *m) noexcept nogil:
    """Elements of scratch memory: a line and its phases; for the gradient, two planes and phases of a row of gx."""
    return m.sw*m.phase + max(m.w, 2*m.rows*m.pitch + m.sw*(m.columns + VW))


def max_pool_scratch(ix h, ix w, ix oh, ix ow, int kh, int kw, int sh, int sw, int dh, int dw, int top, int left):
    """Elements of scratch memory that these kernels want per thread."""
    cdef MaxPool m = max_pool_of(h, w, oh, ow, kh, kw, sh, sw, dh, dw, top, left)
    return max_pool_size(&m)


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


cdef inline void set_all(real *x, ix n, real value) noexcept nogil:
    cdef ix i
    for i in range(n):
        x[i] = value


cdef void max_pool_span(const MaxPool *m, const real *x, real *y, real *phases, ix first, ix last) noexcept nogil:
    """Planes [first, last)."""
    cdef ix p, oy, i, start
    cdef real *line = phases + m.sw*m.phase
    set_all(phases, m.sw*m.phase, -INFINITY)
    for p in range(first, last):
        for oy in range(m.oh):
            start = oy*m.sh - m.top
            i = first_tap(start, m.dh)
            max_rows(x + (p*m.h + start + i*m.dh)*m.w, line, last_tap(start, m.dh, m.h, m.kh) - i, m.dh*m.w, m.w)
            spread_row(line, phases, m.phase, m.w, m.sw, m.left)
            max_columns(phases, m.phase, y + (p*m.oh + oy)*m.ow, m.ow, m.kw, m.sw, m.dw)


cdef int max_pool_team(const MaxPool *m, ix planes, ix scratch) except -1:
    """Threads that the work deserves and the scratch memory is enough for."""
    cdef ix need = max_pool_size(m)
    require(scratch >= need, f"max_pool: scratch must have {need} elements per thread")
    return <int>min(<ix>team(planes*m.oh*(m.w*m.kh + m.ow*m.kw)//VW), scratch//need)


def max_pool_forward(const real[:, :, ::1] x, real[:, :, ::1] y, real[::1] scratch, int kh, int kw, int sh, int sw,
                     int dh, int dw, int top, int left):  # IN (p, h, w)  OUT (p, oh, ow)  SCRATCH
    cdef MaxPool m = max_pool_of(x.shape[1], x.shape[2], y.shape[1], y.shape[2], kh, kw, sh, sw, dh, dw, top, left)
    cdef ix p = x.shape[0], need = max_pool_size(&m)
    require(y.shape[0] == p and p >= 1, "max_pool_forward: x and y differ in planes")
    cdef int t, threads = max_pool_team(&m, p, scratch.shape[0])
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        max_pool_span(&m, &x[0, 0, 0], &y[0, 0, 0], &scratch[0] + t*need, p*t//threads, p*(t + 1)//threads)


cdef inline void find_in_row(const MaxPool *m, const real *phases, const real *y, real *taps, ix first) noexcept nogil:
    """Where tap (i, j) of an output holds its maximum: the number first + j, for the least such j."""
    cdef ix c = 0, j, n, b, q, last_phase = (m.kw - 1)*m.dw%m.sw
    cdef vf found, wanted
    while c < m.ow:
        n = min(m.ow - c, <ix>VW)
        found, wanted = vload_part(taps + c, n), vload_part(y + c, n)
        b, q = last_phase, m.back    # phase and column of tap j
        for j in range(m.kw - 1, -1, -1):
            found = vselect(veq(vload(phases + b*m.phase + q + c), wanted), vset(<real>(first + j)), found)
            b, q = b - m.next_phase, q - m.next_column
            if b < 0:
                b, q = b + m.sw, q - 1
        vstore_part(taps + c, found, n)
        c += VW


cdef void find_taps(const MaxPool *m, const real *x, const real *y, real *phases, real *taps) noexcept nogil:
    """The number of the tap that each output took, -1 where it is NaN: no element equals it."""
    cdef ix oy, i, start
    cdef real *row
    for oy in range(m.oh):
        start = oy*m.sh - m.top
        row = taps + (oy + m.up)*m.pitch + m.back
        set_all(row, m.ow, -1)
        for i in range(last_tap(start, m.dh, m.h, m.kh) - 1, first_tap(start, m.dh) - 1, -1):
            spread_row(x + (start + i*m.dh)*m.w, phases, m.phase, m.w, m.sw, m.left)
            find_in_row(m, phases, y + oy*m.ow, row, i*m.kw)


cdef inline void gather_row(const MaxPool *m, const real *taps, const real *gy, real *phases, ix first) noexcept nogil:
    """Add to the phases of a row of gx what outputs of one row give to taps first, first + 1, ..., of a row."""
    cdef ix j, c, phase, b, q
    cdef real *gx
    cdef vf total
    for phase in range(m.sw):
        gx = phases + phase*(m.columns + VW)
        c = 0
        while c < m.columns:
            total = vload(gx + c)
            b, q = 0, m.back + c
            for j in range(m.kw):
                if b == phase:
                    total = total + vselect(veq(vload(taps + q), vset(<real>(first + j))), vload(gy + q), vzero())
                b, q = b + m.next_phase, q - m.next_column
                if b >= m.sw:
                    b, q = b - m.sw, q - 1
            vstore(gx + c, total)
            c += VW


cdef void max_pool_gradients(const MaxPool *m, const real *x, const real *y, const real *gy, real *gx, real *phases,
                             ix first, ix last) noexcept nogil:
    """Planes [first, last)."""
    cdef real *taps = phases + m.sw*m.phase
    cdef real *g = taps + m.rows*m.pitch
    cdef real *row = g + m.rows*m.pitch
    cdef ix p, r, i, at
    set_all(phases, m.sw*m.phase, NAN)
    set_all(taps, 2*m.rows*m.pitch, -1)
    for p in range(first, last):
        find_taps(m, x + p*m.h*m.w, y + p*m.oh*m.ow, phases, taps)
        for r in range(m.oh):
            copy_row(gy + (p*m.oh + r)*m.ow, g + (r + m.up)*m.pitch + m.back, m.ow)
        for r in range(m.h):
            set_all(row, m.sw*(m.columns + VW), 0)
            for i in range(m.kh):
                if (r + m.top - i*m.dh)%m.sh == 0:
                    at = ((r + m.top)//m.sh - i*m.dh//m.sh + m.up)*m.pitch
                    gather_row(m, taps + at, g + at, row, i*m.kw)
            merge_row(row, gx + (p*m.h + r)*m.w, m.columns + VW, m.w, m.sw, m.left)


def max_pool_backward(const real[:, :, ::1] x, const real[:, :, ::1] y, const real[:, :, ::1] gy, real[:, :, ::1] gx,
                      real[::1] scratch, int kh, int kw, int sh, int sw, int dh, int dw, int top, int left):
    # IN (p, h, w)  IN (p, oh, ow)  IN (p, oh, ow)  OUT (p, h, w)  SCRATCH
    cdef MaxPool m = max_pool_of(x.shape[1], x.shape[2], y.shape[1], y.shape[2], kh, kw, sh, sw, dh, dw, top, left)
    cdef ix p = x.shape[0], need = max_pool_size(&m)
    require(gx.shape[0] == p and gx.shape[1] == m.h and gx.shape[2] == m.w, "max_pool_backward: x and gx differ")
    require(y.shape[0] == p and gy.shape[0] == p and gy.shape[1] == m.oh and gy.shape[2] == m.ow and p >= 1,
            "max_pool_backward: x, y and gy do not fit")
    cdef int t, threads = max_pool_team(&m, p, scratch.shape[0])
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        max_pool_gradients(&m, &x[0, 0, 0], &y[0, 0, 0], &gy[0, 0, 0], &gx[0, 0, 0], &scratch[0] + t*need,
                           p*t//threads, p*(t + 1)//threads)


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


cdef inline real sum_plane(const real *x, ix n) noexcept nogil:
    cdef vf total = vzero()
    cdef ix i = 0
    while i + VW <= n:
        total = total + vload(x + i)
        i += VW
    return vsum(total + vload_part(x + i, n - i))


cdef inline void fill_plane(real *gx, ix n, real value) noexcept nogil:
    cdef ix i = 0
    while i + VW <= n:
        vstore(gx + i, vset(value))
        i += VW
    vstore_part(gx + i, vset(value), n - i)


cdef inline bint is_global(const ix *rows, const ix *columns, ix h, ix w, ix oh, ix ow) noexcept nogil:
    """Whether one window is the whole plane: then it is summed as it lies."""
    return oh == 1 and ow == 1 and rows[1] - rows[0] == h and columns[1] - columns[0] == w


cdef void mean_pool_planes(const real *x, real *y, real *line, const ix *rows, const ix *columns,
                           const real *row_scale, const real *column_scale, ix first, ix last,
                           ix h, ix w, ix oh, ix ow) noexcept nogil:
    cdef ix p
    if is_global(rows, columns, h, w, oh, ow):
        for p in range(first, last):
            y[p] = sum_plane(x + p*h*w, h*w)*(row_scale[0]*column_scale[0])
        return
    for p in range(first, last):
        mean_pool_plane(x + p*h*w, y + p*oh*ow, line, rows, columns, row_scale, column_scale, w, oh, ow)


cdef void mean_pool_gradients(const real *gy, real *gx, real *line, const ix *rows, const ix *columns,
                              const real *row_scale, const real *column_scale, ix first, ix last,
                              ix h, ix w, ix oh, ix ow) noexcept nogil:
    cdef ix p
    if is_global(rows, columns, h, w, oh, ow):
        for p in range(first, last):
            fill_plane(gx + p*h*w, h*w, gy[p]*(row_scale[0]*column_scale[0]))
        return
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
