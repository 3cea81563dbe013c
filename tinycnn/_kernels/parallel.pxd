cdef int team(Py_ssize_t work) noexcept nogil
cdef bint alone() noexcept nogil
