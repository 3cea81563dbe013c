# Updates of parameters p in place, from their gradients g, over flat arrays of any length.
#
# sgd      Stochastic gradient descent with momentum (Polyak 1964; Nesterov's form as in Sutskever et al., "On the
#          importance of initialization and momentum in deep learning", 2013, section 2):
#              d = g + weight_decay p,   v = momentum v + (1 - dampening) d,   p -= rate (d + momentum v  or  v)
# rmsprop  (Tieleman and Hinton, Coursera lecture 6.5, 2012; centred: Graves, "Generating sequences", 2013, section 4.2):
#              d = g + weight_decay p,   s = alpha s + (1 - alpha) d^2,   a = alpha a + (1 - alpha) d,
#              b = momentum b + inner_rate d / (sqrt(s - a^2 + inner_eps) + eps),   p -= rate b
#          torch has inner_rate = 1 and inner_eps = 0, TensorFlow rate = 1 and eps = 0.
# adam     (Kingma and Ba, "Adam", 2015, algorithm 1, with the corrections of bias moved into rate and eps, end of
#          section 2), and what differs from it in scalars alone: AdamW, RAdam:
#              d = g + weight_decay p,   m = beta1 m + (1 - beta1) d,   v = beta2 v + (1 - beta2) d^2,
#              p = shrink p - rate m / (sqrt(v) + eps)         or, not adaptive, shrink p - rate m
# average  y += weight (x - y): exponential moving averages, Lookahead's slow weights.
#
# Loop order.  One pass: each array is read once and written once.  A thread takes a stretch, cut at whole vectors; the
# tail of the last one goes through the same code as the rest, so that no cut changes a bit.  A rule is a struct of its
# arrays and scalars, and a step on the n elements at i, n a constant VW but at the end.

ctypedef void (*update_span)(const void *rule, ix start, ix end) noexcept nogil


cdef void share_out(update_span span, const void *rule, ix n) noexcept nogil:
    """Run a span over n elements, in stretches."""
    cdef int t, threads = team(n)
    for t in prange(threads, num_threads=threads, schedule="static"):
        span(rule, cut(n, t, threads), cut(n, t + 1, threads))


cdef inline vf take(const real *x, ix n) noexcept nogil:
    return vload(x) if n == VW else vload_part(x, n)


cdef inline void put(real *x, vf v, ix n) noexcept nogil:
    if n == VW:
        vstore(x, v)
    else:
        vstore_part(x, v, n)


cdef inline vf blend(vf a, vf keep, vf b, vf add) noexcept nogil:
    """keep a + add b"""
    return vfma(a, keep, b*add)


cdef real *kept(real[::1] state, ix n, str what) except? NULL:
    """A state array of n elements, or NULL where there is none."""
    if state is None:
        return NULL
    require(state.shape[0] == n, what)
    return &state[0]


# ---------------------------------------------------------------- sgd
cdef struct Sgd:
    real *p
    const real *g
    real *v                     # NULL: no momentum
    real rate
    real momentum
    real add                    # 1 - dampening
    real decay
    bint nesterov


cdef inline void sgd_at(const Sgd *o, ix i, ix n) noexcept nogil:
    cdef vf p = take(o.p + i, n)
    cdef vf d = vfma(p, vset(o.decay), take(o.g + i, n))
    cdef vf v = d
    if o.v != NULL:
        v = blend(take(o.v + i, n), vset(o.momentum), d, vset(o.add))
        put(o.v + i, v, n)
        if o.nesterov:
            v = vfma(v, vset(o.momentum), d)
    put(o.p + i, p - vset(o.rate)*v, n)


cdef void sgd_span(const void *rule, ix start, ix end) noexcept nogil:
    cdef Sgd o = (<const Sgd *>rule)[0]
    while start + VW <= end:
        sgd_at(&o, start, VW)
        start += VW
    sgd_at(&o, start, end - start)


def sgd_update(real[::1] p,          # IN and OUT (n,)
               const real[::1] g,    # IN  (n,)
               real[::1] v,          # IN and OUT (n,)  zeros before the first step; None without momentum
               double rate, double momentum, double dampening, double weight_decay, bint nesterov):
    cdef ix n = p.shape[0]
    require(n > 0 and g.shape[0] == n, "sgd_update: p and g must have one length, at least 1")
    cdef Sgd o
    o.p, o.g, o.v = &p[0], &g[0], kept(v, n, "sgd_update: v must be as long as p")
    o.rate, o.momentum, o.add, o.decay, o.nesterov = rate, momentum, 1 - dampening, weight_decay, nesterov
    with nogil:
        share_out(sgd_span, &o, n)


# ---------------------------------------------------------------- rmsprop
cdef struct RmsProp:
    real *p
    const real *g
    real *s
    real *a                     # NULL: not centred
    real *b                     # NULL: no momentum
    real alpha
    real add                    # 1 - alpha
    real momentum
    real inner_rate
    real rate
    real inner_eps
    real eps
    real decay


cdef inline void rmsprop_at(const RmsProp *o, ix i, ix n) noexcept nogil:
    cdef vf p = take(o.p + i, n)
    cdef vf d = vfma(p, vset(o.decay), take(o.g + i, n))
    cdef vf s = blend(take(o.s + i, n), vset(o.alpha), d*d, vset(o.add))
    cdef vf a, step
    put(o.s + i, s, n)
    if o.a != NULL:
        a = blend(take(o.a + i, n), vset(o.alpha), d, vset(o.add))
        put(o.a + i, a, n)
        s = vmax(vzero(), s - a*a)  # a variance, which rounding may leave below 0
    step = d*vset(o.inner_rate)/(vsqrt(s + vset(o.inner_eps)) + vset(o.eps))
    if o.b != NULL:
        step = vfma(take(o.b + i, n), vset(o.momentum), step)
        put(o.b + i, step, n)
    put(o.p + i, p - vset(o.rate)*step, n)


cdef void rmsprop_span(const void *rule, ix start, ix end) noexcept nogil:
    cdef RmsProp o = (<const RmsProp *>rule)[0]
    while start + VW <= end:
        rmsprop_at(&o, start, VW)
        start += VW
    rmsprop_at(&o, start, end - start)


def rmsprop_update(real[::1] p,            # IN and OUT (n,)
                   const real[::1] g,      # IN  (n,)
                   real[::1] s not None,   # IN and OUT (n,)
                   real[::1] a,            # IN and OUT (n,)  None: not centred
                   real[::1] b,            # IN and OUT (n,)  None: no momentum
                   double rate, double inner_rate, double alpha, double momentum, double eps, double inner_eps,
                   double weight_decay):
    cdef ix n = p.shape[0]
    require(n > 0 and g.shape[0] == n, "rmsprop_update: p and g must have one length, at least 1")
    cdef RmsProp o
    o.p, o.g = &p[0], &g[0]
    o.s = kept(s, n, "rmsprop_update: s must be as long as p")
    o.a = kept(a, n, "rmsprop_update: a must be as long as p")
    o.b = kept(b, n, "rmsprop_update: b must be as long as p")
    o.rate, o.inner_rate, o.alpha, o.add, o.momentum = rate, inner_rate, alpha, 1 - alpha, momentum
    o.eps, o.inner_eps, o.decay = eps, inner_eps, weight_decay
    with nogil:
        share_out(rmsprop_span, &o, n)


# ---------------------------------------------------------------- adam
cdef struct Adam:
    real *p
    const real *g
    real *m
    real *v
    real *top                   # the largest v so far, which then stands for v; NULL: not wanted
    real beta1
    real add1                   # 1 - beta1
    real beta2
    real add2
    real rate
    real eps
    real decay
    real shrink
    bint adaptive


cdef inline void adam_at(const Adam *o, ix i, ix n) noexcept nogil:
    cdef vf p = take(o.p + i, n)
    cdef vf d = vfma(p, vset(o.decay), take(o.g + i, n))
    cdef vf m = blend(take(o.m + i, n), vset(o.beta1), d, vset(o.add1))
    cdef vf v = blend(take(o.v + i, n), vset(o.beta2), d*d, vset(o.add2))
    cdef vf step = m
    put(o.m + i, m, n)
    put(o.v + i, v, n)
    if o.top != NULL:
        v = vmax_nan(take(o.top + i, n), v)
        put(o.top + i, v, n)
    if o.adaptive:
        step = m/(vsqrt(v) + vset(o.eps))
    put(o.p + i, vfma(p, vset(o.shrink), -vset(o.rate)*step), n)


cdef void adam_span(const void *rule, ix start, ix end) noexcept nogil:
    cdef Adam o = (<const Adam *>rule)[0]
    while start + VW <= end:
        adam_at(&o, start, VW)
        start += VW
    adam_at(&o, start, end - start)


def adam_update(real[::1] p,            # IN and OUT (n,)
                const real[::1] g,      # IN  (n,)
                real[::1] m not None,   # IN and OUT (n,)
                real[::1] v not None,   # IN and OUT (n,)
                real[::1] top,          # IN and OUT (n,)  None: v itself divides
                double rate, double beta1, double beta2, double eps, double weight_decay, double shrink,
                bint adaptive):
    cdef ix n = p.shape[0]
    require(n > 0 and g.shape[0] == n, "adam_update: p and g must have one length, at least 1")
    cdef Adam o
    o.p, o.g = &p[0], &g[0]
    o.m = kept(m, n, "adam_update: m must be as long as p")
    o.v = kept(v, n, "adam_update: v must be as long as p")
    o.top = kept(top, n, "adam_update: top must be as long as p")
    o.beta1, o.add1, o.beta2, o.add2 = beta1, 1 - beta1, beta2, 1 - beta2
    o.rate, o.eps, o.decay, o.shrink, o.adaptive = rate, eps, weight_decay, shrink, adaptive
    with nogil:
        share_out(adam_span, &o, n)


# ---------------------------------------------------------------- average
cdef struct Average:
    real *y
    const real *x
    real weight


cdef inline void average_at(const Average *o, ix i, ix n) noexcept nogil:
    cdef vf y = take(o.y + i, n)
    put(o.y + i, vfma(take(o.x + i, n) - y, vset(o.weight), y), n)


cdef void average_span(const void *rule, ix start, ix end) noexcept nogil:
    cdef Average o = (<const Average *>rule)[0]
    while start + VW <= end:
        average_at(&o, start, VW)
        start += VW
    average_at(&o, start, end - start)


def average_update(real[::1] y, const real[::1] x, double weight):  # IN and OUT (n,)  IN (n,)
    cdef ix n = y.shape[0]
    require(n > 0 and x.shape[0] == n, "average_update: y and x must have one length, at least 1")
    cdef Average o
    o.y, o.x, o.weight = &y[0], &x[0], weight
    with nogil:
        share_out(average_span, &o, n)


# ---------------------------------------------------------------- sum of squares, in double
# For clipping: squares of float32 gradients may overflow float32.  Partial sums belong to chunks of SQUARES elements,
# not to threads, and within a chunk to lanes, of which there are as many in every build: one result, always.
cdef enum:
    SQUARES = 8192
    SQUARE_LANES = 16

SQUARES_CHUNK = SQUARES


cdef double squares_of(const real *x, ix n) noexcept nogil:
    cdef double lanes[SQUARE_LANES]
    cdef double total = 0
    cdef ix i = 0
    cdef int k
    memset(lanes, 0, sizeof(lanes))
    while i + SQUARE_LANES <= n:
        for k in range(SQUARE_LANES):
            lanes[k] += <double>x[i + k]*<double>x[i + k]
        i += SQUARE_LANES
    for k in range(n - i):
        lanes[k] += <double>x[i + k]*<double>x[i + k]
    for k in range(SQUARE_LANES):
        total += lanes[k]
    return total


def sum_of_squares(const real[::1] x, double[::1] partial) -> float:  # IN (n,)  SCRATCH (chunks,)
    cdef ix c, n = x.shape[0], chunks = (n + SQUARES - 1)//SQUARES
    require(n > 0, "sum_of_squares: x must not be empty")
    require(partial.shape[0] >= chunks, "sum_of_squares: partial must have a number for each chunk of x")
    cdef const real *xs = &x[0]
    cdef double *sums = &partial[0]
    cdef double total = 0
    cdef int threads = team(n)
    for c in prange(chunks, nogil=True, num_threads=threads, schedule="static"):
        sums[c] = squares_of(xs + c*SQUARES, min(<ix>SQUARES, n - c*SQUARES))
    for c in range(chunks):
        total = total + sums[c]
    return total
