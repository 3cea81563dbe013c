# What convolutions with more than one tap, or a stride, need besides: frames of zeros around maps, in which every tap finds its
# input, products with weights that are in the arena, and the gradient of a bias.


cdef void frame(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """Maps (h, wd) into frames (oh, ow) of zeros, `top` down and `left` in; what lies outside the frame is left out (top and left
    may be negative). a: what is applied to the map, but not to the zeros around it."""
    cdef ix item, plane, row, items = g.blocks*g.images*g.oh
    cdef ix begin = max(g.left, 0), end = max(begin, min(g.left + g.wd, g.ow))
    cdef const real *x
    cdef real *y
    for item in range(share(items, t, threads), share(items, t + 1, threads)):
        plane, row = item//g.oh, item%g.oh - g.top
        y = run.arena + g.y + item*g.ow*VW
        if not 0 <= row < g.h or begin == end:
            memset(y, 0, g.ow*VW*sizeof(real))
            continue
        x = run.arena + g.x + ((plane*g.h + row)*g.wd + begin - g.left)*VW
        memset(y, 0, begin*VW*sizeof(real))
        if g.a < 0:
            memcpy(y + begin*VW, x, (end - begin)*VW*sizeof(real))
        else:
            lazy_run(x, y + begin*VW, end - begin, run.arena + g.a + plane//g.images*4*VW, vset(<real>g.low),
                     vset(<real>g.high))
        memset(y + end*VW, 0, (g.ow - end)*VW*sizeof(real))


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
