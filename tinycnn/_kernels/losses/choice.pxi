# Two more losses of choosing a class y of C.
#
#     nll            -w_y x_y, where x are logarithms of probabilities (N, C, P), P pixels with a choice each
#     multi_margin   w_y / C  sum over c != y of max(0, margin - x_y + x_c)^p,  x (R, C), p = 1 or 2
#                    (Crammer and Singer, "On the algorithmic implementation of multiclass kernel-based vector
#                    machines", JMLR 2001, summed over the classes)
#
# nll reads and writes one number for each pixel, after gx is filled with 0.  multi_margin goes along a row twice, before
# y and after it, so that the target class itself never enters a sum.
cdef void nll_losses(const Choice *o, ix image, const real *x, real *loss) noexcept nogil:
    cdef ix j, i = image*o.pixels
    for j in range(o.pixels):
        loss[i + j] = 0
        if o.target[i + j] != o.ignore:
            loss[i + j] = -class_weight(o, o.target[i + j])*x[(image*o.classes + o.target[i + j])*o.pixels + j]


cdef void nll_gradient(const Choice *o, ix image, const real *g, bint one_g, real *gx) noexcept nogil:
    cdef ix j, i = image*o.pixels
    memset(gx + i*o.classes, 0, o.classes*o.pixels*sizeof(real))
    for j in range(o.pixels):
        if o.target[i + j] != o.ignore:
            gx[(image*o.classes + o.target[i + j])*o.pixels + j] = (
                -class_weight(o, o.target[i + j])*g[0 if one_g else i + j])


def nll_forward(const real[:, :, ::1] x,      # IN  (n, c, p)
                const int64_t[::1] target,    # IN  (n p,)  in [0, c), or ignore
                const real[::1] weight,       # IN  (c,)  or None: 1 each
                int64_t ignore,
                real[::1] loss):              # OUT (n p,)
    cdef ix images = x.shape[0], i
    cdef Choice o = choice(x, weight, 0)
    choose_target(&o, target, images, ignore)
    require(loss.shape[0] == images*o.pixels, "nll: there must be a loss for each pixel")
    cdef const real *xs = &x[0, 0, 0]
    cdef real *losses = &loss[0]
    cdef int threads = team(images*o.pixels)
    for i in prange(images, nogil=True, num_threads=threads, schedule="static"):
        nll_losses(&o, i, xs, losses)
    return weight_of_targets(&o, images)


def nll_backward(const int64_t[::1] target,   # IN  (n p,)  in [0, c), or ignore
                 const real[::1] weight,      # IN  (c,)  or None: 1 each
                 int64_t ignore,
                 const real[::1] g,           # IN  (n p,)  gradient of each loss, or (1,): of all
                 real[:, :, ::1] gx):         # OUT (n, c, p)
    cdef ix images = gx.shape[0]
    cdef Choice o = choice(gx, weight, 0)
    choose_target(&o, target, images, ignore)
    require(g.shape[0] == images*o.pixels or g.shape[0] == 1, "nll: g must have 1 element, or one for each pixel")
    cdef const real *gs = &g[0]
    cdef real *gxs = &gx[0, 0, 0]
    cdef bint one_g = g.shape[0] == 1
    cdef ix i
    cdef int threads = team(images*o.classes*o.pixels//VW)
    for i in prange(images, nogil=True, num_threads=threads, schedule="static"):
        nll_gradient(&o, i, gs, one_g, gxs)


# ---------------------------------------------------------------- multi_margin
cdef inline vf margin_excess(const real *x, ix n, vf least) noexcept nogil:
    """max(0, least + x) of n elements, 0 beyond them."""
    return vselect(vfirst(n), vmax(vzero(), least + vload_part(x, n)), vzero())


cdef double margin_sum(const real *x, ix n, real least, bint square) noexcept nogil:
    cdef vf s = vzero(), z
    cdef ix i = 0
    while i < n:
        z = margin_excess(x + i, min(<ix>VW, n - i), vset(least))
        s = s + (z*z if square else z)
        i += VW
    return vsum(s)


cdef double margin_gradient(const real *x, real *gx, ix n, real least, bint square, real g) noexcept nogil:
    """gx of classes other than the target; returns its sum."""
    cdef vf s = vzero(), z
    cdef ix i = 0
    while i < n:
        z = margin_excess(x + i, min(<ix>VW, n - i), vset(least))
        z = vset(g)*(vset(2)*z if square else vselect(vgt(z, vzero()), vset(1), z))
        vstore_part(gx + i, z, min(<ix>VW, n - i))
        s = s + z
        i += VW
    return vsum(s)


def multi_margin_forward(const real[:, ::1] x,        # IN  (r, c)
                         const int64_t[::1] target,   # IN  (r,)  in [0, c)
                         const real[::1] weight,      # IN  (c,)  or None: 1 each
                         int p, double margin,
                         real[::1] loss):             # OUT (r,)
    cdef ix rows = x.shape[0], n = x.shape[1], i, y
    require(rows > 0 and n > 0 and target.shape[0] == rows and loss.shape[0] == rows
            and (weight is None or weight.shape[0] == n), "multi_margin: extents differ from x's")
    require_classes(target, n, "multi_margin: a target is not a class")
    cdef const real *xs = &x[0, 0]
    cdef const int64_t *ys = &target[0]
    cdef const real *w = NULL
    cdef real *losses = &loss[0]
    cdef real least
    cdef int threads = team(rows*n)
    if weight is not None:
        w = &weight[0]
    for i in prange(rows, nogil=True, num_threads=threads, schedule="static"):
        y = ys[i]
        least = <real>margin - xs[i*n + y]
        losses[i] = <real>((1 if w == NULL else w[y])/n*(
            margin_sum(xs + i*n, y, least, p == 2) + margin_sum(xs + i*n + y + 1, n - y - 1, least, p == 2)))


def multi_margin_backward(const real[:, ::1] x,       # IN  (r, c)
                          const int64_t[::1] target,  # IN  (r,)  in [0, c)
                          const real[::1] weight,     # IN  (c,)  or None: 1 each
                          int p, double margin,
                          const real[::1] g,          # IN  (r,)  gradient of each loss, or (1,): of all
                          real[:, ::1] gx):           # OUT (r, c)
    cdef ix rows = x.shape[0], n = x.shape[1], i, y
    require(rows > 0 and n > 0 and target.shape[0] == rows and (g.shape[0] == rows or g.shape[0] == 1)
            and gx.shape[0] == rows and gx.shape[1] == n and (weight is None or weight.shape[0] == n),
            "multi_margin: extents differ from x's")
    require_classes(target, n, "multi_margin: a target is not a class")
    cdef const real *xs = &x[0, 0]
    cdef const int64_t *ys = &target[0]
    cdef const real *w = NULL
    cdef const real *gs = &g[0]
    cdef real *gxs = &gx[0, 0]
    cdef real least, each
    cdef bint one_g = g.shape[0] == 1
    cdef int threads = team(rows*n)
    if weight is not None:
        w = &weight[0]
    for i in prange(rows, nogil=True, num_threads=threads, schedule="static"):
        y = ys[i]
        least = <real>margin - xs[i*n + y]
        each = gs[0 if one_g else i]*(1 if w == NULL else w[y])/n
        gxs[i*n + y] = <real>-(
            margin_gradient(xs + i*n, gxs + i*n, y, least, p == 2, each)
            + margin_gradient(xs + i*n + y + 1, gxs + i*n + y + 1, n - y - 1, least, p == 2, each))
