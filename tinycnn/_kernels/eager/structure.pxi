# Channel shuffle of x (N, C, P): channels, seen as a matrix of `groups` rows, are transposed,
#
#     y[n, j groups + i] = x[n, i (C / groups) + j]
#
# (Zhang et al., "ShuffleNet", 2017, section 3.1).  Copies of whole planes, in the order of y, so that writing is
# sequential; a thread takes the `groups` planes of a j.  Planes are often of a few dozen elements, for which a vector
# loop beats the call of memcpy.  The gradient is the shuffle with C / groups groups.

cdef inline void copy_plane(const real *x, real *y, ix p) noexcept nogil:
    cdef ix i = 0
    while i + VW <= p:
        vstore(y + i, vload(x + i))
        i += VW
    if i < p:
        vstore_part(y + i, vload_part(x + i, p - i), p - i)


cdef void gather_planes(const real *x, real *y, ix groups, ix columns, ix p) noexcept nogil:
    """Column of the matrix of planes x, made a row of y."""
    cdef ix i
    for i in range(groups):
        copy_plane(x + i*columns*p, y + i*p, p)


def channel_shuffle(const real[:, :, ::1] x, real[:, :, ::1] y, ix groups):  # IN (n, c, p)  OUT (n, c, p)
    cdef ix n = x.shape[0], c = x.shape[1], p = x.shape[2]
    require(n > 0 and c > 0 and p > 0 and groups > 0 and c % groups == 0,
            "channel_shuffle: groups must divide the channels of x, which must not be empty")
    require(y.shape[0] == n and y.shape[1] == c and y.shape[2] == p, "channel_shuffle: y must have the shape of x")
    cdef const real *xs = &x[0, 0, 0]
    cdef real *ys = &y[0, 0, 0]
    cdef ix columns = c//groups
    cdef ix i
    cdef int threads = team(n*c*p)
    for i in prange(n*columns, nogil=True, num_threads=threads, schedule="static"):
        gather_planes(xs + (i//columns*c + i % columns)*p, ys + i*groups*p, groups, columns, p)


# ---------------------------------------------------------------- the border of two ShuffleNetV2 units
# a and b (N, C, P) are joined, shuffled in two groups, and cut in two: channel q of what lies between is channel q//2
# of a or of b in turn; the first C are `left`, the others `right`.  One pass, where three operations took three.

cdef inline const real *dealt(const real *a, const real *b, ix unit, ix c, ix p) noexcept nogil:
    """The plane that goes to place unit%2c of image unit//2c."""
    cdef ix q = unit%(2*c), plane = (unit//(2*c)*c + q//2)*p
    return b + plane if q & 1 else a + plane


cdef inline ix dealt_to(ix unit, ix c, ix p) noexcept nogil:
    """Where in its half that place begins."""
    return (unit//(2*c)*c + unit%(2*c)%c)*p


cdef int require_halves(const real[:, :, ::1] a, const real[:, :, ::1] b, const real[:, :, ::1] left,
                        const real[:, :, ::1] right) except -1:
    cdef int i
    for i in range(3):
        require(a.shape[i] == b.shape[i] == left.shape[i] == right.shape[i] and a.shape[i] > 0,
                "concat_shuffle_split: the four arrays must have one shape, without extents of 0")
    return 0


def concat_shuffle_split_forward(const real[:, :, ::1] a, const real[:, :, ::1] b, real[:, :, ::1] left,
                                 real[:, :, ::1] right):  # IN (n, c, p)  IN (n, c, p)  OUT (n, c, p)  OUT (n, c, p)
    cdef ix c = a.shape[1], p = a.shape[2], units = 2*a.shape[0]*c, unit
    require_halves(a, b, left, right)
    cdef const real *one = &a[0, 0, 0]
    cdef const real *two = &b[0, 0, 0]
    cdef real *first = &left[0, 0, 0]
    cdef real *second = &right[0, 0, 0]
    cdef int threads = team(units*p)
    for unit in prange(units, nogil=True, num_threads=threads, schedule="static"):
        copy_plane(dealt(one, two, unit, c, p), (first if unit%(2*c) < c else second) + dealt_to(unit, c, p), p)


def concat_shuffle_split_backward(const real[:, :, ::1] gleft, const real[:, :, ::1] gright, real[:, :, ::1] ga,
                                  real[:, :, ::1] gb):  # IN (n, c, p)  IN (n, c, p)  OUT (n, c, p)  OUT (n, c, p)
    cdef ix c = ga.shape[1], p = ga.shape[2], units = 2*ga.shape[0]*c, unit
    require_halves(gleft, gright, ga, gb)
    cdef real *one = &ga[0, 0, 0]
    cdef real *two = &gb[0, 0, 0]
    cdef const real *first = &gleft[0, 0, 0]
    cdef const real *second = &gright[0, 0, 0]
    cdef int threads = team(units*p)
    for unit in prange(units, nogil=True, num_threads=threads, schedule="static"):
        copy_plane((first if unit%(2*c) < c else second) + dealt_to(unit, c, p),
                   <real *>dealt(one, two, unit, c, p), p)


# ---------------------------------------------------------------- a factor for each channel
# y[i] = s[i] x[i] for every plane i; gx[i] = s[i] gy[i], gs[i] = sum over the plane of gy[i] x[i], in one pass over both.

cdef inline void scale_plane(const real *x, real s, real *y, ix p) noexcept nogil:
    cdef ix i = 0
    while i + VW <= p:
        vstore(y + i, vload(x + i)*vset(s))
        i += VW
    vstore_part(y + i, vload_part(x + i, p - i)*vset(s), p - i)


cdef inline real scale_plane_gradient(const real *x, real s, const real *gy, real *gx, ix p) noexcept nogil:
    """Fills gx; returns gs."""
    cdef vf g, total = vzero()
    cdef ix i = 0, n
    while i < p:
        n = min(p - i, <ix>VW)
        g = vload_part(gy + i, n)
        vstore_part(gx + i, g*vset(s), n)
        total = vfma(g, vload_part(x + i, n), total)
        i += VW
    return vsum(total)


def scale_channels_forward(const real[:, ::1] x, const real[::1] s, real[:, ::1] y):  # IN (i, p)  IN (i,)  OUT (i, p)
    cdef ix planes = x.shape[0], p = x.shape[1], i
    require(planes > 0 and p > 0 and s.shape[0] == planes and y.shape[0] == planes and y.shape[1] == p,
            "scale_channels_forward: x, s and y do not fit")
    cdef int threads = team(planes*p)
    for i in prange(planes, nogil=True, num_threads=threads, schedule="static"):
        scale_plane(&x[0, 0] + i*p, s[i], &y[0, 0] + i*p, p)


def scale_channels_backward(const real[:, ::1] x, const real[::1] s, const real[:, ::1] gy, real[:, ::1] gx,
                            real[::1] gs):  # IN (i, p)  IN (i,)  IN (i, p)  OUT (i, p)  OUT (i,)
    cdef ix planes = x.shape[0], p = x.shape[1], i
    require(planes > 0 and p > 0 and s.shape[0] == planes and gs.shape[0] == planes and gy.shape[0] == planes
            and gy.shape[1] == p and gx.shape[0] == planes and gx.shape[1] == p,
            "scale_channels_backward: the arrays do not fit")
    cdef int threads = team(planes*p)
    for i in prange(planes, nogil=True, num_threads=threads, schedule="static"):
        gs[i] = scale_plane_gradient(&x[0, 0] + i*p, s[i], &gy[0, 0] + i*p, &gx[0, 0] + i*p, p)
