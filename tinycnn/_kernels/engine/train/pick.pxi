# Channels picked from several maps that may be computed on load (lazy.pxi): what a concatenation, a split or a shuffle is.
#
#     pick       y[lane] = clip(scale x + shift) of the lane's own channel
#     pick_back  g[lane] = the gradients of all that was picked from this channel, + add; through the gate, with sums
#
# Tables say for each lane of each block where its channel begins in the arena (-1: nowhere, 0).  Lanes that lie side by
# side are copied as vectors; others are gathered, GATHERED_PIXELS pixels of a block at a time.

cdef enum:
    GATHERED_PIXELS = 64


cdef inline bint side_by_side(const int32_t *off) noexcept nogil:
    """Whether the lanes of a block lie as those of one vector do."""
    cdef int lane
    cdef bint whole = off[0] >= 0
    for lane in range(VW):
        whole = whole and off[lane] == off[0] + lane
    return whole


cdef void gather_lanes(const real *arena, const int32_t *off, real *y, ix n) noexcept nogil:
    """n vectors whose lanes lie at `off` from the start of the arena, and a vector further for each."""
    cdef real_int places[VW]
    cdef real there[VW]
    cdef ix i
    cdef int lane
    cdef vf v
    if side_by_side(off):
        memcpy(y, arena + off[0], n*VW*sizeof(real))
        return
    for lane in range(VW):
        places[lane], there[lane] = max(off[lane], 0), 1 if off[lane] >= 0 else 0
    v = vload(there)
    for i in range(n):
        vstore(y + i*VW, vselect(vgt(v, vzero()), vgather(arena + i*VW, places, VW), vzero()))


cdef inline void own_coefficients(const Op *g, const Run *run, ix block, real *a) noexcept nogil:
    """Scale and shift of each lane, by the table of where its scale is (-1: 1 and 0)."""
    cdef const int32_t *at = run.tables + g.soff + block*VW
    cdef int lane
    for lane in range(VW):
        a[lane], a[VW + lane] = 1, 0
        if at[lane] >= 0:
            a[lane], a[VW + lane] = run.arena[at[lane]], run.arena[at[lane] + VW]


cdef void pick(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """off, soff: of channels and of their scales; w: constants, the bounds of the clip of each lane: lower, then upper."""
    cdef ix pixels = g.images*g.n, each = (pixels + GATHERED_PIXELS - 1)//GATHERED_PIXELS, item, block, first, n
    cdef real a[2*VW]
    cdef real *y
    cdef const real *bound
    for item in range(share(g.blocks*each, t, threads), share(g.blocks*each, t + 1, threads)):
        block, first = item%g.blocks, item//g.blocks*GATHERED_PIXELS
        n, y = min(<ix>GATHERED_PIXELS, pixels - first), run.arena + g.y + (block*pixels + first)*VW
        gather_lanes(run.arena + first*VW, run.tables + g.off + block*VW, y, n)
        own_coefficients(g, run, block, a)
        bound = run.constants + g.w + block*VW
        lazy_run(y, y, n, a, vload(bound), vload(bound + g.blocks*VW))


cdef inline void sum_run(real *y, const real *x, ix n) noexcept nogil:
    cdef ix i
    for i in range(n):
        vstore(y + i*VW, vload(y + i*VW) + vload(x + i*VW))


cdef void picked_gradients(const Op *g, const Run *run, ix block, ix first, ix n, real *y) noexcept nogil:
    """The sum over the k tables, n pixels."""
    cdef real more[GATHERED_PIXELS*VW]
    cdef ix layer
    cdef const int32_t *off = run.tables + g.off + block*VW
    gather_lanes(run.arena + first*VW, off, y, n)
    for layer in range(1, g.k):
        gather_lanes(run.arena + first*VW, off + layer*g.blocks*VW, more, n)
        sum_run(y, more, n)


cdef void pick_back(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """gx, in runs of `rows` pixels.  off: k tables, one behind the other, of where gradients lie; x: what ga applies to."""
    cdef ix pixels = g.images*g.n, runs = runs_of(g), item, block, number, first, stop, n, at
    cdef real picked[GATHERED_PIXELS*VW]
    cdef real one[VW]
    cdef Gate gate
    cdef vf sums[2]
    vstore(one, vset(1))
    for item in range(share(g.blocks*runs, t, threads), share(g.blocks*runs, t + 1, threads)):
        block, number = item%g.blocks, item//g.blocks
        gate, sums[0], sums[1] = gate_of(g, run, block), vzero(), vzero()
        first, stop = number*g.rows, min((number + 1)*g.rows, pixels)
        while first < stop:
            n = min(<ix>GATHERED_PIXELS, stop - first)
            at = (block*pixels + first)*VW
            picked_gradients(g, run, block, first, n, picked)
            gate_run(&gate, run.arena + g.x + at, picked, VW, one, 0, run.arena + g.add + at if g.add >= 0 else NULL,
                     run.arena + g.gx + at, n, sums)
            first += n
        store_sums(g, run, number, block, sums)
