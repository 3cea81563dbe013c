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
# average  y += weight (x - y): exponential moving averages, Lookahead's slow weights, which x then goes on from.
# scale    x *= factor,  and limit  x within [-most, most]: clipping.
#
# Loop order.  One pass: each array is read once and written once.  Of arrays that hold many parameters only some
# stretches may be meant (`spans`): the vectors of all of them, one stretch after the other, are shared out over threads.
# The tail of a stretch goes through the same code as the rest, so that no cut changes a bit, and what lies between
# stretches is not touched.  A rule is a struct of its arrays and scalars, and a step on the n elements at i, n a constant
# VW but at the end.

ctypedef void (*update_span)(const void *rule, ix start, ix end) noexcept nogil

cdef struct Stretches:
    const ix *bounds            # start and stop of each
    ix count
    ix vectors                  # of all of them
    ix whole[2]


cdef inline ix vectors_of(const Stretches *s, ix i) noexcept nogil:
    return (s.bounds[2*i + 1] - s.bounds[2*i] + VW - 1)//VW


cdef int find_stretches(Stretches *s, const ix[:, ::1] spans, ix n) except -1:
    """[start, stop) of what is meant, ascending; None: all n elements."""
    cdef ix i, reached = 0
    s.whole[0], s.whole[1] = 0, n
    s.bounds, s.count, s.vectors = s.whole, 1, 0
    if spans is not None:
        require(spans.shape[0] > 0 and spans.shape[1] == 2, "spans must be (k, 2), k at least 1")
        s.bounds, s.count = &spans[0, 0], spans.shape[0]
    for i in range(s.count):
        require(reached <= s.bounds[2*i] < s.bounds[2*i + 1] <= n, "spans must be ascending, within the arrays, not empty")
        reached = s.bounds[2*i + 1]
        s.vectors += vectors_of(s, i)
    return 0


cdef void run_stretches(update_span span, const void *rule, const Stretches *s, ix low, ix high) noexcept nogil:
    """Vectors [low, high) of all."""
    cdef ix i, here, from_, to, before = 0
    for i in range(s.count):
        here = vectors_of(s, i)
        from_, to = max(low - before, 0), min(high - before, here)
        if from_ < to:
            span(rule, s.bounds[2*i] + from_*VW, min(s.bounds[2*i] + to*VW, s.bounds[2*i + 1]))
        before += here


cdef void share_out(update_span span, const void *rule, const Stretches *s) noexcept nogil:
    """Run a span over all stretches."""
    cdef int t, threads = team(s.vectors*VW)
    for t in prange(threads, num_threads=threads, schedule="static"):
        run_stretches(span, rule, s, s.vectors*t//threads, s.vectors*(t + 1)//threads)


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
               double rate, double momentum, double dampening, double weight_decay, bint nesterov,
               const ix[:, ::1] spans=None):  # IN (k, 2)  None: all
    cdef ix n = p.shape[0]
    cdef Stretches parts
    require(n > 0 and g.shape[0] == n, "sgd_update: p and g must have one length, at least 1")
    cdef Sgd o
    o.p, o.g, o.v = &p[0], &g[0], kept(v, n, "sgd_update: v must be as long as p")
    o.rate, o.momentum, o.add, o.decay, o.nesterov = rate, momentum, 1 - dampening, weight_decay, nesterov
    find_stretches(&parts, spans, n)
    with nogil:
        share_out(sgd_span, &o, &parts)


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
                   double weight_decay, const ix[:, ::1] spans=None):  # IN (k, 2)  None: all
    cdef ix n = p.shape[0]
    cdef Stretches parts
    require(n > 0 and g.shape[0] == n, "rmsprop_update: p and g must have one length, at least 1")
    cdef RmsProp o
    o.p, o.g = &p[0], &g[0]
    o.s = kept(s, n, "rmsprop_update: s must be as long as p")
    o.a = kept(a, n, "rmsprop_update: a must be as long as p")
    o.b = kept(b, n, "rmsprop_update: b must be as long as p")
    o.rate, o.inner_rate, o.alpha, o.add, o.momentum = rate, inner_rate, alpha, 1 - alpha, momentum
    o.eps, o.inner_eps, o.decay = eps, inner_eps, weight_decay
    find_stretches(&parts, spans, n)
    with nogil:
        share_out(rmsprop_span, &o, &parts)


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
                bint adaptive, const ix[:, ::1] spans=None):  # IN (k, 2)  None: all
    cdef ix n = p.shape[0]
    cdef Stretches parts
    require(n > 0 and g.shape[0] == n, "adam_update: p and g must have one length, at least 1")
    cdef Adam o
    o.p, o.g = &p[0], &g[0]
    o.m = kept(m, n, "adam_update: m must be as long as p")
    o.v = kept(v, n, "adam_update: v must be as long as p")
    o.top = kept(top, n, "adam_update: top must be as long as p")
    o.beta1, o.add1, o.beta2, o.add2 = beta1, 1 - beta1, beta2, 1 - beta2
    o.rate, o.eps, o.decay, o.shrink, o.adaptive = rate, eps, weight_decay, shrink, adaptive
    find_stretches(&parts, spans, n)
    with nogil:
        share_out(adam_span, &o, &parts)


# ---------------------------------------------------------------- average
cdef struct Average:
    real *y
    real *x
    real weight
    bint follow                 # x becomes y


cdef inline void average_at(const Average *o, ix i, ix n) noexcept nogil:
    cdef vf y = take(o.y + i, n)
    y = vfma(take(o.x + i, n) - y, vset(o.weight), y)
    put(o.y + i, y, n)
    if o.follow:
        put(o.x + i, y, n)


cdef void average_span(const void *rule, ix start, ix end) noexcept nogil:
    cdef Average o = (<const Average *>rule)[0]
    while start + VW <= end:
        average_at(&o, start, VW)
        start += VW
    average_at(&o, start, end - start)


def average_update(real[::1] y, const real[::1] x, double weight, const ix[:, ::1] spans=None):
    # IN and OUT (n,)  IN (n,)  IN (k, 2), None: all
    cdef ix n = y.shape[0]
    cdef Stretches parts
    cdef Average o
    require(n > 0 and x.shape[0] == n, "average_update: y and x must have one length, at least 1")
    o.y, o.x, o.weight, o.follow = &y[0], <real *>&x[0], weight, False
    find_stretches(&parts, spans, n)
    with nogil:
        share_out(average_span, &o, &parts)


def lookahead_update(real[::1] y, real[::1] x, double weight, const ix[:, ::1] spans=None):
    # IN and OUT (n,) twice  IN (k, 2), None: all
    cdef ix n = y.shape[0]
    cdef Stretches parts
    cdef Average o
    require(n > 0 and x.shape[0] == n, "lookahead_update: y and x must have one length, at least 1")
    o.y, o.x, o.weight, o.follow = &y[0], &x[0], weight, True
    find_stretches(&parts, spans, n)
    with nogil:
        share_out(average_span, &o, &parts)


# ---------------------------------------------------------------- clipping: scale, limit
cdef struct Clip:
    real *x
    real factor                 # what x is multiplied with, or
    real most                   # its largest magnitude, if it is to be limited
    bint limits


cdef inline void clip_at(const Clip *o, ix i, ix n) noexcept nogil:
    cdef vf x = take(o.x + i, n)
    if o.limits:
        x = vmax_nan(vset(-o.most), vmin_nan(vset(o.most), x))
    else:
        x = x*vset(o.factor)
    put(o.x + i, x, n)


cdef void clip_span(const void *rule, ix start, ix end) noexcept nogil:
    cdef Clip o = (<const Clip *>rule)[0]
    while start + VW <= end:
        clip_at(&o, start, VW)
        start += VW
    clip_at(&o, start, end - start)


cdef int run_clip(Clip *o, real[::1] x, const ix[:, ::1] spans) except -1:
    cdef Stretches parts
    require(x.shape[0] > 0, "clipping: x must not be empty")
    o.x = &x[0]
    find_stretches(&parts, spans, x.shape[0])
    with nogil:
        share_out(clip_span, o, &parts)
    return 0


def scale_update(real[::1] x, double factor, const ix[:, ::1] spans=None):  # IN and OUT (n,)  IN (k, 2), None: all
    cdef Clip o
    o.factor, o.most, o.limits = factor, 0, False
    run_clip(&o, x, spans)


def limit_update(real[::1] x, double most, const ix[:, ::1] spans=None):  # IN and OUT (n,)  IN (k, 2), None: all
    cdef Clip o
    o.factor, o.most, o.limits = 1, most, True
    run_clip(&o, x, spans)


# ---------------------------------------------------------------- sum of squares, in double
# For clipping: squares of float32 gradients may overflow float32.  Partial sums belong to chunks of SQUARES elements, or
# to the pieces that are asked for, not to threads, and within a chunk to lanes, of which there are as many in every
# build: one result, always.
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


cdef int require_pieces(const ix[:, ::1] pieces, ix n) except -1:
    cdef ix c
    require(pieces.shape[0] > 0 and pieces.shape[1] == 2, "sum_of_squares: pieces must be (k, 2), k at least 1")
    for c in range(pieces.shape[0]):
        require(0 <= pieces[c, 0] <= pieces[c, 1] <= n, "sum_of_squares: pieces must lie within x")
    return 0


def sum_of_squares(const real[::1] x,               # IN  (n,)
                   double[::1] partial,             # OUT (chunks,)  the sum of each
                   const ix[:, ::1] pieces=None):   # IN  (chunks, 2)  None: all of x
    """The sum over chunks, added up in their order."""
    cdef ix c, n = x.shape[0], chunks = (n + SQUARES - 1)//SQUARES
    cdef const ix *bounds = NULL
    require(n > 0, "sum_of_squares: x must not be empty")
    if pieces is not None:
        require_pieces(pieces, n)
        chunks, bounds = pieces.shape[0], &pieces[0, 0]
    require(partial.shape[0] >= chunks, "sum_of_squares: partial must have a number for each chunk of x")
    cdef const real *xs = &x[0]
    cdef double *sums = &partial[0]
    cdef double total = 0
    cdef int threads = team(n)
    for c in prange(chunks, nogil=True, num_threads=threads, schedule="static"):
        if bounds == NULL:
            sums[c] = squares_of(xs + c*SQUARES, min(<ix>SQUARES, n - c*SQUARES))
        else:
            sums[c] = squares_of(xs + bounds[2*c], bounds[2*c + 1] - bounds[2*c])
    for c in range(chunks):
        total = total + sums[c]
    return total
