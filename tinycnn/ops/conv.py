"""Convolution: the shape contract, the choice of an algorithm, and the call.

Each algorithm is a module with `forward`, `backward_input` and `backward_weight` over plain arrays.
"""
from __future__ import annotations

from functools import lru_cache
from types import ModuleType

import numpy as np

from .._kernels import kernels
from ..autograd import Function, Shape
from ..tensor import Tensor
from . import depthwise, im2col, pointwise, winograd
from .geometry import Pair, Window, window


@lru_cache(maxsize=4096)
def algorithm(x_shape: Shape, w_shape: Shape, window: Window, groups: int) -> ModuleType:
    """How a convolution is computed: the choice depends on shapes alone."""
    if pointwise.suits(x_shape, w_shape, window, groups):
        return pointwise
    if depthwise.suits(x_shape, w_shape, window, groups):
        return depthwise
    if winograd.suits(x_shape, w_shape, window, groups):
        return winograd
    return im2col


class Conv2d(Function, op="conv2d"):
    """y[n,o] = b[o] + sum over c of w[o,c] * x[n,c] (cross-correlation), c over the channels of o's group."""

    inputs = ("x", "w", "b")
    attributes = ("window", "groups")
    window: Window
    groups: int

    def shapes(self, x, w, b):
        """x (N, C, H, W), w (O, C/groups, kh, kw), b (O,) or None, to (N, O, OH, OW)."""
        check_axes(x, w)
        if not isinstance(self.groups, int) or self.groups < 1 or x[1] % self.groups or w[0] % self.groups:
            raise ValueError(f"conv2d: groups must be an integer that divides the {x[1]} channels of x and the {w[0]} "
                             f"of w, got {self.groups!r}")
        if w[1] != x[1] // self.groups:
            raise ValueError(f"conv2d: w must have the shape (O, {x[1] // self.groups}, kh, kw) for x of shape {x} in "
                             f"{self.groups} groups, got {w}")
        if b is not None and b != w[:1]:
            raise ValueError(f"conv2d: b must have the shape {w[:1]}, one for each output channel, got {b}")
        size = self.window.output(*x[2:])
        if min(size) < 1:
            raise ValueError(f"conv2d: the kernel of w spans {self.window.extent} pixels, more than the "
                             f"{self.window.padded(*x[2:])} of x of shape {x} with its padding {self.window.pads}")
        return (x[0], w[0], *size)

    def forward(self, x, w, b):
        """y = w * x + b."""
        self.save(x=x, w=w)
        y = self.empty(x.dtype)
        algorithm(x.shape, w.shape, self.window, self.groups).forward(x, w, b, y, self.window)
        return y

    def backward(self, gy):
        """gx, gw, gb, each where it is needed."""
        x, w, how = self.saved.x, self.saved.w, algorithm(
            self.saved.x.shape, self.saved.w.shape, self.window, self.groups)
        gx = gw = gb = None
        if self.needs("x"):
            gx = np.empty_like(x)
            how.backward_input(gy, w, gx, self.window)
        if self.needs("w"):
            gw = np.empty_like(w)
            how.backward_weight(x, gy, gw, self.window)
        if self.needs("b"):
            gb = np.empty(w.shape[0], w.dtype)
            kernels(gy.dtype).channel_sum(gy.reshape(*gy.shape[:2], -1), gb)
        return gx, gw, gb


def check_axes(x: Shape, w: Shape) -> None:
    """Four axes each, none of them empty."""
    for name, shape, axes in (("x", x, "(N, C, H, W)"), ("w", w, "(O, C/groups, kh, kw)")):
        if len(shape) != 4 or 0 in shape:
            raise ValueError(f"conv2d: {name} must have the axes {axes}, none of extent 0, got the shape {shape}")


def conv2d(x, w, b=None, stride=1, padding=0, dilation=1, groups=1):
    """2-D convolution (cross-correlation) of images.

    x: (N, C, H, W); w: (O, C/groups, kh, kw); b: (O,) or None.  stride, dilation: an int or (height, width).
    padding: an int, (height, width), (top, left, bottom, right), "same" (stride 1) or "tf_same" (TensorFlow's rule).
    Returns (N, O, OH, OW).  Raises ValueError naming the argument that misfits, what it is and what was expected.

    LeCun et al., "Gradient-based learning applied to document recognition", 1998; sizes: Dumoulin and Visin, "A guide
    to convolution arithmetic for deep learning", 2016.

    >>> import numpy as np
    >>> x, w = np.arange(9, dtype="float32").reshape(1, 1, 3, 3), np.ones((1, 1, 2, 2), "float32")
    >>> conv2d(x, w).tolist()
    [[[[8.0, 12.0], [20.0, 24.0]]]]
    """
    x, w = (a if isinstance(a, Tensor) else Tensor(a) for a in (x, w))
    check_axes(x.shape, w.shape)
    how = (tuple(a) if isinstance(a, list) else a for a in (stride, padding, dilation))
    return Conv2d.apply(x, w, b, window=_window(x.shape[2:], w.shape[2:], *how), groups=groups)


@lru_cache(maxsize=4096, typed=True)
def _window(size: Pair, kernel: Pair, stride, padding, dilation) -> Window:
    """`geometry.window`, remembered: a network asks for the same few ones again and again."""
    return window("conv2d", size, kernel, stride, padding, dilation)
