# Of boxes that show the same thing one stays.  Boxes stand in runs, one for each class, which know nothing of each other
# and are shared out among threads; a run needs as much memory as it has boxes.
#
#     greedy    a run is sorted, the best first; a box stays unless its IoU (or DIoU) with one that stayed before it
#               exceeds the threshold, and a run ends with `most` boxes that stayed
#     soft      the best of a run is taken, the scores of the others fall by their IoU with it, and so on:
#               linear    s (1 - IoU) where IoU >= threshold
#               gaussian  s e^(-IoU^2 / sigma)
#               a box whose score falls to `least` is gone     (Bodla et al., "Soft-NMS", ICCV 2017, equations 2 and 3)
#
# A candidate of greedy suppression is compared with those that stayed, VW of them at once, not each that stayed with
# all that follow: the best ones come first and most often end the comparison, and only few numbers are written.

cdef enum:
    GROUP = 4                       # vectors that are compared before the result is asked for


cdef inline bint is_covered(int kind, const Corners *a, const real *kept, ix m, ix n, real threshold) noexcept nogil:
    """Whether a box agrees by more than the threshold with any of n in planes that lie m apart."""
    cdef Corners b
    cdef vf top
    cdef ix j = 0, end
    while j < n:
        top, end = vzero(), min(n, j + GROUP*VW)
        while j < end:
            b = plane_corners(kept + j, m, n - j)
            top = vmax(agreement(kind, a, &b, vset(<real>1e-7), vzero()), top)
            j += VW
        if vhighest(top) > threshold:
            return True
    return False


cdef void greedy_run(bint distance, const real *boxes, ix n, real threshold, ix most, real *kept, ix m,
                     unsigned char *keep) noexcept nogil:
    cdef Corners a
    cdef ix i, k, stayed = 0
    cdef bint gone
    memset(keep, 0, n)
    for i in range(n):
        if stayed == most:
            return
        a = same_corners(boxes + 4*i)
        gone = (is_covered(DISTANCE, &a, kept, m, stayed, threshold) if distance
                else is_covered(LINEAR, &a, kept, m, stayed, threshold))
        if not gone:
            for k in range(4):
                kept[k*m + stayed] = boxes[4*i + k]
            keep[i] = 1
            stayed += 1


cdef inline vf decay(bint gaussian, vf iou, vf threshold, vf sigma) noexcept nogil:
    if gaussian:
        return vexp(-iou*iou/sigma)
    return vselect(vge(iou, threshold), vset(1) - iou, vset(1))


cdef vf soften(bint gaussian, const Corners *taken, const real *planes, ix m, ix n, real threshold, real sigma,
               real least, real *live) noexcept nogil:
    """Let the scores of a run fall by their boxes' IoU with one that is taken; the best, lane by lane."""
    cdef Corners b
    cdef vf s, best = vset(-INFINITY)
    cdef ix j = 0
    while j < n:
        b = plane_corners(planes + j, m, n - j)
        s = vload_part(live + j, lanes_of(n - j))*decay(gaussian, agreement(LINEAR, taken, &b, vzero(), vzero()),
                                                        vset(threshold), vset(sigma))
        s = vselect(vgt(s, vset(least)), s, vset(-INFINITY))
        best = vmax(s, best)
        vstore_part(live + j, s, lanes_of(n - j))
        j += VW
    return best


cdef void soft_run(bint gaussian, const real *planes, ix m, ix n, real threshold, real sigma, real least, real *live,
                   real *scores) noexcept nogil:
    cdef Corners taken
    cdef real best = -INFINITY
    cdef ix i
    for i in range(n):
        scores[i] = 0
        best = max(best, live[i])
    while best > least:
        i = 0
        while live[i] != best:
            i += 1
        scores[i] = best
        live[i] = -INFINITY
        taken.x1, taken.y1 = vset(planes[i]), vset(planes[m + i])
        taken.x2, taken.y2 = vset(planes[2*m + i]), vset(planes[3*m + i])
        best = vhighest(soften(gaussian, &taken, planes, m, n, threshold, sigma, least, live))


cdef int require_runs(const int64_t[::1] starts, ix n, str what) except -1:
    """Runs must divide n boxes: starts rise from 0 to n."""
    cdef ix i
    require(starts.shape[0] > 0 and starts[0] == 0 and starts[starts.shape[0] - 1] == n, what)
    for i in range(starts.shape[0] - 1):
        require(starts[i] <= starts[i + 1], what)
    return 0


# ---------------------------------------------------------------- kernels
def greedy_nms(const real[:, ::1] boxes,            # IN  (n, 4) run by run, the best first
               const int64_t[::1] starts,           # IN  (runs + 1,) the first box of each, and n
               bint distance,                       # DIoU instead of IoU
               double threshold,
               ix most,                             # boxes that stay in a run
               real[:, ::1] kept,                   # (4, n) scratch memory
               unsigned char[::1] keep):            # OUT (n,) 1 where a box stays
    cdef ix n = boxes.shape[0], runs = starts.shape[0] - 1, i, first
    require(n > 0 and boxes.shape[1] == 4 and kept.shape[0] == 4 and kept.shape[1] == n and keep.shape[0] == n,
            "greedy_nms: extents differ from those of boxes (n, 4)")
    require_runs(starts, n, "greedy_nms: starts must rise from 0 to n")
    cdef const real *xs = &boxes[0, 0]
    cdef const int64_t *at = &starts[0]
    cdef real *work = &kept[0, 0]
    cdef unsigned char *flags = &keep[0]
    cdef int threads = team(n*min(n//max(runs, 1), most))
    for i in prange(runs, nogil=True, num_threads=threads, schedule="dynamic"):
        first = at[i]
        greedy_run(distance, xs + 4*first, at[i + 1] - first, <real>threshold, most, work + first, n, flags + first)


def soft_nms(const real[:, ::1] planes,             # IN  (4, n) run by run, in any order
             const int64_t[::1] starts,             # IN  (runs + 1,) the first box of each, and n
             bint gaussian,                         # or linear
             double threshold,                      # of linear
             double sigma,                          # of gaussian
             double least,                          # at least 0
             real[::1] live,                        # IN  (n,) scores, which are lost
             real[::1] scores):                     # OUT (n,) what they fell to; 0 where a box is gone
    cdef ix n = live.shape[0], runs = starts.shape[0] - 1, i, first
    require(n > 0 and planes.shape[0] == 4 and planes.shape[1] == n and scores.shape[0] == n,
            "soft_nms: extents differ from those of live (n,)")
    require(least >= 0, "soft_nms: least must be at least 0")   # what lies behind the end of a run counts as 0
    require_runs(starts, n, "soft_nms: starts must rise from 0 to n")
    cdef const real *xs = &planes[0, 0]
    cdef const int64_t *at = &starts[0]
    cdef real *ls = &live[0]
    cdef real *ys = &scores[0]
    cdef int threads = team(n*(n//max(runs, 1)))
    for i in prange(runs, nogil=True, num_threads=threads, schedule="dynamic"):
        first = at[i]
        soft_run(gaussian, xs + first, n, at[i + 1] - first, <real>threshold, <real>sigma, <real>least, ls + first,
                 ys + first)
