# Maps of another size: y[i, j] = sum over kh rows a and kw columns c of x of row weight times column weight times x[a, c].
#
# Rows first: the kh rows that an output row is made of are added up, weighted, into a line in scratch memory; then the
# line is looked at once per column.  One row of weight 1 needs no line, and one column of weight 1 is a copy of vectors:
# that is what "nearest" comes to.  Output rows are shared out.
#
# off: the places of rows (kh, oh), then of columns (kw, ow); w: their weights (read where kh, or kw, is above 1).

cdef void weighted_rows(const Op *g, const real *x, real *line, const int32_t *rows, const real *weights) noexcept nogil:
    """line = the rows of the plane x that an output row is made of, weighted; rows, weights: of the first of them."""
    cdef ix j, a
    cdef vf sum
    for j in range(g.wd):
        sum = vzero()
        for a in range(g.kh):
            sum = vfma(vset(weights[a*g.oh]), vload(x + (rows[a*g.oh]*g.wd + j)*VW), sum)
        vstore(line + j*VW, sum)


cdef void weighted_columns(const Op *g, const real *line, real *y, const int32_t *columns,
                           const real *weights) noexcept nogil:
    cdef ix j, c
    cdef vf sum
    if g.kw == 1:
        for j in range(g.ow):
            vstore(y + j*VW, vload(line + columns[j]*VW))
        return
    for j in range(g.ow):
        sum = vzero()
        for c in range(g.kw):
            sum = vfma(vset(weights[c*g.ow + j]), vload(line + columns[c*g.ow + j]*VW), sum)
        vstore(y + j*VW, sum)


cdef void resize(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    cdef ix item, i, items = g.blocks*g.images*g.oh
    cdef const int32_t *rows = run.tables + g.off
    cdef const real *weights = run.constants + g.w
    cdef const real *x
    cdef real *line = run.arena + g.t + t*g.wd*VW
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        x, i = run.arena + g.x + item//g.oh*g.h*g.wd*VW, item%g.oh
        if g.kh > 1:
            weighted_rows(g, x, line, rows + i, weights + i)
        weighted_columns(g, <const real *>line if g.kh > 1 else x + rows[i]*g.wd*VW, run.arena + g.y + item*g.ow*VW,
                         rows + g.kh*g.oh, weights + g.kh*g.oh)
