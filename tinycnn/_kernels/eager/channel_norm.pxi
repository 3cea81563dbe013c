# Normalisations that look across the channels of x (N, C, P) at one pixel.
#
# L2: with r = 1 / max(|x|, eps), where |x|^2 = sum over channels of x^2, and a weight w for each channel,
#
#     y = w x r        gx = r (w gy - x r^2 sum w gy x), the second term 0 where |x| <= eps        gw = sum gy x r
#
# (Liu et al., "ParseNet", 2016, section 3.3; Liu et al., "SSD", ECCV 2016.)
#
# Local response normalisation, over the `size` channels j around channel c that there are,
#
#     d = k + alpha / size sum x_j^2,   y = x d^-beta,   gx_j = gy_j d_j^-beta - 2 alpha beta / size x_j sum q_c
#
# with q = gy x d^(-beta - 1), summed over the channels c in whose window j is (Krizhevsky, Sutskever and Hinton,
# "ImageNet classification with deep convolutional neural networks", 2012, section 3.3).
#
# Loop order.  An image's pixels are cut into strips of STRIP; a strip goes through all channels, a plane's stretch at a
# time, with vectors along the pixels.  Strips are shared out.  The strip of L2's weight gradient is one number per
# channel, kept in scratch memory and added in order.  Vectors of P = 1 (embeddings) run along the channels in L2.

cdef enum:
    STRIP = 256


cdef inline ix strips_of(ix p) noexcept nogil:
    return (p + STRIP - 1)//STRIP


# ---------------------------------------------------------------- L2: strips, by pointers to the first channel's pixels
cdef void add_products(const real *a, const real *b, ix n, vf w, real *sums) noexcept nogil:
    """sums += w a b."""
    cdef ix i = 0, part
    while i < n:
        part = min(<ix>VW, n - i)
        vstore(sums + i, vfma(w*vload_part(a + i, part), vload_part(b + i, part), vload(sums + i)))
        i += VW


cdef inline real inverse_norm(real squares, double eps) noexcept nogil:
    return <real>(1/max(sqrt(squares), eps))


cdef void l2_strip(const real *x, const real *w, real *y, real *inverse, ix channels, ix p, ix n,
                   double eps) noexcept nogil:
    cdef real r[STRIP + VW]
    cdef ix c, i, part
    memset(r, 0, sizeof(r))
    for c in range(channels):
        add_products(x + c*p, x + c*p, n, vset(1), r)
    for i in range(n):
        inverse[i] = r[i] = inverse_norm(r[i], eps)
    for c in range(channels):
        i = 0
        while i < n:
            part = min(<ix>VW, n - i)
            vstore_part(y + c*p + i, vload_part(x + c*p + i, part)*vload(r + i)*vset(w[c]), part)
            i += VW


cdef void l2_gradient_strip(const real *x, const real *gy, const real *w, const real *inverse, real *gx, real *gw,
                            ix channels, ix p, ix n, real highest) noexcept nogil:
    """highest: the inverse of norms up to eps, which do not depend on x."""
    cdef real dot[STRIP + VW]
    cdef vf r, xv, gv, s
    cdef ix c, i, part
    memset(dot, 0, sizeof(dot))
    for c in range(channels):
        add_products(x + c*p, gy + c*p, n, vset(w[c]), dot)
    for i in range(n):
        dot[i] = dot[i]*inverse[i]*inverse[i] if inverse[i] < highest else 0
    for c in range(channels):
        s = vzero()
        i = 0
        while i < n:
            part = min(<ix>VW, n - i)
            r, xv, gv = vload_part(inverse + i, part), vload_part(x + c*p + i, part), vload_part(gy + c*p + i, part)
            vstore_part(gx + c*p + i, r*(vset(w[c])*gv - xv*vload(dot + i)), part)
            s = vfma(gv*xv, r, s)
            i += VW
        gw[c] = vsum(s)


# ---------------------------------------------------------------- L2: rows of channels
cdef real row_product(const real *a, const real *b, const real *w, ix n) noexcept nogil:
    """Sum of a b w."""
    cdef vf s = vzero()
    cdef ix i = 0, part
    while i < n:
        part = min(<ix>VW, n - i)
        s = vfma(vload_part(a + i, part)*vload_part(b + i, part), vload_part(w + i, part), s)
        i += VW
    return vsum(s)


cdef real row_squares(const real *x, ix n) noexcept nogil:
    cdef vf s = vzero(), v
    cdef ix i = 0
    while i < n:
        v = vload_part(x + i, min(<ix>VW, n - i))
        s = vfma(v, v, s)
        i += VW
    return vsum(s)


cdef void l2_row(const real *x, const real *w, real *y, real *inverse, ix n, double eps) noexcept nogil:
    cdef vf r
    cdef ix i = 0, part
    inverse[0] = inverse_norm(row_squares(x, n), eps)
    r = vset(inverse[0])
    while i < n:
        part = min(<ix>VW, n - i)
        vstore_part(y + i, vload_part(x + i, part)*r*vload_part(w + i, part), part)
        i += VW


cdef void l2_gradient_row(const real *x, const real *gy, const real *w, real inverse, real *gx, real *gw, ix n,
                          real highest) noexcept nogil:
    cdef real product = row_product(x, gy, w, n)*inverse*inverse if inverse < highest else 0
    cdef vf r = vset(inverse), dot = vset(product), xv, gv
    cdef ix i = 0, part
    while i < n:
        part = min(<ix>VW, n - i)
        xv, gv = vload_part(x + i, part), vload_part(gy + i, part)
        vstore_part(gx + i, r*(vload_part(w + i, part)*gv - xv*dot), part)
        vstore_part(gw + i, gv*xv*r, part)
        i += VW


# ---------------------------------------------------------------- local response normalisation: strips
cdef inline vf window_sum(const real *x, ix first, ix last, ix p, ix n, bint squared) noexcept nogil:
    """Sum over channels [first, last] of x, or of its square, at up to a vector of pixels."""
    cdef vf s = vzero(), v
    cdef ix j
    for j in range(first, last + 1):
        v = vload_part(x + j*p, n)
        s = vfma(v, v, s) if squared else s + v
    return s


cdef inline vf power(vf d, real exponent) noexcept nogil:
    return vexp(vset(exponent)*vlog(d))


cdef void lrn_strip(const real *x, real *y, real *d, ix channels, ix p, ix n, ix size, real alpha, real beta,
                    real k) noexcept nogil:
    cdef vf v
    cdef ix c, i, part, before = size//2, after = (size - 1)//2
    for c in range(channels):
        i = 0
        while i < n:
            part = min(<ix>VW, n - i)
            v = vfma(vset(alpha/size), window_sum(x + i, max(<ix>0, c - before), min(channels - 1, c + after), p, part,
                                                  True), vset(k))
            vstore_part(d + c*p + i, v, part)
            vstore_part(y + c*p + i, vload_part(x + c*p + i, part)*power(v, -beta), part)
            i += VW


cdef void lrn_gradient_strip(const real *x, const real *d, const real *gy, real *gx, real *q, ix channels, ix p, ix n,
                             ix size, real alpha, real beta) noexcept nogil:
    cdef vf dv, g
    cdef ix c, i, part, before = (size - 1)//2, after = size//2
    for c in range(channels):
        i = 0
        while i < n:
            part = min(<ix>VW, n - i)
            dv = vload_part(d + c*p + i, part)
            g = vload_part(gy + c*p + i, part)*power(dv, -beta)
            vstore_part(gx + c*p + i, g, part)
            vstore_part(q + c*p + i, g*vload_part(x + c*p + i, part)/dv, part)
            i += VW
    for c in range(channels):
        i = 0
        while i < n:
            part = min(<ix>VW, n - i)
            g = window_sum(q + i, max(<ix>0, c - before), min(channels - 1, c + after), p, part, False)
            vstore_part(gx + c*p + i, vload_part(gx + c*p + i, part)
                        - vset(2*alpha*beta/size)*vload_part(x + c*p + i, part)*g, part)
            i += VW


# ---------------------------------------------------------------- kernels
cdef int require_like(const real[:, :, ::1] x, const real[:, :, ::1] y, str kernel) except -1:
    cdef int axis
    require(x.shape[0] > 0 and x.shape[1] > 0 and x.shape[2] > 0, kernel + ": x is empty")
    for axis in range(3):
        require(y.shape[axis] == x.shape[axis], kernel + ": shapes differ from x's")
    return 0


cdef int require_l2(const real[:, :, ::1] x, const real[::1] weight, const real[:, ::1] inverse) except -1:
    require(weight.shape[0] == x.shape[1], "l2_norm: expected a weight per channel")
    require(inverse.shape[0] == x.shape[0] and inverse.shape[1] == x.shape[2], "l2_norm: expected a norm per pixel")
    return 0


def l2_norm_forward(const real[:, :, ::1] x,      # IN  (n, c, p)
                    const real[::1] weight,       # IN  (c,)
                    real[:, :, ::1] y,            # OUT (n, c, p)
                    real[:, ::1] inverse,         # OUT (n, p)
                    double eps):
    require_like(x, y, "l2_norm_forward")
    require_l2(x, weight, inverse)
    cdef ix images = x.shape[0], c = x.shape[1], p = x.shape[2], strips = strips_of(p), i, first, at
    cdef const real *xs = &x[0, 0, 0]
    cdef const real *w = &weight[0]
    cdef real *ys = &y[0, 0, 0]
    cdef real *inverses = &inverse[0, 0]
    cdef int threads = team(images*c*p)
    for i in prange(images*strips, nogil=True, num_threads=threads, schedule="static"):
        first = i % strips*STRIP
        at = i//strips*c*p + first
        if p == 1:
            l2_row(xs + at, w, ys + at, inverses + i, c, eps)
        else:
            l2_strip(xs + at, w, ys + at, inverses + i//strips*p + first, c, p, min(<ix>STRIP, p - first), eps)


def l2_norm_scratch(ix n, ix c, ix p):
    return n*strips_of(p)*c


def l2_norm_backward(const real[:, :, ::1] x,     # IN  (n, c, p)
                     const real[:, :, ::1] gy,    # IN  (n, c, p)
                     const real[::1] weight,      # IN  (c,)
                     const real[:, ::1] inverse,  # IN  (n, p)
                     real[:, :, ::1] gx,          # OUT (n, c, p)
                     real[::1] gw,                # OUT (c,)
                     real[::1] scratch,           # l2_norm_scratch elements
                     double eps):
    require_like(x, gy, "l2_norm_backward")
    require_like(x, gx, "l2_norm_backward")
    require_l2(x, weight, inverse)
    cdef ix images = x.shape[0], c = x.shape[1], p = x.shape[2], strips = strips_of(p), i, first, at
    require(gw.shape[0] == c, "l2_norm_backward: gw: one per channel")
    require(scratch.shape[0] >= images*strips*c, "l2_norm_backward: scratch is too small")
    cdef const real *xs = &x[0, 0, 0]
    cdef const real *gys = &gy[0, 0, 0]
    cdef const real *w = &weight[0]
    cdef const real *inverses = &inverse[0, 0]
    cdef real *gxs = &gx[0, 0, 0]
    cdef real *gws = &gw[0]
    cdef real *partial = &scratch[0]
    cdef real highest = inverse_norm(0, eps)
    cdef int threads = team(images*c*p)
    for i in prange(images*strips, nogil=True, num_threads=threads, schedule="static"):
        first = i % strips*STRIP
        at = i//strips*c*p + first
        if p == 1:
            l2_gradient_row(xs + at, gys + at, w, inverses[i], gxs + at, partial + i*c, c, highest)
        else:
            l2_gradient_strip(xs + at, gys + at, w, inverses + i//strips*p + first, gxs + at, partial + i*c, c, p,
                              min(<ix>STRIP, p - first), highest)
    for i in range((c + SUMS - 1)//SUMS):
        add_parts(partial + i*SUMS, images*strips, c, min(<ix>SUMS, c - i*SUMS), gws + i*SUMS)


def local_response_norm_forward(const real[:, :, ::1] x,  # IN  (n, c, p)
                                real[:, :, ::1] y,        # OUT (n, c, p)
                                real[:, :, ::1] d,        # OUT (n, c, p)
                                ix size, double alpha, double beta, double k):
    require_like(x, y, "local_response_norm_forward")
    require_like(x, d, "local_response_norm_forward")
    require(size > 0, "local_response_norm_forward: size must be positive")
    cdef ix images = x.shape[0], c = x.shape[1], p = x.shape[2], strips = strips_of(p), i, first, at
    cdef const real *xs = &x[0, 0, 0]
    cdef real *ys = &y[0, 0, 0]
    cdef real *ds = &d[0, 0, 0]
    cdef int threads = team(4*images*c*p)
    for i in prange(images*strips, nogil=True, num_threads=threads, schedule="static"):
        first = i % strips*STRIP
        at = i//strips*c*p + first
        lrn_strip(xs + at, ys + at, ds + at, c, p, min(<ix>STRIP, p - first), size, <real>alpha, <real>beta, <real>k)


def local_response_norm_backward(const real[:, :, ::1] x,   # IN  (n, c, p)
                                 const real[:, :, ::1] d,   # IN  (n, c, p)
                                 const real[:, :, ::1] gy,  # IN  (n, c, p)
                                 real[:, :, ::1] gx,        # OUT (n, c, p)
                                 real[::1] scratch,         # n c p elements
                                 ix size, double alpha, double beta):
    require_like(x, d, "local_response_norm_backward")
    require_like(x, gy, "local_response_norm_backward")
    require_like(x, gx, "local_response_norm_backward")
    require(size > 0, "local_response_norm_backward: size must be positive")
    cdef ix images = x.shape[0], c = x.shape[1], p = x.shape[2], strips = strips_of(p), i, first, at
    require(scratch.shape[0] >= images*c*p, "local_response_norm_backward: scratch is too small")
    cdef const real *xs = &x[0, 0, 0]
    cdef const real *ds = &d[0, 0, 0]
    cdef const real *gys = &gy[0, 0, 0]
    cdef real *gxs = &gx[0, 0, 0]
    cdef real *q = &scratch[0]
    cdef int threads = team(4*images*c*p)
    for i in prange(images*strips, nogil=True, num_threads=threads, schedule="static"):
        first = i % strips*STRIP
        at = i//strips*c*p + first
        lrn_gradient_strip(xs + at, ds + at, gys + at, gxs + at, q + at, c, p, min(<ix>STRIP, p - first), size,
                           <real>alpha, <real>beta)
