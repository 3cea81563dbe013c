# Regions of interest over maps in the blocked layout: each of k boxes is cut into oh by ow bins, and each bin pooled.
#
#     roi_pool    mode LARGEST: the largest element; MEAN_INSIDE: the mean, position-sensitive: x then has `blocks` blocks
#                 for each bin (a gather has brought them together), and bin b reads those from b * blocks on
#     roi_align   the mean of bilinear samples, by rows and by columns (roi_axis.pxi)
#
# s: the boxes, rows of (image, x1, y1, x2, y2), a value of k images and 5 channels; low: the map's size over the
# picture's.  They are numbers that come with each call.  So no coordinate becomes an index before it has been brought
# within FARTHEST of the map and then within the map, as the eager operations do it (`tinycnn/ops/roi.py`), with one
# difference: a box that names no image cannot be refused here, and gives NaN.  A box with NaN in its corners gives 0.

cdef enum:
    FARTHEST = 1 << 22          # as in ops/roi.py
    MOST_BINS = 64              # of an axis

cdef struct Box:
    ix image                    # -1: none
    bint sound                  # no corner is NaN
    real corners[4]             # x1, y1, x2, y2 on the map


cdef Box box_at(const Op *g, const Run *run, ix k) noexcept nogil:
    cdef Box box
    cdef real numbers[5]
    cdef real far = FARTHEST
    cdef int c
    for c in range(5):
        numbers[c] = run.arena[g.s + (c//VW*g.k + k)*VW + c%VW]
    box.image = -1
    if numbers[0] >= 0 and numbers[0] < g.images and numbers[0] == floor(numbers[0]):
        box.image = <ix>numbers[0]
    box.sound = True
    for c in range(4):
        box.corners[c] = numbers[c + 1]*<real>g.low
        box.sound = box.sound and box.corners[c] == box.corners[c]
    for c in range(4):
        box.corners[c] = max(-far, min(far, box.corners[c])) if box.sound else 0
    return box


cdef inline ix within(ix at, ix size) noexcept nogil:
    return max(<ix>0, min(size, at))


# ---------------------------------------------------------------- whole pixels
cdef void whole_bins(real first, real last, ix extra, ix bins, ix size, ix *bounds) noexcept nogil:
    """[start, stop) of each bin inside the map: floor and ceiling of equal parts. extra: the last pixel belongs to it."""
    cdef ix start = <ix>round(first), i
    cdef real part = <real>max(<ix>round(last) - start + extra, <ix>1)/<real>bins, low, high
    for i in range(bins):
        low, high = <real>i*part, <real>(i + 1)*part
        bounds[2*i], bounds[2*i + 1] = within(start + <ix>floor(low), size), within(start + <ix>ceil(high), size)


cdef inline vf pooled_bin(const real *x, const ix *rows, const ix *columns, ix wd, bint largest) noexcept nogil:
    """Of a bin of the plane x; 0 if it is empty."""
    cdef ix r, c, area = (rows[1] - rows[0])*(columns[1] - columns[0])
    cdef vf v = vset(-INFINITY) if largest else vzero()
    if rows[1] <= rows[0] or columns[1] <= columns[0]:
        return vzero()
    for r in range(rows[0], rows[1]):
        for c in range(columns[0], columns[1]):
            v = vmax_nan(v, vload(x + (r*wd + c)*VW)) if largest else v + vload(x + (r*wd + c)*VW)
    return v if largest else v/vset(<real>area)


cdef void roi_pool(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """Pairs of block and box are shared out, a block's boxes side by side: they read the same planes."""
    cdef ix item, block, i, j, bins = g.oh*g.ow, plane = g.h*g.wd*VW, source
    cdef ix rows[2*MOST_BINS]
    cdef ix columns[2*MOST_BINS]
    cdef Box box
    cdef bint largest = g.mode == LARGEST
    cdef real *y
    cdef vf v
    for item in range(share(g.blocks*g.k, t, threads), share(g.blocks*g.k, t + 1, threads)):
        block, y = item//g.k, run.arena + g.y + item*bins*VW
        box = box_at(g, run, item%g.k)
        whole_bins(box.corners[1], box.corners[3], largest, g.oh, g.h if largest else g.h - 1, rows)
        whole_bins(box.corners[0], box.corners[2], largest, g.ow, g.wd if largest else g.wd - 1, columns)
        for i in range(g.oh):
            for j in range(g.ow):
                v = vset(NAN) if box.image < 0 else vzero()
                if box.image >= 0 and box.sound:
                    source = block if largest else (i*g.ow + j)*g.blocks + block
                    v = pooled_bin(run.arena + g.x + (source*g.images + box.image)*plane, rows + 2*i, columns + 2*j,
                                   g.wd, largest)
                vstore(y + (i*g.ow + j)*VW, v)


# ---------------------------------------------------------------- samples between pixels
cdef struct Weights:            # of the bins of a box
    real *rows                  # (oh, h)
    real *columns               # (ow, wd)
    ix row_bounds[2*MOST_BINS]
    ix column_bounds[2*MOST_BINS]


cdef inline real box_length(real first, real last, bint aligned) noexcept nogil:
    return last - first if aligned else max(last - first, <real>1)


cdef void weigh_box(const Op *g, const Box *box, Weights *w) noexcept nogil:
    """mode: whether pixels have their centre at half a pixel; kh: samples of a bin, 0 or less: as many as it takes."""
    cdef real half = 0.5 if g.mode else 0, x1 = box.corners[0] - half, y1 = box.corners[1] - half
    cdef real width = box_length(x1, box.corners[2] - half, g.mode), height = box_length(y1, box.corners[3] - half, g.mode)
    align_axis(y1 if box.sound else -FARTHEST, height, g.oh, g.h, g.kh, w.rows, w.row_bounds)
    align_axis(x1 if box.sound else -FARTHEST, width, g.ow, g.wd, g.kh, w.columns, w.column_bounds)


cdef void align_box(const Op *g, const Weights *w, const real *x, real *y, real *line) noexcept nogil:
    """A box of the plane x; line: room for a row of the map."""
    cdef ix i, j, r, c, left = g.wd, right = 0
    cdef vf sum
    for j in range(g.ow):
        if w.column_bounds[2*j] < w.column_bounds[2*j + 1]:
            left, right = min(left, w.column_bounds[2*j]), max(right, w.column_bounds[2*j + 1])
    for i in range(g.oh):
        for c in range(left, right):
            sum = vzero()
            for r in range(w.row_bounds[2*i], w.row_bounds[2*i + 1]):
                sum = vfma(vset(w.rows[i*g.h + r]), vload(x + (r*g.wd + c)*VW), sum)
            vstore(line + c*VW, sum)
        for j in range(g.ow):
            sum = vzero()
            for c in range(w.column_bounds[2*j], w.column_bounds[2*j + 1]):
                sum = vfma(vset(w.columns[j*g.wd + c]), vload(line + c*VW), sum)
            vstore(y + (i*g.ow + j)*VW, sum)


cdef void roi_align(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """Boxes are shared out: each is weighed once for all blocks. t: room per thread for a line and for weights."""
    cdef ix k, block, p, bins = g.oh*g.ow
    cdef real *line = run.arena + g.t + t*(g.wd*VW + g.oh*g.h + g.ow*g.wd)
    cdef real *y
    cdef Weights w
    cdef Box box
    w.rows = line + g.wd*VW
    w.columns = w.rows + g.oh*g.h
    for k in range(share(g.k, t, threads), share(g.k, t + 1, threads)):
        box = box_at(g, run, k)
        weigh_box(g, &box, &w)
        for block in range(g.blocks):
            y = run.arena + g.y + (block*g.k + k)*bins*VW
            if box.image >= 0:
                align_box(g, &w, run.arena + g.x + (block*g.images + box.image)*g.h*g.wd*VW, y, line)
            else:
                for p in range(bins):
                    vstore(y + p*VW, vset(NAN))
