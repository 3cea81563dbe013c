# Gradients of pooling, over planes in the blocked layout.  Of an output o with the window W(o):
#
#     largest     y[p] += g[o]           at the first p of W(o), by rows, where x[p] = r[o]; a NaN equals nothing
#     mean        y[p] += g[o] / n(o)    at every p of W(o)
#
# y begins as `add`, or as zeros; x is loaded as a, low and high say (see Loading), r are the results of the forward pass.
# Where ga is not -1, y is gated at last and leaves sums for each image (see lazy.pxi).
#
# Windows: kh > 0: those of the kind `pool`, with its fields and modes; kh = 0: those of `adaptive_pool`, with its modes.
#
# Loop order.  A thread computes a plane from end to end: windows by rows, each adding to the elements that it covers,
# then the gate while the plane is near.  Scattering costs a load and a store for each element of a window, which a look
# for the windows of an element would cost as well, and finds the first of equals as it goes: what a window has given
# away it no longer has.

cdef struct Reach:              # of a window along an axis, inside the map: first, first + step, ... before stop
    ix first
    ix step
    ix stop
    ix counted                  # elements that a mean divides by


cdef inline Reach adaptive_reach(ix i, ix size, ix parts) noexcept nogil:
    cdef Reach r
    r.first, r.step, r.stop = i*size//parts, 1, ((i + 1)*size + parts - 1)//parts
    r.counted = r.stop - r.first
    return r


cdef inline Reach window_reach(ix start, ix size, ix kernel, ix dilation, ix after, bint padded) noexcept nogil:
    cdef Reach r
    r.first, r.step = start, dilation
    if start < 0:
        r.first = start + (dilation - 1 - start)//dilation*dilation
    r.stop = min(size, start + (kernel - 1)*dilation + 1)
    r.counted = max(r.stop - r.first + dilation - 1, 0)//dilation
    if padded:
        r.counted = min(start + kernel, size + after) - start
    return r


cdef inline Reach row_reach(const Op *g, ix i) noexcept nogil:
    if g.kh == 0:
        return adaptive_reach(i, g.h, g.oh)
    return window_reach(i*g.sh - g.top, g.h, g.kh, g.dh, g.n, g.mode == MEAN_PADDED)


cdef inline Reach column_reach(const Op *g, ix j) noexcept nogil:
    if g.kh == 0:
        return adaptive_reach(j, g.wd, g.ow)
    return window_reach(j*g.sw - g.left, g.wd, g.kw, g.dw, g.px, g.mode == MEAN_PADDED)


cdef inline void give_to_first(const real *x, vf best, vf gy, real *y, const Reach *rows, const Reach *columns, ix wd,
                               const Loading *l, bint lazy) noexcept nogil:
    """To the first element of a window that is the largest."""
    cdef ix a = rows.first, c, at
    cdef vi here
    while a < rows.stop:
        c = columns.first
        while c < columns.stop:
            at = (a*wd + c)*VW
            here = veq(loaded(x + at, l, lazy), best)
            vstore(y + at, vload(y + at) + vselect(here, gy, vzero()))
            gy = vselect(here, vzero(), gy)
            c += columns.step
        a += rows.step


cdef inline void give_to_all(vf gy, real *y, const Reach *rows, const Reach *columns, ix wd) noexcept nogil:
    cdef ix a = rows.first, c, at
    while a < rows.stop:
        c = columns.first
        while c < columns.stop:
            at = (a*wd + c)*VW
            vstore(y + at, vload(y + at) + gy)
            c += columns.step
        a += rows.step


cdef inline void largest_gradient(const Op *g, const real *x, const real *best, const real *gy, real *y,
                                  const Loading *l, bint lazy) noexcept nogil:
    """A plane."""
    cdef ix i, j, at
    cdef Reach rows, columns
    for i in range(g.oh):
        rows = row_reach(g, i)
        for j in range(g.ow):
            columns, at = column_reach(g, j), (i*g.ow + j)*VW
            give_to_first(x, vload(best + at), vload(gy + at), y, &rows, &columns, g.wd, l, lazy)


cdef void mean_gradient(const Op *g, const real *gy, real *y) noexcept nogil:
    """A plane."""
    cdef ix i, j, counted
    cdef Reach rows, columns
    for i in range(g.oh):
        rows = row_reach(g, i)
        for j in range(g.ow):
            columns = column_reach(g, j)
            counted = rows.counted*columns.counted
            if counted > 0:
                give_to_all(vload(gy + (i*g.ow + j)*VW)*vset(<real>(1.0/counted)), y, &rows, &columns, g.wd)


cdef void gate_plane(const Op *g, const Run *run, const real *x, real *y, ix image, ix block) noexcept nogil:
    """In place."""
    cdef Gate gate = gate_of(g, run, block)
    cdef vf sums[2]
    cdef real one[VW]
    vstore(one, vset(1))
    sums[0], sums[1] = vzero(), vzero()
    gate_run(&gate, x, y, VW, one, 0, NULL, y, g.h*g.wd, sums)
    store_sums(g, run, image, block, sums)


cdef void pool_gradient(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    cdef ix plane, planes = g.blocks*g.images, size = g.h*g.wd*VW, out = g.oh*g.ow*VW, block
    cdef const real *x
    cdef const real *gy
    cdef real *y
    cdef Loading l
    for plane in range(share(planes, t, threads), share(planes, t + 1, threads)):
        block = plane//g.images
        x, gy, y = run.arena + g.x + plane*size, run.arena + g.g + plane*out, run.arena + g.y + plane*size
        if g.add < 0:
            memset(y, 0, size*sizeof(real))
        elif g.add != g.y:
            memcpy(y, run.arena + g.add + plane*size, size*sizeof(real))
        if g.mode != LARGEST:
            mean_gradient(g, gy, y)
        elif g.a >= 0:
            l = loading(g, run, block)
            largest_gradient(g, x, run.arena + g.r + plane*out, gy, y, &l, True)
        else:
            largest_gradient(g, x, run.arena + g.r + plane*out, gy, y, NULL, False)
        if g.ga >= 0:
            gate_plane(g, run, x, y, plane%g.images, block)
