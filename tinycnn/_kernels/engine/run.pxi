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
    POOL_GRADIENT = 30
    CROSS_ENTROPY = 31
    LOSS_MEAN = 32
    CROSS_ENTROPY_GRADIENT = 33
    SOFTMAX_GRADIENT = 34
    PACK = 35
    LAYER = 36
    LAYER_BACK = 37
    ADD_LANES = 38
    WEIGHT_GRADIENT = 39
    FRAME = 40
    TRAINED_PRODUCT = 41
    BIAS_GRADIENT = 42
    BATCH_MOMENTS = 43
    BATCH_NORM_FINISH = 44
    BATCH_NORM_BACK = 45
    AFFINE_CLIP = 46
    LAZY_MEAN = 47
    GATE_SUMS = 48
    SCALE_BACK = 49
    BLEND = 50
    PICK = 51
    PICK_BACK = 52
    DROPOUT = 53
    PACK_DEPTHWISE = 54
    DEPTHWISE_TRAIN = 55
    DEPTHWISE_BACK = 56
    DEPTHWISE_WEIGHTS = 57
    PAIR_LOSS = 58
    PAIR_GRADIENT = 59
    WINOGRAD_WEIGHTS = 60
    WINOGRAD_LAYER = 61
    WINOGRAD_GRADIENT = 62
    GROUP_NORM_FINISH = 63
    GROUP_NORM_BACK = 64
    L2_NORM_BACK = 65

KINDS = ("product depthwise pool adaptive_pool global_mean combine affine read_input write_output gather pad winograd2 "
         "winograd4 strip move fill softmax reduce layer_norm select matmul resize moments factors l2_norm local_response "
         "unary prelu roi_pool roi_align pool_gradient cross_entropy loss_mean cross_entropy_gradient softmax_gradient "
         "pack layer layer_back add_lanes weight_gradient frame trained_product bias_gradient batch_moments "
         "batch_norm_finish batch_norm_back affine_clip lazy_mean gate_sums scale_back blend pick pick_back dropout "
         "pack_depthwise depthwise_train depthwise_back depthwise_weights pair_loss pair_gradient winograd_weights "
         "winograd_layer winograd_gradient group_norm_finish group_norm_back l2_norm_back").split()


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
    elif g.kind == POOL_GRADIENT:
        pool_gradient(g, run, t, threads)
    elif g.kind == CROSS_ENTROPY:
        cross_entropy(g, run, t, threads)
    elif g.kind == LOSS_MEAN:
        loss_mean(g, run, t, threads)
    elif g.kind == CROSS_ENTROPY_GRADIENT:
        cross_entropy_gradient(g, run, t, threads)
    elif g.kind == SOFTMAX_GRADIENT:
        softmax_gradient(g, run, t, threads)
    elif g.kind == BATCH_MOMENTS:
        batch_moments(g, run, t, threads)
    elif g.kind == BATCH_NORM_FINISH:
        batch_norm_finish(g, run, t, threads)
    elif g.kind == BATCH_NORM_BACK:
        batch_norm_back(g, run, t, threads)
    elif g.kind == AFFINE_CLIP:
        affine_clip(g, run, t, threads)
    elif g.kind == LAZY_MEAN:
        lazy_mean(g, run, t, threads)
    elif g.kind == GATE_SUMS:
        gate_sums(g, run, t, threads)
    elif g.kind == SCALE_BACK:
        scale_back(g, run, t, threads)
    elif g.kind == BLEND:
        blend(g, run, t, threads)
    elif g.kind == PICK:
        pick(g, run, t, threads)
    elif g.kind == PICK_BACK:
        pick_back(g, run, t, threads)
    elif g.kind == DROPOUT:
        dropout(g, run, t, threads)
    elif g.kind == PACK_DEPTHWISE:
        pack_depthwise(g, run, t, threads)
    elif g.kind == DEPTHWISE_TRAIN:
        depthwise_train(g, run, t, threads)
    elif g.kind == DEPTHWISE_BACK:
        depthwise_back(g, run, t, threads)
    elif g.kind == DEPTHWISE_WEIGHTS:
        depthwise_weights(g, run, t, threads)
    elif g.kind == PACK:
        pack(g, run, t, threads)
    elif g.kind == LAYER:
        layer(g, run, t, threads)
    elif g.kind == LAYER_BACK:
        layer_back(g, run, t, threads)
    elif g.kind == ADD_LANES:
        add_lanes(g, run, t, threads)
    elif g.kind == WEIGHT_GRADIENT:
        weight_gradient(g, run, t, threads)
    elif g.kind == FRAME:
        frame(g, run, t, threads)
    elif g.kind == TRAINED_PRODUCT:
        trained_product(g, run, t, threads)
    elif g.kind == BIAS_GRADIENT:
        bias_gradient(g, run, t, threads)
    elif g.kind == PAIR_LOSS:
        pairs_loss(g, run, t, threads)
    elif g.kind == PAIR_GRADIENT:
        pairs_gradient(g, run, t, threads)
    elif g.kind == WINOGRAD_WEIGHTS:
        winograd_weights(g, run, t, threads)
    elif g.kind == WINOGRAD_LAYER:
        winograd_layer(g, run, t, threads)
    elif g.kind == WINOGRAD_GRADIENT:
        winograd_gradient(g, run, t, threads)
    elif g.kind == GROUP_NORM_FINISH:
        group_norm_finish(g, run, t, threads)
    elif g.kind == GROUP_NORM_BACK:
        group_norm_back(g, run, t, threads)
    elif g.kind == L2_NORM_BACK:
        l2_norm_back(g, run, t, threads)


cdef enum:
    PARTS = 8                   # of a thread's share of an operation that is cut


cdef inline bint is_cut(const Op *g) noexcept nogil:
    """Whether an operation is long, and can be cut into any number of parts that cost no more than the whole."""
    return ((g.kind == LAYER and (g.rows > 1 or g.a < 0)) or g.kind == LAYER_BACK or g.kind == WEIGHT_GRADIENT
            or g.kind == DEPTHWISE_TRAIN or g.kind == DEPTHWISE_BACK or g.kind == TRAINED_PRODUCT)


cdef void run_parts(const Op *g, const Run *run, int t, int threads) noexcept nogil:
    """A thread's own parts, then those of others that nobody has begun: cores that others use as well are never equally
    fast, and the faster one would wait at the end of each operation."""
    cdef int i, owner, part
    for i in range(threads):
        owner = (t + i)%threads
        part = team_take(run.team, owner)
        while part < PARTS:
            run_op(g, run, owner*PARTS + part, threads*PARTS)
            part = team_take(run.team, owner)


cdef void run_all(const Op *ops, ix count, const Run *of_all, int t, int threads, double *times) noexcept nogil:
    """What one thread does of every operation; the first thread notes how long each took, if asked."""
    cdef Run own = of_all[0]
    cdef const Run *run = &own
    cdef ix i = 0
    cdef double before = seconds() if times != NULL else 0, now
    own.thread = t
    if threads > 1:
        team_spread(run.team, t, threads)
    while i < count:
        if threads > 1 and is_cut(ops + i):
            run_parts(ops + i, run, t, threads)
        else:
            run_op(ops + i, run, t, threads)
        if threads > 1:
            team_wait(run.team, t, threads)
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
    cdef const int64_t[::1] sizes
    cdef void **io
    cdef Team team
    cdef int threads
    cdef ix inputs

    def __init__(self, const int64_t[:, ::1] ops, const real[::1] constants, const int32_t[::1] tables, int threads,
                 const int64_t[::1] sizes, ix inputs):
        """sizes: bytes of each of the caller's arrays, of which the first `inputs` are read, the others written."""
        require(ops.shape[1]*8 == sizeof(Op), "Executor: a row of ops must have a number for each of FIELDS")
        require(ops.shape[0] > 0 and constants.shape[0] > 0 and tables.shape[0] > 0 and threads > 0,
                "Executor: ops, constants and tables must not be empty, threads at least 1")
        require(0 <= inputs <= sizes.shape[0] and sizes.shape[0] > 0, "Executor: sizes must not be empty")
        require(self.io == NULL, "Executor: it has been made already")
        self.ops, self.constants, self.tables, self.threads = ops, constants, tables, threads
        self.sizes, self.inputs = sizes, inputs
        memset(&self.team, 0, sizeof(Team))
        self.team.cpus = <int *>malloc(threads*sizeof(int))
        self.io = <void **>malloc(sizes.shape[0]*sizeof(void *))
        self.team.taken = <int *>calloc(threads*A_LINE, sizeof(int))
        if self.io == NULL or self.team.cpus == NULL or self.team.taken == NULL:
            raise MemoryError()
        memset(self.team.cpus, 0xff, threads*sizeof(int))

    def __dealloc__(self):
        free(self.io)
        free(self.team.cpus)
        free(self.team.taken)

    cdef int find(self, list arrays) except -1:
        """Note where the caller's arrays lie; each must be contiguous, of its size, and writable if it is a result."""
        cdef Py_buffer view
        cdef ix i, length
        require(len(arrays) == self.sizes.shape[0], "Executor.run: arrays must be all inputs and results")
        for i in range(self.sizes.shape[0]):
            PyObject_GetBuffer(arrays[i], &view, PyBUF_SIMPLE if i < self.inputs else PyBUF_WRITABLE)
            self.io[i], length = view.buf, view.len
            PyBuffer_Release(&view)  # `arrays` keeps it
            require(length == self.sizes[i], "Executor.run: an array that is not of the size that was planned")
        return 0

    def run(self, real[::1] arena, list arrays, double[::1] times=None, ix first=0, ix stop=-1):
        """Run the operations, or those of [first, stop). arrays: the caller's, inputs before results; times: seconds that
        each operation took. Not to be called by several threads at once."""
        cdef Run run
        cdef ix count = self.ops.shape[0] if stop < 0 else stop
        cdef const Op *ops
        cdef int threads = 1 if alone() else self.threads
        cdef double *clock = NULL
        require(arena.shape[0] > 0 and <size_t>&arena[0]%64 == 0,
                "Executor.run: arena must not be empty, and must begin at a line of the cache")
        require(0 <= first < count <= self.ops.shape[0], "Executor.run: first and stop must be of operations")
        if times is not None:
            require(times.shape[0] == self.ops.shape[0], "Executor.run: times must have an element for each operation")
            times[:] = 0
            clock = &times[first]
        self.find(arrays)
        ops, count = <const Op *>&self.ops[first, 0], count - first
        run.arena, run.constants, run.tables = &arena[0], &self.constants[0], &self.tables[0]
        run.io, run.team, run.thread = self.io, &self.team, 0
        if threads == 1:
            with nogil:
                run_all(ops, count, &run, 0, 1, clock)
        else:
            with nogil, parallel(num_threads=threads):
                run_all(ops, count, &run, threadid(), team_size(), clock)
