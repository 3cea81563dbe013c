"""Softmax and its logarithm."""
from __future__ import annotations

import math

import numpy as np

from .._kernels import kernels
from ..autograd import Function, Shape
from .contracts import require_elements


class AlongAxis(Function):
    """What functions of whole rows along an axis share.

    Kernels: `<op>_forward` and `<op>_backward` for the last axis, `<op>_channels_forward` and ... for any other.
    """

    attributes = ("axis",)
    axis: int

    def shapes(self, x):
        """The shape of x, which must have the axis."""
        require_elements(self.op, "x", x)
        if not -len(x) <= self.axis < len(x):
            raise ValueError(f"{self.op}: axis {self.axis} is none of x, of shape {x}")
        return x

    def forward(self, x):
        y = np.empty_like(x)
        name, view = self._kernel(x.shape)
        getattr(kernels(x.dtype), f"{name}_forward")(x.reshape(view), y.reshape(view))
        self.save(y=y)
        return y

    def backward(self, gy):
        gx = np.empty_like(gy)
        name, view = self._kernel(gy.shape)
        kernel = getattr(kernels(gy.dtype), f"{name}_backward")
        kernel(self.saved.y.reshape(view), gy.reshape(view), gx.reshape(view))
        return gx

    def _kernel(self, shape: Shape) -> tuple[str, Shape]:
        """Family of kernels, and the view they take: (R, C), or (O, C, I) where axes follow after the axis."""
        axis = self.axis % len(shape)
        inner = math.prod(shape[axis + 1:])
        return (self.op, (-1, shape[axis])) if inner == 1 else (f"{self.op}_channels", (-1, shape[axis], inner))


class Softmax(AlongAxis, op="softmax"):
    """e^x / sum e^x."""


class LogSoftmax(AlongAxis, op="log_softmax"):
    """x - log sum e^x."""


def softmax(x, axis: int = 1):
    """e^x / sum e^x along an axis: positive numbers that sum to 1. Large elements do not overflow.

    >>> import numpy as np
    >>> softmax(np.array([[0.0, 0.0], [1e4, 0.0]], "f")).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    return Softmax.apply(x, axis=int(axis))


def log_softmax(x, axis: int = 1):
    """The logarithm of `softmax`, without its rounding where that is near 0.

    >>> import numpy as np
    >>> log_softmax(np.array([[1e4, 0.0]], "f")).tolist()
    [[0.0, -10000.0]]
    """
    return LogSoftmax.apply(x, axis=int(axis))
