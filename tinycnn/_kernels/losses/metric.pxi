# Distances between embeddings, whom to compare, and class centres.
#
#     row_distance      d_i = |x1_i - x2_i + eps|_p, row by row       gx_i = g_i sign(e) (|e| / d)^(p - 1),  0 where d is 0
#     distance_matrix   d_ij = |x_i - x_j|_2                          gx_i = sum_j (gd_ij + gd_ji) (x_i - x_j) / d_ij
#     center            l_i = |x_i - c_y|^2 / 2                       gx_i = g_i (x_i - c_y)
#
# The matrix is summed over differences, not expanded to |x|^2 + |y|^2 - 2 x.y: the product would be faster, but float32
# then keeps no digit of the distance of neighbours, which is what mining looks for.  Where d is 0, no direction is better
# than another, and the gradient is 0.  Rows are shared out.  Of equals, mining takes the one of lower index.
ctypedef vf (*distance_point)(vf x, vf power) noexcept nogil


cdef inline vf square_point(vf x, vf power) noexcept nogil:
    return x*x


cdef inline vf power_point(vf x, vf power) noexcept nogil:
    """|x|^power; 0 where x is 0."""
    return vselect(veq(x, vzero()), vzero(), vexp(power*vlog(vabs(x))))


cdef inline double sum_between(distance_point f, const real *x, const real *y, ix n, vf eps, vf power) noexcept nogil:
    """Sum of f(x - y + eps)."""
    cdef vf s = vzero()
    cdef ix i = 0
    while i + VW <= n:
        s = s + f(vload(x + i) - vload(y + i) + eps, power)
        i += VW
    if i < n:
        s = s + vselect(vfirst(n - i), f(vload_part(x + i, n - i) - vload_part(y + i, n - i) + eps, power), vzero())
    return vsum(s)


cdef double distance(const real *x, const real *y, ix n, real eps, double p) noexcept nogil:
    if p == 2:
        return sqrt(sum_between(square_point, x, y, n, vset(eps), vset(2)))
    return pow(sum_between(power_point, x, y, n, vset(eps), vset(<real>p)), 1/p)


cdef void distance_slope(const real *x, const real *y, ix n, real eps, double p, real d, real g, real *gx) noexcept nogil:
    """g times the gradient of the distance by x."""
    cdef vf e, size, power = vset(<real>(p - 1)), scale = vset(0 if d == 0 else 1/d), all = vset(0 if d == 0 else g)
    cdef ix i = 0, k
    while i < n:
        k = min(<ix>VW, n - i)
        e = (vload_part(x + i, k) - vload_part(y + i, k) + vset(eps))*scale
        if p != 2:
            e = vsign(e)*power_point(e, power)
        vstore_part(gx + i, all*e, k)
        i += VW


def row_distance_forward(const real[:, ::1] x1,   # IN  (r, n)
                         const real[:, ::1] x2,   # IN  (r, n)
                         double p, double eps,
                         real[::1] d):            # OUT (r,)
    cdef ix rows = x1.shape[0], n = x1.shape[1], i
    require(rows > 0 and n > 0 and x2.shape[0] == rows and x2.shape[1] == n and d.shape[0] == rows,
            "row_distance: extents differ from x1's")
    cdef const real *xs = &x1[0, 0]
    cdef const real *ys = &x2[0, 0]
    cdef real *ds = &d[0]
    cdef int threads = team(rows*n)
    for i in prange(rows, nogil=True, num_threads=threads, schedule="static"):
        ds[i] = <real>distance(xs + i*n, ys + i*n, n, <real>eps, p)


def row_distance_backward(const real[:, ::1] x1,  # IN  (r, n)
                          const real[:, ::1] x2,  # IN  (r, n)
                          const real[::1] d,      # IN  (r,)
                          double p, double eps,
                          const real[::1] g,      # IN  (r,)
                          real[:, ::1] gx):       # OUT (r, n)  gradient of x1; that of x2 is its opposite
    cdef ix rows = x1.shape[0], n = x1.shape[1], i
    require(rows > 0 and n > 0 and x2.shape[0] == rows and x2.shape[1] == n and d.shape[0] == rows
            and g.shape[0] == rows and gx.shape[0] == rows and gx.shape[1] == n,
            "row_distance: extents differ from x1's")
    cdef const real *xs = &x1[0, 0]
    cdef const real *ys = &x2[0, 0]
    cdef const real *ds = &d[0]
    cdef const real *gs = &g[0]
    cdef real *gxs = &gx[0, 0]
    cdef int threads = team(rows*n)
    for i in prange(rows, nogil=True, num_threads=threads, schedule="static"):
        distance_slope(xs + i*n, ys + i*n, n, <real>eps, p, ds[i], gs[i], gxs + i*n)


# ---------------------------------------------------------------- all against all
cdef void add_towards(const real *x, const real *y, ix n, real g, real *gx) noexcept nogil:
    """gx += g (x - y)."""
    cdef ix i = 0, k
    while i < n:
        k = min(<ix>VW, n - i)
        vstore_part(gx + i, vfma(vset(g), vload_part(x + i, k) - vload_part(y + i, k), vload_part(gx + i, k)), k)
        i += VW


cdef void matrix_slope_row(const real *x, const real *d, const real *gd, ix rows, ix n, ix i, real *gx) noexcept nogil:
    cdef ix j
    cdef real g
    for j in range(n):
        gx[i*n + j] = 0
    for j in range(rows):
        g = gd[i*rows + j] + gd[j*rows + i]
        if g != 0 and d[i*rows + j] != 0:
            add_towards(x + i*n, x + j*n, n, g/d[i*rows + j], gx + i*n)


cdef void distances_row(const real *x, ix rows, ix n, ix i, real *d) noexcept nogil:
    """The distances of row i to those after it, on both sides of the diagonal."""
    cdef ix j
    d[i*rows + i] = 0
    for j in range(i + 1, rows):
        d[i*rows + j] = d[j*rows + i] = <real>distance(x + i*n, x + j*n, n, 0, 2)


def distance_matrix_forward(const real[:, ::1] x,    # IN  (r, n)
                            real[:, ::1] d):         # OUT (r, r)
    cdef ix rows = x.shape[0], n = x.shape[1], i
    require(rows > 0 and n > 0 and d.shape[0] == rows and d.shape[1] == rows, "distance_matrix: d must be (r, r)")
    cdef const real *xs = &x[0, 0]
    cdef real *ds = &d[0, 0]
    cdef int threads = team(rows*rows*n//2)
    for i in prange((rows + 1)//2, nogil=True, num_threads=threads, schedule="static"):
        distances_row(xs, rows, n, i, ds)              # a long row and a short one, so that threads have the same to do
        distances_row(xs, rows, n, rows - 1 - i, ds)


def distance_matrix_backward(const real[:, ::1] x,   # IN  (r, n)
                             const real[:, ::1] d,   # IN  (r, r)
                             const real[:, ::1] gd,  # IN  (r, r)
                             real[:, ::1] gx):       # OUT (r, n)
    cdef ix rows = x.shape[0], n = x.shape[1], i
    require(rows > 0 and n > 0 and d.shape[0] == rows and d.shape[1] == rows and gd.shape[0] == rows
            and gd.shape[1] == rows and gx.shape[0] == rows and gx.shape[1] == n, "distance_matrix: extents differ")
    cdef const real *xs = &x[0, 0]
    cdef const real *ds = &d[0, 0]
    cdef const real *gds = &gd[0, 0]
    cdef real *gxs = &gx[0, 0]
    cdef int threads = team(rows*rows*n)
    for i in prange(rows, nogil=True, num_threads=threads, schedule="static"):
        matrix_slope_row(xs, ds, gds, rows, n, i, gxs)


# ---------------------------------------------------------------- whom to compare
cdef int require_labels(const real[:, ::1] d, const int64_t[::1] label) except -1:
    require(d.shape[0] > 0 and d.shape[1] == d.shape[0] and label.shape[0] == d.shape[0],
            "triplets: d must be (r, r) and label (r,)")
    return 0


def hardest_triplets(const real[:, ::1] d,           # IN  (r, r)
                     const int64_t[::1] label,       # IN  (r,)
                     int64_t[::1] positive,          # OUT (r,)  the farthest of the same label, -1 where there is none
                     int64_t[::1] negative):         # OUT (r,)  the nearest of another label, -1 where there is none
    cdef ix rows = d.shape[0], i, j
    require_labels(d, label)
    require(positive.shape[0] == rows and negative.shape[0] == rows, "hardest_triplets: extents differ from d's")
    cdef const real *ds = &d[0, 0]
    cdef const int64_t *labels = &label[0]
    cdef int64_t *positives = &positive[0]
    cdef int64_t *negatives = &negative[0]
    with nogil:
        for i in range(rows):
            positives[i] = negatives[i] = -1
            for j in range(rows):
                if labels[j] != labels[i]:
                    if negatives[i] < 0 or ds[i*rows + j] < ds[i*rows + negatives[i]]:
                        negatives[i] = j
                elif j != i and (positives[i] < 0 or ds[i*rows + j] > ds[i*rows + positives[i]]):
                    positives[i] = j


cdef ix semi_hard(const real *d, const int64_t *labels, ix rows, ix i, ix positive, double margin) noexcept nogil:
    """The nearest negative of i that is farther than the positive, but by less than the margin, in squares."""
    cdef ix best = -1, j
    cdef double near = <double>d[positive]*d[positive], far
    for j in range(rows):
        far = <double>d[j]*d[j]
        if labels[j] != labels[i] and near < far < near + margin and (best < 0 or d[j] < d[best]):
            best = j
    return best


def semi_hard_triplets(const real[:, ::1] d,         # IN  (r, r)
                       const int64_t[::1] label,     # IN  (r,)
                       double margin,
                       int64_t[:, ::1] negative):    # OUT (r, r)  for anchor and positive; -1 where there is none
    cdef ix rows = d.shape[0], i, j
    require_labels(d, label)
    require(negative.shape[0] == rows and negative.shape[1] == rows, "semi_hard_triplets: extents differ from d's")
    cdef const real *ds = &d[0, 0]
    cdef const int64_t *labels = &label[0]
    cdef int64_t *negatives = &negative[0, 0]
    cdef int threads = team(rows*rows*rows)
    for i in prange(rows, nogil=True, num_threads=threads, schedule="static"):
        for j in range(rows):
            negatives[i*rows + j] = -1
            if j != i and labels[j] == labels[i]:
                negatives[i*rows + j] = semi_hard(ds + i*rows, labels, rows, i, j, margin)


# ---------------------------------------------------------------- class centres
def center_forward(const real[:, ::1] x,             # IN  (r, n)
                   const int64_t[::1] target,        # IN  (r,)  in [0, c)
                   const real[:, ::1] centers,       # IN  (c, n)
                   real[:, ::1] difference,          # OUT (r, n)  x - its centre
                   real[::1] loss):                  # OUT (r,)
    cdef ix rows = x.shape[0], n = x.shape[1], i
    require(rows > 0 and n > 0 and target.shape[0] == rows and centers.shape[1] == n and difference.shape[0] == rows
            and difference.shape[1] == n and loss.shape[0] == rows, "center: extents differ from x's")
    require_classes(target, centers.shape[0], "center: a target has no centre")
    cdef const real *xs = &x[0, 0]
    cdef const real *cs = &centers[0, 0]
    cdef const int64_t *ys = &target[0]
    cdef real *ds = &difference[0, 0]
    cdef real *losses = &loss[0]
    cdef int threads = team(rows*n)
    for i in prange(rows, nogil=True, num_threads=threads, schedule="static"):
        losses[i] = <real>(0.5*sum_between(square_point, xs + i*n, cs + ys[i]*n, n, vzero(), vset(2)))
        distance_slope(xs + i*n, cs + ys[i]*n, n, 0, 2, 1, 1, ds + i*n)


def center_backward(const real[:, ::1] difference,   # IN  (r, n)
                    const real[::1] g,               # IN  (r,)  gradient of each loss, or (1,): of all
                    real[:, ::1] gx):                # OUT (r, n)
    cdef ix rows = difference.shape[0], n = difference.shape[1], i, j
    require(rows > 0 and n > 0 and (g.shape[0] == rows or g.shape[0] == 1) and gx.shape[0] == rows
            and gx.shape[1] == n, "center: extents differ from those of difference")
    cdef const real *ds = &difference[0, 0]
    cdef const real *gs = &g[0]
    cdef real *gxs = &gx[0, 0]
    cdef bint one_g = g.shape[0] == 1
    cdef int threads = team(rows*n)
    for i in prange(rows, nogil=True, num_threads=threads, schedule="static"):
        for j in range(n):
            gxs[i*n + j] = ds[i*n + j]*gs[0 if one_g else i]
