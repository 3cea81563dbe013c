"""Losses of choosing classes."""
from __future__ import annotations

import numpy as np

from ..._kernels import kernels
from ...autograd import Function
from ..contracts import require_elements
from .reduction import reduce, require_reduction, spread


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
        kernels(x.dtype, "losses").cross_entropy_forward(x, target, self.label_smoothing, losses, y)
        self.save(y=y, target=target)
        return reduce(losses, self.reduction)

    def backward(self, gy):
        y, gx = self.saved.y, np.empty_like(self.saved.y)
        each = spread(gy, self.reduction, y.shape[:1])
        kernels(y.dtype, "losses").cross_entropy_backward(y, self.saved.target, self.label_smoothing, each, gx)
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
    require_reduction("cross_entropy", reduction)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must be within [0, 1], got {label_smoothing!r}")
    return CrossEntropy.apply(x, target, reduction=reduction, label_smoothing=float(label_smoothing))
