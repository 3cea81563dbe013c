# What softmax and the losses told from it share: the largest element of a row x, and the sum of e^(x - shift) over it.
# With the largest as the shift nothing overflows, and logits that are large together keep their digits.

cdef real row_highest(const real *x, ix n) noexcept nogil:
    cdef vf m = vset(x[0])
    cdef ix i
    i = 0
    while i + VW <= n:
        m = vmax(m, vload(x + i))
        i += VW
    cdef real highest = vhighest(m)
    for i in range(n//VW*VW, n):
        highest = max(highest, x[i])
    return highest


cdef real row_exp(const real *x, real *y, ix n, real shift, bint store) noexcept nogil:
    """Sum of e^(x - shift) over a row; stored in y if asked."""
    cdef vf e, s = vzero(), by = vset(shift)
    cdef ix i
    i = 0
    while i < n:
        e = vexp(vload_part(x + i, min(<ix>VW, n - i)) - by)
        if i + VW > n:
            e = vselect(vfirst(n - i), e, vzero())
        if store:
            vstore_part(y + i, e, min(<ix>VW, n - i))
        s = s + e
        i += VW
    return vsum(s)
