# The list of operations, run by a team of threads.

cdef enum:
    PRODUCT = 0
    DEPTHWISE = 1
    POOL = 2
    ADAPTIVE_POOL = 3
    GLOBAL_MEAN = 4
    COMBINE = 5
    AFFINE = 6
    READ_INPUT = 7
    WRITE_OUTPUT = 8
    GATHER = 9
    PAD = 10
    WINOGRAD2 = 11
    WINOGRAD4 = 12
    STRIP = 13
    MOVE = 14
    FILL = 15
    SOFTMAX = 16
    REDUCE = 17
    LAYER_NORM = 18
    SELECT = 19
    MATMUL = 20
    RESIZE = 21
    MOMENTS = 22
    FACTORS = 23
    L2_NORM = 24
    LOCAL_RESPONSE = 25
    UNARY = 26
    PRELU = 27
    ROI_POOL = 28
    ROI_ALIGN = 29

KINDS = ("product depthwise pool adaptive_pool global_mean combine affine read_input write_output gather pad winograd2 "
         "winograd4 strip move fill softmax reduce layer_norm select matmul resize moments factors l2_norm local_response "
         "unary prelu roi_pool roi_align").split()


cdef void run_op(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    if g.kind == PRODUCT:
        product(g, run, t, threads)
    elif g.kind == DEPTHWISE:
        depthwise(g, run, t, threads)
    elif g.kind == POOL:
        pool(g, run, t, threads)
    elif g.kind == ADAPTIVE_POOL:
        adaptive_pool(g, run, t, threads)
    elif g.kind == GLOBAL_MEAN:
        global_mean(g, run, t, threads)
    elif g.kind == COMBINE:
        combine(g, run, t, threads)
    elif g.kind == AFFINE:
        affine(g, run, t, threads)
    elif g.kind == READ_INPUT:
        read_input(g, run, t, threads)
    elif g.kind == WRITE_OUTPUT:
        write_output(g, run, t, threads)
    elif g.kind == GATHER:
        gather(g, run, t, threads)
    elif g.kind == PAD:
        pad_planes(g, run, t, threads)
    elif g.kind == WINOGRAD2:
        winograd2(g, run, t, threads)
    elif g.kind == WINOGRAD4:
        winograd4(g, run, t, threads)
    elif g.kind == STRIP:
        strip(g, run, t, threads)
    elif g.kind == RESIZE:
        resize(g, run, t, threads)
    elif g.kind == MOMENTS:
        moments(g, run, t, threads)
    elif g.kind == FACTORS:
        factors(g, run, t, threads)
    elif g.kind == L2_NORM:
        l2_norm(g, run, t, threads)
    elif g.kind == LOCAL_RESPONSE:
        local_response(g, run, t, threads)
    elif g.kind == UNARY:
        unary(g, run, t, threads)
    elif g.kind == PRELU:
        prelu(g, run, t, threads)
    elif g.kind == ROI_POOL:
        roi_pool(g, run, t, threads)
    elif g.kind == ROI_ALIGN:
        roi_align(g, run, t, threads)
    elif g.kind == MOVE:
        move(g, run, t, threads)
    elif g.kind == FILL:
        fill(g, run, t, threads)
    elif g.kind == SOFTMAX:
        softmax(g, run, t, threads)
    elif g.kind == REDUCE:
        reduce_axis(g, run, t, threads)
    elif g.kind == LAYER_NORM:
        layer_norm(g, run, t, threads)
    elif g.kind == SELECT:
        select(g, run, t, threads)
    elif g.kind == MATMUL:
        matmul(g, run, t, threads)


cdef void run_all(const Op *ops, ix count, const Run *run, int t, int threads, double *times) noexcept nogil:
    """One thread's part of every operation; the first thread notes how long each took, if asked."""
    cdef ix i = 0
    cdef double before = seconds() if times != NULL else 0, now
    while i < count:
        run_op(ops + i, run, t, threads)
        if threads > 1:
            team_wait(run.team, threads)
        if times != NULL and t == 0:
            now = seconds()
            times[i] = now - before
            before = now
        i += 1 + (ops[i].mode if ops[i].kind == STRIP else 0)


cdef class Executor:
    """A plan, ready to run: its operations over its constants and tables. The caller gives the arena."""

    cdef const int64_t[:, ::1] ops
    cdef const real[::1] constants
    cdef const int32_t[::1] tables
    cdef Team team
    cdef int threads

    def __init__(self, const int64_t[:, ::1] ops, const real[::1] constants, const int32_t[::1] tables, int threads):
        require(ops.shape[1]*8 == sizeof(Op), "Executor: a row of ops must have a number for each of FIELDS")
        require(ops.shape[0] > 0 and constants.shape[0] > 0 and tables.shape[0] > 0 and threads > 0,
                "Executor: ops, constants and tables must not be empty, threads at least 1")
        self.ops, self.constants, self.tables, self.threads = ops, constants, tables, threads
        memset(&self.team, 0, sizeof(Team))

    def run(self, real[::1] arena, const uint64_t[::1] io, double[::1] times=None):
        """Run all operations. io: addresses of the caller's arrays; times: seconds that each operation took."""
        cdef Run run
        cdef const Op *ops = <const Op *>&self.ops[0, 0]
        cdef ix count = self.ops.shape[0]
        cdef int threads = 1 if alone() else self.threads
        cdef double *clock = NULL
        require(arena.shape[0] > 0 and io.shape[0] > 0, "Executor.run: arena and io must not be empty")
        if times is not None:
            require(times.shape[0] == count, "Executor.run: times must have an element for each operation")
            times[:] = 0
            clock = &times[0]
        run.arena, run.constants, run.tables = &arena[0], &self.constants[0], &self.tables[0]
        run.io, run.team, run.threads = <void **>&io[0], &self.team, threads
        if threads == 1:
            with nogil:
                run_all(ops, count, &run, 0, 1, clock)
        else:
            with nogil, parallel(num_threads=threads):
                run_all(ops, count, &run, threadid(), team_size(), clock)
