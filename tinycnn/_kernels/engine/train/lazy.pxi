# What training plans compute while they load and while they store, on runs of vectors of one block of channels.
#
# A batch normalisation stores nothing: it leaves coefficients, and who reads its output z computes it from the raw x,
#
#     z = clip(scale x + shift, low, high)                                                    lazy_run
#
# The way back meets the clip first, then the sums that the normalisation needs (S1, S2), then what it makes of them:
#
#     g = (f gz + add) [low < z < high],   S1 = sum g,   S2 = sum g (x - mean) / std           gate_run
#     gx = c0 g + c1 x + c2                                                                   blend_run
#
# Where z is no such clip but another activation (`how`), f gz is multiplied by its slope instead, and `add`, a gradient of
# its input, comes to that.  Sums run over PART vectors at most before they are added up, so that rounding grows with the
# square root of what is summed, twice over.

cdef enum:
    PART = 512                  # vectors
    OPEN = 16                   # `how`, beside the activations: every gradient passes
    CUT = 17                    # and: a clip of a value that is there, its slope 0 or 1
    OF_Y = 32                   # is added to SIGMOID and TANH where x is not their input but their output

cdef enum:
    FAR = 1 << 22               # bytes of a map that does not stay in the second cache until it is read


cdef struct Gate:
    ix how
    const real *a               # scale, shift, mean, 1 / std; NULL: 1, 0, 0, 1
    real low                    # of the clip; LEAKY: the slope
    real high
    bint far                    # g goes past the caches


# ---------------------------------------------------------------- coefficients
cdef inline vf coefficient(const real *a, int which) noexcept nogil:
    """Scale, shift, mean or 1 / std."""
    if a == NULL:
        return vset(1) if which == 0 or which == 3 else vzero()
    return vload(a + which*VW)


cdef inline const real *coefficients_of(const Run *run, ix at, ix block, ix count) noexcept nogil:
    """Those of a block, `count` vectors each; NULL where there are none."""
    return run.arena + at + block*count*VW if at >= 0 else NULL


# ---------------------------------------------------------------- on load
cdef inline void lazy_run(const real *x, real *y, ix n, const real *a, vf low, vf high) noexcept nogil:
    """n vectors of z."""
    cdef vf scale = coefficient(a, 0), shift = coefficient(a, 1)
    cdef ix i
    for i in range(n):
        vstore(y + i*VW, vclip(vfma(scale, vload(x + i*VW), shift), low, high))


cdef inline void blend_run(const real *g, const real *y, const real *add, real *gx, ix n, const real *c) noexcept nogil:
    """n vectors of c0 g + c1 y + c2, and `add`, where it is not NULL."""
    cdef vf c0 = vload(c), c1 = vload(c + VW), c2 = vload(c + 2*VW), v
    cdef ix i
    for i in range(n):
        v = vfma(c0, vload(g + i*VW), vfma(c1, vload(y + i*VW), c2))
        vstore(gx + i*VW, v if add == NULL else v + vload(add + i*VW))


# ---------------------------------------------------------------- past the caches
cdef inline bint goes_far(const real *y, ix size) noexcept nogil:
    """Whether a map of so many elements is better written past the caches, and lies as that needs it."""
    return size*<ix>sizeof(real) > FAR and <size_t>y % (VW*sizeof(real)) == 0


# ---------------------------------------------------------------- slopes of activations
cdef inline vf mish_slope(vf x) noexcept nogil:
    """Of x n / (n + 2), n = e (e + 2), e = e^x: n / (n + 2) + 4 x e (e + 1) / (n + 2)^2."""
    cdef vf e = vexp(vmin(vset(MISH_ONE), x))
    cdef vf n = e*(e + vset(2)), inverse = vdivide(vset(1), n + vset(2))
    return vfma(x*vset(4)*e*(e + vset(1)), inverse*inverse, n*inverse)


cdef inline vf hardswish_slope(vf x) noexcept nogil:
    return vselect(vgt(x, vset(-3)), vselect(vgt(vset(3), x), vfma(x, vset(<real>(1.0/3)), vset(0.5)), vset(1)), vzero())


cdef inline vf slope(vf x, ix how, vf low, vf high) noexcept nogil:
    """Of an activation, at x; low, high: bounds of a clip, low: of LEAKY the slope."""
    cdef vf y
    if how == HARDSWISH:
        return hardswish_slope(x)
    if how == HARDSIGMOID:
        return vselect(vgt(x, vset(-3)) & vgt(vset(3), x), vset(<real>(1.0/6)), vzero())
    if how == SIGMOID or how == SIGMOID + OF_Y:
        y = vsigmoid(x) if how == SIGMOID else x
        return y*(vset(1) - y)
    if how == SILU:
        y = vsigmoid(x)
        return y*(vset(1) + x*(vset(1) - y))
    if how == TANH or how == TANH + OF_Y:
        y = vtanh(x) if how == TANH else x
        return vset(1) - y*y
    if how == CUT:
        return vselect(vgt(x, low) & vgt(high, x), vset(1), vzero())
    if how == LEAKY:
        return vselect(vgt(x, vzero()), vset(1), low)
    return mish_slope(x)


# ---------------------------------------------------------------- on the way back
cdef inline vf gated(vf x, vf g, const real *add, vf low, vf high, ix how) noexcept nogil:
    """The gradient of scale x + shift, which is x here; g: f gz."""
    if how != CLIP and how != OPEN:
        g = g*slope(x, how, low, high)
    if add != NULL:
        g = g + vload(add)
    return vselect(vgt(x, low) & vgt(high, x), g, vzero()) if how == CLIP else g


cdef inline void gate_part(const Gate *o, const real *x, const real *g, ix gstep, const real *f, ix fstep,
                           const real *add, real *gx, ix n, vf *sums, ix how) noexcept nogil:
    cdef vf scale = coefficient(o.a, 0), shift = coefficient(o.a, 1), mean = coefficient(o.a, 2)
    cdef vf low = vset(o.low), high = vset(o.high), first = vzero(), second = vzero(), v, d
    cdef ix i
    for i in range(n):
        v = vload(x + i*VW)
        d = gated(vfma(scale, v, shift), vload(g + i*gstep)*vload(f + i*fstep), add + i*VW if add != NULL else NULL, low,
                  high, how)
        first, second = first + d, vfma(d, v - mean, second)
        if gx != NULL and o.far:
            vstream(gx + i*VW, d)
        elif gx != NULL:
            vstore(gx + i*VW, d)
    sums[0] = sums[0] + first
    sums[1] = vfma(second, coefficient(o.a, 3), sums[1])


cdef void gate_some(const Gate *o, const real *x, const real *g, ix gstep, const real *f, ix fstep, const real *add,
                    real *gx, ix n, vf *sums) noexcept nogil:
    """The loop for each activation."""
    if o.how == OPEN:
        gate_part(o, x, g, gstep, f, fstep, add, gx, n, sums, OPEN)
    elif o.how == CLIP:
        gate_part(o, x, g, gstep, f, fstep, add, gx, n, sums, CLIP)
    elif o.how == CUT:
        gate_part(o, x, g, gstep, f, fstep, add, gx, n, sums, CUT)
    elif o.how == HARDSWISH:
        gate_part(o, x, g, gstep, f, fstep, add, gx, n, sums, HARDSWISH)
    elif o.how == HARDSIGMOID:
        gate_part(o, x, g, gstep, f, fstep, add, gx, n, sums, HARDSIGMOID)
    elif o.how == SIGMOID:
        gate_part(o, x, g, gstep, f, fstep, add, gx, n, sums, SIGMOID)
    elif o.how == SIGMOID + OF_Y:
        gate_part(o, x, g, gstep, f, fstep, add, gx, n, sums, SIGMOID + OF_Y)
    elif o.how == SILU:
        gate_part(o, x, g, gstep, f, fstep, add, gx, n, sums, SILU)
    elif o.how == TANH:
        gate_part(o, x, g, gstep, f, fstep, add, gx, n, sums, TANH)
    elif o.how == TANH + OF_Y:
        gate_part(o, x, g, gstep, f, fstep, add, gx, n, sums, TANH + OF_Y)
    elif o.how == LEAKY:
        gate_part(o, x, g, gstep, f, fstep, add, gx, n, sums, LEAKY)
    else:
        gate_part(o, x, g, gstep, f, fstep, add, gx, n, sums, MISH)


cdef void gate_run(const Gate *o, const real *x, const real *g, ix gstep, const real *f, ix fstep, const real *add,
                   real *gx, ix n, vf *sums) noexcept nogil:
    """n vectors of g; its sums are added to `sums`.

    g, f: of z, and its factors, which move on by gstep and fstep.  add: NULL where there is none.  gx: where g goes, which
    may be where g or `add` is; NULL: nowhere.
    """
    cdef ix i = 0, count
    while i < n:
        count = min(n - i, <ix>PART)
        gate_some(o, x + i*VW, g + i*gstep, gstep, f + i*fstep, fstep, add + i*VW if add != NULL else NULL,
                  gx + i*VW if gx != NULL else NULL, count, sums)
        i += count


cdef inline Gate gate_of(const Op *g, const Run *run, ix block) noexcept nogil:
    """What gates gx, of a block."""
    cdef Gate o
    o.a, o.low, o.high = coefficients_of(run, g.ga, block, 4), <real>g.low, <real>g.high
    o.how, o.far = g.activation, False
    if g.activation == CLIP and g.low == -INFINITY and g.high == INFINITY:
        o.how = OPEN
    elif g.activation == CLIP and g.ga < 0:
        o.how = CUT
    return o


cdef inline Gate gate_if_lazy(const Op *g, const Run *run, ix block) noexcept nogil:
    """The same where low and high are of the load of x too: without ga nothing is gated."""
    cdef Gate o = gate_of(g, run, block)
    if g.ga < 0:
        o.how = OPEN
    return o


cdef inline real *sums_at(const Op *g, const Run *run, ix number, ix block) noexcept nogil:
    """Where the sums of a run go."""
    return run.arena + g.sums + (number*g.blocks + block)*2*VW


cdef inline void store_sums(const Op *g, const Run *run, ix number, ix block, const vf *sums) noexcept nogil:
    if g.sums >= 0:
        vstore(sums_at(g, run, number, block), sums[0])
        vstore(sums_at(g, run, number, block) + VW, sums[1])
