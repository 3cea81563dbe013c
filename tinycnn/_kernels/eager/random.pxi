# Dropout, from random numbers that are a function of (seed, draw, index): y_i = x_i scale where word_i >= threshold,
# else 0.  The gradient is the same kernel on gy: the mask is computed again, not stored.
#
# The words are those of philox.pxi: element i of a draw has the i-th.
#
# Whole rows (channels, images) are dropped in the same way: row r takes the word that element r would take.

cdef void dropout_span(const real *x, real *y, ix n, ix span, uint32_t threshold, real scale, uint64_t seed,
                       uint64_t draw) noexcept nogil:
    cdef uint32_t words[SPAN]
    cdef ix i, start = span*SPAN
    philox(<uint64_t>span*PHILOX_LANES, draw, seed, words)
    for i in range(min(<ix>SPAN, n - start)):
        y[start + i] = x[start + i]*scale if words[i] >= threshold else 0


def philox_words(uint64_t counter, uint64_t draw, uint64_t seed, uint32_t[::1] words):  # OUT (64,)
    require(words.shape[0] == SPAN, "philox_words: words must have 64 elements")
    philox(counter, draw, seed, &words[0])


def dropout(const real[::1] x, real[::1] y, uint32_t threshold, double scale, uint64_t seed, uint64_t draw):
    # IN (n,)  OUT (n,)
    cdef ix n = x.shape[0], spans = (n + SPAN - 1)//SPAN
    require(n > 0 and y.shape[0] == n, "dropout: x and y must have one length, at least 1")
    cdef const real *xs = &x[0]
    cdef real *ys = &y[0]
    cdef ix i
    cdef int threads = team(4*n)
    for i in prange(spans, nogil=True, num_threads=threads, schedule="static"):
        dropout_span(xs, ys, n, i, threshold, <real>scale, seed, draw)


cdef inline void dropout_row(const real *x, real *y, ix n, bint kept, real scale) noexcept nogil:
    cdef ix i
    if kept:
        for i in range(n):
            y[i] = x[i]*scale
    else:
        memset(y, 0, n*sizeof(real))


cdef void dropout_some_rows(const real *x, real *y, ix r0, ix r1, ix n, uint32_t threshold, real scale, uint64_t seed,
                            uint64_t draw) noexcept nogil:
    """Rows [r0, r1), all of one span."""
    cdef uint32_t words[SPAN]
    cdef ix r
    philox(<uint64_t>(r0//SPAN)*PHILOX_LANES, draw, seed, words)
    for r in range(r0, r1):
        dropout_row(x + r*n, y + r*n, n, words[r % SPAN] >= threshold, scale)


def dropout_rows(const real[:, ::1] x, real[:, ::1] y, uint32_t threshold, double scale, uint64_t seed, uint64_t draw):
    # IN (r, n)  OUT (r, n)
    cdef ix rows = x.shape[0], n = x.shape[1]
    require(rows > 0 and n > 0 and y.shape[0] == rows and y.shape[1] == n,
            "dropout_rows: x and y must have one shape, without an extent of 0")
    cdef const real *xs = &x[0, 0]
    cdef real *ys = &y[0, 0]
    cdef ix step = SPAN if n < SPAN else 1, items = (rows + step - 1)//step  # long rows are worth a word each
    cdef ix i
    cdef int threads = team(rows*n)
    for i in prange(items, nogil=True, num_threads=threads, schedule="static"):
        dropout_some_rows(xs, ys, i*step, min(rows, (i + 1)*step), n, threshold, <real>scale, seed, draw)
