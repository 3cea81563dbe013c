# The generator of random numbers inside networks, Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2,
# 3", 2011, section 3.3): ten rounds of two 32-bit products make four words of a 128-bit counter under a 64-bit key.  The
# key is the seed, the counter's upper half the number of the draw.  SPAN elements share PHILOX_LANES counters: element i
# takes word (i % SPAN) // PHILOX_LANES of the counter whose lower half is i // SPAN PHILOX_LANES + i % PHILOX_LANES, so
# that lanes run side by side in vectors of any width with the same bits everywhere.

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
