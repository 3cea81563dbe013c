# Cross-entropy over the classes of x (N, C, P), P pixels with a choice of class each; m is the largest of a pixel's x
# and t = sum e^(x - m):
#
#     loss = A log t - sum a (x - m)        gx = g (A softmax(x) - a)        A = sum a
#
# a is the target distribution times the weights w of the classes.  Of a target class y it is (1 - s) w_y at y plus
# s w / C everywhere, s being the smoothing (Szegedy et al., "Rethinking the inception architecture", 2016, section 7);
# of a target distribution q it is w ((1 - s) q + s / C).  Targets equal to `ignore` have loss and gradient 0.
#
# Loop order.  P = 1: a row at a time, a few passes over it while it is in the nearest cache.  P > 1: a vector of pixels
# at a time, a few passes over its classes, which lie P apart; nothing is transposed.  Pixels (or rows) are shared out.
cdef struct Choice:         # one call
    ix classes
    ix pixels
    const real *weight      # NULL: 1 each
    real smoothing
    int64_t ignore
    const int64_t *target   # the class of each pixel, or
    const real *q           # a distribution for each


cdef inline real class_weight(const Choice *o, ix c) noexcept nogil:
    return 1 if o.weight == NULL else o.weight[c]


cdef inline ix blocks_of(const Choice *o) noexcept nogil:
    """Vectors of pixels in an image."""
    return (o.pixels + VW - 1)//VW


# ---------------------------------------------------------------- P = 1: rows
cdef inline bint spreads(const Choice *o) noexcept nogil:
    """Whether a is more than a number at the target class."""
    return o.target == NULL or o.smoothing != 0


cdef inline vf row_coefficients(const Choice *o, ix i, ix c, ix n) noexcept nogil:
    """a of n <= VW classes of row i, but for what a target class adds."""
    cdef vf a = vset(o.smoothing/o.classes)
    if o.target == NULL:
        a = a + vset(1 - o.smoothing)*vload_part(o.q + i*o.classes + c, n)
    if o.weight != NULL:
        a = a*vload_part(o.weight + c, n)
    return vselect(vfirst(n), a, vzero())


cdef void row_sums(const Choice *o, ix i, const real *x, real m, real *all, real *hit) noexcept nogil:
    """Sum of a, and of a (x - m)."""
    cdef vf a, s = vzero(), h = vzero()
    cdef ix c = 0, n
    while c < o.classes:
        n = min(<ix>VW, o.classes - c)
        a = row_coefficients(o, i, c, n)
        s = s + a
        h = vfma(a, vload_part(x + c, n) - vset(m), h)
        c += VW
    all[0] += vsum(s)
    hit[0] += vsum(h)


cdef real class_row(const Choice *o, ix i, const real *x, real *y) noexcept nogil:
    """The loss of row i; y becomes its softmax."""
    cdef ix n = o.classes, target = -1 if o.target == NULL else o.target[i]
    cdef real all = 0, hit = 0
    if o.target != NULL and target == o.ignore:
        return 0
    cdef real m = row_highest(x, n)
    cdef real total = row_exp(x, y, n, m, True)
    row_scale(y, n, 1/total)
    if o.target != NULL:
        all = (1 - o.smoothing)*class_weight(o, target)
        hit = all*(x[target] - m)
    if spreads(o):
        row_sums(o, i, x, m, &all, &hit)
    return all*<real>log(total) - hit


cdef void class_gradient_row(const Choice *o, ix i, const real *y, real g, real *gx) noexcept nogil:
    cdef ix c = 0, n, target = -1 if o.target == NULL else o.target[i]
    cdef real keep = 0, all = 0, unused = 0
    if o.target != NULL and target == o.ignore:
        for c in range(o.classes):
            gx[c] = 0
        return
    if o.target != NULL:
        keep = all = (1 - o.smoothing)*class_weight(o, target)
    if spreads(o):
        row_sums(o, i, y, 0, &all, &unused)
    while c < o.classes:
        n = min(<ix>VW, o.classes - c)
        vstore_part(gx + c, vset(g)*(vset(all)*vload_part(y + c, n) - row_coefficients(o, i, c, n)), n)
        c += VW
    if o.target != NULL:
        gx[target] -= g*keep


# ---------------------------------------------------------------- P > 1: a vector of n <= VW pixels
cdef inline vf class_coefficient(const Choice *o, ix c, ix at, ix n) noexcept nogil:
    """a of class c but for what a target class adds; `at` is where the pixels are in q."""
    cdef vf q = vset(o.smoothing/o.classes)
    if o.target == NULL:
        q = q + vset(1 - o.smoothing)*vload_part(o.q + at, n)
    return vset(class_weight(o, c))*q


cdef inline vi choose(const Choice *o, ix first, ix n, real *keep) noexcept nogil:
    """Which of the pixels from `first` on count; keep: (1 - s) w_y of each, its share at the target class."""
    cdef real counts[VW]
    cdef ix k
    for k in range(VW):
        counts[k] = 1
        keep[k] = 0
        if o.target != NULL:
            counts[k] = k < n and o.target[first + k] != o.ignore
            if counts[k]:
                keep[k] = (1 - o.smoothing)*class_weight(o, o.target[first + k])
    return vgt(vload(counts), vzero())


cdef void class_block(const Choice *o, ix image, ix j, ix n, const real *x, real *y, real *loss) noexcept nogil:
    """The losses of pixels j to j + n of an image; y becomes their softmax."""
    cdef real keep[VW]
    cdef real hits[VW]
    cdef ix start = image*o.classes*o.pixels + j, first = image*o.pixels + j, c, k
    cdef vi counts = choose(o, first, n, keep)
    cdef vf m = vload_part(x + start, n), total = vzero(), all = vzero(), hit = vzero(), e, a
    for c in range(1, o.classes):
        m = vmax(m, vload_part(x + start + c*o.pixels, n))
    for c in range(o.classes):
        e = vexp(vload_part(x + start + c*o.pixels, n) - m)
        total = total + e
        vstore_part(y + start + c*o.pixels, e, n)
    for c in range(o.classes):
        vstore_part(y + start + c*o.pixels, vload_part(y + start + c*o.pixels, n)/total, n)
    if o.target != NULL:
        for k in range(VW):
            hits[k] = 0
            if keep[k] != 0:
                hits[k] = x[start + k + o.target[first + k]*o.pixels]
        all, hit = vload(keep), vselect(counts, vload(keep)*(vload(hits) - m), vzero())
    if spreads(o):
        for c in range(o.classes):
            a = class_coefficient(o, c, start + c*o.pixels, n)
            all = all + a
            hit = vfma(a, vload_part(x + start + c*o.pixels, n) - m, hit)
    vstore_part(loss + first, vselect(counts, all*vlog(total) - hit, vzero()), n)


cdef void class_gradient_block(const Choice *o, ix image, ix j, ix n, const real *y, vf g, real *gx) noexcept nogil:
    cdef real keep[VW]
    cdef real at_target[VW]
    cdef ix start = image*o.classes*o.pixels + j, first = image*o.pixels + j, c, k, at
    cdef vi counts = choose(o, first, n, keep)
    cdef vf all = vload(keep)
    if spreads(o):
        for c in range(o.classes):
            all = all + class_coefficient(o, c, start + c*o.pixels, n)
    for c in range(o.classes):
        at = start + c*o.pixels
        vstore_part(gx + at, vselect(counts, g*(all*vload_part(y + at, n) - class_coefficient(o, c, at, n)), vzero()), n)
    vstore(at_target, g*vload(keep))
    for k in range(n):
        if keep[k] != 0:
            gx[start + k + o.target[first + k]*o.pixels] -= at_target[k]


# ---------------------------------------------------------------- all pixels
cdef void run_classes(const Choice *o, ix images, const real *x, real *y, real *loss) noexcept nogil:
    cdef int threads = team(4*images*o.classes*o.pixels)
    cdef ix i, blocks = blocks_of(o)
    if o.pixels == 1:
        for i in prange(images, num_threads=threads, schedule="static"):
            loss[i] = class_row(o, i, x + i*o.classes, y + i*o.classes)
    else:
        for i in prange(images*blocks, num_threads=threads, schedule="static"):
            class_block(o, i//blocks, i%blocks*VW, min(<ix>VW, o.pixels - i%blocks*VW), x, y, loss)


cdef inline vf pixel_gradients(const Choice *o, ix i, ix blocks, const real *g, bint one_g) noexcept nogil:
    """g of the pixels of block i."""
    if one_g:
        return vset(g[0])
    return vload_part(g + i//blocks*o.pixels + i%blocks*VW, min(<ix>VW, o.pixels - i%blocks*VW))


cdef void run_class_gradients(const Choice *o, ix images, const real *y, const real *g, bint one_g,
                              real *gx) noexcept nogil:
    cdef int threads = team(images*o.classes*o.pixels)
    cdef ix i, blocks = blocks_of(o)
    if o.pixels == 1:
        for i in prange(images, num_threads=threads, schedule="static"):
            class_gradient_row(o, i, y + i*o.classes, g[0 if one_g else i], gx + i*o.classes)
    else:
        for i in prange(images*blocks, num_threads=threads, schedule="static"):
            class_gradient_block(o, i//blocks, i%blocks*VW, min(<ix>VW, o.pixels - i%blocks*VW), y,
                                 pixel_gradients(o, i, blocks, g, one_g), gx)


# ---------------------------------------------------------------- kernels
cdef ix wrong_class(const int64_t[::1] target, ix classes, int64_t ignore) noexcept:
    cdef ix i
    for i in range(target.shape[0]):
        if not 0 <= target[i] < classes and target[i] != ignore:
            return i
    return -1


cdef int require_classes(const int64_t[::1] target, ix classes, str what) except -1:
    require(classes > 0 and wrong_class(target, classes, 0) < 0, what)  # to ignore 0, a class, is to ignore nothing
    return 0


def first_wrong_class(const int64_t[::1] target, ix classes, int64_t ignore):  # IN (n,)
    """Where the first target is that is neither a class nor to be ignored; -1 where there is none."""
    return wrong_class(target, classes, ignore)


cdef Choice choice(const real[:, :, ::1] x, const real[::1] weight, double smoothing) except *:
    cdef Choice o
    o.classes, o.pixels, o.smoothing = x.shape[1], x.shape[2], <real>smoothing
    o.ignore, o.weight, o.target, o.q = -1, NULL, NULL, NULL
    require(x.shape[0] > 0 and o.classes > 0 and o.pixels > 0, "classes: x has no elements")
    if weight is not None:
        require(weight.shape[0] == o.classes, "classes: weight must have one element for each class")
        o.weight = &weight[0]
    return o


cdef int choose_target(Choice *o, const int64_t[::1] target, ix images, int64_t ignore) except -1:
    require(target.shape[0] == images*o.pixels, "classes: there must be one target for each pixel")
    require(wrong_class(target, o.classes, ignore) < 0, "classes: a target is not a class")
    o.target, o.ignore = &target[0], ignore
    return 0


cdef double weight_of_targets(const Choice *o, ix images) noexcept nogil:
    """Sum of the weights of the targets, but for those ignored: what a weighted mean divides by."""
    cdef double total = 0
    cdef ix i
    for i in range(images*o.pixels):
        if o.target[i] != o.ignore:
            total += class_weight(o, o.target[i])
    return total


cdef inline bint same_extents(const real[:, :, ::1] x, const real[:, :, ::1] y) noexcept:
    return y.shape[0] == x.shape[0] and y.shape[1] == x.shape[1] and y.shape[2] == x.shape[2]


def cross_entropy_forward(const real[:, :, ::1] x,     # IN  (n, c, p)
                          const int64_t[::1] target,   # IN  (n p,)  in [0, c), or ignore
                          const real[::1] weight,      # IN  (c,)  or None: 1 each
                          double smoothing, int64_t ignore,
                          real[::1] loss,              # OUT (n p,)
                          real[:, :, ::1] y):          # OUT (n, c, p)  softmax(x); of ignored pixels anything
    cdef ix images = x.shape[0]
    cdef Choice o = choice(x, weight, smoothing)
    cdef double total
    choose_target(&o, target, images, ignore)
    require(loss.shape[0] == images*o.pixels and same_extents(x, y), "cross_entropy: extents differ from x's")
    with nogil:
        run_classes(&o, images, &x[0, 0, 0], &y[0, 0, 0], &loss[0])
        total = weight_of_targets(&o, images)
    return total


def cross_entropy_backward(const real[:, :, ::1] y,    # IN  (n, c, p)  softmax(x)
                           const int64_t[::1] target,  # IN  (n p,)  in [0, c), or ignore
                           const real[::1] weight,     # IN  (c,)  or None: 1 each
                           double smoothing, int64_t ignore,
                           const real[::1] g,          # IN  (n p,)  gradient of each loss, or (1,): of all
                           real[:, :, ::1] gx):        # OUT (n, c, p)
    cdef ix images = y.shape[0]
    cdef Choice o = choice(y, weight, smoothing)
    choose_target(&o, target, images, ignore)
    require((g.shape[0] == images*o.pixels or g.shape[0] == 1) and same_extents(y, gx),
            "cross_entropy: extents differ from y's")
    with nogil:
        run_class_gradients(&o, images, &y[0, 0, 0], &g[0], g.shape[0] == 1, &gx[0, 0, 0])


def soft_cross_entropy_forward(const real[:, :, ::1] x,        # IN  (n, c, p)
                               const real[:, :, ::1] target,   # IN  (n, c, p)  distributions
                               const real[::1] weight,         # IN  (c,)  or None: 1 each
                               double smoothing,
                               real[::1] loss,                 # OUT (n p,)
                               real[:, :, ::1] y):             # OUT (n, c, p)  softmax(x)
    cdef ix images = x.shape[0]
    cdef Choice o = choice(x, weight, smoothing)
    require(loss.shape[0] == images*o.pixels and same_extents(x, y) and same_extents(x, target),
            "soft_cross_entropy: extents differ from x's")
    o.q = &target[0, 0, 0]
    with nogil:
        run_classes(&o, images, &x[0, 0, 0], &y[0, 0, 0], &loss[0])


def soft_cross_entropy_backward(const real[:, :, ::1] y,       # IN  (n, c, p)  softmax(x)
                                const real[:, :, ::1] target,  # IN  (n, c, p)  distributions
                                const real[::1] weight,        # IN  (c,)  or None: 1 each
                                double smoothing,
                                const real[::1] g,             # IN  (n p,)  gradient of each loss, or (1,): of all
                                real[:, :, ::1] gx):           # OUT (n, c, p)
    cdef ix images = y.shape[0]
    cdef Choice o = choice(y, weight, smoothing)
    require((g.shape[0] == images*o.pixels or g.shape[0] == 1) and same_extents(y, gx) and same_extents(y, target),
            "soft_cross_entropy: extents differ from y's")
    o.q = &target[0, 0, 0]
    with nogil:
        run_class_gradients(&o, images, &y[0, 0, 0], &g[0], g.shape[0] == 1, &gx[0, 0, 0])
