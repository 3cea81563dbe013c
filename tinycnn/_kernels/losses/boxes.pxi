# Boxes (x1, y1, x2, y2), and how well two of them agree.  With I the area of the intersection, U = A + B - I that of
# the union, C that of the smallest box around both (sides cw, ch), d the distance of the centres:
#
#     IoU      I / U                                          0 where U is 0
#     GIoU     IoU - (C - U) / C                              Rezatofighi et al., CVPR 2019
#     DIoU     IoU - d^2 / (cw^2 + ch^2 + eps)                Zheng et al., AAAI 2020
#     CIoU     DIoU - alpha v                                 with alpha = v / (1 - IoU + v + eps) and
#                                                             v = 4 / pi^2 (arctan w_b / h_b - arctan w_a / h_a)^2
#
# All is told axis by axis: a Side is what the intervals of two boxes on one axis say of each other.  Vectors run over
# boxes: a matrix takes its second set as four planes, a row of it is one box against them, and rows are shared out;
# four vectors of boxes that lie in memory as fours are turned into one vector for each coordinate.

cdef enum:
    LINEAR, LOGARITHMIC, GENERALIZED, DISTANCE, COMPLETE      # also the `kind` of the losses in box_losses.pxi

cdef struct Corners:
    vf x1, y1, x2, y2

cdef struct Side:
    vf common, a, b, hull, offset     # lengths: of the intersection, of each, of what is around both; between centres


cdef double ASPECT_SCALE = 0.40528473456935108578             # 4 / pi^2, so that v is 1 for angles pi/2 apart


cdef inline ix lanes_of(ix n) noexcept nogil:
    return max(<ix>0, min(<ix>VW, n))


cdef inline Corners corners(const real *boxes, ix n) noexcept nogil:
    """VW boxes, of which n are there (the others are 0)."""
    cdef vf p = vload_part(boxes, lanes_of(4*n)), q = vload_part(boxes + VW, lanes_of(4*n - VW))
    cdef vf r = vload_part(boxes + 2*VW, lanes_of(4*n - 2*VW)), s = vload_part(boxes + 3*VW, lanes_of(4*n - 3*VW))
    cdef vf x_low = veven(p, q), x_high = veven(r, s), y_low = vodd(p, q), y_high = vodd(r, s)
    cdef Corners c
    c.x1, c.x2, c.y1, c.y2 = veven(x_low, x_high), vodd(x_low, x_high), veven(y_low, y_high), vodd(y_low, y_high)
    return c


cdef inline Corners same_corners(const real *box) noexcept nogil:
    """One box, VW times."""
    cdef Corners c
    c.x1, c.y1, c.x2, c.y2 = vset(box[0]), vset(box[1]), vset(box[2]), vset(box[3])
    return c


cdef inline Corners plane_corners(const real *planes, ix m, ix n) noexcept nogil:
    """The first VW boxes, of which n are there (the others are 0), of four planes that lie m apart."""
    cdef ix lanes = lanes_of(n)
    cdef Corners c
    c.x1, c.y1 = vload_part(planes, lanes), vload_part(planes + m, lanes)
    c.x2, c.y2 = vload_part(planes + 2*m, lanes), vload_part(planes + 3*m, lanes)
    return c


cdef inline Side side(vf a1, vf a2, vf b1, vf b2) noexcept nogil:
    cdef Side s
    s.common = vmin(a2, b2) - vmax(a1, b1)
    s.a, s.b = a2 - a1, b2 - b1
    s.hull = vmax(a2, b2) - vmin(a1, b1)
    s.offset = vset(<real>0.5)*((a1 + a2) - (b1 + b2))
    return s


cdef inline vf intersection(const Side *x, const Side *y) noexcept nogil:
    return vselect(vgt(x.common, vzero()) & vgt(y.common, vzero()), x.common*y.common, vzero())


cdef inline vf ratio(vf p, vf q) noexcept nogil:
    """p / q, 0 where q is 0."""
    return vselect(veq(q, vzero()), vzero(), p/q)


cdef inline vf aspect(vf w, vf h) noexcept nogil:
    """arctan(w / h), 0 for a box without both."""
    return vatan(vselect(veq(w, vzero()), vzero(), w/h))


cdef inline vf aspect_penalty(vf difference) noexcept nogil:
    """v of CIoU."""
    return vset(<real>ASPECT_SCALE)*difference*difference


cdef inline vf agreement(int kind, const Corners *a, const Corners *b, vf eps, vf aspect_a) noexcept nogil:
    cdef Side x = side(a.x1, a.x2, b.x1, b.x2), y = side(a.y1, a.y2, b.y1, b.y2)
    cdef vf common = intersection(&x, &y), hull, distance, v
    cdef vf covered = x.a*y.a + x.b*y.b - common, iou = ratio(common, covered)
    if kind == LINEAR:
        return iou
    if kind == GENERALIZED:
        hull = x.hull*y.hull
        return iou - ratio(hull - covered, hull)
    distance = iou - (x.offset*x.offset + y.offset*y.offset)/(x.hull*x.hull + y.hull*y.hull + eps)
    if kind == DISTANCE:
        return distance
    v = aspect_penalty(aspect(x.b, y.b) - aspect_a)
    return distance - v*v/(vset(1) - iou + v + eps)


cdef inline void agreement_row(int kind, const real *box, const real *planes, real *y, ix m, real eps) noexcept nogil:
    cdef Corners a = same_corners(box), b
    cdef vf aspect_a = aspect(a.x2 - a.x1, a.y2 - a.y1)
    cdef ix j = 0
    while j < m:
        b = plane_corners(planes + j, m, m - j)
        vstore_part(y + j, agreement(kind, &a, &b, vset(eps), aspect_a), lanes_of(m - j))
        j += VW


cdef void iou_row(const real *box, const real *planes, real *y, ix m, real eps) noexcept nogil:
    agreement_row(LINEAR, box, planes, y, m, eps)


cdef void generalized_row(const real *box, const real *planes, real *y, ix m, real eps) noexcept nogil:
    agreement_row(GENERALIZED, box, planes, y, m, eps)


cdef void distance_row(const real *box, const real *planes, real *y, ix m, real eps) noexcept nogil:
    agreement_row(DISTANCE, box, planes, y, m, eps)


cdef void complete_row(const real *box, const real *planes, real *y, ix m, real eps) noexcept nogil:
    agreement_row(COMPLETE, box, planes, y, m, eps)


cdef void best_iou_block(const real *boxes, ix n, const real *truths, ix m, real *best) noexcept nogil:
    """The largest IoU of each of n boxes with any of m others; a NaN counts as 0."""
    cdef Corners a, b
    cdef vf top
    cdef ix i = 0, j
    while i < n:
        a = corners(boxes + 4*i, n - i)
        top = vzero()
        for j in range(m):
            b = same_corners(truths + 4*j)
            top = vmax(agreement(LINEAR, &a, &b, vzero(), vzero()), top)
        vstore_part(best + i, top, lanes_of(n - i))
        i += VW


# ---------------------------------------------------------------- kernels
ctypedef void (*matrix_row)(const real *box, const real *planes, real *y, ix m, real eps) noexcept nogil


cdef int over_pairs(matrix_row f, const real[:, ::1] boxes1, const real[:, ::1] planes2, real eps,
                    real[:, ::1] y) except -1:
    cdef ix n = y.shape[0], m = y.shape[1]
    require(n > 0 and m > 0 and boxes1.shape[0] == n and boxes1.shape[1] == 4 and planes2.shape[0] == 4
            and planes2.shape[1] == m, "box_iou: y must be (n, m) for boxes1 (n, 4) and planes2 (4, m)")
    cdef const real *boxes = &boxes1[0, 0]
    cdef const real *planes = &planes2[0, 0]
    cdef real *ys = &y[0, 0]
    cdef ix i
    cdef int threads = team(n*m)
    for i in prange(n, nogil=True, num_threads=threads, schedule="static"):
        f(boxes + 4*i, planes, ys + i*m, m, eps)
    return 0


def box_iou(const real[:, ::1] boxes1, const real[:, ::1] planes2, real[:, ::1] y):  # IN (n, 4)  IN (4, m)  OUT (n, m)
    over_pairs(iou_row, boxes1, planes2, 0, y)


def generalized_box_iou(const real[:, ::1] boxes1, const real[:, ::1] planes2, real[:, ::1] y):
    # IN (n, 4)  IN (4, m)  OUT (n, m)
    over_pairs(generalized_row, boxes1, planes2, 0, y)


def distance_box_iou(const real[:, ::1] boxes1, const real[:, ::1] planes2, double eps, real[:, ::1] y):
    # IN (n, 4)  IN (4, m)  OUT (n, m)
    over_pairs(distance_row, boxes1, planes2, <real>eps, y)


def complete_box_iou(const real[:, ::1] boxes1, const real[:, ::1] planes2, double eps, real[:, ::1] y):
    # IN (n, 4)  IN (4, m)  OUT (n, m)
    over_pairs(complete_row, boxes1, planes2, <real>eps, y)


def best_iou(const real[:, :, ::1] boxes,       # IN  (n, p, 4)
             const real[:, :, ::1] truths,      # IN  (n, m, 4)
             real[:, ::1] best):                # OUT (n, p)
    cdef ix n = boxes.shape[0], p = boxes.shape[1], m = truths.shape[1], block = 16*VW, blocks = (p + block - 1)//block
    require(n > 0 and p > 0 and m > 0 and boxes.shape[2] == 4 and truths.shape[0] == n and truths.shape[2] == 4
            and best.shape[0] == n and best.shape[1] == p, "best_iou: extents differ from those of boxes (n, p, 4)")
    cdef const real *xs = &boxes[0, 0, 0]
    cdef const real *ts = &truths[0, 0, 0]
    cdef real *ys = &best[0, 0]
    cdef ix i, image, first
    cdef int threads = team(n*p*m)
    for i in prange(n*blocks, nogil=True, num_threads=threads, schedule="static"):
        image = i//blocks
        first = i%blocks*block
        best_iou_block(xs + (image*p + first)*4, min(block, p - first), ts + image*m*4, m, ys + image*p + first)
