"""Depthwise convolution: each output channel k slides its own kernel over input channel k // m."""
import numpy as np


def depthwise_scratch(kh, kw, n, c, h, w, oh, ow, sh, sw, dh, dw, top, left):
    """Elements of scratch memory that a kernel wants per thread; the twins want none."""
    return 0


def _taps(x, y, kernel, sh, sw, dh, dw, top, left):
    """For each tap (i, j), the outputs it takes part in and the inputs it reads, as a pair of indices."""
    (h, w), (oh, ow) = x.shape[2:], y.shape[2:]
    for i, j in np.ndindex(kernel):
        rows, columns = np.arange(oh)*sh - top + i*dh, np.arange(ow)*sw - left + j*dw
        oy, ox = np.flatnonzero((rows >= 0) & (rows < h)), np.flatnonzero((columns >= 0) & (columns < w))
        yield i, j, np.s_[:, :, oy[:, None], ox], np.s_[:, :, rows[oy][:, None], columns[ox]]


def depthwise_forward(x, w, b, y, scratch, sh, sw, dh, dw, top, left):
    # IN (n, c, h, w)  IN (c m, kh, kw)  IN (c m,) or None  OUT (n, c m, oh, ow)
    """y[n, k, p, q] = b[k] + sum over (i, j) of w[k, i, j] x[n, k // m, p sh - top + i dh, q sw - left + j dw]."""
    y[:] = 0 if b is None else b[:, None, None]
    x = x.repeat(len(w)//x.shape[1], 1)
    for i, j, out, taken in _taps(x, y, w.shape[1:], sh, sw, dh, dw, top, left):
        y[out] += w[:, i, j, None, None]*x[taken]


def depthwise_backward_input(gy, w, gx, scratch, sh, sw, dh, dw, top, left):
    # IN (n, c m, oh, ow)  IN (c m, kh, kw)  OUT (n, c, h, w)
    """gx: every element that a tap has read receives w gy of that output."""
    n, c, *size = gx.shape
    each = np.zeros((n, len(w), *size), gx.dtype)
    for i, j, out, taken in _taps(gx, gy, w.shape[1:], sh, sw, dh, dw, top, left):
        each[taken] += w[:, i, j, None, None]*gy[out]
    gx[:] = each.reshape(n, c, -1, *size).sum(2)


def depthwise_backward_weight(x, gy, gw, scratch, sh, sw, dh, dw, top, left):
    # IN (n, c, h, w)  IN (n, c m, oh, ow)  OUT (c m, kh, kw)
    """gw[k, i, j] = sum over images and outputs of gy x, at what tap (i, j) read."""
    x = x.repeat(len(gw)//x.shape[1], 1)
    for i, j, out, taken in _taps(x, gy, gw.shape[1:], sh, sw, dh, dw, top, left):
        gw[:, i, j] = (gy[out]*x[taken]).sum((0, 2, 3))
