# What the LSTM (lstm.pxi) and the GRU (gru.pxi) share: a layer in one direction over a sequence x (T, N, I), each one
# kernel forward and one backward.
#
# Loop order.  What needs no state is one matrix product over all steps, made by the caller: x W before, and after the
# way back the gradients of x and of both weights, from the gradients of all gates.  A step is then a product of (N, H)
# by the recurrent weight, and one fused pass over the gates.  The product reads the weight in the order in which it is
# stored, (H, gates) forward and (gates, H) backward, so that nothing is packed per step.
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


# ---------------------------------------------------------------- checks
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
