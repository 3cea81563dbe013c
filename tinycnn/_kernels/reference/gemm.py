"""Matrix products."""
import numpy as np


def gemm_scratch(groups, m, n, k):
    """Scratch elements for `groups` products of (m, k) by (k, n), on as many threads as are set now: none here."""
    return 0


def gemm(a, b, c, transpose_a, transpose_b, scratch):  # IN (G | 1, M, K)  IN (G | 1, K, N)  OUT (G, M, N)
    """c = a b for each of G pairs of matrices; a transposed operand is stored with its two last axes swapped."""
    c[:] = np.matmul(a.swapaxes(1, 2) if transpose_a else a, b.swapaxes(1, 2) if transpose_b else b)
