# Depthwise convolution, y[k, p, q] = b[k] + sum over taps (i, j) of w[k, i, j] x[k // m, p sh - top + i dh, q sw - left + j dw].
#
# Each plane is small, each weight is used once per output, so this is about loads.  A strip of rows of one channel is
# copied into scratch that stays in the first-level cache: zero-padded, each row spread over its sw column phases, so that
# tap j of neighbouring outputs is unit-stride at any stride.  Maps narrower than half a vector lie side by side there,
# one image after the other: they share their kernel.  Then
#     for 4 output rows x 1 vector of columns:  for column j of the kernel:  load the rows that they touch, once;
#         for i, r: acc[r] += w[i, j] row[r sh + i]
# which is 18 loads for 36 multiply-adds of 3x3; a vector that is not aligned costs two loads of a cache line each, so
# reading every tap anew would take twice as long as multiplying.
#
# gx is the same sum over a strip of gy, once for each phase (a, b) of the padded gx, whose taps are those with
# i dh % sh = a, j dw % sw = b, at offset -(i dh // sh), -(j dw // sw); the phases are then merged into rows.
# gw holds a vector of partial sums for each tap over a whole channel of all images, and adds up its lanes at the end.
# Channels are independent: threads share them out, and the bits do not depend on how.

cdef enum:
    MOST_TAPS = 128
    STRIP_ELEMENTS = 6144                 # elements of a strip: half of a first-level cache in float32
    STRIP_ROWS = 4                     # output rows of a tile

cdef struct Strip:               # how a part of a channel lies in scratch
    ix images                    # side by side
    ix width                     # columns of one image in one phase, with its padding
    ix total                     # columns up to the last output of the last image
    ix pitch                     # elements from row to row: all phases of all images
    ix rows                      # output rows that one strip is good for
    ix filled                    # rows of the strip
    ix spare                     # elements of the second buffer: outputs (y, gx), or gy

cdef struct Taps:                # of the general path: where each tap lies, and its weight
    ix count
    ix offset[MOST_TAPS]
    real weight[MOST_TAPS]

cdef struct Depthwise:
    ix n, c, h, w, oh, ow, kh, kw, sh, sw, dh, dw, top, left


cdef inline ix side_by_side(ix n, ix columns, ix width) noexcept nogil:
    """Images in one strip: 1, unless their rows would leave more than half of a vector empty."""
    return 1 if 2*columns > VW else min(n, max(1, 4*<ix>VW//width))


cdef Strip strip_of_x(Depthwise s) noexcept nogil:
    """For y and gw: output columns read (kw - 1) dw // sw columns of a phase further."""
    cdef Strip z
    z.width = s.ow + (s.kw - 1)*s.dw//s.sw
    z.images = side_by_side(s.n, s.ow, z.width)
    z.total = (z.images - 1)*z.width + s.ow
    z.pitch = s.sw*z.images*z.width
    z.rows = min(s.oh, max(STRIP_ROWS, (STRIP_ELEMENTS//z.pitch - (s.kh - 1)*s.dh)//s.sh))
    z.filled = (z.rows - 1)*s.sh + (s.kh - 1)*s.dh + 1
    z.spare = z.rows*((z.total + VW - 1)//VW*VW)    # whole vectors, so that gy ends in zeros
    return z


cdef Strip strip_of_gy(Depthwise s) noexcept nogil:
    """For gx: the phase columns left // sw to (left + w - 1) // sw, which read (kw - 1) dw // sw columns before them."""
    cdef Strip z
    cdef ix columns = (s.left + s.w - 1)//s.sw - s.left//s.sw + 1, lines = (s.top + s.h - 1)//s.sh - s.top//s.sh + 1
    z.width = columns + (s.kw - 1)*s.dw//s.sw
    z.images = side_by_side(s.n, columns, z.width)
    z.total = (z.images - 1)*z.width + columns
    z.pitch = z.images*z.width
    z.rows = min(lines, max(STRIP_ROWS, STRIP_ELEMENTS//(z.pitch*(1 + s.sw)) - (s.kh - 1)*s.dh//s.sh))
    z.filled = z.rows + (s.kh - 1)*s.dh//s.sh
    z.spare = s.sw*z.rows*z.pitch + VW
    return z


cdef inline ix strip_elements(Strip z) noexcept nogil:
    return z.filled*z.pitch + VW + z.spare


def depthwise_scratch(ix n, ix h, ix w, ix oh, ix ow, int kh, int kw, int sh, int sw, int dh, int dw, int top, int left):
    """Elements of scratch memory that these kernels want per thread."""
    cdef Depthwise s = Depthwise(n, 1, h, w, oh, ow, kh, kw, sh, sw, dh, dw, top, left)
    return max(strip_elements(strip_of_x(s)), strip_elements(strip_of_gy(s)))


cdef inline void fill_strip(const real *x, ix image, ix images, ix h, ix w, real *strip, ix first, ix rows, Strip z,
                      ix stride, ix shift) noexcept nogil:
    """Rows first, first + 1, ... of `images` maps (h, w), which lie `image` apart; column c goes to c + shift."""
    cdef ix q, g, begin = max(0, -shift), n = min(w, z.width*stride - shift) - begin
    for q in range(rows):
        if not 0 <= first + q < h:
            memset(strip + q*z.pitch, 0, z.pitch*sizeof(real))
        elif n > 0:
            for g in range(images):
                spread(x + g*image + (first + q)*w + begin, strip + q*z.pitch + g*z.width, z.pitch//stride, n,
                       stride, begin + shift)


# ---------------------------------------------------------------- tiles
cdef inline void window_tile(const real *x, ix pitch, const ix *column, const vf *w, vf start, bint add, real *y, ix y_pitch,
                      ix n, int KH, int KW, int SH, int R) noexcept nogil:
    """R rows of up to a vector of outputs, for a kernel KH x KW without row dilation."""
    cdef vf acc[STRIP_ROWS]
    cdef vf row[(STRIP_ROWS - 1)*2 + 5]
    cdef int i, j, r
    for r in range(R):
        acc[r] = start + vload_part(y + r*y_pitch, n) if add else start
    for j in range(KW):
        for r in range((R - 1)*SH + KH):
            row[r] = vload(x + column[j] + r*pitch)
        for i in range(KH):
            for r in range(R):
                acc[r] = vfma(w[i*KW + j], row[r*SH + i], acc[r])
    for r in range(R):
        if n >= VW:
            vstore(y + r*y_pitch, acc[r])
        else:
            vstore_part(y + r*y_pitch, acc[r], n)


cdef inline void window_tiles(const real *x, ix pitch, const ix *column, const real *w, real start, bint add, real *y,
                       ix y_pitch, ix rows, ix columns, int KH, int KW, int SH) noexcept nogil:
    """rows x columns outputs."""
    cdef vf weight[25]
    cdef vf bias = vset(start)
    cdef ix r = 0, c
    cdef int t
    for t in range(KH*KW):
        weight[t] = vset(w[t])
    while r + 4 <= rows:
        c = 0
        while c < columns:
            window_tile(x + r*SH*pitch + c, pitch, column, weight, bias, add, y + r*y_pitch + c, y_pitch,
                 min(columns - c, <ix>VW), KH, KW, SH, 4)
            c += VW
        r += 4
    if r + 2 <= rows:
        c = 0
        while c < columns:
            window_tile(x + r*SH*pitch + c, pitch, column, weight, bias, add, y + r*y_pitch + c, y_pitch,
                 min(columns - c, <ix>VW), KH, KW, SH, 2)
            c += VW
        r += 2
    if r < rows:
        c = 0
        while c < columns:
            window_tile(x + r*SH*pitch + c, pitch, column, weight, bias, add, y + r*y_pitch + c, y_pitch,
                 min(columns - c, <ix>VW), KH, KW, SH, 1)
            c += VW


cdef inline void tap_tile(const real *x, ix step, Taps *taps, vf start, bint add, real *y, ix y_pitch, ix n,
                          int R) noexcept nogil:
    """R rows of up to a vector of outputs, for any taps; output rows are `step` apart in x."""
    cdef vf acc[STRIP_ROWS]
    cdef vf weight
    cdef ix t
    cdef int r
    for r in range(R):
        acc[r] = start + vload_part(y + r*y_pitch, n) if add else start
    for t in range(taps.count):
        weight = vset(taps.weight[t])
        for r in range(R):
            acc[r] = vfma(weight, vload(x + taps.offset[t] + r*step), acc[r])
    for r in range(R):
        vstore_part(y + r*y_pitch, acc[r], n)


cdef void tap_tiles(const real *x, ix step, Taps *taps, real start, bint add, real *y, ix y_pitch, ix rows,
                    ix columns) noexcept nogil:
    cdef vf bias = vset(start)
    cdef ix r = 0, c
    while r < rows:
        c = 0
        while c < columns:
            if r + STRIP_ROWS <= rows:
                tap_tile(x + r*step + c, step, taps, bias, add, y + r*y_pitch + c, y_pitch, min(columns - c, <ix>VW), STRIP_ROWS)
            else:
                tap_tile(x + r*step + c, step, taps, bias, add, y + r*y_pitch + c, y_pitch, min(columns - c, <ix>VW), 1)
            c += VW
        r += STRIP_ROWS if r + STRIP_ROWS <= rows else 1


# ---------------------------------------------------------------- y
cdef Taps forward_taps(const real *w, Depthwise s, Strip z) noexcept nogil:
    cdef Taps taps
    cdef ix i, j
    taps.count = s.kh*s.kw
    for i in range(s.kh):
        for j in range(s.kw):
            taps.offset[i*s.kw + j] = i*s.dh*z.pitch + j*s.dw%s.sw*(z.pitch//s.sw) + j*s.dw//s.sw
            taps.weight[i*s.kw + j] = w[i*s.kw + j]
    return taps


cdef void strip_outputs(const real *x, Taps *taps, real start, real *y, ix y_pitch, ix rows, ix columns, Depthwise s,
                  Strip z) noexcept nogil:
    """A strip of y: the kernels that networks use have tiles of their own."""
    cdef const ix *column = taps.offset   # the first row of taps
    cdef const real *w = taps.weight
    if s.kh == 3 and s.kw == 3 and s.dh == 1 and s.sh == 1:
        window_tiles(x, z.pitch, column, w, start, False, y, y_pitch, rows, columns, 3, 3, 1)
    elif s.kh == 3 and s.kw == 3 and s.dh == 1 and s.sh == 2:
        window_tiles(x, z.pitch, column, w, start, False, y, y_pitch, rows, columns, 3, 3, 2)
    elif s.kh == 5 and s.kw == 5 and s.dh == 1 and s.sh == 1:
        window_tiles(x, z.pitch, column, w, start, False, y, y_pitch, rows, columns, 5, 5, 1)
    elif s.kh == 5 and s.kw == 5 and s.dh == 1 and s.sh == 2:
        window_tiles(x, z.pitch, column, w, start, False, y, y_pitch, rows, columns, 5, 5, 2)
    else:
        tap_tiles(x, s.sh*z.pitch, taps, start, False, y, y_pitch, rows, columns)


cdef void forward_channel(const real *x, const real *w, const real *b, real *y, real *strip, ix images, ix m, Depthwise s,
                          Strip z) noexcept nogil:
    """The m outputs of one channel of some images."""
    cdef real *spare = strip + z.filled*z.pitch + VW
    cdef ix first, rows, k, g, r, wide = z.spare//z.rows
    cdef real *to
    cdef Taps taps
    first = 0
    while first < s.oh:
        rows = min(z.rows, s.oh - first)
        fill_strip(x, s.c*s.h*s.w, images, s.h, s.w, strip, first*s.sh - s.top, (rows - 1)*s.sh + (s.kh - 1)*s.dh + 1, z, s.sw,
             s.left)
        for k in range(m):
            taps = forward_taps(w + k*s.kh*s.kw, s, z)
            to = y + k*s.oh*s.ow + first*s.ow
            if z.images == 1:
                strip_outputs(strip, &taps, b[k] if b else 0, to, s.ow, rows, s.ow, s, z)
                continue
            strip_outputs(strip, &taps, b[k] if b else 0, spare, wide, rows, z.total, s, z)
            for g in range(images):
                for r in range(rows):
                    copy_row(spare + r*wide + g*z.width, to + g*s.c*m*s.oh*s.ow + r*s.ow, s.ow)
        first += z.rows


cdef void forward_span(const real *x, const real *w, const real *b, real *y, real *scratch, ix first, ix last, ix m,
                       Depthwise s, Strip z) noexcept nogil:
    """Items [first, last): channel by channel, group of images by group."""
    cdef ix item, c, n
    memset(scratch, 0, strip_elements(z)*sizeof(real))
    for item in range(first, last):
        c, n = item%s.c, item//s.c*z.images
        forward_channel(x + (n*s.c + c)*s.h*s.w, w + c*m*s.kh*s.kw, b + c*m if b else b,
                        y + (n*s.c + c)*m*s.oh*s.ow, scratch, min(z.images, s.n - n), m, s, z)


cdef Depthwise depthwise_shape(const real[:, :, :, ::1] x, const real[:, :, :, ::1] y, const real[:, :, ::1] w, int sh, int sw,
                           int dh, int dw, int top, int left) except *:
    """The extents, once they are known to fit."""
    require(x.shape[0] == y.shape[0] and y.shape[1]%x.shape[1] == 0 and y.shape[1] == w.shape[0],
            "depthwise: x, y and w do not fit")
    require(w.shape[1]*w.shape[2] <= MOST_TAPS, f"depthwise: a kernel has at most {MOST_TAPS} elements")
    require(min(sh, sw, dh, dw) >= 1 and min(top, left) >= 0, "depthwise: the window has no extent")
    require(min(x.shape[0], x.shape[1], x.shape[2], x.shape[3]) >= 1 and
            min(y.shape[1], y.shape[2], y.shape[3], w.shape[1], w.shape[2]) >= 1, "depthwise: an array is empty")
    return Depthwise(x.shape[0], x.shape[1], x.shape[2], x.shape[3], y.shape[2], y.shape[3], w.shape[1], w.shape[2],
                 sh, sw, dh, dw, top, left)


cdef int team_with(ix work, ix scratch, ix need) except -1:
    """Threads that the work deserves and the scratch memory is enough for."""
    require(scratch >= need, f"depthwise: scratch must have {need} elements per thread")
    return <int>min(<ix>team(work), scratch//need)


def depthwise_forward(const real[:, :, :, ::1] x, const real[:, :, ::1] w, const real[::1] b, real[:, :, :, ::1] y,
                      real[::1] scratch, int sh, int sw, int dh, int dw, int top, int left):
    # IN (n, c, h, w)  IN (c m, kh, kw)  IN (c m,) or None  OUT (n, c m, oh, ow)
    cdef Depthwise s = depthwise_shape(x, y, w, sh, sw, dh, dw, top, left)
    require(b is None or b.shape[0] == y.shape[1], "depthwise: y and b do not fit")
    cdef Strip z = strip_of_x(s)
    cdef ix m = y.shape[1]//s.c, need = strip_elements(z), items = s.c*((s.n + z.images - 1)//z.images)
    cdef const real *bias = NULL
    if b is not None:
        bias = &b[0]
    cdef int t, threads = team_with(y.shape[1]*s.n*s.oh*s.ow*s.kh*s.kw//VW, scratch.shape[0], need)
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        forward_span(&x[0, 0, 0, 0], &w[0, 0, 0], bias, &y[0, 0, 0, 0], &scratch[0] + t*need, items*t//threads,
                     items*(t + 1)//threads, m, s, z)


# ---------------------------------------------------------------- gx
cdef Taps gradient_taps(const real *w, ix a, ix b, Depthwise s, Strip z) noexcept nogil:
    """The taps of phase (a, b), last one first: in the order in which they lie in the strip."""
    cdef Taps taps
    cdef ix i, j, up = (s.kh - 1)*s.dh//s.sh, back = (s.kw - 1)*s.dw//s.sw
    taps.count = 0
    for i in range(s.kh - 1, -1, -1):
        for j in range(s.kw - 1, -1, -1):
            if i*s.dh%s.sh == a and j*s.dw%s.sw == b:
                taps.offset[taps.count] = (up - i*s.dh//s.sh)*z.pitch + back - j*s.dw//s.sw
                taps.weight[taps.count] = w[i*s.kw + j]
                taps.count += 1
    return taps


cdef void input_phase(const real *gy, Taps *taps, bint add, real *gx, ix gx_pitch, ix rows, ix columns, Depthwise s,
                      Strip z) noexcept nogil:
    cdef bint plain = s.sh == 1 and s.sw == 1 and s.dh == 1
    if plain and s.kh == 3 and s.kw == 3:
        window_tiles(gy, z.pitch, taps.offset, taps.weight, 0, add, gx, gx_pitch, rows, columns, 3, 3, 1)
    elif plain and s.kh == 5 and s.kw == 5:
        window_tiles(gy, z.pitch, taps.offset, taps.weight, 0, add, gx, gx_pitch, rows, columns, 5, 5, 1)
    else:
        tap_tiles(gy, z.pitch, taps, 0, add, gx, gx_pitch, rows, columns)


cdef void input_lines(const real *gy, const real *w, real *gx, real *strip, ix images, ix m, ix u, ix rows, ix a,
                      Depthwise s, Strip z) noexcept nogil:
    """The rows of gx of row phase a that are among phase rows u, ..., u + rows - 1."""
    cdef ix up = (s.kh - 1)*s.dh//s.sh, shift = (s.kw - 1)*s.dw//s.sw - s.left//s.sw
    cdef ix begin = 1 if u*s.sh + a < s.top else 0, line = (u + begin)*s.sh + a - s.top, b, g, r, k
    cdef ix count = min(rows, (s.h - 1 + s.top - a)//s.sh + 1 - u if s.h - 1 + s.top >= a else 0) - begin
    cdef real *spare = strip + z.filled*z.pitch + VW
    cdef bint straight = s.sw == 1 and z.images == 1
    cdef Taps taps
    for k in range(m):
        if m > 1 or a == 0:
            fill_strip(gy + k*s.oh*s.ow, s.c*m*s.oh*s.ow, images, s.oh, s.ow, strip, u - up, rows + up, z, 1, shift)
        for b in range(s.sw):
            taps = gradient_taps(w + k*s.kh*s.kw, a, b, s, z)
            if straight:
                input_phase(strip + begin*z.pitch, &taps, k > 0, gx + line*s.w, s.sh*s.w, count, s.w, s, z)
            else:
                input_phase(strip + begin*z.pitch, &taps, k > 0, spare + b*z.rows*z.pitch, z.pitch, count, z.total, s, z)
    if not straight:
        for g in range(images):
            for r in range(count):
                merge(spare + r*z.pitch + g*z.width, gx + g*s.c*s.h*s.w + (line + r*s.sh)*s.w, z.rows*z.pitch, s.w, s.sw,
                      s.left%s.sw)


cdef void input_span(const real *gy, const real *w, real *gx, real *scratch, ix first, ix last, ix m, Depthwise s,
                     Strip z) noexcept nogil:
    """Items [first, last): channel by channel, group of images by group."""
    cdef ix item, c, n, u, a, begin = s.top//s.sh, end = (s.top + s.h - 1)//s.sh + 1
    memset(scratch, 0, strip_elements(z)*sizeof(real))
    for item in range(first, last):
        c, n = item%s.c, item//s.c*z.images
        u = begin
        while u < end:
            for a in range(s.sh):
                input_lines(gy + (n*s.c + c)*m*s.oh*s.ow, w + c*m*s.kh*s.kw, gx + (n*s.c + c)*s.h*s.w, scratch,
                            min(z.images, s.n - n), m, u, min(z.rows, end - u), a, s, z)
            u += z.rows


def depthwise_backward_input(const real[:, :, :, ::1] gy, const real[:, :, ::1] w, real[:, :, :, ::1] gx,
                             real[::1] scratch, int sh, int sw, int dh, int dw, int top, int left):
    # IN (n, c m, oh, ow)  IN (c m, kh, kw)  OUT (n, c, h, w)
    cdef Depthwise s = depthwise_shape(gx, gy, w, sh, sw, dh, dw, top, left)
    cdef Strip z = strip_of_gy(s)
    cdef ix m = gy.shape[1]//s.c, need = strip_elements(z), items = s.c*((s.n + z.images - 1)//z.images)
    cdef int t, threads = team_with(gy.shape[1]*s.n*s.oh*s.ow*s.kh*s.kw//VW, scratch.shape[0], need)
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        input_span(&gy[0, 0, 0, 0], &w[0, 0, 0], &gx[0, 0, 0, 0], &scratch[0] + t*need, items*t//threads,
                   items*(t + 1)//threads, m, s, z)


# ---------------------------------------------------------------- gw
cdef inline void weight_tile(const real *x, ix pitch, const ix *column, const real *gy, ix gy_pitch, vf *acc,
                             int KH, int KW, int SH, int R) noexcept nogil:
    """acc[j, i] += gy row of tap (i, j), over R rows of a vector of outputs."""
    cdef vf g[STRIP_ROWS]
    cdef vf row[(STRIP_ROWS - 1)*2 + 5]
    cdef int i, j, r
    for r in range(R):
        g[r] = vload(gy + r*gy_pitch)
    for j in range(KW):
        for r in range((R - 1)*SH + KH):
            row[r] = vload(x + column[j] + r*pitch)
        for r in range(R):
            for i in range(KH):
                acc[j*KH + i] = vfma(g[r], row[r*SH + i], acc[j*KH + i])


cdef inline void weight_tiles(const real *x, ix pitch, const ix *column, const real *gy, ix gy_pitch, ix rows,
                              vf *total, int KH, int KW, int SH) noexcept nogil:
    cdef vf acc[25]
    cdef ix r = 0, c
    cdef int t
    for t in range(KH*KW):
        acc[t] = total[t]
    while r + STRIP_ROWS <= rows:
        c = 0
        while c < gy_pitch:
            weight_tile(x + r*SH*pitch + c, pitch, column, gy + r*gy_pitch + c, gy_pitch, acc, KH, KW, SH, STRIP_ROWS)
            c += VW
        r += STRIP_ROWS
    while r < rows:
        c = 0
        while c < gy_pitch:
            weight_tile(x + r*SH*pitch + c, pitch, column, gy + r*gy_pitch + c, gy_pitch, acc, KH, KW, SH, 1)
            c += VW
        r += 1
    for t in range(KH*KW):
        total[t] = acc[t]


cdef inline void weight_tap(const real *x, ix step, const real *gy, ix gy_pitch, ix rows, vf *total) noexcept nogil:
    """The sum of any one tap; output rows are `step` apart in x."""
    cdef vf acc = total[0]
    cdef ix r, c
    for r in range(rows):
        c = 0
        while c < gy_pitch:
            acc = vfma(vload(gy + r*gy_pitch + c), vload(x + r*step + c), acc)
            c += VW
    total[0] = acc


cdef void weight_strip(const real *x, Taps *taps, const real *gy, ix gy_pitch, ix rows, vf *total, Depthwise s,
                       Strip z) noexcept nogil:
    """Add a strip to the sums; total[j, i] belongs to tap (i, j)."""
    cdef const ix *column = taps.offset
    cdef ix i, j
    for j in range(s.kw):
        if s.kh == 3 and s.kw == 3 and s.dh == 1 and s.sh == 1:
            if j == 0:
                weight_tiles(x, z.pitch, column, gy, gy_pitch, rows, total, 3, 3, 1)
        elif s.kh == 3 and s.kw == 3 and s.dh == 1 and s.sh == 2:
            if j == 0:
                weight_tiles(x, z.pitch, column, gy, gy_pitch, rows, total, 3, 3, 2)
        elif s.kh == 5 and s.dh == 1 and s.sh == 1:
            weight_tiles(x, z.pitch, column + j, gy, gy_pitch, rows, total + 5*j, 5, 1, 1)
        elif s.kh == 5 and s.dh == 1 and s.sh == 2:
            weight_tiles(x, z.pitch, column + j, gy, gy_pitch, rows, total + 5*j, 5, 1, 2)
        else:
            for i in range(s.kh):
                weight_tap(x + taps.offset[i*s.kw + j], s.sh*z.pitch, gy, gy_pitch, rows, total + j*s.kh + i)


cdef void weight_channel(const real *x, const real *gy, real *gw, real *strip, ix m, Depthwise s, Strip z) noexcept nogil:
    """One output channel, all images."""
    cdef vf total[MOST_TAPS]
    cdef real *spare = strip + z.filled*z.pitch + VW
    cdef Strip zg = z
    cdef ix n, first, rows, images, t
    cdef Taps taps = forward_taps(gw, s, z)
    zg.pitch = z.spare//z.rows
    for t in range(taps.count):
        total[t] = vzero()
    n = 0
    while n < s.n:
        images = min(z.images, s.n - n)
        if images < z.images:
            memset(spare, 0, z.spare*sizeof(real))
        first = 0
        while first < s.oh:
            rows = min(z.rows, s.oh - first)
            fill_strip(x + n*s.c*s.h*s.w, s.c*s.h*s.w, images, s.h, s.w, strip, first*s.sh - s.top,
                 (rows - 1)*s.sh + (s.kh - 1)*s.dh + 1, z, s.sw, s.left)
            fill_strip(gy + n*s.c*m*s.oh*s.ow, s.c*m*s.oh*s.ow, images, s.oh, s.ow, spare, first, rows, zg, 1, 0)
            weight_strip(strip, &taps, spare, zg.pitch, rows, total, s, z)
            first += z.rows
        n += z.images
    for t in range(taps.count):
        gw[t%s.kh*s.kw + t//s.kh] = vsum(total[t])


cdef void weight_span(const real *x, const real *gy, real *gw, real *scratch, ix first, ix last, ix m, Depthwise s,
                      Strip z) noexcept nogil:
    cdef ix k
    memset(scratch, 0, strip_elements(z)*sizeof(real))
    for k in range(first, last):
        weight_channel(x + k//m*s.h*s.w, gy + k*s.oh*s.ow, gw + k*s.kh*s.kw, scratch, m, s, z)


def depthwise_backward_weight(const real[:, :, :, ::1] x, const real[:, :, :, ::1] gy, real[:, :, ::1] gw,
                              real[::1] scratch, int sh, int sw, int dh, int dw, int top, int left):
    # IN (n, c, h, w)  IN (n, c m, oh, ow)  OUT (c m, kh, kw)
    cdef Depthwise s = depthwise_shape(x, gy, gw, sh, sw, dh, dw, top, left)
    cdef Strip z = strip_of_x(s)
    cdef ix k = gy.shape[1], m = gy.shape[1]//s.c, need = strip_elements(z)
    cdef int t, threads = team_with(k*s.n*s.oh*s.ow*s.kh*s.kw//VW, scratch.shape[0], need)
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        weight_span(&x[0, 0, 0, 0], &gy[0, 0, 0, 0], &gw[0, 0, 0], &scratch[0] + t*need, k*t//threads,
                    k*(t + 1)//threads, m, s, z)
