# Channel shuffle of x (N, C, P): channels, seen as a matrix of `groups` rows, are transposed,
#
#     y[n, j groups + i] = x[n, i (C / groups) + j]
#
# (Zhang et al., "ShuffleNet", 2017, section 3.1).  Copies of whole planes, in the order of y, so that writing is
# sequential; the gradient is the shuffle with C / groups groups.

cdef inline ix shuffled(ix c, ix channels, ix groups) noexcept nogil:
    """The channel of x that becomes channel c of y."""
    return c % groups*(channels//groups) + c//groups


def channel_shuffle(const real[:, :, ::1] x, real[:, :, ::1] y, ix groups):  # IN (n, c, p)  OUT (n, c, p)
    cdef ix channels = x.shape[1], p = x.shape[2], planes = x.shape[0]*channels
    require(planes > 0 and p > 0 and groups > 0 and channels % groups == 0,
            "channel_shuffle: groups must divide the channels of x, which must not be empty")
    require(y.shape[0] == x.shape[0] and y.shape[1] == channels and y.shape[2] == p,
            "channel_shuffle: y must have the shape of x")
    cdef const real *xs = &x[0, 0, 0]
    cdef real *ys = &y[0, 0, 0]
    cdef ix i
    cdef int threads = team(planes*p)
    for i in prange(planes, nogil=True, num_threads=threads, schedule="static"):
        memcpy(ys + i*p, xs + (i//channels*channels + shuffled(i % channels, channels, groups))*p, p*sizeof(real))
