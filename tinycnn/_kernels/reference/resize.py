"""Resizing by a linear rule for rows and one for columns."""
import numpy as np


def _matrix(places, weights, size):
    """The rule as a matrix (out, size)."""
    rule = np.zeros((places.shape[1], size), weights.dtype)
    for at, weight in zip(places, weights):
        rule[np.arange(len(rule)), at] += weight
    return rule


def resize(x, y, scratch, row_places, row_weights, column_places, column_weights):
    # IN (p, h, w)  OUT (p, oh, ow)  IN (s, oh)  IN (s, oh)  IN (t, ow)  IN (t, ow)
    """y[p, o, u] = sum over s and t of row_weights[s, o] column_weights[t, u] x[p, r, c], r being
    row_places[s, o] and c column_places[t, u].
    """
    rows, columns = _matrix(row_places, row_weights, x.shape[1]), _matrix(column_places, column_weights, x.shape[2])
    y[:] = rows @ x @ columns.T
