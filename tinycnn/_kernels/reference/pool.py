"""Pooling: the largest element, or the mean, of each window of each plane."""
import numpy as np


def _taps(out, kernel, stride, dilation, before, size):
    """Indices inside the map that the window of output `out` covers along one axis."""
    at = out*stride - before + dilation*np.arange(kernel)
    return at[(at >= 0) & (at < size)]


def _windows(x, y, kh, kw, sh, sw, dh, dw, top, left):
    """Position of each output, with the rows and the columns of its window."""
    for oy, ox in np.ndindex(y.shape[1:]):
        yield oy, ox, _taps(oy, kh, sh, dh, top, x.shape[1]), _taps(ox, kw, sw, dw, left, x.shape[2])


def max_pool_scratch(h, w, oh, ow, kh, kw, sh, sw, dh, dw, top, left):
    """Elements of scratch memory that the kernels want per thread; the twins want none."""
    return 0


def max_pool_forward(x, y, scratch, kh, kw, sh, sw, dh, dw, top, left):  # IN (p, h, w)  OUT (p, oh, ow)
    """y = max of x over each window; padding is -inf; NaN wins."""
    for oy, ox, rows, columns in _windows(x, y, kh, kw, sh, sw, dh, dw, top, left):
        y[:, oy, ox] = x[:, rows[:, None], columns].max((1, 2), initial=-np.inf)


def max_pool_backward(x, y, gy, gx, scratch, kh, kw, sh, sw, dh, dw, top, left):
    # IN (p, h, w)  IN (p, oh, ow)  IN (p, oh, ow)  OUT (p, h, w)
    """gx: each gy goes to the largest element of its window, the first (by rows) of equals; nowhere if that is NaN."""
    gx[:] = 0
    for oy, ox, rows, columns in _windows(x, y, kh, kw, sh, sw, dh, dw, top, left):
        if len(rows) and len(columns):
            first = x[:, rows[:, None], columns].reshape(len(x), -1).argmax(1)
            gx[np.arange(len(x)), rows[first // len(columns)], columns[first % len(columns)]] += np.where(
                np.isnan(y[:, oy, ox]), 0, gy[:, oy, ox])


def mean_pool_forward(x, y, scratch, rows, columns, row_scale, column_scale):
    """y[p, i, j] = row_scale[i] column_scale[j] (sum of x[p] over rows[i] = [start, stop) and columns[j])."""
    for (i, (top, bottom)), (j, (left, right)) in _pairs(rows, columns):
        y[:, i, j] = x[:, top:bottom, left:right].sum((1, 2)) * (row_scale[i] * column_scale[j])


def mean_pool_backward(gy, gx, scratch, rows, columns, row_scale, column_scale):
    """gx: each element of a window receives gy[p, i, j] row_scale[i] column_scale[j]."""
    gx[:] = 0
    for (i, (top, bottom)), (j, (left, right)) in _pairs(rows, columns):
        gx[:, top:bottom, left:right] += gy[:, i, j, None, None] * (row_scale[i] * column_scale[j])


def _pairs(rows, columns):
    """Every (index, bounds) of rows with every one of columns."""
    return ((r, c) for r in enumerate(rows) for c in enumerate(columns))
