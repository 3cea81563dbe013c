# One pass over maps, forward and back, of values that may be computed on load (lazy.pxi):
#
#     affine_clip   y = f(scale x + shift), f a clip or another activation;  y = f(x) . r, another map or a number per plane
#     gate_sums     g = f' (p gz) + add, p: 1, -1, a map or a number per plane; gz: a map, or a number per plane to be spread
#     scale_back    y = z s, s per plane:  gz = g s as above, and gs = sum over the plane of g z
#     blend         y = c0 g + c1 x + c2 + add
#     lazy_mean     the mean of each plane of z
#
# Items are runs of pixels (of `rows`, where sums are left) of a block, or planes; PART vectors at a time, which stay in
# the first cache where two loops look at them.

cdef enum:
    OF_ONE = 0                  # factors of gate_sums: 1,
    NEGATED = 1                 # -1,
    SPREAD = 2                  # or 1 / n: gz is the gradient of a mean over n pixels


# ---------------------------------------------------------------- forward
cdef inline void affine_clip_run(const real *x, const real *a, const real *r, ix rstep, const real *ra, real *y, ix n,
                                 vf low, vf high, ix activation, ix how) noexcept nogil:
    """n vectors; r moves on by rstep, ra: its coefficients."""
    cdef vf scale = coefficient(a, 0), shift = coefficient(a, 1), factor = coefficient(ra, 0), more = coefficient(ra, 1), v
    cdef ix i
    for i in range(n):
        v = activated(vfma(scale, vload(x + i*VW), shift), activation, low, high)
        vstore(y + i*VW, v if how == COPY else combined(v, vfma(factor, vload(r + i*rstep), more), how))


cdef void affine_clip_some(const Op *g, const real *x, const real *a, const real *r, const real *ra, real *y,
                           ix n) noexcept nogil:
    """The loop for each activation, and for what is added or multiplied most often."""
    cdef vf low = vset(<real>g.low), high = vset(<real>g.high)
    if g.mode == COPY and g.activation == CLIP:
        affine_clip_run(x, a, NULL, 0, NULL, y, n, low, high, CLIP, COPY)
    elif g.mode == COPY and g.activation == HARDSWISH:
        affine_clip_run(x, a, NULL, 0, NULL, y, n, low, high, HARDSWISH, COPY)
    elif g.mode == COPY and g.activation == SILU:
        affine_clip_run(x, a, NULL, 0, NULL, y, n, low, high, SILU, COPY)
    elif g.mode == COPY:
        affine_clip_run(x, a, NULL, 0, NULL, y, n, low, high, g.activation, COPY)
    elif g.mode == ADD:
        affine_clip_run(x, a, r, g.px, ra, y, n, low, high, CLIP, ADD)
    elif g.mode == MULTIPLY:
        affine_clip_run(x, a, r, g.px, ra, y, n, low, high, CLIP, MULTIPLY)
    else:
        affine_clip_run(x, a, r, g.px, ra, y, n, low, high, CLIP, g.mode)


cdef void affine_clip(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """mode: how r, which lies as x does or (px = 0) in a vector per plane, is combined with x; COPY: there is none.
    s: the coefficients of r; -1: it is itself."""
    cdef ix item, each = pieces(g), items = g.blocks*g.images*each, plane, block, first, at
    cdef const real *r
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        plane, first = item//each, item%each*PIECE
        block, at = plane//g.images, (plane*g.n + first)*VW
        r = run.arena + g.r + (at if g.px else plane*VW) if g.r >= 0 else NULL
        affine_clip_some(g, run.arena + g.x + at, coefficients_of(run, g.a, block, 4), r,
                         coefficients_of(run, g.s, block, 4), run.arena + g.y + at, min(<ix>PIECE, g.n - first))


cdef inline vf lazy_sum(const real *x, const real *by, ix n, const real *a, vf low, vf high) noexcept nogil:
    """The sum over n vectors of z, or of z by; PART at a time."""
    cdef vf scale = coefficient(a, 0), shift = coefficient(a, 1), total = vzero(), first, second, v
    cdef ix i = 0, end
    while i < n:
        end = min(n, i + PART)
        first, second = vzero(), vzero()
        while i < end:
            v = vclip(vfma(scale, vload(x + i*VW), shift), low, high)
            if by != NULL:
                v = v*vload(by + i*VW)
            first, second = second, first + v
            i += 1
        total = total + (first + second)
    return total


cdef void lazy_mean(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """The mean of each plane of n pixels."""
    cdef ix plane, planes = g.blocks*g.images
    cdef vf low = vset(<real>g.low), high = vset(<real>g.high)
    for plane in range(share(planes, t, threads), share(planes, t + 1, threads)):
        vstore(run.arena + g.y + plane*VW,
               lazy_sum(run.arena + g.x + plane*g.n*VW, NULL, g.n, coefficients_of(run, g.a, plane//g.images, 4), low,
                        high)*vset(<real>(1.0/g.n)))


# ---------------------------------------------------------------- back
cdef void gate_sums(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """gx, in runs of `rows` pixels.  g moves on by px, its factors s by py (0: a vector per plane, and a run is a plane);
    s = -1: they are what `mode` says.  x: what ga and the activation apply to; gx = -1: only the sums are wanted."""
    cdef ix item, runs = runs_of(g), items = g.blocks*runs, block, number, n, at, plane, pixels = g.images*g.n
    cdef real one[VW]
    cdef const real *f
    cdef Gate gate
    cdef vf sums[2]
    vstore(one, vset(<real>(-1 if g.mode == NEGATED else 1.0/g.n if g.mode == SPREAD else 1)))
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        block, number = item//runs, item%runs
        n, at = min(g.rows, pixels - number*g.rows), (block*pixels + number*g.rows)*VW
        plane, gate = (block*g.images + number)*VW, gate_of(g, run, block)
        f = one
        if g.s >= 0:
            f = run.arena + g.s + (at if g.py else plane)
        sums[0], sums[1] = vzero(), vzero()
        gate_run(&gate, run.arena + g.x + at, run.arena + g.g + (at if g.px else plane), g.px, f, g.py,
                 run.arena + g.add + at if g.add >= 0 else NULL, run.arena + g.gx + at if g.gx >= 0 else NULL, n, sums)
        store_sums(g, run, number, block, sums)


cdef void scale_back(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """Back through y = z s: gx = -1 where x needs no gradient.  y: gs, of each plane; a: what loads x, ga: what gates gx."""
    cdef ix plane, planes = g.blocks*g.images, block, at
    cdef vf low = vset(<real>g.low), high = vset(<real>g.high)
    cdef Gate gate
    cdef vf sums[2]
    for plane in range(share(planes, t, threads), share(planes, t + 1, threads)):
        block, at = plane//g.images, plane*g.n*VW
        vstore(run.arena + g.y + plane*VW, lazy_sum(run.arena + g.x + at, run.arena + g.g + at, g.n,
                                                    coefficients_of(run, g.a, block, 4), low, high))
        if g.gx >= 0:
            gate, sums[0], sums[1] = gate_if_lazy(g, run, block), vzero(), vzero()
            gate_run(&gate, run.arena + g.x + at, run.arena + g.g + at, VW, run.arena + g.s + plane*VW, 0,
                     run.arena + g.add + at if g.add >= 0 else NULL, run.arena + g.gx + at, g.n, sums)
            store_sums(g, run, plane%g.images, block, sums)


cdef void blend(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """y = c0 g + c1 x + c2, and `add`."""
    cdef ix item, each = pieces(g), items = g.blocks*g.images*each, plane, first, at
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        plane, first = item//each, item%each*PIECE
        at = (plane*g.n + first)*VW
        blend_run(run.arena + g.g + at, run.arena + g.x + at, run.arena + g.add + at if g.add >= 0 else NULL,
                  run.arena + g.y + at, min(<ix>PIECE, g.n - first), run.arena + g.c + plane//g.images*3*VW)
