# Connectionist temporal classification (Graves et al., ICML 2006, section 4), in logarithms.
#
# A target of L labels becomes S = 2 L + 1 states: a blank before, between and after the labels.  The probability of the
# target is the sum over all walks through the states, one state a frame, each of which emits its symbol: a walk starts
# in state 0 or 1, stays, goes on by one, or by two where that skips a blank between different labels, and ends in one
# of the last two states.  With e_t(s) = log_probs[t, symbol of s] and logs of sums of exponentials for sums:
#
#     alpha_t(s) = e_t(s) + log(alpha_t-1(s) + alpha_t-1(s - 1) [+ alpha_t-1(s - 2)])
#     beta_t(s)  = log(q(s) + q(s + 1) [+ q(s + 2)]),   q(s) = e_t+1(s) + beta_t+1(s)
#     loss       = -log(alpha_T-1(S - 1) + alpha_T-1(S - 2))
#     d loss / d log_probs[t, c] = -sum over the states s of symbol c of e^(alpha_t(s) + beta_t(s) + loss)
#
# alpha_t(s) includes frame t's symbol and beta_t(s) does not, so nothing is divided, and symbols of probability 0 are
# no special case.  A vector runs over states, at three offsets of the frame before; two places of -infinity stand
# before a row of alpha, and after a row of q, and `skip` is 0 or -infinity, so no state is an exception.  Sequences are
# shared out.

cdef inline vf log_add(vf a, vf b, vf c) noexcept nogil:
    """log(e^a + e^b + e^c), -infinity where all are."""
    cdef vf m = vmax(vset(<real>-1e30), vmax(a, vmax(b, c)))
    return m + vlog(vexp(a - m) + vexp(b - m) + vexp(c - m))


cdef inline ix symbol(const int64_t *labels, ix s, ix blank) noexcept nogil:
    return labels[s >> 1] if s & 1 else blank


cdef inline void fill(real *row, ix n, real value) noexcept nogil:
    cdef ix i
    for i in range(n):
        row[i] = value


cdef inline void emit(const real *frame, const int64_t *labels, ix states, ix blank, real *row) noexcept nogil:
    cdef ix s
    for s in range(states):
        row[s] = frame[symbol(labels, s, blank)]


cdef void mark_skips(const int64_t *labels, ix states, real *skip) noexcept nogil:
    """0 where a state may follow the one before the last; two more places than states."""
    cdef ix s
    fill(skip, states + 2, -INFINITY)
    for s in range(3, states, 2):
        if labels[s >> 1] != labels[(s >> 1) - 1]:
            skip[s] = 0


cdef real ctc_sequence(const real *log_probs, ix frames, ix stride, const int64_t *labels, ix states, ix blank,
                       real *alpha, ix pitch, real *skip) noexcept nogil:
    """The loss of a sequence; its frames lie `stride` apart, its rows of alpha `pitch`."""
    cdef ix t, s, n
    cdef real *row = alpha
    cdef real one, two
    mark_skips(labels, states, skip)
    for t in range(frames):
        row = alpha + t*pitch
        row[0] = row[1] = -INFINITY
        emit(log_probs + t*stride, labels, states, blank, row + 2)
        if t == 0:
            fill(row + 4, states - 2, -INFINITY)
            continue
        s = 0
        while s < states:
            n = min(<ix>VW, states - s)
            vstore_part(row + 2 + s, vload_part(row + 2 + s, n) + log_add(
                vload_part(row - pitch + 2 + s, n), vload_part(row - pitch + 1 + s, n),
                vload_part(row - pitch + s, n) + vload_part(skip + s, n)), n)
            s += VW
    if frames == 0:
        return 0 if states == 1 else INFINITY
    one, two = row[states + 1], row[states]         # two is -infinity where there is one state
    if one == -INFINITY and two == -INFINITY:
        return INFINITY
    if one < two:
        one, two = two, one
    return -(one + <real>log(1 + exp(two - one)))


cdef void ctc_beta(const real *frame, const int64_t *labels, ix states, ix blank, const real *skip, real *beta,
                   real *q) noexcept nogil:
    """From a frame's beta to that of the one before."""
    cdef ix s = 0, n
    emit(frame, labels, states, blank, q)
    while s < states:
        n = min(<ix>VW, states - s)
        vstore_part(q + s, vload_part(q + s, n) + vload_part(beta + s, n), n)
        s += VW
    s = 0
    while s < states:
        n = min(<ix>VW, states - s)
        vstore_part(beta + s, log_add(vload_part(q + s, n), vload_part(q + s + 1, n),
                                      vload_part(q + s + 2, n) + vload_part(skip + s + 2, n)), n)
        s += VW


cdef void ctc_gradient_frame(const real *alpha, const real *beta, real loss, real g, const int64_t *labels, ix states,
                             ix blank, real *share, real *gx) noexcept nogil:
    """gx, which is 0, becomes a frame's gradient; `share` is a row to work in."""
    cdef ix s = 0, n
    while s < states:
        n = min(<ix>VW, states - s)
        vstore_part(share + s, vset(g)*vexp(vload_part(alpha + s, n) + vload_part(beta + s, n) + vset(loss)), n)
        s += VW
    for s in range(states):
        gx[symbol(labels, s, blank)] -= share[s]


cdef void ctc_gradient(const real *log_probs, ix frames, ix stride, ix classes, const int64_t *labels, ix states,
                       ix blank, const real *alpha, ix pitch, const real *skip, real loss, real g, real *work,
                       real *gx) noexcept nogil:
    """Of a sequence; without any walk it is NaN, or 0 where g is."""
    cdef ix t
    cdef real *beta = work
    cdef real *q = work + pitch
    for t in range(frames):
        if loss == INFINITY and g != 0:
            fill(gx + t*stride, classes, NAN)
        else:
            memset(gx + t*stride, 0, classes*sizeof(real))
    if loss == INFINITY or frames == 0:
        return
    fill(beta, states, -INFINITY)
    beta[states - 1] = 0
    if states > 1:
        beta[states - 2] = 0
    for t in range(frames - 1, -1, -1):
        ctc_gradient_frame(alpha + t*pitch + 2, beta, loss, g, labels, states, blank, q, gx + t*stride)
        if t > 0:
            q[states] = q[states + 1] = -INFINITY
            ctc_beta(log_probs + t*stride, labels, states, blank, skip, beta, q)


# ---------------------------------------------------------------- kernels
cdef int require_sequences(const real[:, :, ::1] log_probs, const int64_t[:, ::1] targets,
                           const int64_t[::1] input_lengths, const int64_t[::1] target_lengths, ix blank,
                           const real[:, :, ::1] alpha, const real[:, ::1] skip) except -1:
    """All that forward and backward index by."""
    cdef ix frames = log_probs.shape[0], n = log_probs.shape[1], classes = log_probs.shape[2], most = targets.shape[1]
    cdef ix i, k
    require(frames > 0 and n > 0 and classes > 0 and most > 0 and targets.shape[0] == n and input_lengths.shape[0] == n
            and target_lengths.shape[0] == n, "ctc_loss: lengths and targets differ from log_probs (t, n, c)")
    require(alpha.shape[0] == n and alpha.shape[1] == frames and alpha.shape[2] == 2*most + 3 and skip.shape[0] == n
            and skip.shape[1] == 2*most + 3, "ctc_loss: alpha must be (n, t, 2 s + 3), skip (n, 2 s + 3)")
    require(0 <= blank < classes, "ctc_loss: blank is not a class")
    for i in range(n):
        require(0 <= input_lengths[i] <= frames, "ctc_loss: an input length is out of range")
        require(0 <= target_lengths[i] <= most, "ctc_loss: a target length is out of range")
        for k in range(target_lengths[i]):
            require(0 <= targets[i, k] < classes, "ctc_loss: a target is not a class")
    return 0


def ctc_loss_forward(const real[:, :, ::1] log_probs,       # IN  (t, n, c)
                     const int64_t[:, ::1] targets,         # IN  (n, s)  in [0, c) up to each length
                     const int64_t[::1] input_lengths,      # IN  (n,)  in [0, t]
                     const int64_t[::1] target_lengths,     # IN  (n,)  in [0, s]
                     ix blank,
                     real[:, :, ::1] alpha,                 # OUT (n, t, 2 s + 3)  for backward; rows from place 2 on
                     real[:, ::1] skip,                     # OUT (n, 2 s + 3)  for backward
                     real[::1] loss):                       # OUT (n,)
    require_sequences(log_probs, targets, input_lengths, target_lengths, blank, alpha, skip)
    cdef ix frames = log_probs.shape[0], n = log_probs.shape[1], classes = log_probs.shape[2], most = targets.shape[1]
    cdef ix pitch = 2*most + 3
    require(loss.shape[0] == n, "ctc_loss_forward: loss must be (n,)")
    cdef const real *xs = &log_probs[0, 0, 0]
    cdef const int64_t *labels = &targets[0, 0]
    cdef const int64_t *lengths = &input_lengths[0]
    cdef const int64_t *label_lengths = &target_lengths[0]
    cdef real *alphas = &alpha[0, 0, 0]
    cdef real *skips = &skip[0, 0]
    cdef real *losses = &loss[0]
    cdef ix i
    cdef int threads = team(8*n*frames*pitch)
    for i in prange(n, nogil=True, num_threads=threads, schedule="static"):
        losses[i] = ctc_sequence(xs + i*classes, lengths[i], n*classes, labels + i*most, 2*label_lengths[i] + 1, blank,
                                 alphas + i*frames*pitch, pitch, skips + i*pitch)


def ctc_loss_backward(const real[:, :, ::1] log_probs,      # IN  (t, n, c)
                      const int64_t[:, ::1] targets,        # IN  (n, s)
                      const int64_t[::1] input_lengths,     # IN  (n,)
                      const int64_t[::1] target_lengths,    # IN  (n,)
                      ix blank,
                      const real[:, :, ::1] alpha,          # IN  (n, t, 2 s + 3)  from forward
                      const real[:, ::1] skip,              # IN  (n, 2 s + 3)  from forward
                      const real[::1] loss,                 # IN  (n,)  from forward
                      const real[::1] g,                    # IN  (n,)  gradient of each loss
                      real[:, :, ::1] work,                 # OUT (n, 2, 2 s + 3)  to work in
                      real[:, :, ::1] gx):                  # OUT (t, n, c)
    require_sequences(log_probs, targets, input_lengths, target_lengths, blank, alpha, skip)
    cdef ix frames = log_probs.shape[0], n = log_probs.shape[1], classes = log_probs.shape[2], most = targets.shape[1]
    cdef ix pitch = 2*most + 3
    require(loss.shape[0] == n and g.shape[0] == n and work.shape[0] == n and work.shape[1] == 2
            and work.shape[2] == pitch and gx.shape[0] == frames and gx.shape[1] == n and gx.shape[2] == classes,
            "ctc_loss_backward: loss and g must be (n,), work (n, 2, 2 s + 3), gx (t, n, c)")
    cdef const real *xs = &log_probs[0, 0, 0]
    cdef const int64_t *labels = &targets[0, 0]
    cdef const int64_t *lengths = &input_lengths[0]
    cdef const int64_t *label_lengths = &target_lengths[0]
    cdef const real *alphas = &alpha[0, 0, 0]
    cdef const real *skips = &skip[0, 0]
    cdef const real *losses = &loss[0]
    cdef const real *gs = &g[0]
    cdef real *works = &work[0, 0, 0]
    cdef real *gxs = &gx[0, 0, 0]
    cdef ix i, t
    cdef int threads = team(8*n*frames*pitch)
    for i in prange(n, nogil=True, num_threads=threads, schedule="static"):
        for t in range(lengths[i], frames):
            memset(gxs + (t*n + i)*classes, 0, classes*sizeof(real))
        ctc_gradient(xs + i*classes, lengths[i], n*classes, classes, labels + i*most, 2*label_lengths[i] + 1, blank,
                     alphas + i*frames*pitch, pitch, skips + i*pitch, losses[i], gs[i], works + 2*i*pitch,
                     gxs + i*classes)
