# What the machine can do, measured by the same compiler's code: the bound that kernels are judged against.


cdef void fma_steps(real *y, ix steps) noexcept nogil:
    """24 chains, so that the latency of one step is hidden and the sums still fit the registers."""
    cdef vf chains[24]
    cdef vf half = vset(<real>0.5)
    cdef ix step
    cdef int i
    for i in range(24):
        chains[i] = vload(y + i*VW)
    for step in range(steps):
        for i in range(24):
            chains[i] = vfma(chains[i], half, half)
    for i in range(24):
        vstore(y + i*VW, chains[i])


def probe_fma(real[::1] y, ix steps):  # INOUT (24*WIDTH or more,): 24*WIDTH*steps multiply-adds
    require(y.shape[0] >= 24*VW, "probe_fma: y must have at least 24 vectors")
    with nogil:
        fma_steps(&y[0], steps)
