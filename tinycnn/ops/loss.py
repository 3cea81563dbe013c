"""Softmax, and the loss of classification that is told from it."""
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


class CrossEntropy(Function, op="cross_entropy"):
    """log sum e^x - sum q x, where q is 1 at the target class, or smoothed."""

    inputs = ("x", "target")
    attributes = ("reduction", "label_smoothing")
    indices = ("target",)
    reduction: str
    label_smoothing: float

    def shapes(self, x, target):
        """() where the losses are reduced, else (N,)."""
        if len(x) != 2:
            raise ValueError(f"cross_entropy: x must be (N, C), got the shape {x}")
        require_elements("cross_entropy", "x", x)
        if target != x[:1]:
            raise ValueError(f"cross_entropy: target has shape {target}, expected {x[:1]} for x of shape {x}")
        return x[:1] if self.reduction == "none" else ()

    def forward(self, x, target):
        target = _class_numbers(target, x.shape[1])
        losses, y = np.empty(len(x), x.dtype), np.empty_like(x)
        kernels(x.dtype).cross_entropy_forward(x, target, self.label_smoothing, losses, y)
        self.save(y=y, target=target)
        return losses if self.reduction == "none" else losses.sum() if self.reduction == "sum" else losses.mean()

    def backward(self, gy):
        y, gx = self.saved.y, np.empty_like(self.saved.y)
        each = gy / gy.dtype.type(len(y)) if self.reduction == "mean" else gy
        each = np.ascontiguousarray(np.broadcast_to(each, len(y)))
        kernels(y.dtype).cross_entropy_backward(y, self.saved.target, self.label_smoothing, each, gx)
        return gx, None


def _class_numbers(target: np.ndarray, classes: int) -> np.ndarray:
    """Targets as contiguous int64, each seen to be a class."""
    if target.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: target must be integers, the numbers of classes, got {target.dtype}")
    wrong = (target < 0) | (target >= classes)
    if wrong.any():
        at = int(wrong.argmax())
        raise ValueError(f"cross_entropy: target[{at}] is {target[at]}, expected 0 <= target < {classes} (classes)")
    return np.ascontiguousarray(target, np.int64)


def cross_entropy(x, target, reduction: str = "mean", label_smoothing: float = 0.0):
    """-log softmax(x)[target] of logits x (N, C) and classes target (N,), integers: their mean, sum, or each (N,).

    reduction: "mean", "sum" or "none".  label_smoothing: this share of the target is spread over all classes (Szegedy
    et al., "Rethinking the inception architecture", CVPR 2016, section 7).  Logits of any size do not overflow; NaN
    gives NaN.  Raises ValueError naming a target that is no class, TypeError for targets that are no integers.

    >>> import numpy as np
    >>> round(cross_entropy(np.zeros((2, 10), "f"), np.array([3, 9])).item(), 4)  # log 10
    2.3026
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"cross_entropy: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must be within [0, 1], got {label_smoothing!r}")
    return CrossEntropy.apply(x, target, reduction=reduction, label_smoothing=float(label_smoothing))
