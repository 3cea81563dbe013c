# Winograd's algorithm in training: tiles of maps, of gradients and of kernels, from numbers to values at points and back.
#
# A kernel of 3 taps and m = A - 2 outputs are a product of polynomials, known by its values at A points (Lavin and Gray, "Fast
# algorithms for convolutional neural networks", CVPR 2016).  In one dimension
#
#     y = At [(G w) (Bt d)],     and of a loss with gradient g of y:   gw = Gt [(A g) (Bt d)]
#
# so that the gradient of the weights takes the same A products for 3 m multiply-adds as y does.  Both dimensions are done one
# after the other.  Points: 0, 1, -1, infinity for A = 4; for A = 6 not 0, +-1, +-2, but 0, +-5/8, +-3/2 and infinity, whose
# powers differ less: in float32 the error of a layer is 5 times that of the plain sum, not 12 times, and less than 3 times
# that of A = 4 (Barabasz, Anderson, Soodhalter and Gregg, "Error analysis and improving the accuracy of Winograd convolution
# for deep neural networks", 2020, on how points are chosen).
#
#     for each row of tiles of a block of channels
#         its rows of the map into a frame, with what a load applies, zeros around    (which stays in the first cache)
#         columns of the frame to points, in place; rows of each tile to points: [A*A places][block][tile]

cdef extern from *:
    """
    #define POINT_A 0.625
    #define POINT_B 1.5
    #define POINT_AA (POINT_A*POINT_A)
    #define POINT_BB (POINT_B*POINT_B)
    """
    const double POINT_A
    const double POINT_B
    const double POINT_AA
    const double POINT_BB

cdef enum:
    KERNEL = 9                  # taps

cdef struct Source:             # maps of which tiles are taken, and what a load applies
    const real *map
    const real *raw             # c0 map + c1 raw + c2
    const real *a               # of clip(scale map + shift); NULL: nothing
    const real *c               # c0, c1, c2; NULL: nothing
    real low
    real high
    ix images
    ix h
    ix wd

cdef struct Tiles:              # of a strip: rows of tiles
    ix m                        # outputs down and across a tile
    ix down                     # tiles of a map
    ix across
    ix rows                     # rows of tiles of a full strip
    ix full                     # tiles of one
    ix total                    # rows of tiles of all maps
    ix places


cdef inline Tiles tiles_of(const Op *g, ix rows) noexcept nogil:
    """Of maps (oh, ow), kh outputs down and across a tile, in strips of so many rows of tiles."""
    cdef Tiles o
    o.m, o.down, o.across = g.kh, (g.oh + g.kh - 1)//g.kh, (g.ow + g.kh - 1)//g.kh
    o.rows, o.full, o.total, o.places = rows, rows*o.across, g.images*o.down, (g.kh + 2)*(g.kh + 2)
    return o


cdef inline ix place_step(ix blocks, ix tiles) noexcept nogil:
    """From a place to the next one: an odd number of vectors, for at a power of two all places share a few sets of a cache."""
    return (blocks*tiles | 1)*VW


cdef inline ix frame_size(const Tiles *o) noexcept nogil:
    return (o.m + 2)*(o.across*o.m + 2)*VW


# ---------------------------------------------------------------- one dimension
cdef inline void input_points(const vf *d, vf *o, int A) noexcept nogil:
    """Bt d."""
    cdef vf aa, bb, both, sum, even, odd
    if A == 4:
        o[0], o[1], o[2], o[3] = d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]
        return
    aa, bb = vset(<real>POINT_AA), vset(<real>POINT_BB)
    both, sum = vset(<real>(POINT_AA*POINT_BB)), vset(<real>(POINT_AA + POINT_BB))
    o[0] = vfma(both, d[0], vfma(-sum, d[2], d[4]))
    o[5] = vfma(both, d[1], vfma(-sum, d[3], d[5]))
    even, odd = vfma(-bb, d[2], d[4]), vset(<real>POINT_A)*vfma(-bb, d[1], d[3])
    o[1], o[2] = even + odd, even - odd
    even, odd = vfma(-aa, d[2], d[4]), vset(<real>POINT_B)*vfma(-aa, d[1], d[3])
    o[3], o[4] = even + odd, even - odd


cdef inline void gradient_points(const vf *g, vf *o, int A) noexcept nogil:
    """A g."""
    cdef vf even, odd
    if A == 4:
        o[0], o[1], o[2], o[3] = g[0], g[0] + g[1], g[0] - g[1], -g[1]
        return
    o[0], o[5] = g[0], g[3]
    even, odd = vfma(vset(<real>POINT_AA), g[2], g[0]), vset(<real>POINT_A)*vfma(vset(<real>POINT_AA), g[3], g[1])
    o[1], o[2] = even + odd, even - odd
    even, odd = vfma(vset(<real>POINT_BB), g[2], g[0]), vset(<real>POINT_B)*vfma(vset(<real>POINT_BB), g[3], g[1])
    o[3], o[4] = even + odd, even - odd


cdef inline void output_values(const vf *p, vf *o, int A) noexcept nogil:
    """At p."""
    cdef vf s, d, u, e
    if A == 4:
        o[0], o[1] = p[0] + p[1] + p[2], p[1] - p[2] - p[3]
        return
    s, d = p[1] + p[2], vset(<real>POINT_A)*(p[1] - p[2])
    u, e = p[3] + p[4], vset(<real>POINT_B)*(p[3] - p[4])
    o[0], o[1] = p[0] + s + u, d + e
    o[2] = vfma(vset(<real>POINT_AA), s, vset(<real>POINT_BB)*u)
    o[3] = vfma(vset(<real>POINT_AA), d, vfma(vset(<real>POINT_BB), e, p[5]))


cdef inline double kernel_factor(int point) noexcept nogil:
    """What G has before 1, p, p^2: one over the differences of a point to the others; point: 0, 1 or -1 of A, 2 or -2 of B."""
    if point == 0:
        return 1/(POINT_AA*POINT_BB)
    return 1/(2*POINT_AA*(POINT_AA - POINT_BB)) if point == 1 else 1/(2*POINT_BB*(POINT_BB - POINT_AA))


cdef inline void kernel_points(const vf *w, vf *o, int A) noexcept nogil:
    """G w."""
    cdef vf even, odd, half = vset(0.5)
    if A == 4:
        even, odd = half*(w[0] + w[2]), half*w[1]
        o[0], o[1], o[2], o[3] = w[0], even + odd, even - odd, w[2]
        return
    o[0], o[5] = vset(<real>kernel_factor(0))*w[0], w[2]
    even, odd = vfma(vset(<real>POINT_AA), w[2], w[0]), vset(<real>POINT_A)*w[1]
    o[1], o[2] = vset(<real>kernel_factor(1))*(even + odd), vset(<real>kernel_factor(1))*(even - odd)
    even, odd = vfma(vset(<real>POINT_BB), w[2], w[0]), vset(<real>POINT_B)*w[1]
    o[3], o[4] = vset(<real>kernel_factor(2))*(even + odd), vset(<real>kernel_factor(2))*(even - odd)


cdef inline void kernel_values(const vf *p, vf *o, int A) noexcept nogil:
    """Gt p."""
    cdef vf s, d, u, e, half = vset(0.5)
    if A == 4:
        s, d = half*(p[1] + p[2]), half*(p[1] - p[2])
        o[0], o[1], o[2] = p[0] + s, d, s + p[3]
        return
    s, d = vset(<real>kernel_factor(1))*(p[1] + p[2]), vset(<real>(POINT_A*kernel_factor(1)))*(p[1] - p[2])
    u, e = vset(<real>kernel_factor(2))*(p[3] + p[4]), vset(<real>(POINT_B*kernel_factor(2)))*(p[3] - p[4])
    o[0], o[1] = vfma(vset(<real>kernel_factor(0)), p[0], s + u), d + e
    o[2] = vfma(vset(<real>POINT_AA), s, vfma(vset(<real>POINT_BB), u, p[5]))


# ---------------------------------------------------------------- rows of tiles
cdef void load_row(const Source *s, ix block, ix image, ix row, real *to, ix before, ix count) noexcept nogil:
    """`count` columns: a row of a map, `before` columns in, zeros around; zeros alone for a row outside."""
    cdef ix at = ((block*s.images + image)*s.h + row)*s.wd*VW
    cdef real *inside = to + before*VW
    if not 0 <= row < s.h:
        memset(to, 0, count*VW*sizeof(real))
        return
    memset(to, 0, before*VW*sizeof(real))
    if s.c != NULL:
        blend_run(s.map + at, s.raw + at, NULL, inside, s.wd, s.c + block*3*VW)
    elif s.a != NULL:
        lazy_run(s.map + at, inside, s.wd, s.a + block*4*VW, vset(s.low), vset(s.high))
    else:
        memcpy(inside, s.map + at, s.wd*VW*sizeof(real))
    memset(inside + s.wd*VW, 0, (count - before - s.wd)*VW*sizeof(real))


cdef inline void row_of_points(const Source *s, ix block, ix image, ix row, ix before, ix tiles, real *frame, real *v,
                               ix place, int A, bint gradient) noexcept nogil:
    """A row of tiles of a map, from a row and a column of it on, or of a gradient, whose tiles do not overlap."""
    cdef vf d[6]
    cdef vf o[6]
    cdef int i, j, seen = A - 2 if gradient else A
    cdef ix width = tiles*(A - 2) + (0 if gradient else 2), at, tile
    for i in range(seen):
        load_row(s, block, image, row + i, frame + i*width*VW, before, width)
    for at in range(width):
        for i in range(seen):
            d[i] = vload(frame + (i*width + at)*VW)
        if gradient:
            gradient_points(d, o, A)
        else:
            input_points(d, o, A)
        for i in range(A):
            vstore(frame + (i*width + at)*VW, o[i])
    for tile in range(tiles):
        for i in range(A):
            for j in range(seen):
                d[j] = vload(frame + (i*width + tile*(A - 2) + j)*VW)
            if gradient:
                gradient_points(d, o, A)
            else:
                input_points(d, o, A)
            for j in range(A):
                vstore(v + (i*A + j)*place + tile*VW, o[j])


cdef void points_of_rows(const Source *s, const Tiles *o, ix first, ix rows, ix block, ix begin, ix end, ix top, ix left,
                         bint gradient, real *frame, real *v, ix place) noexcept nogil:
    """Items [begin, end) of the rows of tiles from `first` on, of `rows` to each block, from one of them on: as
    [place][block][tile]."""
    cdef ix item, row, image, at
    cdef real *to
    for item in range(begin, end):
        row = first + item%rows
        image, at, to = row//o.down, row%o.down*o.m - top, v + (item//rows*o.full + item%rows*o.across)*VW
        if o.m == 4 and gradient:
            row_of_points(s, block + item//rows, image, at, left, o.across, frame, to, place, 6, True)
        elif o.m == 4:
            row_of_points(s, block + item//rows, image, at, left, o.across, frame, to, place, 6, False)
        elif gradient:
            row_of_points(s, block + item//rows, image, at, left, o.across, frame, to, place, 4, True)
        else:
            row_of_points(s, block + item//rows, image, at, left, o.across, frame, to, place, 4, False)


cdef inline void row_of_values(const real *p, ix place, vf bias, real *y, ix ow, ix high, ix tiles, int A) noexcept nogil:
    """A row of tiles of outputs, `high` rows of ow columns of them within the map."""
    cdef vf d[6]
    cdef vf e[24]
    cdef vf o[4]
    cdef int i, j
    cdef ix tile, wide
    for tile in range(tiles):
        for j in range(A):
            for i in range(A):
                d[i] = vload(p + (i*A + j)*place + tile*VW)
            output_values(d, o, A)
            for i in range(A - 2):
                e[i*A + j] = o[i]
        wide = ow - tile*(A - 2)
        for i in range(A - 2):
            output_values(e + i*A, o, A)
            for j in range(A - 2):
                if i < high and j < wide:
                    vstore(y + (i*ow + tile*(A - 2) + j)*VW, o[j] + bias)


cdef void values_of_rows(const Tiles *o, const real *p, ix place, vf bias, real *y, ix oh, ix ow, ix first,
                         ix rows) noexcept nogil:
    """The outputs of the rows of tiles from `first` on, of one block: y begins with those of the first row."""
    cdef ix row, at, begin = (first//o.down*oh + first%o.down*o.m)*ow
    for row in range(first, first + rows):
        at = (row//o.down*oh + row%o.down*o.m)*ow - begin
        if o.m == 4:
            row_of_values(p, place, bias, y + at*VW, ow, oh - row%o.down*4, o.across, 6)
        else:
            row_of_values(p, place, bias, y + at*VW, ow, oh - row%o.down*2, o.across, 4)
        p += o.across*VW
