# Rows of a plane, moved for kernels that read them at a stride: a row is spread over its phases (columns 0, s, 2 s, ...;
# then 1, s + 1, ...), so that every s-th element lies side by side; `merge` is the way back.  Stride 2 shuffles vectors.


cdef inline void copy_row(const real *x, real *y, ix n) noexcept nogil:
    cdef ix c = 0
    while c + VW <= n:
        vstore(y + c, vload(x + c))
        c += VW
    vstore_part(y + c, vload_part(x + c, n - c), n - c)


cdef inline void spread(const real *row, real *phases, ix pitch, ix n, ix stride, ix left) noexcept nogil:
    """row[c], c < n, goes to phase (left + c) % stride, at (left + c) // stride; phases lie `pitch` apart."""
    cdef ix c = 0, some
    cdef vf a, b
    cdef real *even
    cdef real *odd
    if stride == 1:
        copy_row(row, phases + left, n)
    elif stride == 2:
        even = phases + left%2*pitch + left//2
        odd = phases + (left + 1)%2*pitch + (left + 1)//2
        while c < n:
            some = min(n - c, 2*<ix>VW)
            a, b = vload_part(row + c, min(some, <ix>VW)), vload_part(row + c + VW, max(some - VW, 0))
            vstore_part(even + c//2, veven(a, b), (some + 1)//2)
            vstore_part(odd + c//2, vodd(a, b), some//2)
            c += 2*VW
    else:
        for c in range(n):
            phases[(left + c)%stride*pitch + (left + c)//stride] = row[c]


cdef inline void merge(const real *phases, real *row, ix pitch, ix n, ix stride, ix left) noexcept nogil:
    """row[c], c < n, comes from phase (left + c) % stride, at (left + c) // stride."""
    cdef ix c = 0
    cdef vf a, b
    cdef const real *even
    cdef const real *odd
    if stride == 1:
        copy_row(phases + left, row, n)
    elif stride == 2:
        even = phases + left%2*pitch + left//2
        odd = phases + (left + 1)%2*pitch + (left + 1)//2
        while c < n:
            a, b = vload(even + c//2), vload(odd + c//2)
            vstore_part(row + c, vziplow(a, b), min(n - c, <ix>VW))
            vstore_part(row + c + VW, vziphigh(a, b), min(max(n - c - VW, 0), <ix>VW))
            c += 2*VW
    else:
        for c in range(n):
            row[c] = phases[(left + c)%stride*pitch + (left + c)//stride]
