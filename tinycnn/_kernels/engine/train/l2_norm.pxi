# Back through u = x / max(|x|, eps), where |x| is the length of the k channels of a pixel (pixel_norm.pxi):
#
#     gx = g / |x| - x (g . x) / |x|^3,   or g / eps where |x| is not above eps
#
# (Liu, Rabinovich and Berg, "ParseNet", 2016, equations 2 to 6.)  The scale of each channel that follows is the business of
# others.  What fills up the last block has no part in sums.
#
# Loop order: pixels of all images are shared out; PIXELS at a time, block by block for their sums, and again for gx.

cdef void l2_norm_back_pixels(const Op *o, const real *x, const real *g, const real *add, real *gx, ix step,
                              ix pixels) noexcept nogil:
    """Up to PIXELS pixels; step: from a block to the next one."""
    cdef vf squares[PIXELS]
    cdef vf products[PIXELS]
    cdef vf v, d
    cdef vi real_lanes = vfirst(o.k - (o.blocks - 1)*VW)
    cdef double length, inverse
    cdef ix block, p, at
    for p in range(pixels):
        at = (o.blocks - 1)*step + p*VW
        v, d = vselect(real_lanes, vload(x + at), vzero()), vselect(real_lanes, vload(g + at), vzero())
        squares[p], products[p] = v*v, v*d
    for block in range(o.blocks - 1):
        for p in range(pixels):
            v, d = vload(x + block*step + p*VW), vload(g + block*step + p*VW)
            squares[p], products[p] = vfma(v, v, squares[p]), vfma(v, d, products[p])
    for p in range(pixels):
        length = sqrt(<double>vsum(squares[p]))
        inverse = 1/max(length, o.low)
        products[p] = vset(<real>(-inverse*inverse*inverse*vsum(products[p]) if length > o.low else 0.0))
        squares[p] = vset(<real>inverse)
    for block in range(o.blocks):
        for p in range(pixels):
            at = block*step + p*VW
            v = vfma(vload(x + at), products[p], vload(g + at)*squares[p])
            vstore(gx + at, v if add == NULL else v + vload(add + at))


cdef void l2_norm_back(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """low: eps."""
    cdef ix item, pixels = g.images*g.n, items = (pixels + PIXELS - 1)//PIXELS, at
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        at = item*PIXELS*VW
        l2_norm_back_pixels(g, run.arena + g.x + at, run.arena + g.g + at, run.arena + g.add + at if g.add >= 0 else NULL,
                            run.arena + g.gx + at, pixels*VW, min(<ix>PIXELS, pixels - item*PIXELS))
