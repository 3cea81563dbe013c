"""Softmax and its logarithm."""
from __future__ import annotations

import numpy as np

from .._kernels import kernels
from ..autograd import Function
from .contracts import require_elements


def _rows(x: np.ndarray, axis: int) -> np.ndarray:
    """x with `axis` last, contiguous, as a matrix."""
    return np.ascontiguousarray(np.moveaxis(x, axis, -1)).reshape(-1, x.shape[axis])


def _unrows(rows: np.ndarray, shape: tuple[int, ...], axis: int) -> np.ndarray:
    """The array of `shape` that `_rows` was given."""
    moved = [n for i, n in enumerate(shape) if i != axis % len(shape)] + [shape[axis]]
    return np.moveaxis(rows.reshape(moved), -1, axis)


class RowWise(Function):
    """What functions of whole rows along an axis share: the kernels are `<op>_forward` and `<op>_backward`."""

    attributes = ("axis",)
    contiguous = False
    axis: int

    def shapes(self, x):
        """The shape of x, which must have the axis."""
        require_elements(self.op, "x", x)
        if not -len(x) <= self.axis < len(x):
            raise ValueError(f"{self.op}: axis {self.axis} is none of x, of shape {x}")
        return x

    def forward(self, x):
        rows = _rows(x, self.axis)
        y = np.empty_like(rows)
        getattr(kernels(x.dtype), f"{self.op}_forward")(rows, y)
        self.save(y=y)
        return _unrows(y, x.shape, self.axis)

    def backward(self, gy):
        rows = _rows(gy, self.axis)
        gx = np.empty_like(rows)
        getattr(kernels(gy.dtype), f"{self.op}_backward")(self.saved.y, rows, gx)
        return _unrows(gx, gy.shape, self.axis)


class Softmax(RowWise, op="softmax"):
    """e^x / sum e^x."""


class LogSoftmax(RowWise, op="log_softmax"):
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
