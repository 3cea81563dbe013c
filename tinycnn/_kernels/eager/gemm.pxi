# Matrix products (first version: plain loops; the packed one follows).


cdef void product(const real *a, ix ar, ix ak, const real *b, ix bk, ix bc, real *c, ix cr, ix m, ix n, ix k,
                  bint add) noexcept nogil:
    """c (m, n) = or += a b, any strides; the columns of c are contiguous."""
    cdef ix i, j, q
    cdef real s
    for i in range(m):
        for j in range(n):
            s = c[i*cr + j] if add else 0
            for q in range(k):
                s = s + a[i*ar + q*ak]*b[q*bk + j*bc]
            c[i*cr + j] = s


def gemm_scratch(ix m, ix n, ix k):
    return 0


def gemm(const real[:, :, ::1] a, const real[:, :, ::1] b, real[:, :, ::1] c, bint transpose_a, bint transpose_b,
         real[::1] scratch):  # IN (G | 1, M, K)  IN (G | 1, K, N)  OUT (G, M, N)
    cdef ix groups = c.shape[0], m = c.shape[1], n = c.shape[2], k = a.shape[1] if transpose_a else a.shape[2], g
    require((a.shape[0] == groups or a.shape[0] == 1) and (b.shape[0] == groups or b.shape[0] == 1),
            "gemm: a and b differ from c in their number of matrices")
    require((a.shape[2] if transpose_a else a.shape[1]) == m, "gemm: the rows of a and c differ in number")
    require((b.shape[1] if transpose_b else b.shape[2]) == n, "gemm: the columns of b and c differ in number")
    require((b.shape[2] if transpose_b else b.shape[1]) == k, "gemm: the inner extents of a and b differ")
    for g in range(groups):
        product(&a[g if a.shape[0] > 1 else 0, 0, 0], 1 if transpose_a else k, m if transpose_a else 1,
                &b[g if b.shape[0] > 1 else 0, 0, 0], 1 if transpose_b else n, k if transpose_b else 1,
                &c[g, 0, 0], n, m, n, k, False)


def pointwise_forward(const real[:, :, ::1] x, const real[:, ::1] w, const real[::1] b, real[:, :, ::1] y,
                      real[::1] scratch):  # IN (N, C, P)  IN (O, C/groups)  IN (O,) | None  OUT (N, O, P)
    cdef ix groups = x.shape[1] // w.shape[1], k = w.shape[1], o = w.shape[0] // groups, n, g, i
    for n in range(x.shape[0]):
        for g in range(groups):
            product(&w[g*o, 0], k, 1, &x[n, g*k, 0], x.strides[1]//sizeof(real), 1, &y[n, g*o, 0],
                    y.strides[1]//sizeof(real), o, y.shape[2], k, False)
        if b is not None:
            for g in range(y.shape[1]):
                for i in range(y.shape[2]):
                    y[n, g, i] += b[g]


def pointwise_backward_input(const real[:, :, ::1] gy, const real[:, ::1] w, real[:, :, ::1] gx, real[::1] scratch):
    # IN (N, O, P)  IN (O, C/groups)  OUT (N, C, P)
    cdef ix groups = gx.shape[1] // w.shape[1], k = w.shape[1], o = w.shape[0] // groups, n, g
    for n in range(gx.shape[0]):
        for g in range(groups):
            product(&w[g*o, 0], 1, k, &gy[n, g*o, 0], gy.strides[1]//sizeof(real), 1, &gx[n, g*k, 0],
                    gx.strides[1]//sizeof(real), k, gx.shape[2], o, False)


def pointwise_backward_weight(const real[:, :, ::1] x, const real[:, :, ::1] gy, real[:, ::1] gw, bint accumulate,
                              real[::1] scratch):  # IN (N, C, P)  IN (N, O, P)  OUT (O, C/groups)
    cdef ix groups = x.shape[1] // gw.shape[1], k = gw.shape[1], o = gw.shape[0] // groups, n, g
    for n in range(x.shape[0]):
        for g in range(groups):
            product(&gy[n, g*o, 0], gy.strides[1]//sizeof(real), 1, &x[n, g*k, 0], 1, x.strides[1]//sizeof(real),
                    &gw[g*o, 0], k, o, k, x.shape[2], accumulate or n > 0)


def channel_sum(const real[:, :, ::1] gy, real[::1] gb):  # IN (N, C, P)  OUT (C,)
    cdef ix n, c, i
    cdef real s
    for c in range(gy.shape[1]):
        s = 0
        for n in range(gy.shape[0]):
            for i in range(gy.shape[2]):
                s = s + gy[n, c, i]
        gb[c] = s
