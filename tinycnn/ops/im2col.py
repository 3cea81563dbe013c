"""The general convolution: patches unfolded into columns, which a pointwise convolution then multiplies.

Chellapilla, Puri and Simard, "High Performance Convolutional Neural Networks for Document Processing", 2006.  The
columns of an image are an image of C kh kw channels, so kernel, stride, dilation, padding and groups end here.  They
are made for a few images, or a few rows of one, at a time: so they are still in the cache when they are multiplied.

The three functions take plain arrays: x (N, C, H, W), w (O, C/groups, kh, kw), b (O,) or None, y (N, O, OH, OW), and
gradients of the same shapes; they fill the array that they are named for.
"""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .._kernels import kernels, scratch
from .geometry import Window

COLUMNS = 1 << 18  # elements of columns made at a time: 1 MB in float32, about half a second-level cache
PIXELS = 256       # at least so many pixels, or the weights would be read again for too few


def forward(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, y: np.ndarray, window: Window) -> None:
    """y = w cols + b, chunk by chunk."""
    kernel, weights = kernels(x.dtype), w.reshape(w.shape[0], -1)
    for images, rows, cols, rest in _chunks(x, w.shape, y.shape, window):
        kernel.im2col(x[images], cols, *_arguments(window, rows))
        kernel.pointwise_forward(_flat(cols), weights, b, _pixels(y, images, rows), rest)


def backward_input(gy: np.ndarray, w: np.ndarray, gx: np.ndarray, window: Window) -> None:
    """gx = the sum over taps of wᵀ gy, moved back to where the tap took its pixel."""
    kernel, weights = kernels(gy.dtype), w.reshape(w.shape[0], -1)
    gx.fill(0)
    for images, rows, cols, rest in _chunks(gx, w.shape, gy.shape, window):
        kernel.pointwise_backward_input(_pixels(gy, images, rows), weights, _flat(cols), rest)
        kernel.col2im(cols, gx[images], *_arguments(window, rows))


def backward_weight(x: np.ndarray, gy: np.ndarray, gw: np.ndarray, window: Window) -> None:
    """gw = gy colsᵀ, summed over images and pixels, chunk by chunk in their order."""
    kernel, gradients = kernels(x.dtype), gw.reshape(gw.shape[0], -1)
    for images, rows, cols, rest in _chunks(x, gw.shape, gy.shape, window):
        kernel.im2col(x[images], cols, *_arguments(window, rows))
        kernel.pointwise_backward_weight(_flat(cols), _pixels(gy, images, rows), gradients,
                                         images.start + rows.start > 0, rest)


def _chunks(x: np.ndarray, w_shape, y_shape, window: Window) -> Iterator[tuple[slice, slice, np.ndarray, np.ndarray]]:
    """(images, output rows, room for their columns, scratch for their product) until all are done."""
    n, o, oh, ow = y_shape
    taps = x.shape[1] * window.kernel[0] * window.kernel[1]
    pixels = max(PIXELS, COLUMNS // taps)
    some_rows = min(oh, max(1, pixels // ow))
    some_images = min(n, max(1, pixels // (oh * ow)))
    groups, room = x.shape[1] // w_shape[1], some_images * taps * some_rows * ow
    m, k, pixels, size = o // groups, taps // groups, some_images * some_rows * ow, kernels(x.dtype).gemm_scratch
    need = max(size(groups, m, pixels, k), size(groups, k, pixels, m), size(groups, m, k, pixels))
    memory = scratch(room + need, x.dtype)
    for first in range(0, n, some_images):
        images = slice(first, min(n, first + some_images))
        for row in range(0, oh, some_rows):
            rows = slice(row, min(oh, row + some_rows))
            shape = (images.stop - first, x.shape[1], *window.kernel, rows.stop - row, ow)
            cols = memory[:shape[0] * taps * shape[4] * ow].reshape(shape)
            yield images, rows, cols, memory[room:]


def _arguments(window: Window, rows: slice) -> tuple[int, ...]:
    """What the kernels take: output row `rows.start` becomes row 0 by that much less padding above it."""
    sh, sw, dh, dw, top, left = window.kernel_arguments
    return sh, sw, dh, dw, top - rows.start * sh, left


def _flat(cols: np.ndarray) -> np.ndarray:
    """Columns as (N, C kh kw, pixels)."""
    n, c, kh, kw, oh, ow = cols.shape
    return cols.reshape(n, c * kh * kw, oh * ow)


def _pixels(array: np.ndarray, images: slice, rows: slice) -> np.ndarray:
    """Some images and rows of (N, C, H, W) as (N, C, pixels), a view."""
    n, c, h, w = array.shape
    return array.reshape(n, c, h * w)[images, :, rows.start * w:rows.stop * w]
