"""Transposed convolution: the gradient of a convolution with respect to its input, as an operation of its own.

What a convolution does backward this does forward, and the other way round, so it has no kernels: the algorithms of
`conv.py` serve it with `forward` and `backward_input` exchanged, and x in the place of gy.
"""
from __future__ import annotations

from types import ModuleType

import numpy as np

from .._kernels import kernels
from ..autograd import Function, Shape
from ..tensor import Tensor
from . import conv, im2col
from .geometry import Pair, Window, pair


class ConvTranspose2d(Function, op="conv_transpose2d"):
    """y[n,o] = b[o] + each x[n,c,i,j] times w[c,o], laid down with its corner at the window's place (i, j), summed."""

    inputs = ("x", "w", "b")
    attributes = ("window", "output_padding", "groups")
    window: Window
    output_padding: Pair
    groups: int

    def shapes(self, x, w, b):
        """x (N, C, H, W), w (C, O/groups, kh, kw), b (O,) or None, to (N, O, OH, OW)."""
        _check_axes(x, w)
        if not isinstance(self.groups, int) or self.groups < 1 or x[1] % self.groups:
            raise ValueError(f"conv_transpose2d: groups must be an integer that divides the {x[1]} channels of x, "
                             f"got {self.groups!r}")
        if w[0] != x[1]:
            raise ValueError(f"conv_transpose2d: w must have the shape ({x[1]}, O/groups, kh, kw) for x of shape {x}, "
                             f"got {w}")
        o = w[1]*self.groups
        if b is not None and b != (o,):
            raise ValueError(f"conv_transpose2d: b must have the shape {(o,)}, one for each output channel, got {b}")
        size = tuple([(n - 1)*s + e - 2*p + extra for n, s, e, p, extra in zip(
            x[2:], self.window.stride, self.window.extent, self.window.pads, self.output_padding)])
        if min(size) < 1:
            raise ValueError(f"conv_transpose2d: padding {self.window.pads[:2]} leaves the output {size} for x of "
                             f"shape {x} and w of shape {w}")
        return (x[0], o, *size)

    def forward(self, x, w, b):
        """The input gradient of a convolution whose gy is x."""
        self.save(x=x, w=w)
        y = self.empty(x.dtype)
        self._algorithm(y.shape, w.shape).backward_input(x, w, y, self.window)
        if b is not None:
            y += b[:, None, None]
        return y

    def backward(self, gy):
        """gx, a convolution of gy; gw, that convolution's with x as its gy; gb."""
        x, w, how = self.saved.x, self.saved.w, self._algorithm(gy.shape, self.saved.w.shape)
        gx = gw = gb = None
        if self.needs("x"):
            gx = np.empty_like(x)
            how.forward(gy, w, None, gx, self.window)
        if self.needs("w"):
            gw = np.empty_like(w)
            how.backward_weight(gy, x, gw, self.window)
        if self.needs("b"):
            gb = np.empty(gy.shape[1], gy.dtype)
            kernels(gy.dtype).channel_sum(gy.reshape(*gy.shape[:2], -1), gb)
        return gx, gw, gb

    def _algorithm(self, y: Shape, w: Shape) -> ModuleType:
        """As for the convolution of y; but where that would reach into the output padding, one that takes any size."""
        if any(extra >= s for extra, s in zip(self.output_padding, self.window.stride)):
            return im2col
        return conv.algorithm(y, w, self.window, self.groups)


def _check_axes(x: Shape, w: Shape) -> None:
    for name, shape, axes in (("x", x, "(N, C, H, W)"), ("w", w, "(C, O/groups, kh, kw)")):
        if len(shape) != 4 or 0 in shape:
            raise ValueError(f"conv_transpose2d: {name} must have the axes {axes}, none of extent 0, "
                             f"got the shape {shape}")


def conv_transpose2d(x, w, b=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """2-D transposed convolution, which enlarges maps by its stride: the input gradient of `conv2d`, made a layer.

    x: (N, C, H, W); w: (C, O/groups, kh, kw); b: (O,) or None.  stride, dilation, padding, output_padding: an int or
    (height, width).  padding: rows and columns cut off on every side; output_padding: some added after, less than the
    stride or the dilation.  Returns (N, O, OH, OW), OH = (H - 1) stride - 2 padding + dilation (kh - 1) + 1 +
    output_padding.  Its gradient is a convolution: gx = conv2d(gy, w).  Raises ValueError naming the argument that
    misfits.

    Zeiler, Krishnan, Taylor and Fergus, "Deconvolutional networks", CVPR 2010; sizes: Dumoulin and Visin, "A guide to
    convolution arithmetic for deep learning", 2016, chapter 4.

    >>> import numpy as np
    >>> x, w = np.array([[[[1.0, 2.0]]]], "float32"), np.ones((1, 1, 1, 3), "float32")
    >>> conv_transpose2d(x, w, stride=2).tolist()
    [[[[1.0, 1.0, 3.0, 2.0, 2.0]]]]
    """
    x, w = (a if isinstance(a, Tensor) else Tensor(a) for a in (x, w))
    _check_axes(x.shape, w.shape)
    op = "conv_transpose2d"
    strides, dilations = pair(stride, "stride", op), pair(dilation, "dilation", op)
    ph, pw = pair(padding, "padding", op, least=0)
    extra = pair(output_padding, "output_padding", op, least=0)
    if any(e >= max(s, d) for e, s, d in zip(extra, strides, dilations)):
        raise ValueError(f"{op}: output_padding must be less than stride or dilation, got {output_padding!r} with "
                         f"stride {stride!r} and dilation {dilation!r}")
    window = Window(w.shape[2:], strides, dilations, (ph, pw, ph, pw))
    return ConvTranspose2d.apply(x, w, b, window=window, output_padding=extra, groups=groups)
