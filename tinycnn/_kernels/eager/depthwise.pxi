# Depthwise convolution: y[k, p, q] = b[k] + sum over taps (i, j) of w[k, i, j] x[k // m, p sh - top + i dh, q sw - left + j dw].
#
# Each plane is small and each weight serves one plane only, so this is about moving and loading.  Small maps are done a
# vector of channels at a time, in `channels.pxi`.  Here are the large ones: a strip of rows of one channel is copied to
# the first-level cache, zero-padded, each row spread over its sw column phases, so that tap j of neighbouring outputs is
# unit-stride at any stride.  Then
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
    MOST_TAPS = 128              # of a kernel, and phases of a stride: what `Depthwise` has room for
    STRIP_ROWS = 4               # output rows of a tile

cdef struct Depthwise:           # one call: its extents, its strips, and where its taps lie in them
    ix n, c, m, h, w, oh, ow, kh, kw, sh, sw, dh, dw, top, left
    Strip z
    ix offset[MOST_TAPS]         # phase by phase
    int weight[MOST_TAPS]        # which element of the kernel that is
    int first[MOST_TAPS + 1]     # the taps of phase f are first[f], ..., first[f + 1] - 1
    int code[MOST_TAPS]          # the tile for phase f: see `strip_outputs`


cdef inline ix whole_vectors(ix n) noexcept nogil:
    return (n + VW - 1)//VW*VW


cdef void strips_of_x(Depthwise *d) noexcept nogil:
    """For y and gw: output columns read (kw - 1) dw // sw columns of a phase further.  One phase of taps."""
    cdef Strip *z = &d.z
    cdef ix i, j, t
    z.phase = d.ow + (d.kw - 1)*d.dw//d.sw
    z.pitch = d.sw*z.phase
    z.rows = min(d.oh, max(STRIP_ROWS, (STRIP_ELEMENTS - d.kh*d.dh*z.pitch)//(d.sh*z.pitch + d.ow)))
    z.filled = (z.rows - 1)*d.sh + (d.kh - 1)*d.dh + 1
    z.spare = z.rows*whole_vectors(d.ow)    # gy, its rows ending in zeros
    for t in range(d.kh*d.kw):
        i, j = t//d.kw, t%d.kw
        d.offset[t] = i*d.dh*z.pitch + j*d.dw%d.sw*z.phase + j*d.dw//d.sw
        d.weight[t] = <int>t
    d.first[0], d.first[1] = 0, <int>(d.kh*d.kw)
    d.code[0] = <int>(100*d.kh + 10*d.kw + d.sh) if d.dh == 1 else 0


cdef void strips_of_gy(Depthwise *d) noexcept nogil:
    """For gx: the phase columns left // sw to (left + w - 1) // sw, which read (kw - 1) dw // sw columns before them.

    sh sw phases of taps, the last tap first: in the order in which they lie in the strip."""
    cdef Strip *z = &d.z
    cdef ix columns = (d.left + d.w - 1)//d.sw - d.left//d.sw + 1, lines = (d.top + d.h - 1)//d.sh - d.top//d.sh + 1
    cdef ix up = (d.kh - 1)*d.dh//d.sh, back = (d.kw - 1)*d.dw//d.sw, i, j, t, f
    cdef int count = 0
    z.phase = z.pitch = columns + back
    z.rows = min(lines, max(STRIP_ROWS, STRIP_ELEMENTS//(z.pitch*(1 + d.sw)) - up))
    z.filled = z.rows + up
    z.spare = d.sw*z.rows*z.pitch + VW
    for f in range(d.sh*d.sw):
        d.first[f] = count
        for t in range(d.kh*d.kw - 1, -1, -1):
            i, j = t//d.kw, t%d.kw
            if i*d.dh%d.sh == f//d.sw and j*d.dw%d.sw == f%d.sw:
                d.offset[count] = (up - i*d.dh//d.sh)*z.pitch + back - j*d.dw//d.sw
                d.weight[count] = <int>t
                count += 1
        d.code[f] = 0
        if d.dh == 1 and d.dw == 1:    # the taps of a phase are a kernel of ceil((kh - a) / sh) rows
            d.code[f] = <int>(100*((d.kh - f//d.sw + d.sh - 1)//d.sh) + 10*((d.kw - f%d.sw + d.sw - 1)//d.sw) + 1)
    d.first[d.sh*d.sw] = count


# ---------------------------------------------------------------- tiles
cdef inline void window_tile(const real *x, ix pitch, const ix *column, const vf *w, vf start, bint add, real *y,
                             ix y_pitch, ix n, int KH, int KW, int SH, int R) noexcept nogil:
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
        vstore_part(y + r*y_pitch, acc[r], n)


cdef inline void window_rows(const real *x, ix pitch, const ix *column, const vf *w, vf start, bint add, real *y,
                             ix y_pitch, ix columns, int KH, int KW, int SH, int R) noexcept nogil:
    cdef ix c = 0
    while c < columns:
        window_tile(x + c, pitch, column, w, start, add, y + c, y_pitch, min(columns - c, <ix>VW), KH, KW, SH, R)
        c += VW


cdef inline void window_tiles(const real *x, ix pitch, const ix *column, const real *w, real start, bint add, real *y,
                              ix y_pitch, ix rows, ix columns, int KH, int KW, int SH) noexcept nogil:
    """rows x columns outputs."""
    cdef vf weight[25]
    cdef vf bias = vset(start)
    cdef ix r = 0
    cdef int t
    for t in range(KH*KW):
        weight[t] = vset(w[t])
    while r + 4 <= rows:
        window_rows(x + r*SH*pitch, pitch, column, weight, bias, add, y + r*y_pitch, y_pitch, columns, KH, KW, SH, 4)
        r += 4
    if r + 2 <= rows:
        window_rows(x + r*SH*pitch, pitch, column, weight, bias, add, y + r*y_pitch, y_pitch, columns, KH, KW, SH, 2)
        r += 2
    if r < rows:
        window_rows(x + r*SH*pitch, pitch, column, weight, bias, add, y + r*y_pitch, y_pitch, columns, KH, KW, SH, 1)


cdef inline void tap_tile(const real *x, ix step, const ix *offset, const real *w, ix taps, vf start, bint add, real *y,
                          ix y_pitch, ix n, int R) noexcept nogil:
    """R rows of up to a vector of outputs, for any taps; output rows are `step` apart in x."""
    cdef vf acc[STRIP_ROWS]
    cdef vf weight
    cdef ix t
    cdef int r
    for r in range(R):
        acc[r] = start + vload_part(y + r*y_pitch, n) if add else start
    for t in range(taps):
        weight = vset(w[t])
        for r in range(R):
            acc[r] = vfma(weight, vload(x + offset[t] + r*step), acc[r])
    for r in range(R):
        vstore_part(y + r*y_pitch, acc[r], n)


cdef void tap_tiles(const real *x, ix step, const ix *offset, const real *w, ix taps, real start, bint add, real *y,
                    ix y_pitch, ix rows, ix columns) noexcept nogil:
    cdef vf bias = vset(start)
    cdef ix r = 0, c, n
    while r < rows:
        c = 0
        while c < columns:
            n = min(columns - c, <ix>VW)
            if r + STRIP_ROWS <= rows:
                tap_tile(x + r*step + c, step, offset, w, taps, bias, add, y + r*y_pitch + c, y_pitch, n, STRIP_ROWS)
            else:
                tap_tile(x + r*step + c, step, offset, w, taps, bias, add, y + r*y_pitch + c, y_pitch, n, 1)
            c += VW
        r += STRIP_ROWS if r + STRIP_ROWS <= rows else 1


cdef void strip_outputs(const real *x, const Depthwise *d, ix phase, ix step, const real *w, real start, bint add,
                        real *y, ix y_pitch, ix rows, ix columns) noexcept nogil:
    """Outputs from a strip; `step` strip rows to an output row.  The kernels that networks use have their own tiles:
    kernel rows, columns, stride as the digits of a code.
    """
    cdef const ix *at = d.offset + d.first[phase]
    cdef ix taps = d.first[phase + 1] - d.first[phase], t, pitch = d.z.pitch
    cdef int code = d.code[phase]
    cdef real weight[MOST_TAPS]
    for t in range(taps):
        weight[t] = w[d.weight[d.first[phase] + t]]
    if code == 331:
        window_tiles(x, pitch, at, weight, start, add, y, y_pitch, rows, columns, 3, 3, 1)
    elif code == 332:
        window_tiles(x, pitch, at, weight, start, add, y, y_pitch, rows, columns, 3, 3, 2)
    elif code == 551:
        window_tiles(x, pitch, at, weight, start, add, y, y_pitch, rows, columns, 5, 5, 1)
    elif code == 552:
        window_tiles(x, pitch, at, weight, start, add, y, y_pitch, rows, columns, 5, 5, 2)
    elif code == 221:
        window_tiles(x, pitch, at, weight, start, add, y, y_pitch, rows, columns, 2, 2, 1)
    elif code == 321:
        window_tiles(x, pitch, at, weight, start, add, y, y_pitch, rows, columns, 3, 2, 1)
    elif code == 231:
        window_tiles(x, pitch, at, weight, start, add, y, y_pitch, rows, columns, 2, 3, 1)
    else:
        tap_tiles(x, step*pitch, at, weight, taps, start, add, y, y_pitch, rows, columns)


# ---------------------------------------------------------------- y
cdef void forward_channel(const Depthwise *d, const real *x, const real *w, const real *b, real *y,
                          real *strip) noexcept nogil:
    """The m outputs of one channel of one image."""
    cdef ix first = 0, rows, k
    while first < d.oh:
        rows = min(d.z.rows, d.oh - first)
        fill_strip(x, d.h, d.w, strip, first*d.sh - d.top, (rows - 1)*d.sh + (d.kh - 1)*d.dh + 1, &d.z, d.sw, d.left)
        for k in range(d.m):
            strip_outputs(strip, d, 0, d.sh, w + k*d.kh*d.kw, b[k] if b else 0, False, y + (k*d.oh + first)*d.ow, d.ow,
                          rows, d.ow)
        first += d.z.rows


cdef void forward_span(const Depthwise *d, const real *x, const real *w, const real *b, real *y, real *scratch,
                       ix first, ix last) noexcept nogil:
    """Planes [first, last) of x."""
    cdef ix p, c
    memset(scratch, 0, strip_size(&d.z)*sizeof(real))
    for p in range(first, last):
        c = p%d.c
        forward_channel(d, x + p*d.h*d.w, w + c*d.m*d.kh*d.kw, b + c*d.m if b else b, y + p*d.m*d.oh*d.ow, scratch)


# ---------------------------------------------------------------- gx
cdef void input_lines(const Depthwise *d, const real *gy, const real *w, real *gx, real *strip, ix u, ix rows,
                      ix a) noexcept nogil:
    """The rows of gx of row phase a that are among phase rows u, ..., u + rows - 1."""
    cdef const Strip *z = &d.z
    cdef ix up = (d.kh - 1)*d.dh//d.sh, back = (d.kw - 1)*d.dw//d.sw, bottom = d.h - 1 + d.top
    cdef ix begin = 1 if u*d.sh + a < d.top else 0, line = (u + begin)*d.sh + a - d.top, b, r, k
    cdef ix count = min(rows, (bottom - a)//d.sh + 1 - u if bottom >= a else 0) - begin
    cdef real *spare = strip + strip_end(z)
    for k in range(d.m):
        if d.m > 1 or a == 0:
            fill_strip(gy + k*d.oh*d.ow, d.oh, d.ow, strip, u - up, rows + up, z, 1, back - d.left//d.sw)
        if d.sw == 1:
            strip_outputs(strip + begin*z.pitch, d, a, 1, w + k*d.kh*d.kw, 0, k > 0, gx + line*d.w, d.sh*d.w, count, d.w)
            continue
        for b in range(d.sw):
            strip_outputs(strip + begin*z.pitch, d, a*d.sw + b, 1, w + k*d.kh*d.kw, 0, k > 0,
                          spare + b*z.rows*z.pitch, z.pitch, count, z.pitch - back)
    if d.sw > 1:
        for r in range(count):
            merge_row(spare + r*z.pitch, gx + (line + r*d.sh)*d.w, z.rows*z.pitch, d.w, d.sw, d.left%d.sw)


cdef void input_span(const Depthwise *d, const real *gy, const real *w, real *gx, real *scratch, ix first,
                     ix last) noexcept nogil:
    """Planes [first, last) of gx."""
    cdef ix p, u, a, end = (d.top + d.h - 1)//d.sh + 1
    memset(scratch, 0, strip_size(&d.z)*sizeof(real))
    for p in range(first, last):
        u = d.top//d.sh
        while u < end:
            for a in range(d.sh):
                input_lines(d, gy + p*d.m*d.oh*d.ow, w + p%d.c*d.m*d.kh*d.kw, gx + p*d.h*d.w, scratch, u,
                            min(d.z.rows, end - u), a)
            u += d.z.rows


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


cdef void weight_strip(const real *x, const Depthwise *d, const real *gy, ix gy_pitch, ix rows, vf *total) noexcept nogil:
    """Add a strip to the sums; total[j, i] belongs to tap (i, j)."""
    cdef const ix *column = &d.offset[0]
    cdef ix i, j, pitch = d.z.pitch
    if d.code[0] == 331:
        weight_tiles(x, pitch, column, gy, gy_pitch, rows, total, 3, 3, 1)
    elif d.code[0] == 332:
        weight_tiles(x, pitch, column, gy, gy_pitch, rows, total, 3, 3, 2)
    elif d.code[0] == 551:
        for j in range(5):
            weight_tiles(x, pitch, column + j, gy, gy_pitch, rows, total + 5*j, 5, 1, 1)
    elif d.code[0] == 552:
        for j in range(5):
            weight_tiles(x, pitch, column + j, gy, gy_pitch, rows, total + 5*j, 5, 1, 2)
    else:
        for i in range(d.kh):
            for j in range(d.kw):
                weight_tap(x + column[i*d.kw + j], d.sh*pitch, gy, gy_pitch, rows, total + j*d.kh + i)


cdef void weight_channel(const Depthwise *d, const real *x, const real *gy, real *gw, real *strip) noexcept nogil:
    """One output channel, all images."""
    cdef vf total[MOST_TAPS]
    cdef real *spare = strip + strip_end(&d.z)
    cdef Strip flat = d.z
    cdef ix n, first, rows, i, j
    flat.phase, flat.pitch = d.ow, whole_vectors(d.ow)
    for i in range(d.kh*d.kw):
        total[i] = vzero()
    for n in range(d.n):
        first = 0
        while first < d.oh:
            rows = min(d.z.rows, d.oh - first)
            fill_strip(x + n*d.c*d.h*d.w, d.h, d.w, strip, first*d.sh - d.top, (rows - 1)*d.sh + (d.kh - 1)*d.dh + 1,
                       &d.z, d.sw, d.left)
            fill_strip(gy + n*d.c*d.m*d.oh*d.ow, d.oh, d.ow, spare, first, rows, &flat, 1, 0)
            weight_strip(strip, d, spare, flat.pitch, rows, total)
            first += d.z.rows
    for i in range(d.kh):
        for j in range(d.kw):
            gw[i*d.kw + j] = vsum(total[j*d.kh + i])


cdef void weight_span(const Depthwise *d, const real *x, const real *gy, real *gw, real *scratch, ix first,
                      ix last) noexcept nogil:
    """Output channels [first, last)."""
    cdef ix k
    memset(scratch, 0, strip_size(&d.z)*sizeof(real))
    for k in range(first, last):
        weight_channel(d, x + k//d.m*d.h*d.w, gy + k*d.oh*d.ow, gw + k*d.kh*d.kw, scratch)
