# What softmax and the losses told from it share: the largest element of a row x, the sum of e^(x - shift) over it, and
# a row multiplied by a number.
# With the largest as the shift nothing overflows, and logits that are large together keep their digits.

cdef real row_highest(const real *x, ix n) noexcept nogil:
    cdef vf m = vset(x[0]), second = m
    cdef ix i = 0
    while i + 2*VW <= n:  # two side by side, because a maximum takes four cycles
        m = vmax(m, vload(x + i))
        second = vmax(second, vload(x + i + VW))
        i += 2*VW
    if i + VW <= n:
        m = vmax(m, vload(x + i))
        i += VW
    if i < n:
        m = vmax(m, vselect(vfirst(n - i), vload_part(x + i, n - i), m))
    return vhighest(vmax(m, second))


cdef inline void row_scale(real *y, ix n, real factor) noexcept nogil:
    cdef ix i = 0
    while i + VW <= n:
        vstore(y + i, vload(y + i)*vset(factor))
        i += VW
    vstore_part(y + i, vload_part(y + i, n - i)*vset(factor), n - i)


cdef real row_exp(const real *x, real *y, ix n, real shift, bint store) noexcept nogil:
    """Sum of e^(x - shift) over a row; stored in y if asked."""
    cdef vf e, s = vzero(), by = vset(shift)
    cdef ix i = 0
    while i + VW <= n:
        e = vexp(vload(x + i) - by)
        if store:
            vstore(y + i, e)
        s = s + e
        i += VW
    if i < n:
        e = vselect(vfirst(n - i), vexp(vload_part(x + i, n - i) - by), vzero())
        if store:
            vstore_part(y + i, e, n - i)
        s = s + e
    return vsum(s)
