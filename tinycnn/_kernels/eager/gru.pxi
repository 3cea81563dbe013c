# GRU, with the gates r, z, n and q = h R_n + b_rn:
#
#     [r z] = sigmoid(x W + h R + b),   n = tanh(x W_n + b_n + r q),   h' = (1 - z) n + z h
#     dz = dh (h - n)   dn = dh (1 - z), times 1 - n^2 before tanh   dr = dn q   dq = dn r   and dh z goes on to h
#
# (Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014, with the reset gate after the product,
# as torch and cuDNN have it.)
#
# Loop order, states and rows of several lengths: see recurrent.pxi.

# ---------------------------------------------------------------- a row of a step
cdef void gru_row(real *gates, const real *recurrent, const real *bias_ih, const real *bias_hh, const real *h,
                  real *h_after, real *inner, ix n) noexcept nogil:
    cdef vf r, z, new, q
    cdef ix j = 0
    cdef int part
    while j < n:
        part = <int>min(<ix>VW, n - j)
        r = vsigmoid(plus_bias(gates + j, bias_ih + j, part) + plus_bias(recurrent + j, bias_hh + j, part))
        z = vsigmoid(plus_bias(gates + n + j, bias_ih + n + j, part)
                     + plus_bias(recurrent + n + j, bias_hh + n + j, part))
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
