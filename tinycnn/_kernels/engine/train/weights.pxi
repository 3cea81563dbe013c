# Parameters into the panels that products read, and gradients of weights out of the tiles that they are summed in.
#
#     packed[panel][i, j][column] = array[w + column*px + i*xrow + tap],   j = the place of that tap, i = 0, ..., h - 1
#
# and 0 for the columns that fill up the last block.  A weight (O, I, kh, kw) is packed with its outputs as columns for the
# product forward (px = I kh kw; all of these are taps), and with its inputs as columns for the gradient of the input
# (px = kh kw, i is the output).  Which of the taps are kept, and in which order, a table says: turned round for the gradient
# of the input, and one phase of the stride at a time.
#
#     for each block of columns (threads share them), for each i:  squares of VW columns by VW taps, turned in registers
#
# Where columns lie side by side (the gradient of a pointwise layer's input, biases) they are copied, row by row.


cdef inline real *panel_of(real *y, ix block, ix blocks, ix k, ix *step) noexcept nogil:
    """Where a block of columns begins in packed panels of k rows; step: from a row to the next one."""
    cdef ix first = block - block%2, NB = min(2, blocks - first)
    if blocks%2 and blocks > 1 and block >= blocks - 3:
        first, NB = blocks - 3, 3
    step[0] = NB*VW
    return y + (first*k + block - first)*VW


cdef inline void pack_square(const real *w, ix px, ix columns, ix taps, const int32_t *places, real *y,
                             ix step) noexcept nogil:
    """Up to VW columns by up to VW taps. places: where each tap goes, -1: nowhere; NULL: in order."""
    cdef vf square[VW]
    cdef ix i
    if columns == VW and taps == VW:
        for i in range(VW):
            square[i] = vload(w + i*px)
    else:
        for i in range(VW):
            square[i] = vload_part(w + i*px, taps) if i < columns else vzero()
    vtranspose(square)
    for i in range(taps):
        if places == NULL:
            vstore(y + i*step, square[i])
        elif places[i] >= 0:
            vstore(y + places[i]*step, square[i])


cdef void pack_block(const Op *g, const int32_t *places, const real *w, real *y, ix step, ix columns) noexcept nogil:
    """One block of columns."""
    cdef ix i, j
    for i in range(g.h):
        j = 0
        while j < g.kh:
            pack_square(w + j, g.px, columns, min(VW, g.kh - j), places + j if places != NULL else NULL,
                        y + (j*step if places == NULL else 0), step)
            j += VW
        w += g.xrow
        y += g.kw*step


cdef void pack_rows(const Op *g, const real *w, real *y, ix first, ix last) noexcept nogil:
    """Columns that lie side by side: each row is read from one end to the other, as memory likes it."""
    cdef ix i, block, left, step
    cdef real *to
    for i in range(first, last):
        for block in range(g.blocks):
            left, to = g.n - block*VW, panel_of(y, block, g.blocks, g.h, &step)
            vstore(to + i*step, vload(w + i*g.xrow + block*VW) if left >= VW else vload_part(w + i*g.xrow + block*VW, left))


cdef void pack(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """mode: the number of the array of parameters; n: columns; kh: taps that lie side by side, of which kw are kept in
    the places that the table at `off` names (-1: all, in order)."""
    cdef ix block, step
    cdef const real *w = <const real *>run.io[g.mode] + g.w
    cdef real *y = run.arena + g.y
    if g.px == 1 and g.kh == 1 and g.kw == 1:
        pack_rows(g, w, y, share(g.h, t, threads), share(g.h, t + 1, threads))
        return
    for block in range(share(g.blocks, t, threads), share(g.blocks, t + 1, threads)):
        y = panel_of(run.arena + g.y, block, g.blocks, g.h*g.kw, &step)
        pack_block(g, run.tables + g.off if g.off >= 0 else NULL, w + block*VW*g.px, y, step, min(VW, g.n - block*VW))
