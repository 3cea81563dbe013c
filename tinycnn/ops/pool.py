"""Pooling over windows of the two last axes of (N, C, H, W): largest element, mean, adaptive, global."""
from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .._kernels import get_num_threads, kernels, scratch
from ..autograd import Function, Shape
from .geometry import Pair, Window, pair, window


def _planes(x: np.ndarray) -> np.ndarray:
    """(N, C, H, W) as (N C, H, W): pooling treats every plane alike."""
    return x.reshape(-1, *x.shape[2:])


def _require_map(op: str, x: Shape) -> None:
    if len(x) != 4 or min(x) < 1:
        raise ValueError(f"{op}: x must have the shape (N, C, H, W) without empty axes, got {x}")


def _pooled(op: str, x: Shape, w: Window, ceil_mode: bool) -> Shape:
    """The output's shape; ValueError where a window does not fit, or would lie mostly in the padding."""
    _require_map(op, x)
    if any(2*p > k for p, k in zip(w.pads, (*w.kernel, *w.kernel))):
        raise ValueError(f"{op}: padding {w.pads} must be at most half of kernel_size {w.kernel}")
    oh, ow = w.output(x[2], x[3], ceil_mode)
    if min(oh, ow) < 1:
        raise ValueError(f"{op}: kernel_size {w.kernel} with dilation {w.dilation} does not fit into "
                         f"x of shape {x} with padding {w.pads}")
    return *x[:2], oh, ow


class MaxPool2d(Function, op="max_pool2d"):
    """The largest element of each window."""

    attributes = ("window", "ceil_mode")
    window: Window
    ceil_mode: bool

    def shapes(self, x):
        """(N, C, OH, OW)."""
        return _pooled(self.op, x, self.window, self.ceil_mode)

    def forward(self, x):
        y = self.empty(x.dtype)
        self.save(x=x, y=y)
        kernels(x.dtype).max_pool_forward(_planes(x), _planes(y), *self._arguments(x))
        return y

    def backward(self, gy):
        x, y = self.saved.x, self.saved.y
        gx = np.empty_like(x)
        kernels(gy.dtype).max_pool_backward(_planes(x), _planes(y), _planes(gy), _planes(gx), *self._arguments(x))
        return gx

    def _arguments(self, x: np.ndarray) -> tuple[Any, ...]:
        """The kernels' arguments after the arrays."""
        window = (*self.window.kernel, *self.window.kernel_arguments)
        size = kernels(x.dtype).max_pool_scratch(*x.shape[2:], *self.out_shapes[0][2:], *window)
        return scratch(size*get_num_threads(), x.dtype), *window


class _MeanPool(Function):
    """What the means share: windows [start, stop) per axis and the weight of their sums, from `axes`."""

    def axes(self, size: Pair, out: Pair) -> list[tuple[np.ndarray, np.ndarray]]:
        """For rows, then columns: bounds (outputs, 2) inside the map, and 1/n for each."""
        raise NotImplementedError

    def forward(self, x):
        y = self.empty(x.dtype)
        self.save(shape=x.shape)
        kernels(x.dtype).mean_pool_forward(_planes(x), _planes(y), *self._windows(x.shape, y.shape, x.dtype))
        return y

    def backward(self, gy):
        gx = np.empty(self.saved.shape, gy.dtype)
        kernels(gy.dtype).mean_pool_backward(_planes(gy), _planes(gx), *self._windows(gx.shape, gy.shape, gy.dtype))
        return gx

    def _windows(self, x: Shape, y: Shape, dtype: np.dtype) -> tuple[np.ndarray, ...]:
        """The kernels' arguments after the arrays."""
        (rows, row_scale), (columns, column_scale) = self.axes((x[2], x[3]), (y[2], y[3]))
        return (scratch(x[3]*get_num_threads(), dtype), rows, columns,
                row_scale.astype(dtype), column_scale.astype(dtype))


class AvgPool2d(_MeanPool, op="avg_pool2d"):
    """The mean of each window."""

    attributes = ("window", "ceil_mode", "count_include_pad")
    window: Window
    ceil_mode: bool
    count_include_pad: bool

    def shapes(self, x):
        """(N, C, OH, OW)."""
        return _pooled(self.op, x, self.window, self.ceil_mode)

    def axes(self, size, out):
        """Windows cut off at the map; n counts the padding in, unless told not to, but never what lies beyond it."""
        result = []
        for axis in (0, 1):
            before, after = self.window.pads[axis], self.window.pads[axis + 2]
            start = np.arange(out[axis])*self.window.stride[axis] - before
            stop = np.minimum(start + self.window.kernel[axis], size[axis] + after)
            bounds = np.clip(np.stack([start, stop], 1), 0, size[axis]).astype(np.intp)
            counted = stop - start if self.count_include_pad else bounds[:, 1] - bounds[:, 0]
            result.append((bounds, 1/counted))
        return result


class AdaptiveAvgPool2d(_MeanPool, op="adaptive_avg_pool2d"):
    """The mean of each of output_size parts of the map."""

    attributes = ("output_size",)
    output_size: Pair

    def shapes(self, x):
        """(N, C, *output_size)."""
        _require_map(self.op, x)
        return *x[:2], *self.output_size

    def axes(self, size, out):
        """Equal parts, each counting its own elements."""
        bounds = [_parts(extent, parts) for extent, parts in zip(size, out)]
        return [(b, 1/(b[:, 1] - b[:, 0])) for b in bounds]


class AdaptiveMaxPool2d(Function, op="adaptive_max_pool2d"):
    """The largest element of each of output_size parts of the map."""

    attributes = ("output_size",)
    output_size: Pair

    def shapes(self, x):
        """(N, C, *output_size)."""
        _require_map(self.op, x)
        return *x[:2], *self.output_size

    def forward(self, x):
        y = self.empty(x.dtype)
        self.save(x=x, y=y)
        room = scratch(x.shape[3]*get_num_threads(), x.dtype)
        kernels(x.dtype).bin_max_forward(_planes(x), _planes(y), room, *self._bins(x))
        return y

    def backward(self, gy):
        x, y = self.saved.x, self.saved.y
        gx = np.empty_like(x)
        kernels(gy.dtype).bin_max_backward(_planes(x), _planes(y), _planes(gy), _planes(gx), *self._bins(x))
        return gx

    def _bins(self, x: np.ndarray) -> list[np.ndarray]:
        """Bounds of the parts, for rows and for columns."""
        return [_parts(extent, parts) for extent, parts in zip(x.shape[2:], self.output_size)]


@lru_cache(maxsize=256)
def _parts(extent: int, parts: int) -> np.ndarray:
    """Bounds (parts, 2) of equal parts of an axis: part i covers floor(i extent / parts) to the ceiling of the next."""
    i = np.arange(parts)
    return np.stack([i*extent//parts, -(-(i + 1)*extent//parts)], 1).astype(np.intp)


class GlobalAvgPool2d(_MeanPool, op="global_avg_pool2d"):
    """The mean of each plane."""

    def shapes(self, x):
        """(N, C, 1, 1)."""
        _require_map(self.op, x)
        return *x[:2], 1, 1

    def axes(self, size, out):
        """One window: everything."""
        return [(np.array([[0, n]], np.intp), np.array([1/n])) for n in size]


def _window(op: str, x, kernel_size, stride, padding, dilation=1) -> Window:
    if len(x.shape) != 4:
        raise ValueError(f"{op}: x must have the shape (N, C, H, W), got {x.shape}")
    return window(op, x.shape[2:], kernel_size, kernel_size if stride is None else stride, padding, dilation)


def max_pool2d(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False):
    """The largest element of each window of x (N, C, H, W), giving (N, C, OH, OW).

    kernel_size, stride (None: kernel_size), dilation: an int or (height, width).  padding: an int, (height, width),
    (top, left, bottom, right) or "tf_same"; what it adds never wins; at most half of the kernel.  ceil_mode:
    a last window may hang over the end.  NaN in a window gives NaN, and no gradient; among equals the first takes it.
    Raises ValueError where the arguments do not fit x.

    >>> from tinycnn import Tensor
    >>> max_pool2d(Tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]]), 2, stride=1).tolist()
    [[[[5.0, 6.0]]]]
    """
    return MaxPool2d.apply(x, window=_window("max_pool2d", x, kernel_size, stride, padding, dilation),
                           ceil_mode=bool(ceil_mode))


def avg_pool2d(x, kernel_size, stride=None, padding=0, ceil_mode: bool = False, count_include_pad: bool = True):
    """The mean of each window of x (N, C, H, W), giving (N, C, OH, OW).

    Arguments as for `max_pool2d`.  count_include_pad: zeros of the padding count as elements; otherwise the mean is
    over what lies inside the map.  Raises ValueError where the arguments do not fit x.

    >>> from tinycnn import Tensor
    >>> avg_pool2d(Tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]]), 2, stride=1).tolist()
    [[[[3.0, 4.0]]]]
    """
    return AvgPool2d.apply(x, window=_window("avg_pool2d", x, kernel_size, stride, padding),
                           ceil_mode=bool(ceil_mode), count_include_pad=bool(count_include_pad))


def adaptive_avg_pool2d(x, output_size):
    """x (N, C, H, W) cut into output_size parts (which overlap where the size does not divide), and their means.

    output_size: an int or (height, width); None for an extent of x's own.  He, Zhang, Ren and Sun, "Spatial pyramid
    pooling in deep convolutional networks for visual recognition", ECCV 2014, bin edges by floor and ceiling.

    >>> import numpy as np
    >>> adaptive_avg_pool2d(np.ones((1, 3, 5, 7), "f"), (2, None)).shape
    (1, 3, 2, 7)
    """
    return AdaptiveAvgPool2d.apply(x, output_size=_output_size("adaptive_avg_pool2d", x, output_size))


def adaptive_max_pool2d(x, output_size):
    """x (N, C, H, W) cut into output_size parts (which overlap where the size does not divide), and their maxima.

    output_size, parts and source: as for `adaptive_avg_pool2d`.  gx: gy goes to the first of the largest elements of
    its part.  NaN in a part gives NaN, and no gradient.

    >>> from tinycnn import Tensor
    >>> adaptive_max_pool2d(Tensor([[[[1.0, 4.0, 2.0], [3.0, 0.0, 5.0]]]]), (1, 2)).tolist()
    [[[[4.0, 5.0]]]]
    """
    return AdaptiveMaxPool2d.apply(x, output_size=_output_size("adaptive_max_pool2d", x, output_size))


def _output_size(op: str, x, output_size) -> Pair:
    """Two numbers, with None as an extent of x's own."""
    _require_map(op, x.shape)
    wanted = output_size if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    if len(wanted) == 2:
        wanted = tuple(x.shape[2 + i] if n is None else n for i, n in enumerate(wanted))
    return pair(wanted, "output_size", op)


def global_avg_pool2d(x):
    """The mean of each plane: x (N, C, H, W) gives (N, C, 1, 1).

    Lin, Chen and Yan, "Network in network", ICLR 2014, section 3.2.

    >>> from tinycnn import Tensor
    >>> global_avg_pool2d(Tensor([[[[1.0, 2.0], [3.0, 6.0]]]])).tolist()
    [[[[3.0]]]]
    """
    return GlobalAvgPool2d.apply(x)
