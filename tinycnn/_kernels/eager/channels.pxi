# Depthwise convolution of small maps: lanes are channels.  The rows of a 7x7 map fill no vector, but 16 channels of it are
# 49 vectors.  The maps of a vector of channels, which lie one after the other, are transposed into a zero-padded grid of
# cells (a cell is a pixel of all these channels), convolved without a mask or an unaligned load, and transposed back:
#     for 4 outputs of a row:  for each tap t:  for r: acc[r] += w[t] cell[base + r step + offset[t]]
# The grid and the results stay in the first-level cache.  A transposition takes log2(VW) shuffles per cell, about what
# the multiply-adds of 3x3 take.  Phases of a stride, taps and gradients: as in `depthwise.pxi`; gw needs no sum of lanes.

cdef enum:
    MOST_CELLS = 300             # of a grid, or of its results: 19 KB in float32 with vectors of 64 bytes
    CELL_OUTPUTS = 4             # of a tile

cdef struct Cells:               # one call: where pixels go in the grid, and which cells an output reads
    ix pitch                     # cells from row to row of the grid
    ix count                     # cells of the grid, without the one that takes what no output reads
    ix pixels, outputs           # of a map read, and of a result
    ix place[MOST_CELLS]         # of each pixel read
    ix row_step, column_step     # cells between neighbouring outputs of a phase
    ix out_row, out_column       # and their distance in the result
    ix phases
    ix lines[MOST_TAPS]          # of each phase: its rows of outputs,
    ix columns[MOST_TAPS]        # its outputs in a row,
    ix base[MOST_TAPS]           # the cell that its first output starts at,
    ix out[MOST_TAPS]            # and which output that is


cdef inline void place_pixels(Cells *z, ix h, ix w, ix rows, ix down, ix right) noexcept nogil:
    """Pixel (r, c) goes to the cell at (r + down, c + right) of a grid of `rows` rows, if it is there."""
    cdef ix p, r, c
    z.pixels, z.count = h*w, rows*z.pitch
    for p in range(h*w):
        r, c = p//w + down, p%w + right
        z.place[p] = r*z.pitch + c if 0 <= r < rows and 0 <= c < z.pitch else z.count


cdef inline bint suits_cells(const Depthwise *d, ix cells) noexcept nogil:
    """Whether lanes should be channels: maps are small, channels are many."""
    return d.m == 1 and 2*d.c >= VW and max(max(cells, d.h*d.w), d.oh*d.ow) <= MOST_CELLS


cdef bint cells_of_x(Depthwise *d, Cells *z) noexcept nogil:
    """For y and gw, after `strips_of_x`; False where the map is not for this."""
    cdef ix rows = (d.oh - 1)*d.sh + (d.kh - 1)*d.dh + 1, t
    z.pitch = (d.ow - 1)*d.sw + (d.kw - 1)*d.dw + 1
    if not suits_cells(d, rows*z.pitch):
        return False
    place_pixels(z, d.h, d.w, rows, d.top, d.left)
    for t in range(d.kh*d.kw):
        d.offset[t] = t//d.kw*d.dh*z.pitch + t%d.kw*d.dw
    z.row_step, z.column_step, z.out_row, z.out_column = d.sh*z.pitch, d.sw, d.ow, 1
    z.phases, z.lines[0], z.columns[0], z.base[0], z.out[0], z.outputs = 1, d.oh, d.ow, 0, 0, d.oh*d.ow
    return True


cdef bint cells_of_gy(Depthwise *d, Cells *z) noexcept nogil:
    """For gx, after `strips_of_gy`, whose offsets are this grid's as well."""
    cdef ix up = (d.kh - 1)*d.dh//d.sh, back = (d.kw - 1)*d.dw//d.sw, u = d.top//d.sh, v = d.left//d.sw, a, b, y, x
    cdef ix rows = (d.top + d.h - 1)//d.sh - u + 1 + up
    z.pitch = d.z.pitch
    if not suits_cells(d, rows*z.pitch):
        return False
    place_pixels(z, d.oh, d.ow, rows, up - u, back - v)
    z.row_step, z.column_step, z.out_row, z.out_column, z.outputs = z.pitch, 1, d.sh*d.w, d.sw, d.h*d.w
    z.phases = d.sh*d.sw
    for a in range(d.sh):
        for b in range(d.sw):
            y, x = (a - d.top%d.sh + d.sh)%d.sh, (b - d.left%d.sw + d.sw)%d.sw    # the first pixel of gx in this phase
            z.lines[a*d.sw + b] = (d.h - y + d.sh - 1)//d.sh
            z.columns[a*d.sw + b] = (d.w - x + d.sw - 1)//d.sw
            z.base[a*d.sw + b] = ((y + d.top)//d.sh - u)*z.pitch + (x + d.left)//d.sw - v
            z.out[a*d.sw + b] = y*d.w + x
    return True


cdef inline ix cells_size(const Cells *z) noexcept nogil:
    """Elements of scratch memory: the grid, the results, and vectors of taps, each with room for a last square."""
    return (z.count + 1 + z.outputs + VW + MOST_TAPS + VW)*VW


# ---------------------------------------------------------------- moving
cdef inline void to_lanes(const real *x, ix pixels, ix channels, real *cells, const ix *place) noexcept nogil:
    """Pixel p of channel i to lane i of cell place[p] (or p); a last channel stands in for those that are not there."""
    cdef vf t[VW]
    cdef ix p = 0, n = min(pixels, <ix>VW)
    cdef int i
    while p < pixels:
        p = min(p, pixels - n)    # the last square may begin inside the one before
        if n == VW:
            for i in range(VW):
                t[i] = vload(x + min(i, channels - 1)*pixels + p)
        else:
            for i in range(VW):
                t[i] = vload_part(x + min(i, channels - 1)*pixels + p, n)
        vtranspose(t)
        if n == VW and place != NULL:
            for i in range(VW):
                vstore(cells + place[p + i]*VW, t[i])
        elif n == VW:
            for i in range(VW):
                vstore(cells + (p + i)*VW, t[i])
        else:
            for i in range(n):
                vstore(cells + (place[p + i] if place != NULL else p + i)*VW, t[i])
        p += VW


cdef inline void from_lanes(const real *cells, ix pixels, ix channels, real *y) noexcept nogil:
    """Lane i of cell p to pixel p of channel i, i < channels."""
    cdef vf t[VW]
    cdef ix p = 0, n = min(pixels, <ix>VW)
    cdef int i
    while p < pixels:
        p = min(p, pixels - n)
        for i in range(VW):
            t[i] = vload(cells + (p + i)*VW)
        vtranspose(t)
        if n == VW and channels == VW:
            for i in range(VW):
                vstore(y + i*pixels + p, t[i])
        else:
            for i in range(channels):
                vstore_part(y + i*pixels + p, t[i], n)
        p += VW


# ---------------------------------------------------------------- y and gx
cdef inline void cells_tile(const real *x, ix step, const ix *offset, const int *weight, ix taps, const real *w, vf start,
                            real *y, ix y_step, int R) noexcept nogil:
    """R outputs of a row."""
    cdef vf acc[CELL_OUTPUTS]
    cdef vf tap
    cdef ix t
    cdef int r
    for r in range(R):
        acc[r] = start
    for t in range(taps):
        tap = vload(w + weight[t]*VW)
        for r in range(R):
            acc[r] = vfma(tap, vload(x + (offset[t] + r*step)*VW), acc[r])
    for r in range(R):
        vstore(y + r*y_step*VW, acc[r])


cdef inline void cells_row(const real *x, ix step, const ix *offset, const int *weight, ix taps, const real *w, vf start,
                           real *y, ix y_step, ix columns) noexcept nogil:
    cdef ix c = 0
    while c + CELL_OUTPUTS <= columns:
        cells_tile(x + c*step*VW, step, offset, weight, taps, w, start, y + c*y_step*VW, y_step, CELL_OUTPUTS)
        c += CELL_OUTPUTS
    if columns - c == 3:
        cells_tile(x + c*step*VW, step, offset, weight, taps, w, start, y + c*y_step*VW, y_step, 3)
    elif columns - c == 2:
        cells_tile(x + c*step*VW, step, offset, weight, taps, w, start, y + c*y_step*VW, y_step, 2)
    elif columns - c == 1:
        cells_tile(x + c*step*VW, step, offset, weight, taps, w, start, y + c*y_step*VW, y_step, 1)


cdef void cells_outputs(const Depthwise *d, const Cells *z, const real *x, const real *w, vf start, real *y) noexcept nogil:
    """All outputs of all phases from a grid."""
    cdef ix f, r, first
    for f in range(z.phases):
        first = d.first[f]
        for r in range(z.lines[f]):
            cells_row(x + (z.base[f] + r*z.row_step)*VW, z.column_step, d.offset + first, d.weight + first,
                      d.first[f + 1] - first, w, start, y + (z.out[f] + r*z.out_row)*VW, z.out_column, z.columns[f])


cdef void cells_span(const Depthwise *d, const Cells *z, const real *x, const real *w, const real *b, real *y,
                     real *scratch, ix first, ix last) noexcept nogil:
    """Items [first, last): images of a vector of channels, then those of the next."""
    cdef ix item, n, c, channels
    cdef real *results = scratch + (z.count + 1)*VW
    cdef real *taps = results + (z.outputs + VW)*VW
    cdef vf start = vzero()
    memset(scratch, 0, cells_size(z)*sizeof(real))
    for item in range(first, last):
        n, c = item%d.n, item//d.n*VW
        channels = min(<ix>VW, d.c - c)
        if n == 0 or item == first:
            to_lanes(w + c*d.kh*d.kw, d.kh*d.kw, channels, taps, NULL)
            if b:
                start = vload_part(b + c, channels)
        to_lanes(x + (n*d.c + c)*z.pixels, z.pixels, channels, scratch, z.place)
        cells_outputs(d, z, scratch, taps, start, results)
        from_lanes(results, z.outputs, channels, y + (n*d.c + c)*z.outputs)


# ---------------------------------------------------------------- gw
cdef inline void cells_products(const Cells *z, const real *x, const real *gy, const ix *offset, real *total,
                                int K) noexcept nogil:
    """total[t] += sum over outputs of gy cell[base + offset[t]], for K taps that stay in registers."""
    cdef vf acc[9]
    cdef vf g
    cdef ix r, c
    cdef ix at[9]
    cdef int t
    cdef const real *cell
    for t in range(K):
        acc[t], at[t] = vload(total + t*VW), offset[t]*VW
    for r in range(z.lines[0]):
        cell = x + r*z.row_step*VW
        for c in range(z.columns[0]):
            g = vload(gy)
            for t in range(K):
                acc[t] = vfma(g, vload(cell + at[t]), acc[t])
            gy += VW
            cell += z.column_step*VW
    for t in range(K):
        vstore(total + t*VW, acc[t])


cdef void cells_weight_span(const Depthwise *d, const Cells *z, const real *x, const real *gy, real *gw, real *scratch,
                            ix first, ix last) noexcept nogil:
    """Vectors of channels [first, last), all images."""
    cdef ix group, n, c, channels, t, taps = d.kh*d.kw
    cdef real *gradient = scratch + (z.count + 1)*VW
    cdef real *total = gradient + (z.outputs + VW)*VW
    memset(scratch, 0, cells_size(z)*sizeof(real))
    for group in range(first, last):
        c = group*VW
        channels = min(<ix>VW, d.c - c)
        memset(total, 0, taps*VW*sizeof(real))
        for n in range(d.n):
            to_lanes(x + (n*d.c + c)*z.pixels, z.pixels, channels, scratch, z.place)
            to_lanes(gy + (n*d.c + c)*z.outputs, z.outputs, channels, gradient, NULL)
            t = 0
            while t + 9 <= taps and taps%9 == 0:
                cells_products(z, scratch, gradient, d.offset + t, total + t*VW, 9)
                t += 9
            while t + 5 <= taps:
                cells_products(z, scratch, gradient, d.offset + t, total + t*VW, 5)
                t += 5
            while t < taps:
                cells_products(z, scratch, gradient, d.offset + t, total + t*VW, 1)
                t += 1
        from_lanes(total, taps, channels, gw + c*taps)
