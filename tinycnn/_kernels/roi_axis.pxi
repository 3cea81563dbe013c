# RoI align along one axis: what each bin of a box weighs each element, for the eager kernels and for compiled plans.
#
# A coordinate becomes an index only once it is known to lie on the map, or a pixel beside it.  Boxes must be no farther
# away than 2^24, where float32 still tells integers apart.

cdef inline void sample_between(real at, ix size, real share, real *weight, ix *bound) noexcept nogil:
    """Share a sample at `at` out between the two elements beside it; weight[r] is kept for bound[0] <= r < bound[1]."""
    cdef ix low, high, r
    at = max(at, 0)
    low = min(<ix>at, size - 1)
    high = min(low + 1, size - 1)
    at = at - low if high > low else 0
    if bound[0] == bound[1]:
        bound[0] = bound[1] = low
    for r in range(low, bound[0]):
        weight[r] = 0
    for r in range(bound[1], high + 1):
        weight[r] = 0
    bound[0], bound[1] = min(bound[0], low), max(bound[1], high + 1)
    weight[low] += share*(1 - at)
    weight[high] += share*at


cdef void align_bin(real start, real bin, ix i, ix samples, ix size, real *weight, ix *bound) noexcept nogil:
    """Weights of bin i of an axis; samples further than one pixel outside count, but give nothing."""
    cdef real at, step = bin/<real>samples, base = start + i*bin
    cdef ix s = 0, last = samples
    bound[0] = bound[1] = 0
    if step > 0:            # only those about the map, for there may be millions beside it
        s = <ix>min(max((-1 - base)/step - 2, <real>0), <real>samples)
        last = <ix>min(max((size - base)/step + 2, <real>0), <real>samples)
    for s in range(s, last):
        at = base + (s + <real>0.5)*bin/<real>samples
        if at >= -1 and at <= size:
            sample_between(at, size, 1/<real>samples, weight, bound)


cdef void align_axis(real start, real length, ix bins, ix size, ix sampling_ratio, real *weights,
                     ix *bounds) noexcept nogil:
    """Of a box that begins at `start`: weights (bins, size), written within the bounds (bins, 2)."""
    cdef real bin = length/<real>bins
    cdef ix samples = sampling_ratio, i
    if samples <= 0:    # as many as bring them no more than a pixel apart
        samples = <ix>bin + (1 if bin > <ix>bin else 0)
    for i in range(bins):
        bounds[2*i] = bounds[2*i + 1] = 0
        if samples > 0:
            align_bin(start, bin, i, samples, size, weights + i*size, bounds + 2*i)
