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
