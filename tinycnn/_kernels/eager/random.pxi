# Dropout, from random numbers that are a function of (seed, draw, index): y_i = x_i scale where word_i >= threshold,
# else 0.  The gradient is the same kernel on gy: the mask is computed again, not stored.
#
# The generator is Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011, section 3.3): ten
# rounds of two 32-bit products make four words of a 128-bit counter under a 64-bit key.  The key is the seed, the
# counter's upper half the draw.  SPAN elements share PHILOX_LANES counters: element i takes word (i % SPAN) //
# PHILOX_LANES of the counter whose lower half is i // SPAN PHILOX_LANES + i % PHILOX_LANES, so that lanes run side by
# side in vectors of any width with the same bits everywhere.
#
# Whole rows (channels, images) are dropped in the same way: row r takes the word that element r would take.

cdef enum:
    PHILOX_LANES = 16
    SPAN = 4*PHILOX_LANES


cdef inline void philox(uint64_t counter, uint64_t draw, uint64_t seed, uint32_t *words) noexcept nogil:
    """SPAN words of PHILOX_LANES counters from `counter` on, the first words of all before the second ones."""
    cdef uint32_t key0 = <uint32_t>seed, key1 = <uint32_t>(seed >> 32)
    cdef uint64_t even, odd
    cdef int lane, turn
    for lane in range(PHILOX_LANES):
        words[lane] = <uint32_t>(counter + lane)
        words[PHILOX_LANES + lane] = <uint32_t>((counter + lane) >> 32)
        words[2*PHILOX_LANES + lane] = <uint32_t>draw
        words[3*PHILOX_LANES + lane] = <uint32_t>(draw >> 32)
    for turn in range(10):
        for lane in range(PHILOX_LANES):
            even = <uint64_t>words[lane]*0xD2511F53u
            odd = <uint64_t>words[2*PHILOX_LANES + lane]*0xCD9E8D57u
            words[lane] = <uint32_t>(odd >> 32) ^ words[PHILOX_LANES + lane] ^ key0
            words[2*PHILOX_LANES + lane] = <uint32_t>(even >> 32) ^ words[3*PHILOX_LANES + lane] ^ key1
            words[PHILOX_LANES + lane] = <uint32_t>odd
            words[3*PHILOX_LANES + lane] = <uint32_t>even
        key0 += 0x9E3779B9u  # Weyl sequences: the golden ratio and sqrt(3) - 1, as fractions of 2^32
        key1 += 0xBB67AE85u


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
