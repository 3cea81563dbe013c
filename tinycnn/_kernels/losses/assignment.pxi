# Which truth an anchor or a point answers for, among the m boxes of one image; vectors run over anchors or points.
#
#     match_anchors    by IoU, truth by truth: a row of IoU is made and looked at while it is in the cache, so that no
#                      matrix of all pairs is needed
#     assign_points    the smallest truth that a point lies in, if its largest distance to a side is within the point's
#                      range and the truth's centre is not farther than its radius
#                      (Tian et al., "FCOS", ICCV 2019, section 3.2; radius: its second version, TPAMI 2020)
#
# Numbers of truths are kept as `real`, which holds them exactly up to 2^24.

cdef vf match_row(const real *row, ix p, real truth, real *best, real *which) noexcept nogil:
    """Note where a truth's IoU is the best so far; its own best, lane by lane."""
    cdef vf x, b, top = vzero()
    cdef vi better
    cdef ix j = 0, n
    while j < p:
        n = lanes_of(p - j)
        x, b = vload_part(row + j, n), vload_part(best + j, n)
        better = vgt(x, b)
        top = vmax(x, top)
        vstore_part(best + j, vselect(better, x, b), n)
        vstore_part(which + j, vselect(better, vset(truth), vload_part(which + j, n)), n)
        j += VW
    return top


cdef ix mark_ties(const real *row, ix p, real top, real *tied) noexcept nogil:
    """Mark the anchors whose IoU is the truth's best; the first of them."""
    cdef ix j = 0, i, n, first = p
    cdef vi equal
    cdef vf before
    while j < p:
        n = lanes_of(p - j)
        equal = veq(vload_part(row + j, n), vset(top))
        before = vload_part(tied + j, n)
        vstore_part(tied + j, vselect(equal, vset(1), before), n)
        if first == p and vhighest(vselect(equal, vset(1), vzero())) > 0:
            for i in range(n):
                if first == p and row[j + i] == top:
                    first = j + i
        j += VW
    return first


cdef void match_all(const real *planes, ix p, const real *truths, ix m, real *row, real *best, real *which, real *tops,
                    int64_t *firsts, real *tied) noexcept nogil:
    cdef ix i
    for i in range(p):
        best[i], which[i], tied[i] = 0, -1, 0
    for i in range(m):
        iou_row(truths + 4*i, planes, row, p, 0)
        tops[i] = vhighest(match_row(row, p, <real>i, best, which))
        firsts[i] = -1
        if tops[i] > 0:
            firsts[i] = mark_ties(row, p, tops[i], tied)


cdef inline vf farther(vf a, vf b, vf c, vf d) noexcept nogil:
    return vmax(vmax(a, b), vmax(c, d))


cdef inline vf nearer(vf a, vf b, vf c, vf d) noexcept nogil:
    return vmin(vmin(a, b), vmin(c, d))


cdef void assign_block(const real *points, ix p, ix j, ix n, const real *truths, ix m, real *which) noexcept nogil:
    """The truth of points j to j + n; a plane of `points` has p."""
    cdef vf x = vload_part(points + j, n), y = vload_part(points + p + j, n), low = vload_part(points + 2*p + j, n)
    cdef vf high = vload_part(points + 3*p + j, n), radius = vload_part(points + 4*p + j, n)
    cdef vf smallest = vset(INFINITY), chosen = vset(-1), l, t, r, b, reach, apart
    cdef vi fits
    cdef real area
    cdef const real *box
    cdef ix i
    for i in range(m):
        box = truths + 4*i
        area = (box[2] - box[0])*(box[3] - box[1])
        l, t, r, b = x - vset(box[0]), y - vset(box[1]), vset(box[2]) - x, vset(box[3]) - y
        reach = farther(l, t, r, b)
        apart = vset(<real>0.5)*farther(l - r, r - l, t - b, b - t)
        fits = (vgt(nearer(l, t, r, b), vzero()) & vge(reach, low) & vge(high, reach) & vgt(radius, apart)
                & vgt(smallest, vset(area)))
        smallest, chosen = vselect(fits, vset(area), smallest), vselect(fits, vset(<real>i), chosen)
    vstore_part(which + j, chosen, n)


# ---------------------------------------------------------------- kernels
def match_anchors(const real[:, ::1] planes,        # IN  (4, p) anchors
                  const real[:, ::1] truths,        # IN  (m, 4)
                  real[::1] row,                    # (p,) scratch memory
                  real[::1] best,                   # OUT (p,) the best IoU of each anchor
                  real[::1] which,                  # OUT (p,) its truth, the first of equals; -1 where best is 0
                  real[::1] tops,                   # OUT (m,) the best IoU of each truth
                  int64_t[::1] firsts,              # OUT (m,) its first anchor; -1 where tops is 0
                  real[::1] tied):                  # OUT (p,) 1 where an anchor is the best of any truth
    cdef ix p = planes.shape[1], m = truths.shape[0]
    require(p > 0 and m > 0 and planes.shape[0] == 4 and truths.shape[1] == 4 and row.shape[0] == p
            and best.shape[0] == p and which.shape[0] == p and tops.shape[0] == m and firsts.shape[0] == m
            and tied.shape[0] == p, "match_anchors: extents differ from those of planes (4, p) and truths (m, 4)")
    cdef const real *xs = &planes[0, 0]
    cdef const real *ts = &truths[0, 0]
    cdef real *rs = &row[0]
    cdef real *bs = &best[0]
    cdef real *ws = &which[0]
    cdef real *os = &tops[0]
    cdef int64_t *fs = &firsts[0]
    cdef real *es = &tied[0]
    with nogil:
        match_all(xs, p, ts, m, rs, bs, ws, os, fs, es)


def assign_points(const real[:, ::1] points,        # IN  (5, p) x, y, least and most distance, radius of each
                  const real[:, ::1] truths,        # IN  (m, 4)
                  real[::1] which):                 # OUT (p,) the truth of each; -1: none
    cdef ix p = points.shape[1], m = truths.shape[0], vectors = (p + VW - 1)//VW, i
    require(p > 0 and m > 0 and points.shape[0] == 5 and truths.shape[1] == 4 and which.shape[0] == p,
            "assign_points: extents differ from those of points (5, p) and truths (m, 4)")
    cdef const real *xs = &points[0, 0]
    cdef const real *ts = &truths[0, 0]
    cdef real *ys = &which[0]
    cdef int threads = team(vectors*m)
    for i in prange(vectors, nogil=True, num_threads=threads, schedule="static"):
        assign_block(xs, p, i*VW, lanes_of(p - i*VW), ts, m, ys)
