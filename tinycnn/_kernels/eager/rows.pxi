# Rows of a plane, moved for kernels that read them at a stride: a row is spread over its phases (columns 0, s, 2 s, ...;
# then 1, s + 1, ...), so that every s-th element lies side by side; `merge_row` is the way back.  Stride 2 shuffles vectors.
# A strip is some rows so moved, zero-padded, in scratch memory that stays in the first-level cache.

cdef enum:
    STRIP_ELEMENTS = 8192        # that a strip and its results should take: two thirds of such a cache in float32

cdef struct Strip:
    ix phase                     # columns of a phase, with their padding
    ix pitch                     # elements from row to row: all phases
    ix filled                    # rows
    ix rows                      # output rows that these are good for
    ix spare                     # elements of a second buffer


cdef inline ix strip_end(const Strip *z) noexcept nogil:
    """Where the second buffer starts: the last vector of the last row may reach over its end."""
    return z.filled*z.pitch + VW


cdef inline ix strip_size(const Strip *z) noexcept nogil:
    """Elements of scratch memory."""
    return strip_end(z) + z.spare


cdef inline void copy_row(const real *x, real *y, ix n) noexcept nogil:
    cdef ix c = 0
    while c + VW <= n:
        vstore(y + c, vload(x + c))
        c += VW
    if c < n:
        vstore_part(y + c, vload_part(x + c, n - c), n - c)


cdef inline void spread_row(const real *row, real *phases, ix pitch, ix n, ix stride, ix left) noexcept nogil:
    """row[c], c < n, goes to phase (left + c) % stride, at (left + c) // stride; phases lie `pitch` apart."""
    cdef ix c = 0, some
    cdef vf a, b
    cdef real *even
    cdef real *odd
    if stride == 1:
        copy_row(row, phases + left, n)
    elif stride == 2:
        even, odd = phases + (left & 1)*pitch + (left >> 1), phases + (~left & 1)*pitch + ((left + 1) >> 1)
        while c + 2*VW <= n:
            a, b = vload(row + c), vload(row + c + VW)
            vstore(even + (c >> 1), veven(a, b))
            vstore(odd + (c >> 1), vodd(a, b))
            c += 2*VW
        if c < n:
            some = n - c
            a, b = vload_part(row + c, min(some, <ix>VW)), vload_part(row + c + VW, max(some - VW, 0))
            vstore_part(even + (c >> 1), veven(a, b), (some + 1) >> 1)
            vstore_part(odd + (c >> 1), vodd(a, b), some >> 1)
    else:
        for c in range(n):
            phases[(left + c)%stride*pitch + (left + c)//stride] = row[c]


cdef inline void merge_row(const real *phases, real *row, ix pitch, ix n, ix stride, ix left) noexcept nogil:
    """row[c], c < n, comes from phase (left + c) % stride, at (left + c) // stride."""
    cdef ix c = 0
    cdef vf a, b
    cdef const real *even
    cdef const real *odd
    if stride == 1:
        copy_row(phases + left, row, n)
    elif stride == 2:
        even, odd = phases + (left & 1)*pitch + (left >> 1), phases + (~left & 1)*pitch + ((left + 1) >> 1)
        while c + 2*VW <= n:
            a, b = vload(even + (c >> 1)), vload(odd + (c >> 1))
            vstore(row + c, vziplow(a, b))
            vstore(row + c + VW, vziphigh(a, b))
            c += 2*VW
        if c < n:
            a, b = vload(even + (c >> 1)), vload(odd + (c >> 1))
            vstore_part(row + c, vziplow(a, b), min(n - c, <ix>VW))
            vstore_part(row + c + VW, vziphigh(a, b), max(n - c - VW, 0))
    else:
        for c in range(n):
            row[c] = phases[(left + c)%stride*pitch + (left + c)//stride]


cdef inline void fill_strip(const real *x, ix h, ix w, real *strip, ix first, ix rows, const Strip *z, ix stride,
                            ix shift) noexcept nogil:
    """Rows first, first + 1, ... of a map (h, w); column c goes to c + shift.

    Padding columns are never written, so they stay 0 if the strip was 0 once; padding rows are, as strips differ in them.
    """
    cdef ix q, begin = max(0, -shift), n = min(w, z.phase*stride - shift) - begin
    for q in range(rows):
        if not 0 <= first + q < h:
            memset(strip + q*z.pitch, 0, z.pitch*sizeof(real))
        elif n > 0:
            spread_row(x + (first + q)*w + begin, strip + q*z.pitch, z.phase, n, stride, begin + shift)
