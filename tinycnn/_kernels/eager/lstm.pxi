# LSTM, with h and c the state before the step, and the gates i, f, g, o (each N, H), side by side:
#
#     [i f g o] = [sigmoid sigmoid tanh sigmoid](x W + h R + b),   c' = f c + i g,   h' = o tanh(c')
#
# (Hochreiter and Schmidhuber, "Long short-term memory", 1997; with the forget gate of Gers et al., 2000.)  Backward,
# with dh the gradient of h' from the output and from the next step, dc that of c' from the next step:
#
#     do = dh tanh(c')   dc += dh o (1 - tanh(c')^2)   di = dc g   df = dc c   dg = dc i   and dc f goes on to c
#
# Loop order, states and rows of several lengths: see recurrent.pxi.

# ---------------------------------------------------------------- a row of a step
cdef void lstm_row(real *gates, const real *bias, const real *c, real *c_after, real *h_after, ix n) noexcept nogil:
    cdef vf i, f, g, o, cell
    cdef ix j = 0
    cdef int part
    while j < n:
        part = <int>min(<ix>VW, n - j)
        i = vsigmoid(plus_bias(gates + j, bias + j, part))
        f = vsigmoid(plus_bias(gates + n + j, bias + n + j, part))
        g = vtanh(plus_bias(gates + 2*n + j, bias + 2*n + j, part))
        o = vsigmoid(plus_bias(gates + 3*n + j, bias + 3*n + j, part))
        cell = vfma(f, load_run(c + j, part), i*g)
        store_run(gates + j, i, part)
        store_run(gates + n + j, f, part)
        store_run(gates + 2*n + j, g, part)
        store_run(gates + 3*n + j, o, part)
        store_run(c_after + j, cell, part)
        store_run(h_after + j, o*vtanh(cell), part)
        j += VW


cdef void lstm_gradient_row(const real *gates, const real *c, const real *c_after, const real *gy, real *gh, real *gc,
                            real *ggates, ix n) noexcept nogil:
    """gh, gc: in, of the state after the step; out, of c before it, and of h without what the product will add."""
    cdef vf i, f, g, o, t, dh, dc, one = vset(1)
    cdef ix j = 0
    cdef int part
    while j < n:
        part = <int>min(<ix>VW, n - j)
        i, f = load_run(gates + j, part), load_run(gates + n + j, part)
        g, o = load_run(gates + 2*n + j, part), load_run(gates + 3*n + j, part)
        t = vtanh(load_run(c_after + j, part))
        dh = load_run(gh + j, part) + load_run(gy + j, part)
        dc = load_run(gc + j, part) + dh*o*(one - t*t)
        store_run(ggates + j, dc*g*i*(one - i), part)
        store_run(ggates + n + j, dc*load_run(c + j, part)*f*(one - f), part)
        store_run(ggates + 2*n + j, dc*i*(one - g*g), part)
        store_run(ggates + 3*n + j, dh*t*o*(one - o), part)
        store_run(gc + j, dc*f, part)
        store_run(gh + j, vzero(), part)
        j += VW


cdef void lstm_step(const Sequence *o, ix t, real *gates, const real *bias, const real *c, real *c_after,
                    const real *h, real *h_after) noexcept nogil:
    cdef ix r, n = o.n
    for r in prange(o.rows, num_threads=o.gate_threads, schedule="static"):
        if t < o.lengths[r]:
            lstm_row(gates + r*4*n, bias, c + r*n, c_after + r*n, h_after + r*n, n)
        else:
            memcpy(c_after + r*n, c + r*n, n*sizeof(real))
            memcpy(h_after + r*n, h + r*n, n*sizeof(real))


cdef void lstm_gradient_step(const Sequence *o, ix t, const real *gates, const real *c, const real *c_after,
                             const real *gy, real *gh, real *gc, real *ggates) noexcept nogil:
    cdef ix r, n = o.n
    for r in prange(o.rows, num_threads=o.gate_threads, schedule="static"):
        if t < o.lengths[r]:
            lstm_gradient_row(gates + r*4*n, c + r*n, c_after + r*n, gy + r*n, gh + r*n, gc + r*n, ggates + r*4*n, n)
        else:
            memset(ggates + r*4*n, 0, 4*n*sizeof(real))


# ---------------------------------------------------------------- kernels
def lstm_forward(real[:, :, ::1] gates,           # INOUT (t, n, 4 h)  in: x W; out: i, f, g, o
                 const real[:, ::1] weight,       # IN  (h, 4 h)
                 const real[::1] bias,            # IN  (4 h,)
                 const int64_t[::1] lengths,      # IN  (n,)
                 real[:, :, ::1] hidden,          # INOUT (t + 1, n, h)  in: the first state, in its slot
                 real[:, :, ::1] cell,            # INOUT (t + 1, n, h)
                 real[::1] scratch,               # gemm_scratch(1, n, 4 h, h) elements
                 bint reverse):
    cdef Sequence o = describe_sequence(gates, weight, lengths, 4, True, reverse, "lstm_forward")
    require(bias.shape[0] == 4*o.n, "lstm_forward: expected a bias for each gate")
    require_states(&o, hidden, o.steps + 1, "lstm_forward: hidden must have a slot more than there are steps")
    require_states(&o, cell, o.steps + 1, "lstm_forward: cell must have a slot more than there are steps")
    cdef Product p = step_product(o.rows, 4*o.n, o.n, True)
    o.product_threads = fitting(&p, scratch, "lstm_forward")
    cdef real *g = &gates[0, 0, 0]
    cdef real *h = &hidden[0, 0, 0]
    cdef real *c = &cell[0, 0, 0]
    cdef real *room = &scratch[0]
    cdef const real *w = &weight[0, 0]
    cdef const real *b = &bias[0]
    cdef ix s, t, at
    with nogil:
        for s in range(o.steps):
            t = forward_step(&o, s)
            at = t*o.rows*4*o.n
            step_multiply(&p, h + slot_before(&o, t), w, g + at, room, o.product_threads)
            lstm_step(&o, t, g + at, b, c + slot_before(&o, t), c + slot_after(&o, t), h + slot_before(&o, t),
                      h + slot_after(&o, t))


def lstm_backward(const real[:, :, ::1] gates,    # IN  (t, n, 4 h)
                  const real[:, :, ::1] cell,     # IN  (t + 1, n, h)
                  const real[:, :, ::1] gy,       # IN  (t, n, h)
                  const real[:, ::1] weight,      # IN  (4 h, h)
                  const int64_t[::1] lengths,     # IN  (n,)
                  real[:, ::1] gh,                # INOUT (n, h)  in: of the last state; out: of the first
                  real[:, ::1] gc,                # INOUT (n, h)
                  real[:, :, ::1] ggates,         # OUT (t, n, 4 h)  of what the gates were made from
                  real[::1] scratch,              # gemm_scratch(1, n, h, 4 h) elements
                  bint reverse):
    cdef Sequence o = describe_sequence(gates, weight, lengths, 4, False, reverse, "lstm_backward")
    require_states(&o, cell, o.steps + 1, "lstm_backward: cell must have a slot more than there are steps")
    require_states(&o, gy, o.steps, "lstm_backward: gy does not fit the gates")
    require_gradient(&o, gh, "lstm_backward: gh does not fit the gates")
    require_gradient(&o, gc, "lstm_backward: gc does not fit the gates")
    require_gates(ggates, gates, "lstm_backward: ggates must be like gates")
    cdef Product p = step_product(o.rows, o.n, 4*o.n, True)
    o.product_threads = fitting(&p, scratch, "lstm_backward")
    cdef const real *g = &gates[0, 0, 0]
    cdef const real *c = &cell[0, 0, 0]
    cdef const real *gys = &gy[0, 0, 0]
    cdef const real *w = &weight[0, 0]
    cdef real *ghs = &gh[0, 0]
    cdef real *gcs = &gc[0, 0]
    cdef real *gg = &ggates[0, 0, 0]
    cdef real *room = &scratch[0]
    cdef ix s, t, at
    with nogil:
        for s in range(o.steps):
            t = forward_step(&o, o.steps - 1 - s)
            at = t*o.rows*4*o.n
            lstm_gradient_step(&o, t, g + at, c + slot_before(&o, t), c + slot_after(&o, t), gys + t*o.rows*o.n, ghs,
                               gcs, gg + at)
            step_multiply(&p, gg + at, w, ghs, room, o.product_threads)
