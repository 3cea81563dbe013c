# What convolutions with more than one tap, or a stride, need besides: frames of zeros around maps, in which every tap finds
# its input, products with weights that are in the arena, and the gradient of a bias.


cdef void fill_columns(const real *x, real *y, ix py, ix begin, ix end, ix count) noexcept nogil:
    """A row of a frame of `count` columns, py apart: columns [begin, end) are vectors of x (NULL where there are none), the
    others 0."""
    cdef ix i
    if py == VW:
        memset(y, 0, begin*VW*sizeof(real))
        if begin < end:
            memcpy(y + begin*VW, x, (end - begin)*VW*sizeof(real))
        memset(y + end*VW, 0, (count - end)*VW*sizeof(real))
        return
    for i in range(count):
        vstore(y + i*py, vload(x + (i - begin)*VW) if begin <= i < end else vzero())


cdef void apply_columns(const real *x, real *y, ix py, ix n, const real *a, vf low, vf high) noexcept nogil:
    """n vectors of z, py apart."""
    cdef vf scale = vload(a), shift = vload(a + VW)
    cdef ix i
    for i in range(n):
        vstore(y + i*py, vclip(vfma(scale, vload(x + i*VW), shift), low, high))


cdef void frame(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """Maps (h, wd) into frames (oh, ow) of zeros, `top` down and `left` in. a: what is applied to the map, but not to the
    zeros around it. Of a frame, columns are py apart, rows yrow, images yimage and blocks ys: where maps are small, images may lie
    side by side for each pixel."""
    cdef ix item, plane, row, items = g.blocks*g.images*g.oh
    cdef const real *x
    cdef real *y
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        plane, row = item//g.oh, item%g.oh - g.top
        y = run.arena + g.y + plane//g.images*g.ys + plane%g.images*g.yimage + (row + g.top)*g.yrow
        if not 0 <= row < g.h:
            fill_columns(NULL, y, g.py, 0, 0, g.ow)
            continue
        x = run.arena + g.x + (plane*g.h + row)*g.wd*VW
        fill_columns(x, y, g.py, g.left, g.left + g.wd, g.ow)
        if g.a >= 0:
            apply_columns(x, y + g.left*g.py, g.py, g.wd, run.arena + g.a + plane//g.images*4*VW, vset(<real>g.low),
                          vset(<real>g.high))


cdef void trained_product(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """As `product`, with packed weights, and biases, from the arena: w and b count from its start. b: -1: none."""
    cdef Run moved = run[0]
    moved.constants = run.arena
    product(g, &moved, t, threads)


cdef enum:
    BIAS_RUN = 256              # pixels that are added up by themselves


cdef void bias_gradient(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """The sum over all pixels of each of k channels of g, in `blocks`, ys apart; mode, gw: where it goes."""
    cdef ix block, i, end
    cdef const real *d
    cdef vf a, b, sum
    for block in range(share(g.blocks, t, threads), share(g.blocks, t + 1, threads)):
        d, sum, i = run.arena + g.g + block*g.ys, vzero(), 0
        while i < g.pixels:
            end, a, b = min(g.pixels, i + BIAS_RUN), vzero(), vzero()
            while i + 2 <= end:
                a, b = a + vload(d + i*VW), b + vload(d + (i + 1)*VW)
                i += 2
            if i < end:
                a = a + vload(d + i*VW)
                i += 1
            sum = sum + (a + b)
        vstore_part(<real *>run.io[g.mode] + g.gw + block*VW, sum, min(VW, g.k - block*VW))
