# An operation of a plan, as `tinycnn.engine.plan` writes it: a row of 64-bit fields in the order below (`FIELDS`).
# Offsets count elements: x, y, r, s, t from the start of the arena, w, b, z, ahead from that of the constants, off and soff
# in the table of integers, unless a kind says otherwise.  The blocked layout: channel c of image n at row i, column j of a
# map of C channels lies at
#
#     ((c // VW * N + n) * H + i) * W + j) * VW + c % VW
#
# so that the maps of a batch follow each other within a block of channels, and a product over pixels sees one long row.

cdef enum:
    CLIP = 0                    # min(max(v, low), high): no activation, ReLU, ReLU6, clip
    HARDSWISH = 1
    HARDSIGMOID = 2
    SIGMOID = 3
    SILU = 4
    TANH = 5
    LEAKY = 6                   # low: the slope
    MISH = 7

cdef struct Op:
    ix kind
    ix x                        # input
    ix y                        # output
    ix r                        # residual, laid out as y; -1: none
    ix s                        # factors per image and channel; -1: none
    ix t                        # scratch memory
    ix w                        # weights
    ix b                        # biases
    ix z                        # a row of zeros
    ix off                      # where inputs lie
    ix soff                     # where factors lie
    ix k                        # terms of a sum
    ix blocks                   # of output channels (products) or of channels
    ix rows                     # rows of pixels
    ix n                        # pixels of a row
    ix px                       # from a pixel's input to the next one's
    ix xrow                     # from a row's input to the next one's
    ix image_rows               # rows of an image
    ix image_step               # from an image's input to the next one's
    ix ys                       # from a block of outputs to the next one
    ix py                       # from a pixel's output to the next one's
    ix yrow                     # from a row's output to the next one's
    ix yimage                   # from an image's output to the next one's
    ix images
    ix h
    ix wd
    ix oh
    ix ow
    ix kh
    ix kw
    ix sh
    ix sw
    ix dh
    ix dw
    ix top
    ix left
    ix mode                     # what else a kind distinguishes
    ix activation
    ix add_last                 # the residual is added after the activation
    ix ahead                    # weights that a product fetches while it computes,
    ix fetch                    # so many of them
    ix g                        # training: the gradient of the output
    ix gx                       # the gradient of the input, to be written
    ix gw                       # the gradient of the weights, an offset in the array of gradients
    ix a                        # what loading x applies: [block][scale, shift, mean, 1 / std][VW]; -1: nothing
    ix c                        # what loading g applies, c0 g + c1 y + c2: [block][3][VW]; -1: nothing
    ix ga                       # what gates gx, laid out as a; -1: nothing
    ix sums                     # two sums for each run of pixels: [run][block][2][VW]; -1: none
    ix add                      # a gradient that is added to gx; -1: none
    ix lanes                    # partial sums of gw
    ix pixels                   # of all images' maps together
    ix xs                       # from a block of inputs to the next one
    ix parameters               # numbers of the caller's arrays: of all parameters,
    ix statistics               # of running statistics,
    ix gradients                # and of the parameters' gradients
    ix seed                     # of what is random,
    ix draw                     # and the number of its draw
    double low
    double high

FIELDS = ("kind x y r s t w b z off soff k blocks rows n px xrow image_rows image_step ys py yrow yimage images h wd oh ow "
          "kh kw sh sw dh dw top left mode activation add_last ahead fetch g gx gw a c ga sums add lanes pixels xs "
          "parameters statistics gradients seed draw low high").split()

cdef struct Run:
    real *arena
    const real *constants
    const int32_t *tables
    void **io                   # the caller's arrays
    int thread                  # whose run this is: memory of its own is at this place
    Team *team


# ---------------------------------------------------------------- activations
cdef inline vf vclip(vf v, vf low, vf high) noexcept nogil:
    return vmin(high, vmax(low, v))


cdef inline vf vmish(vf v) noexcept nogil:
    """v tanh(log(1 + e^v)) = v (q - 1) / (q + 1), q = (1 + e^v)^2; for large v that is v."""
    cdef vf e = vexp(vmin(vset(20), v))
    cdef vf p = e*(e + vset(2))
    return v*(p/(p + vset(2)))


cdef inline vf hard_gate(vf v) noexcept nogil:
    """(v + 3) / 6 within [0, 1]."""
    return vclip(vfma(v, vset(<real>(1.0/6)), vset(0.5)), vzero(), vset(1))


cdef inline vf activated(vf v, ix activation, vf low, vf high) noexcept nogil:
    cdef vf gate
    if activation == CLIP:
        return vclip(v, low, high)
    if activation == LEAKY:
        return vselect(vgt(v, vzero()), v, v*low)
    if activation == HARDSWISH or activation == HARDSIGMOID:
        gate = hard_gate(v)
        return v*gate if activation == HARDSWISH else gate
    if activation == TANH:
        return vtanh(v)
    if activation == MISH:
        return vmish(v)
    gate = vsigmoid(v)
    return v*gate if activation == SILU else gate


cdef inline void finish_run(const real *x, real *y, const real *r, ix n, ix activation, bint add_last, vf low,
                            vf high) noexcept nogil:
    """n vectors: activation, and the residual before or after it."""
    cdef ix i
    cdef vf v
    for i in range(n):
        v = vload(x + i*VW)
        if r != NULL and not add_last:
            v = v + vload(r + i*VW)
        v = activated(v, activation, low, high)
        if r != NULL and add_last:
            v = v + vload(r + i*VW)
        vstore(y + i*VW, v)


cdef void finish(const Op *g, const real *x, real *y, const real *r, ix n) noexcept nogil:
    """The last store of n vectors of bare sums x, where it is more than clipping. x may be y."""
    cdef vf low = vset(<real>g.low), high = vset(<real>g.high)
    if g.activation == CLIP:
        finish_run(x, y, r, n, CLIP, g.add_last, low, high)
    elif g.activation == HARDSWISH:
        finish_run(x, y, r, n, HARDSWISH, g.add_last, low, high)
    elif g.activation == HARDSIGMOID:
        finish_run(x, y, r, n, HARDSIGMOID, g.add_last, low, high)
    elif g.activation == SIGMOID:
        finish_run(x, y, r, n, SIGMOID, g.add_last, low, high)
    elif g.activation == SILU:
        finish_run(x, y, r, n, SILU, g.add_last, low, high)
    elif g.activation == TANH:
        finish_run(x, y, r, n, TANH, g.add_last, low, high)
    elif g.activation == LEAKY:
        finish_run(x, y, r, n, LEAKY, g.add_last, low, high)
    else:
        finish_run(x, y, r, n, MISH, g.add_last, low, high)


cdef inline bint plain_store(const Op *g) noexcept nogil:
    """Whether the last store clips and adds before that, if at all: what tiles do in their registers."""
    return g.activation == CLIP and (g.r < 0 or not g.add_last)


cdef inline ix share(ix items, int t, int threads) noexcept nogil:
    """Where share t of several begins: a thread's, or a part of it (run.pxi); memory goes by run.thread."""
    return items*t//threads
