# Losses of boxes a against boxes b, pair by pair, in the notation of boxes.pxi, with IoU = I / (U + eps):
#
#     linear        1 - IoU
#     logarithmic   -ln max(IoU, eps)                         Yu et al., "UnitBox", 2016, equation 1; flat below eps
#     generalized   1 - IoU + (C - U) / (C + eps)
#     distance      1 - IoU + d^2 / (cw^2 + ch^2 + eps)
#     complete      distance + alpha v                        alpha is held constant in the gradient
#
# The gradient goes from the loss to I, U and C, from there to the lengths of each Side, and from a length to the
# corners that it lies between.  Where a corner of a and one of b coincide, the larger (or smaller) of them is each to a
# half.  Boxes that do not overlap, or only touch, have I = 0 around them, so nothing flows through I.

cdef inline vf larger_share(vf p, vf q) noexcept nogil:
    return vselect(vgt(p, q), vset(1), vselect(veq(p, q), vset(<real>0.5), vzero()))


cdef inline void side_gradient(vf a1, vf a2, vf b1, vf b2, const Side *g, Corners *ga, Corners *gb,
                               bint upright) noexcept nogil:
    """Gradients of the corners on one axis from those of the lengths, g."""
    cdef vf first = larger_share(a1, b1), second = larger_share(a2, b2), one = vset(1)
    cdef vf half = vset(<real>0.5)*g.offset
    cdef vf a_one = half - g.common*first - g.hull*(one - first) - g.a
    cdef vf a_two = half + g.common*(one - second) + g.hull*second + g.a
    cdef vf b_one = -half - g.common*(one - first) - g.hull*first - g.b
    cdef vf b_two = -half + g.common*second + g.hull*(one - second) + g.b
    if upright:
        ga.y1, ga.y2, gb.y1, gb.y2 = a_one, a_two, b_one, b_two
    else:
        ga.x1, ga.x2, gb.x1, gb.x2 = a_one, a_two, b_one, b_two


cdef inline vf box_pair_loss(int kind, const Side *x, const Side *y, vf eps) noexcept nogil:
    cdef vf common = intersection(x, y), hull, distance, v
    cdef vf covered = x.a*y.a + x.b*y.b - common, iou = common/(covered + eps)
    if kind == LINEAR:
        return vset(1) - iou
    if kind == LOGARITHMIC:
        return -vlog(vmax(eps, iou))
    if kind == GENERALIZED:
        hull = x.hull*y.hull
        return vset(1) - iou + (hull - covered)/(hull + eps)
    distance = vset(1) - iou + (x.offset*x.offset + y.offset*y.offset)/(x.hull*x.hull + y.hull*y.hull + eps)
    if kind == DISTANCE:
        return distance
    v = aspect_penalty(aspect(x.b, y.b) - aspect(x.a, y.a))
    return distance + v*v/(vset(1) - iou + v + eps)


cdef inline void centre_gradient(const Side *x, const Side *y, vf eps, vf g, Side *gx, Side *gy) noexcept nogil:
    """Of the term d^2 / (cw^2 + ch^2 + eps)."""
    cdef vf diagonal = x.hull*x.hull + y.hull*y.hull + eps
    cdef vf twice = vset(2)*g/diagonal
    cdef vf term = (x.offset*x.offset + y.offset*y.offset)/diagonal
    gx.offset, gy.offset = twice*x.offset, twice*y.offset
    gx.hull, gy.hull = -twice*term*x.hull, -twice*term*y.hull


cdef inline void aspect_gradient(const Side *x, const Side *y, vf iou, vf eps, vf g, Side *gx, Side *gy) noexcept nogil:
    """Of the term alpha v: d arctan(w/h) = (h dw - w dh) / (w^2 + h^2)."""
    cdef vf difference = aspect(x.b, y.b) - aspect(x.a, y.a)
    cdef vf v = aspect_penalty(difference)
    cdef vf turn = vset(<real>(2*ASPECT_SCALE))*difference*g*v/(vset(1) - iou + v + eps)
    cdef vf for_a = ratio(-turn, x.a*x.a + y.a*y.a), for_b = ratio(turn, x.b*x.b + y.b*y.b)
    gx.a, gy.a = gx.a + for_a*y.a, gy.a - for_a*x.a
    gx.b, gy.b = gx.b + for_b*y.b, gy.b - for_b*x.b


cdef inline void box_pair_gradient(int kind, const Side *x, const Side *y, vf eps, vf g, Side *gx,
                                   Side *gy) noexcept nogil:
    """Gradients of the lengths."""
    cdef vf common = intersection(x, y)
    cdef vf covered = x.a*y.a + x.b*y.b - common, below = vset(1)/(covered + eps), iou = common*below
    cdef vf for_common = -g*below, for_covered = g*iou*below, hull
    cdef vi overlapping = vgt(common, vzero())
    gx.hull, gy.hull, gx.offset, gy.offset = vzero(), vzero(), vzero(), vzero()
    if kind == LOGARITHMIC:
        for_common = vselect(vgt(iou, eps), for_common/iou, vzero())
        for_covered = vselect(vgt(iou, eps), g*below, vzero())
    elif kind == GENERALIZED:
        hull = x.hull*y.hull
        for_covered = for_covered - g/(hull + eps)
        gx.hull = g*(vset(1) - (hull - covered)/(hull + eps))/(hull + eps)
        gy.hull, gx.hull = gx.hull*x.hull, gx.hull*y.hull
    elif kind >= DISTANCE:
        centre_gradient(x, y, eps, g, gx, gy)
    for_common = vselect(overlapping, for_common - for_covered, vzero())          # U = A + B - I
    gx.common, gy.common = for_common*y.common, for_common*x.common
    gx.a, gy.a, gx.b, gy.b = for_covered*y.a, for_covered*x.a, for_covered*y.b, for_covered*x.b
    if kind == COMPLETE:
        aspect_gradient(x, y, iou, eps, g, gx, gy)


cdef void box_loss_span(int kind, const real *boxes1, const real *boxes2, real *loss, ix n, real eps) noexcept nogil:
    cdef Corners a, b
    cdef Side x, y
    cdef ix i = 0
    while i < n:
        a, b = corners(boxes1 + 4*i, n - i), corners(boxes2 + 4*i, n - i)
        x, y = side(a.x1, a.x2, b.x1, b.x2), side(a.y1, a.y2, b.y1, b.y2)
        vstore_part(loss + i, box_pair_loss(kind, &x, &y, vset(eps)), lanes_of(n - i))
        i += VW


cdef inline void store_corners(const Corners *c, real *boxes, ix n) noexcept nogil:
    """The way back from `corners`."""
    cdef vf x_low = vziplow(c.x1, c.x2), x_high = vziphigh(c.x1, c.x2)
    cdef vf y_low = vziplow(c.y1, c.y2), y_high = vziphigh(c.y1, c.y2)
    vstore_part(boxes, vziplow(x_low, y_low), lanes_of(4*n))
    vstore_part(boxes + VW, vziphigh(x_low, y_low), lanes_of(4*n - VW))
    vstore_part(boxes + 2*VW, vziplow(x_high, y_high), lanes_of(4*n - 2*VW))
    vstore_part(boxes + 3*VW, vziphigh(x_high, y_high), lanes_of(4*n - 3*VW))


cdef void box_loss_gradient_span(int kind, const real *boxes1, const real *boxes2, const real *g, real *g1, real *g2,
                                 ix n, real eps) noexcept nogil:
    cdef Corners a, b, ga, gb
    cdef Side x, y, gx, gy
    cdef ix i = 0
    while i < n:
        a, b = corners(boxes1 + 4*i, n - i), corners(boxes2 + 4*i, n - i)
        x, y = side(a.x1, a.x2, b.x1, b.x2), side(a.y1, a.y2, b.y1, b.y2)
        box_pair_gradient(kind, &x, &y, vset(eps), vload_part(g + i, lanes_of(n - i)), &gx, &gy)
        side_gradient(a.x1, a.x2, b.x1, b.x2, &gx, &ga, &gb, False)
        side_gradient(a.y1, a.y2, b.y1, b.y2, &gy, &ga, &gb, True)
        store_corners(&ga, g1 + 4*i, n - i)
        store_corners(&gb, g2 + 4*i, n - i)
        i += VW


# ---------------------------------------------------------------- kernels
def box_loss_forward(const real[:, ::1] boxes1,     # IN  (n, 4)
                     const real[:, ::1] boxes2,     # IN  (n, 4)
                     int kind,                      # 0 linear, 1 logarithmic, 2 generalized, 3 distance, 4 complete
                     double eps,
                     real[::1] loss):               # OUT (n,)
    cdef ix n = loss.shape[0]
    require(n > 0 and boxes1.shape[0] == n and boxes1.shape[1] == 4 and boxes2.shape[0] == n and boxes2.shape[1] == 4,
            "box_loss_forward: boxes1 and boxes2 must be (n, 4), loss (n,)")
    require(LINEAR <= kind <= COMPLETE, "box_loss_forward: no such kind")
    cdef const real *ones = &boxes1[0, 0]
    cdef const real *twos = &boxes2[0, 0]
    cdef real *losses = &loss[0]
    cdef real small = <real>eps
    cdef int t, threads = team(4*n)
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        box_loss_span(kind, ones + 4*cut(n, t, threads), twos + 4*cut(n, t, threads), losses + cut(n, t, threads),
                      cut(n, t + 1, threads) - cut(n, t, threads), small)


def box_loss_backward(const real[:, ::1] boxes1,    # IN  (n, 4)
                      const real[:, ::1] boxes2,    # IN  (n, 4)
                      int kind,                     # 0 linear, 1 logarithmic, 2 generalized, 3 distance, 4 complete
                      double eps,
                      const real[::1] g,            # IN  (n,)  gradient of each loss
                      real[:, ::1] g1,              # OUT (n, 4)
                      real[:, ::1] g2):             # OUT (n, 4)
    cdef ix n = g.shape[0]
    require(n > 0 and boxes1.shape[0] == n and boxes1.shape[1] == 4 and boxes2.shape[0] == n and boxes2.shape[1] == 4
            and g1.shape[0] == n and g1.shape[1] == 4 and g2.shape[0] == n and g2.shape[1] == 4,
            "box_loss_backward: boxes1, boxes2 and their gradients must be (n, 4), g (n,)")
    require(LINEAR <= kind <= COMPLETE, "box_loss_backward: no such kind")
    cdef const real *ones = &boxes1[0, 0]
    cdef const real *twos = &boxes2[0, 0]
    cdef const real *gs = &g[0]
    cdef real *g1s = &g1[0, 0]
    cdef real *g2s = &g2[0, 0]
    cdef real small = <real>eps
    cdef ix first
    cdef int t, threads = team(8*n)
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        first = cut(n, t, threads)
        box_loss_gradient_span(kind, ones + 4*first, twos + 4*first, gs + first, g1s + 4*first, g2s + 4*first,
                               cut(n, t + 1, threads) - first, small)
