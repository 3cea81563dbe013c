"""Regions of interest: box k of image images[k], pooled bin by bin in every channel."""
import math

import numpy as np

from .bins import _bins, bin_max_backward, bin_max_forward


def roi_pool_forward(x, y, scratch, images, rows, columns):
    # IN (n, c, h, w)  OUT (k, c, oh, ow)  IN (k,)  IN (k, oh, 2)  IN (k, ow, 2)
    """y[k] = the largest element of each bin [start, stop) of x[images[k]]; 0 where a bin is empty."""
    for k, image in enumerate(images):
        bin_max_forward(x[image], y[k], None, rows[k], columns[k])


def roi_pool_backward(x, y, gy, gx, images, rows, columns):
    # IN (n, c, h, w)  IN (k, c, oh, ow)  IN (k, c, oh, ow)  OUT (n, c, h, w)  IN (k,)  IN (k, oh, 2)  IN (k, ow, 2)
    """gx: gy of each bin goes to the first of its largest elements; boxes add."""
    gx[:] = 0
    for k, image in enumerate(images):
        part = np.empty_like(gx[image])
        bin_max_backward(x[image], y[k], gy[k], part, rows[k], columns[k])
        gx[image] += part


def ps_roi_pool_forward(x, y, images, rows, columns):
    # IN (n, c oh ow, h, w)  OUT (k, c, oh, ow)  IN (k,)  IN (k, oh, 2)  IN (k, ow, 2)
    """y[k, c, i, j] = the mean over bin (i, j) of channel (c oh + i) ow + j of x[images[k]]; 0 where it is empty."""
    for k, image in enumerate(images):
        maps = x[image].reshape(*y.shape[1:], *x.shape[2:])
        for i, j, at in _bins(rows[k], columns[k]):
            y[k, :, i, j] = maps[:, i, j][at].mean((1, 2)) if maps[:, i, j][at].size else 0


def ps_roi_pool_backward(gy, gx, images, rows, columns):
    # IN (k, c, oh, ow)  OUT (n, c oh ow, h, w)  IN (k,)  IN (k, oh, 2)  IN (k, ow, 2)
    """gx: every element of a bin receives gy / (elements of the bin); boxes add."""
    gx[:] = 0
    for k, image in enumerate(images):
        maps = gx[image].reshape(*gy.shape[1:], *gx.shape[2:])
        for i, j, at in _bins(rows[k], columns[k]):
            part = maps[:, i, j][at]
            part += gy[k, :, i, j, None, None] / max(1, part[0].size)


def roi_align_axis(start, length, weights, bounds, sampling_ratio):
    # IN (k,)  IN (k,)  OUT (k, p, size)  OUT (k, p, 2)
    """The mean weight of each element of an axis in the samples of each bin, and the bounds [start, stop) of the
    elements that have one.  Bin i of box k begins at start + i length / p; its samples are sampling_ratio, or
    ceil(length / p) if that is not positive, in the middles of equal parts.
    """
    bins, size = weights.shape[1:]
    weights[:] = 0
    for k, i in np.ndindex(weights.shape[:2]):
        width = length[k] / bins
        samples = sampling_ratio if sampling_ratio > 0 else max(0, math.ceil(width))
        for s in range(samples):
            at = start[k] + i * width + (s + 0.5) * width / samples
            if -1 <= at <= size:
                at = max(at, 0)
                low = min(int(at), size - 1)
                high = min(low + 1, size - 1)
                part = at - low if high > low else 0
                weights[k, i, low] += (1 - part) / samples
                weights[k, i, high] += part / samples
        bounds[k, i] = 0, size


def roi_align_forward(x, y, scratch, images, row_weights, rows, column_weights, columns):
    # IN (n, c, h, w)  OUT (k, c, oh, ow)  IN (k,)  IN (k, oh, h)  IN (k, oh, 2)  IN (k, ow, w)  IN (k, ow, 2)
    """y[k, c] = R x[images[k], c] C', R and C being the weights of box k within their bounds."""
    for k, image in enumerate(images):
        r, c = _within(row_weights[k], rows[k]), _within(column_weights[k], columns[k])
        y[k] = np.einsum("ir,crs,js->cij", r, x[image], c)


def roi_align_backward(gy, gx, scratch, images, row_weights, rows, column_weights, columns):
    # IN (k, c, oh, ow)  OUT (n, c, h, w)  IN (k,)  IN (k, oh, h)  IN (k, oh, 2)  IN (k, ow, w)  IN (k, ow, 2)
    """gx[images[k], c] += R' gy[k, c] C."""
    gx[:] = 0
    for k, image in enumerate(images):
        r, c = _within(row_weights[k], rows[k]), _within(column_weights[k], columns[k])
        gx[image] += np.einsum("ir,cij,js->crs", r, gy[k], c)


def _within(weights, bounds):
    """Weights, 0 outside their bounds, where they may be anything."""
    at = np.arange(weights.shape[1])
    return np.where((at >= bounds[:, :1]) & (at < bounds[:, 1:]), weights, 0)
