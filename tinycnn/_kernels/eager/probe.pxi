# What the machine can do, measured by code from the same compiler: the bound that kernels are judged against.
# As many chains of multiply-adds as a product's tile has sums (simd.h): enough to hide the latency of a step, and with
# the constant they fit the registers, of which AVX2 and SSE have 16; chains that are spilled hide a fifth of the peak.
import time


cdef void fma_steps(real *y, ix steps) noexcept nogil:
    cdef vf chains[TILE]
    cdef vf half = vset(<real>0.5)
    cdef ix step
    cdef int i
    for i in range(TILE):
        chains[i] = vload(y + i*VW)
    for step in range(steps):
        for i in range(TILE):
            chains[i] = vfma(chains[i], half, half)
    for i in range(TILE):
        vstore(y + i*VW, chains[i])


def probe_fma(ix steps):
    cdef real y[TILE*VW]
    cdef ix i
    for i in range(TILE*VW):
        y[i] = 1 if steps > 0 else 0            # as a constant, compilers would know the result without a step
    start = time.perf_counter()
    with nogil:
        fma_steps(y, steps)
    seconds = time.perf_counter() - start
    require(steps > 0 and y[0] == 1, "probe_fma: 1/2 + 1/2 is not 1")
    return 2*TILE*VW*steps/seconds
