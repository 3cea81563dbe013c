"""Dropout, and the random numbers it takes: a function of (seed, draw, index), by Philox4x32-10."""
import numpy as np

_LANES, _LOW = 16, np.uint64(0xFFFFFFFF)


def _philox(counter, draw, seed):
    """The four words of each counter; Salmon et al. 2011, section 3.3. Arrays of uint64 that hold 32 bits."""
    c0, c1 = counter & _LOW, counter >> np.uint64(32)
    c2, c3 = np.full_like(counter, draw & 0xFFFFFFFF), np.full_like(counter, draw >> 32)
    key0, key1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        even, odd = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c2 = (odd >> np.uint64(32)) ^ c1 ^ np.uint64(key0), (even >> np.uint64(32)) ^ c3 ^ np.uint64(key1)
        c1, c3 = odd & _LOW, even & _LOW
        key0, key1 = (key0 + 0x9E3779B9) & 0xFFFFFFFF, (key1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


def philox_words(counter, draw, seed, words):  # OUT (64,)
    """The words of 16 consecutive counters, the first words of all before the second ones."""
    words[:] = np.concatenate(_philox(np.uint64(counter) + np.arange(_LANES, dtype=np.uint64), draw, seed))


def dropout(x, y, threshold, scale, seed, draw):  # IN (n,)  OUT (n,)
    """y = scale x where the element's random word reaches the threshold, else 0."""
    spans = -(-len(x) // (4 * _LANES))
    counters = np.arange(spans * _LANES, dtype=np.uint64).reshape(spans, _LANES)
    words = np.stack(_philox(counters, draw, seed), 1).reshape(-1)[:len(x)]  # (spans, 4, lanes), flat
    y[:] = np.where(words >= threshold, x * x.dtype.type(scale), 0)


def dropout_rows(x, y, threshold, scale, seed, draw):  # IN (r, n)  OUT (r, n)
    """Row i of y is scale x where the word that element i of an array would take reaches the threshold, else 0."""
    kept = np.empty(len(x), x.dtype)
    dropout(np.ones(len(x), x.dtype), kept, threshold, scale, seed, draw)
    y[:] = np.where(kept[:, None] != 0, x * x.dtype.type(scale), 0)
