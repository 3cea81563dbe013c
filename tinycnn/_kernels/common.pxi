# What every family of kernels uses: the vector type, and the check that stands before every pointer.
cdef extern from "simd.h" nogil:
    ctypedef float real         # float or double: the build decides (Cython only needs to know that it is a C real)
    ctypedef float vf
    ctypedef long vi
    ctypedef int real_int
    enum: VW
    enum: TILE_ROWS
    enum: TILE_VECTORS
    enum: PANEL
    enum: TILE
    vf vload(const real *p)
    void vstore(real *p, vf v)
    void vstream(real *p, vf v)
    vf vload_part(const real *p, Py_ssize_t n)
    void vstore_part(real *p, vf v, Py_ssize_t n)
    vf veven(vf a, vf b)
    vf vodd(vf a, vf b)
    vf vziplow(vf x, vf y)
    vf vziphigh(vf x, vf y)
    void vtranspose(vf *t)
    vi vfirst(Py_ssize_t n)
    vf vset(real s)
    vf vzero()
    vf vfma(vf a, vf b, vf c)
    vf vmax(vf a, vf b)
    vf vmin(vf a, vf b)
    vf vsqrt(vf x)
    vf vmax_nan(vf a, vf b)
    vf vmin_nan(vf a, vf b)
    vf vdivide(vf a, vf b)
    vf vselect(vi mask, vf a, vf b)
    vi vgt(vf a, vf b)
    vi vge(vf a, vf b)
    vi veq(vf a, vf b)
    vf vgather(const real *p, const real_int *places, Py_ssize_t n)
    real vsum(vf v)
    real vhighest(vf v)
    real vlowest(vf v)
    void prefetch(const void *p)

cdef extern from "simd_math.h" nogil:
    vf vexp(vf x)
    real MISH_ONE
    vf vtanh(vf x)
    vf vsigmoid(vf x)
    vf vlog(vf x)
    vf vlog1p(vf x)
    vf vatan(vf x)
    real LEAST_NORMAL

ctypedef Py_ssize_t ix

WIDTH = VW                      # elements in a vector of this build


cdef int require(bint ok, str what) except -1:
    """Refuse a call whose arrays do not fit each other; `what` names the kernel and the rule."""
    if not ok:
        raise ValueError(what)
    return 0


cdef inline ix cut(ix n, int t, int threads) noexcept nogil:
    """Where thread t of several begins its stretch of n elements: at whole vectors, the end at n."""
    return min(n, (n*t//threads + VW - 1)//VW*VW)
