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

cdef struct Reach:              # of a window along an axis, inside the map: `count` elements from `first` on, `step` apart
    ix first
    ix step
    ix count


cdef inline Reach adaptive_reach(ix i, ix size, ix parts) noexcept nogil:
    cdef Reach r
    r.first, r.step = i*size//parts, 1
    r.count = ((i + 1)*size + parts - 1)//parts - r.first
    return r


cdef inline Reach window_reach(ix start, ix size, ix kernel, ix dilation) noexcept nogil:
    cdef Reach r
    cdef ix before = 0
    r.first, r.step, r.count = start, dilation, kernel
    if start < 0 or start + (kernel - 1)*dilation >= size:      # at the border: the elements inside alone
        before = (dilation - 1 - start)//dilation if start < 0 else 0
        r.first = start + before*dilation
        r.count = max(min(kernel, (size - start + dilation - 1)//dilation) - before, 0)
    return r


cdef inline Reach row_reach(const Op *g, ix i) noexcept nogil:
    if g.kh == 0:
        return adaptive_reach(i, g.h, g.oh)
    return window_reach(i*g.sh - g.top, g.h, g.kh, g.dh)


cdef inline Reach column_reach(const Op *g, ix j) noexcept nogil:
    if g.kh == 0:
        return adaptive_reach(j, g.wd, g.ow)
    return window_reach(j*g.sw - g.left, g.wd, g.kw, g.dw)


cdef inline void give_to_first(const real *x, vf best, vf gy, real *y, ix rows, ix row, ix columns, ix column,
                               const Loading *l, bint lazy) noexcept nogil:
    """To the first element of a window that is the largest. row, column: from one to the next."""
    cdef Loading how                # stores to y may not change it
    cdef ix a, c, at
    cdef vi here
    if lazy:
        how = l[0]
    for a in range(rows):
        for c in range(columns):
            at = a*row + c*column
            here = veq(loaded(x + at, &how, lazy), best)
            vstore(y + at, vload(y + at) + vselect(here, gy, vzero()))
            gy = vselect(here, vzero(), gy)


cdef inline void give_to_all(vf gy, real *y, ix rows, ix row, ix columns, ix column) noexcept nogil:
    cdef ix a, c
    for a in range(rows):
        for c in range(columns):
            vstore(y + a*row + c*column, vload(y + a*row + c*column) + gy)


cdef inline void largest_gradient(const Op *g, const real *x, const real *best, const real *gy, real *y,
                                  const Loading *l, bint lazy) noexcept nogil:
    """A plane."""
    cdef ix i, j, at, row, first
    cdef Reach rows, columns
    for i in range(g.oh):
        rows = row_reach(g, i)
        row = rows.step*g.wd*VW
        for j in range(g.ow):
            columns, at = column_reach(g, j), (i*g.ow + j)*VW
            first = (rows.first*g.wd + columns.first)*VW
            if rows.count == 3 and columns.count == 3:          # as in most networks: the loops unrolled
                give_to_first(x + first, vload(best + at), vload(gy + at), y + first, 3, row, 3, columns.step*VW, l, lazy)
            else:
                give_to_first(x + first, vload(best + at), vload(gy + at), y + first, rows.count, row, columns.count,
                              columns.step*VW, l, lazy)


cdef inline ix padded_count(ix i, ix stride, ix before, ix kernel, ix size, ix after) noexcept nogil:
    """Elements of a window that a mean counts which counts the padding, but not what lies beyond it."""
    return min(i*stride - before + kernel, size + after) - (i*stride - before)


cdef void mean_gradient(const Op *g, const real *gy, real *y) noexcept nogil:
    """A plane."""
    cdef ix i, j, high, wide
    cdef Reach rows, columns
    for i in range(g.oh):
        rows = row_reach(g, i)
        high = padded_count(i, g.sh, g.top, g.kh, g.h, g.n) if g.mode == MEAN_PADDED else rows.count
        for j in range(g.ow):
            columns = column_reach(g, j)
            wide = padded_count(j, g.sw, g.left, g.kw, g.wd, g.px) if g.mode == MEAN_PADDED else columns.count
            if rows.count*columns.count > 0:
                give_to_all(vload(gy + (i*g.ow + j)*VW)*vset(<real>(1.0/(high*wide))),
                            y + (rows.first*g.wd + columns.first)*VW, rows.count, rows.step*g.wd*VW, columns.count,
                            columns.step*VW)


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
