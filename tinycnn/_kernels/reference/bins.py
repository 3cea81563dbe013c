"""The largest element of each bin of a grid."""
import numpy as np


def _bins(rows, columns):
    """Of each bin: its place in the grid, and its elements."""
    for i, (top, bottom) in enumerate(rows):
        for j, (left, right) in enumerate(columns):
            yield i, j, np.s_[:, top:bottom, left:right]


def bin_max_forward(x, y, scratch, rows, columns):  # IN (p, h, w)  OUT (p, oh, ow)  IN (oh, 2)  IN (ow, 2)
    """y[p, i, j] = max of x[p] over rows[i] = [start, stop) and columns[j]; 0 where that is nothing; NaN wins."""
    for i, j, at in _bins(rows, columns):
        y[:, i, j] = x[at].max((1, 2)) if x[at].size else 0


def bin_max_backward(x, y, gy, gx, rows, columns):
    # IN (p, h, w)  IN (p, oh, ow)  IN (p, oh, ow)  OUT (p, h, w)  IN (oh, 2)  IN (ow, 2)
    """gx: each gy goes to the largest element of its bin, the first (by rows) of equals; nowhere if that is NaN."""
    gx[:] = 0
    for i, j, at in _bins(rows, columns):
        if x[at].size:
            first = x[at].reshape(len(x), -1).argmax(1)
            at_first = np.unravel_index(first, x[at].shape[1:])
            gx[at][np.arange(len(x)), *at_first] += np.where(np.isnan(y[:, i, j]), 0, gy[:, i, j])
