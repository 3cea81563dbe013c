# LSTM and GRU over a sequence x (T, N, I), one layer in one direction, each one kernel forward and one backward.
#
# LSTM, with h and c the state before the step, and the gates i, f, g, o (each N, H), side by side:
#
#     [i f g o] = [sigmoid sigmoid tanh sigmoid](x W + h R + b),   c' = f c + i g,   h' = o tanh(c')
#
# (Hochreiter and Schmidhuber, "Long short-term memory", 1997; with the forget gate of Gers et al., 2000.)  Backward, with
# dh the gradient of h' from the output and from the next step, dc that of c' from the next step:
#
#     do = dh tanh(c')   dc += dh o (1 - tanh(c')^2)   di = dc g   df = dc c   dg = dc i   and dc f goes on to c
#
# GRU, with the gates r, z, n and q = h R_n + b_rn:
#
#     [r z] = sigmoid(x W + h R + b),   n = tanh(x W_n + b_n + r q),   h' = (1 - z) n + z h
#     dz = dh (h - n)   dn = dh (1 - z), times 1 - n^2 before tanh   dr = dn q   dq = dn r   and dh z goes on to h
#
# (Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014, with the reset gate after the product, as
# in Chung et al.'s later form and in the libraries.)
#
# Loop order.  What needs no state is one matrix product over all steps, made by the caller: x W before, and after the way
# back the gradients of x and of both weights, from the gradients of all gates.  A step is then a product of (N, H) by the
# recurrent weight, added to what the caller put there, and one fused pass over the gates.  The products take the weight
# in the order in which it is stored, (H, gates) forward and (gates, H) backward, so that nothing is packed per step.
# States are kept for all steps: slot t is before step t, or slot t + 1 for a sequence that is read in reverse.
# A sequence of fewer than T steps keeps its state in the steps that it does not have, whose gates have no gradient.

cdef struct Sequence:           # one call
    ix steps
    ix rows                     # N
    ix n                        # H
    bint reverse
    const int64_t *lengths      # steps of each row
    int product_threads
    int gate_threads


cdef inline ix slot_before(const Sequence *o, ix t) noexcept nogil:
    return (t + 1 if o.reverse else t)*o.rows*o.n


cdef inline ix slot_after(const Sequence *o, ix t) noexcept nogil:
    return (t if o.reverse else t + 1)*o.rows*o.n


cdef inline ix forward_step(const Sequence *o, ix s) noexcept nogil:
    return o.steps - 1 - s if o.reverse else s


cdef inline void store_run(real *p, vf v, ix n) noexcept nogil:
    if n == VW:
        vstore(p, v)
    else:
        vstore_part(p, v, n)


cdef inline vf plus_bias(const real *x, const real *bias, int part) noexcept nogil:
    return load_run(x, part) + load_run(bias, part)


cdef Product step_product(ix rows, ix n, ix k, bint add) noexcept nogil:
    """(rows, k) by (k, n), whose pointers are set at each step."""
    cdef Product p
    memset(&p, 0, sizeof(Product))
    p.groups, p.m, p.n, p.k = 1, rows, n, k
    p.a, p.b, p.c = plain(NULL, k), plain(NULL, n), plain(NULL, n)
    p.a_by_k, p.b_by_k, p.add = False, True, add
    return p


cdef void step_multiply(Product *p, const real *a, const real *b, real *c, real *scratch, int threads) noexcept nogil:
    p.a.at, p.b.at, p.c.at = <real *>a, <real *>b, c
    multiply(p, scratch, threads)


# ---------------------------------------------------------------- LSTM: a row of a step
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


# ---------------------------------------------------------------- GRU: a row of a step
cdef void gru_row(real *gates, const real *recurrent, const real *bias_ih, const real *bias_hh, const real *h,
                  real *h_after, real *inner, ix n) noexcept nogil:
    cdef vf r, z, new, q
    cdef ix j = 0
    cdef int part
    while j < n:
        part = <int>min(<ix>VW, n - j)
        r = vsigmoid(plus_bias(gates + j, bias_ih + j, part) + plus_bias(recurrent + j, bias_hh + j, part))
        z = vsigmoid(plus_bias(gates + n + j, bias_ih + n + j, part) + plus_bias(recurrent + n + j, bias_hh + n + j, part))
        q = plus_bias(recurrent + 2*n + j, bias_hh + 2*n + j, part)
        new = vtanh(vfma(r, q, plus_bias(gates + 2*n + j, bias_ih + 2*n + j, part)))
        store_run(gates + j, r, part)
        store_run(gates + n + j, z, part)
        store_run(gates + 2*n + j, new, part)
        store_run(inner + j, q, part)
        store_run(h_after + j, vfma(z, load_run(h + j, part) - new, new), part)
        j += VW


cdef void gru_gradient_row(const real *gates, const real *inner, const real *h, const real *gy, real *gh,
                           real *gprojected, real *grecurrent, ix n) noexcept nogil:
    """gh: in, of the state after the step; out, of the one before it, without what the product will add."""
    cdef vf r, z, new, dh, dr, dz, dn, one = vset(1)
    cdef ix j = 0
    cdef int part
    while j < n:
        part = <int>min(<ix>VW, n - j)
        r, z, new = load_run(gates + j, part), load_run(gates + n + j, part), load_run(gates + 2*n + j, part)
        dh = load_run(gh + j, part) + load_run(gy + j, part)
        dz = dh*(load_run(h + j, part) - new)*z*(one - z)
        dn = dh*(one - z)*(one - new*new)
        dr = dn*load_run(inner + j, part)*r*(one - r)
        store_run(gprojected + j, dr, part)
        store_run(gprojected + n + j, dz, part)
        store_run(gprojected + 2*n + j, dn, part)
        store_run(grecurrent + j, dr, part)
        store_run(grecurrent + n + j, dz, part)
        store_run(grecurrent + 2*n + j, dn*r, part)
        store_run(gh + j, dh*z, part)
        j += VW


cdef void gru_step(const Sequence *o, ix t, real *gates, const real *recurrent, const real *bias_ih,
                   const real *bias_hh, const real *h, real *h_after, real *inner) noexcept nogil:
    cdef ix r, n = o.n
    for r in prange(o.rows, num_threads=o.gate_threads, schedule="static"):
        if t < o.lengths[r]:
            gru_row(gates + r*3*n, recurrent + r*3*n, bias_ih, bias_hh, h + r*n, h_after + r*n, inner + r*n, n)
        else:
            memcpy(h_after + r*n, h + r*n, n*sizeof(real))


cdef void gru_gradient_step(const Sequence *o, ix t, const real *gates, const real *inner, const real *h,
                            const real *gy, real *gh, real *gprojected, real *grecurrent) noexcept nogil:
    cdef ix r, n = o.n
    for r in prange(o.rows, num_threads=o.gate_threads, schedule="static"):
        if t < o.lengths[r]:
            gru_gradient_row(gates + r*3*n, inner + r*n, h + r*n, gy + r*n, gh + r*n, gprojected + r*3*n,
                             grecurrent + r*3*n, n)
        else:
            memset(gprojected + r*3*n, 0, 3*n*sizeof(real))
            memset(grecurrent + r*3*n, 0, 3*n*sizeof(real))


# ---------------------------------------------------------------- kernels
cdef Sequence describe_sequence(const real[:, :, ::1] gates, const real[:, ::1] weight, const int64_t[::1] lengths,
                                int count, bint forward, bint reverse, str kernel) except *:
    """Extents, once gates (T, N, count H), the recurrent weight and the lengths are seen to agree."""
    cdef Sequence o
    o.steps, o.rows, o.reverse = gates.shape[0], gates.shape[1], reverse
    o.n = weight.shape[0] if forward else weight.shape[1]
    require(o.steps > 0 and o.rows > 0 and o.n > 0, kernel + ": an extent is 0")
    require((weight.shape[1] if forward else weight.shape[0]) == count*o.n and gates.shape[2] == count*o.n,
            kernel + ": gates and weight do not fit each other")
    require(lengths.shape[0] == o.rows, kernel + ": expected a length for each row")
    o.lengths = &lengths[0]
    o.gate_threads = team(8*count*o.rows*o.n)
    o.product_threads = 1
    return o


cdef int require_states(const Sequence *o, const real[:, :, ::1] states, ix steps, str what) except -1:
    require(states.shape[0] == steps and states.shape[1] == o.rows and states.shape[2] == o.n, what)
    return 0


cdef int require_gradient(const Sequence *o, const real[:, ::1] gradient, str what) except -1:
    require(gradient.shape[0] == o.rows and gradient.shape[1] == o.n, what)
    return 0


cdef int require_gates(const real[:, :, ::1] gates, const real[:, :, ::1] like, str what) except -1:
    require(gates.shape[0] == like.shape[0] and gates.shape[1] == like.shape[1] and gates.shape[2] == like.shape[2],
            what)
    return 0


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


def gru_forward(real[:, :, ::1] gates,            # INOUT (t, n, 3 h)  in: x W; out: r, z, n
                const real[:, ::1] weight,        # IN  (h, 3 h)
                const real[::1] bias_ih,          # IN  (3 h,)
                const real[::1] bias_hh,          # IN  (3 h,)
                const int64_t[::1] lengths,       # IN  (n,)
                real[:, :, ::1] hidden,           # INOUT (t + 1, n, h)  in: the first state, in its slot
                real[:, :, ::1] inner,            # OUT (t, n, h)  q
                real[:, ::1] recurrent,           # OUT (n, 3 h)  room for h R
                real[::1] scratch,                # gemm_scratch(1, n, 3 h, h) elements
                bint reverse):
    cdef Sequence o = describe_sequence(gates, weight, lengths, 3, True, reverse, "gru_forward")
    require(bias_ih.shape[0] == 3*o.n and bias_hh.shape[0] == 3*o.n, "gru_forward: expected a bias for each gate")
    require_states(&o, hidden, o.steps + 1, "gru_forward: hidden must have a slot more than there are steps")
    require_states(&o, inner, o.steps, "gru_forward: inner does not fit the gates")
    require(recurrent.shape[0] == o.rows and recurrent.shape[1] == 3*o.n, "gru_forward: recurrent does not fit")
    cdef Product p = step_product(o.rows, 3*o.n, o.n, False)
    o.product_threads = fitting(&p, scratch, "gru_forward")
    cdef real *g = &gates[0, 0, 0]
    cdef real *h = &hidden[0, 0, 0]
    cdef real *q = &inner[0, 0, 0]
    cdef real *from_state = &recurrent[0, 0]
    cdef real *room = &scratch[0]
    cdef const real *w = &weight[0, 0]
    cdef const real *b_ih = &bias_ih[0]
    cdef const real *b_hh = &bias_hh[0]
    cdef ix s, t
    with nogil:
        for s in range(o.steps):
            t = forward_step(&o, s)
            step_multiply(&p, h + slot_before(&o, t), w, from_state, room, o.product_threads)
            gru_step(&o, t, g + t*o.rows*3*o.n, from_state, b_ih, b_hh, h + slot_before(&o, t), h + slot_after(&o, t),
                     q + t*o.rows*o.n)


def gru_backward(const real[:, :, ::1] gates,     # IN  (t, n, 3 h)
                 const real[:, :, ::1] inner,     # IN  (t, n, h)
                 const real[:, :, ::1] hidden,    # IN  (t + 1, n, h)
                 const real[:, :, ::1] gy,        # IN  (t, n, h)
                 const real[:, ::1] weight,       # IN  (3 h, h)
                 const int64_t[::1] lengths,      # IN  (n,)
                 real[:, ::1] gh,                 # INOUT (n, h)  in: of the last state; out: of the first
                 real[:, :, ::1] gprojected,      # OUT (t, n, 3 h)  of x W + b
                 real[:, :, ::1] grecurrent,      # OUT (t, n, 3 h)  of h R + b
                 real[::1] scratch,               # gemm_scratch(1, n, h, 3 h) elements
                 bint reverse):
    cdef Sequence o = describe_sequence(gates, weight, lengths, 3, False, reverse, "gru_backward")
    require_states(&o, hidden, o.steps + 1, "gru_backward: hidden must have a slot more than there are steps")
    require_states(&o, inner, o.steps, "gru_backward: inner does not fit the gates")
    require_states(&o, gy, o.steps, "gru_backward: gy does not fit the gates")
    require_gradient(&o, gh, "gru_backward: gh does not fit the gates")
    require_gates(gprojected, gates, "gru_backward: gprojected must be like gates")
    require_gates(grecurrent, gates, "gru_backward: grecurrent must be like gates")
    cdef Product p = step_product(o.rows, o.n, 3*o.n, True)
    o.product_threads = fitting(&p, scratch, "gru_backward")
    cdef const real *g = &gates[0, 0, 0]
    cdef const real *q = &inner[0, 0, 0]
    cdef const real *h = &hidden[0, 0, 0]
    cdef const real *gys = &gy[0, 0, 0]
    cdef const real *w = &weight[0, 0]
    cdef real *ghs = &gh[0, 0]
    cdef real *gp = &gprojected[0, 0, 0]
    cdef real *gr = &grecurrent[0, 0, 0]
    cdef real *room = &scratch[0]
    cdef ix s, t, at
    with nogil:
        for s in range(o.steps):
            t = forward_step(&o, o.steps - 1 - s)
            at = t*o.rows*3*o.n
            gru_gradient_step(&o, t, g + at, q + t*o.rows*o.n, h + slot_before(&o, t), gys + t*o.rows*o.n, ghs, gp + at,
                              gr + at)
            step_multiply(&p, gr + at, w, ghs, room, o.product_threads)
