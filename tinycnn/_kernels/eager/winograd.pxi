# Winograd's minimal filtering F(2x2, 3x3): a 3x3 convolution of stride 1 with 16 multiplications for 4 outputs, not 36
# (Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016).  For a tile d of 4x4 inputs
#     Y = A' [ (G g G') * (B' d B) ] A,   summed over input channels inside the brackets,
# and there it is 16 matrix products, V[k] (c, tiles) by U[k] (o, c), which are `gemm`'s.  Here are the transforms of
# kernels, U = G g G', of inputs, V = B' d B, and of outputs, Y = A' M A.  Tiles step by 2: with even and odd columns
# apart, element j of neighbouring tiles is unit-stride, so lanes are tiles of a row.  Tiles count row by row, image after
# image; a call does some whole rows of them, so that V and M stay in the second-level cache.  Lanes of U are kernels.

cdef enum:
    WINOGRAD_ROWS = 8            # rows of tiles that scratch holds the input of


cdef inline void line_of_kernel(vf g0, vf g1, vf g2, vf *u, ix step) noexcept nogil:
    """G g."""
    cdef vf half = vset(0.5)
    cdef vf ends = half*(g0 + g2), middle = half*g1
    u[0], u[step], u[2*step], u[3*step] = g0, ends + middle, ends - middle, g2


cdef void weight_kernels(const real *w, ix count, real *u, ix step, bint rotated) noexcept nogil:
    """U of up to a vector of kernels; its 16 elements lie `step` apart."""
    cdef real g[9*VW]
    cdef vf rows[12]
    cdef vf all[16]
    cdef int i, turn = 8 if rotated else 0, one = -1 if rotated else 1
    to_lanes(w, 9, count, g, NULL)
    for i in range(3):
        line_of_kernel(vload(g + (turn + one*i)*VW), vload(g + (turn + one*(3 + i))*VW),
                       vload(g + (turn + one*(6 + i))*VW), rows + i, 3)
    for i in range(4):
        line_of_kernel(rows[3*i], rows[3*i + 1], rows[3*i + 2], all + 4*i, 1)
    for i in range(16):
        vstore_part(u + i*step, all[i], count)


def winograd_weight(const real[:, :, :, ::1] w, real[:, :, ::1] u, bint rotated):  # IN (o, c, 3, 3)  OUT (16, o, c)
    cdef ix pairs = w.shape[0]*w.shape[1], i, blocks = (pairs + VW - 1)//VW
    require(w.shape[2] == 3 and w.shape[3] == 3 and pairs >= 1, "winograd_weight: w is no kernel of 3x3")
    require(u.shape[0] == 16 and u.shape[1] == w.shape[0] and u.shape[2] == w.shape[1],
            "winograd_weight: w and u do not fit")
    cdef int threads = team(pairs*16)
    for i in prange(blocks, nogil=True, num_threads=threads, schedule="static"):
        weight_kernels(&w[0, 0, 0, 0] + 9*VW*i, min(<ix>VW, pairs - VW*i), &u[0, 0, 0] + VW*i, pairs, rotated)


cdef inline Strip winograd_strip(ix tw) noexcept nogil:
    """WINOGRAD_ROWS rows of tiles, their even columns and then their odd ones."""
    cdef Strip z
    z.phase, z.pitch = tw + 1, 2*(tw + 1)
    z.rows, z.filled, z.spare = WINOGRAD_ROWS, 2*WINOGRAD_ROWS + 2, 0
    return z


def winograd_scratch(ix tw):
    """Elements of scratch memory that `winograd_input` wants per thread, for rows of tw tiles."""
    cdef Strip z = winograd_strip(tw)
    return strip_size(&z)


cdef inline void input_tiles(const real *x, ix pitch, real *v, ix step, ix tw) noexcept nogil:
    """B' d B of a row of tiles; its 16 elements lie `step` apart."""
    cdef vf d[16]
    cdef vf e0, e1, o0, o1
    cdef ix t = 0, n, half = pitch//2
    cdef int i, j
    while t < tw:
        n = min(tw - t, <ix>VW)
        for i in range(4):
            e0, e1 = vload(x + i*pitch + t), vload(x + i*pitch + t + 1)
            o0, o1 = vload(x + i*pitch + t + half), vload(x + i*pitch + t + half + 1)
            d[4*i], d[4*i + 1], d[4*i + 2], d[4*i + 3] = e0 - e1, o0 + e1, e1 - o0, o0 - o1
        for j in range(4):
            vstore_part(v + j*step + t, d[j] - d[8 + j], n)
            vstore_part(v + (4 + j)*step + t, d[4 + j] + d[8 + j], n)
            vstore_part(v + (8 + j)*step + t, d[8 + j] - d[4 + j], n)
            vstore_part(v + (12 + j)*step + t, d[4 + j] - d[12 + j], n)
        t += VW


cdef void input_channel(const real *x, ix image, ix h, ix w, real *v, ix step, ix first, ix last, ix th, ix tw, ix top,
                        ix left, real *scratch) noexcept nogil:
    """Rows of tiles [first, last) of one channel."""
    cdef Strip z = winograd_strip(tw)
    cdef ix row = first, rows, r
    memset(scratch, 0, strip_size(&z)*sizeof(real))
    while row < last:
        rows = min(min(last - row, th - row%th), <ix>WINOGRAD_ROWS)
        fill_strip(x + row//th*image, h, w, scratch, 2*(row%th) - top, 2*rows + 2, &z, 2, left)
        for r in range(rows):
            input_tiles(scratch + 2*r*z.pitch, z.pitch, v + (row - first + r)*tw, step, tw)
        row += rows


def winograd_input(const real[:, :, :, ::1] x, real[:, :, ::1] v, real[::1] scratch, ix first, ix th, ix tw, ix top,
                   ix left):  # IN (n, c, h, w)  OUT (16, c, rows tw)
    cdef ix channels = x.shape[1], h = x.shape[2], w = x.shape[3], tiles = v.shape[2], c
    cdef ix last = first + tiles//max(tw, 1), need = winograd_scratch(tw)
    require(th >= 1 and tw >= 1 and tiles >= 1 and tiles%tw == 0 and 0 <= first and last <= th*x.shape[0],
            "winograd_input: v does not hold whole rows of the tiles of x")
    require(v.shape[0] == 16 and v.shape[1] == channels and min(h, w) >= 1, "winograd_input: x and v do not fit")
    require(scratch.shape[0] >= need, f"winograd_input: scratch must have {need} elements per thread")
    cdef int t, threads = <int>min(<ix>team(channels*tiles*16), scratch.shape[0]//need)
    for t in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        for c in range(channels*t//threads, channels*(t + 1)//threads):
            input_channel(&x[0, c, 0, 0], channels*h*w, h, w, &v[0, c, 0], channels*tiles, first, last, th, tw, top,
                          left, &scratch[0] + t*need)


cdef inline void output_row(vf even, vf odd, real *y, ix n) noexcept nogil:
    """Two columns of each tile, n outputs at most."""
    vstore_part(y, vziplow(even, odd), min(n, <ix>VW))
    if n > VW:
        vstore_part(y + VW, vziphigh(even, odd), min(n - VW, <ix>VW))


cdef inline void output_tiles(const real *m, ix step, vf bias, real *y, ix ow, ix rows, ix tw) noexcept nogil:
    """A' M A of a row of tiles, plus the bias; one row of y or two."""
    cdef vf s[8]
    cdef vf m0, m1, m2, m3
    cdef ix t = 0, n
    cdef int j
    while t < tw:
        n = min(tw - t, <ix>VW)
        for j in range(4):
            m0, m1 = vload_part(m + j*step + t, n), vload_part(m + (4 + j)*step + t, n)
            m2, m3 = vload_part(m + (8 + j)*step + t, n), vload_part(m + (12 + j)*step + t, n)
            s[j], s[4 + j] = m0 + m1 + m2, m1 - m2 - m3
        output_row(s[0] + s[1] + s[2] + bias, s[1] - s[2] - s[3] + bias, y + 2*t, ow - 2*t)
        if rows > 1:
            output_row(s[4] + s[5] + s[6] + bias, s[5] - s[6] - s[7] + bias, y + ow + 2*t, ow - 2*t)
        t += VW


cdef void output_channel(const real *m, ix step, real bias, real *y, ix image, ix oh, ix ow, ix first,
                         ix last) noexcept nogil:
    """Rows of tiles [first, last) of one channel."""
    cdef ix row, oy, th = (oh + 1)//2, tw = (ow + 1)//2
    for row in range(first, last):
        oy = 2*(row%th)
        output_tiles(m + (row - first)*tw, step, vset(bias), y + row//th*image + oy*ow, ow, oh - oy, tw)


def winograd_output(const real[:, :, ::1] m, const real[::1] b, real[:, :, :, ::1] y, ix first):
    # IN (16, o, rows tw)  IN (o,) or None  OUT (n, o, oh, ow)
    cdef ix channels = y.shape[1], oh = y.shape[2], ow = y.shape[3], tiles = m.shape[2], tw = (ow + 1)//2, o
    cdef ix last = first + tiles//max(tw, 1)
    require(m.shape[0] == 16 and m.shape[1] == channels and min(oh, ow) >= 1, "winograd_output: m and y do not fit")
    require(tiles >= 1 and tiles%tw == 0 and 0 <= first and last <= (oh + 1)//2*y.shape[0],
            "winograd_output: m does not hold whole rows of the tiles of y")
    require(b is None or b.shape[0] == channels, "winograd_output: y and b do not fit")
    cdef const real *bias = NULL
    if b is not None:
        bias = &b[0]
    cdef int threads = team(channels*tiles*16)
    for o in prange(channels, nogil=True, num_threads=threads, schedule="static"):
        output_channel(&m[0, o, 0], channels*tiles, bias[o] if bias else 0, &y[0, o, 0, 0], channels*oh*ow, oh, ow,
                       first, last)
