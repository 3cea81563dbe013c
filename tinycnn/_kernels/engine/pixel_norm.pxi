# Normalisation across the k channels of one pixel, which lie in as many blocks as it takes.
#
#     l2_norm         y = weight x / max(|x|, eps)                      low: eps
#     local_response  y = x (k + alpha / size sum x_j^2)^-beta          over the channels j from c - size // 2 on, `size`
#                                                                       of them, that there are
#
# What fills up the last block is masked where lanes are added up: whatever lies there, it has no part in any sum.  Pixels
# of all images are shared out.

cdef enum:
    PIXELS = 16                 # that are gone through block by block, together: their sums stay in registers


cdef void l2_norm_pixels(const Op *g, const real *x, real *y, const real *weight, ix step, ix pixels) noexcept nogil:
    """Up to PIXELS pixels; step: from a block to the next one."""
    cdef vf sums[PIXELS]
    cdef vf v, w
    cdef vi real_lanes = vfirst(g.k - (g.blocks - 1)*VW)
    cdef ix block, p
    for p in range(pixels):
        v = vselect(real_lanes, vload(x + (g.blocks - 1)*step + p*VW), vzero())
        sums[p] = v*v
    for block in range(g.blocks - 1):
        for p in range(pixels):
            v = vload(x + block*step + p*VW)
            sums[p] = vfma(v, v, sums[p])
    for p in range(pixels):
        sums[p] = vset(<real>(1/max(sqrt(<double>vsum(sums[p])), g.low)))
    for block in range(g.blocks):
        w = vload(weight + block*VW)
        for p in range(pixels):
            vstore(y + block*step + p*VW, vload(x + block*step + p*VW)*sums[p]*w)


cdef void l2_norm(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    cdef ix item, pixels = g.images*g.n, items = (pixels + PIXELS - 1)//PIXELS, at
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        at = item*PIXELS
        l2_norm_pixels(g, run.arena + g.x + at*VW, run.arena + g.y + at*VW, run.constants + g.w, pixels*VW,
                       min(<ix>PIXELS, pixels - at))


cdef inline vf to_minus(vf d, real beta) noexcept nogil:
    """d^-beta; by square roots for AlexNet's 3/4."""
    cdef vf root
    if beta == <real>0.75:
        root = vsqrt(d)
        return vset(1)/(root*vsqrt(root))
    return vexp(vset(-beta)*vlog(d))


cdef void local_response(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """rows: size; w: alpha / size, k, beta; t: room for the squares of a pixel, and `size` zeros around them, per thread."""
    cdef ix p, block, j, pixels = g.images*g.n, step = pixels*VW, room = g.blocks*VW + g.rows
    cdef real *squares = run.arena + g.t + t*room
    cdef const real *numbers = run.constants + g.w
    cdef const real *x
    cdef vf v, sum
    cdef vi real_lanes = vfirst(g.k - (g.blocks - 1)*VW)
    memset(squares, 0, room*sizeof(real))
    for p in range(share(pixels, t, threads), share(pixels, t + 1, threads)):
        x = run.arena + g.x + p*VW
        for block in range(g.blocks):
            v = vload(x + block*step)
            if block == g.blocks - 1:
                v = vselect(real_lanes, v, vzero())
            vstore(squares + g.rows//2 + block*VW, v*v)
        for block in range(g.blocks):
            sum = vzero()
            for j in range(g.rows):
                sum = sum + vload(squares + block*VW + j)
            v = to_minus(vfma(sum, vset(numbers[0]), vset(numbers[1])), numbers[2])
            vstore(run.arena + g.y + p*VW + block*step, vload(x + block*step)*v)
