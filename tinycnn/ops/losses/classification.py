"""Losses of choosing classes: cross-entropy and what it is made of."""
from __future__ import annotations

from typing import Any

import numpy as np

from ..._kernels import kernels
from ...autograd import Function, Shape
from ..contracts import planes, require_elements
from .arguments import NO_CLASS, as_tensor, class_numbers, constant
from .reduction import divisor, gradient_of_each, reduce, require_reduction


def pixel_shape(x: Shape) -> Shape:
    """That of a target of class numbers, and of the losses: (N, ...) for input (N, C, ...)."""
    return (x[0], *x[2:])


class ClassLoss(Function):
    """What losses share that choose one of C classes for each pixel of (N, C, ...).

    A subclass defines `losses`, which fills one loss for each pixel, saves what its `gradient` needs, and returns what
    a mean divides by.
    """

    inputs = ("input", "target", "weight")
    indices = ("target",)
    reduction: str
    ignore_index: int | None

    def shapes(self, x, target, weight):
        """() where the losses are reduced, else the shape of the target, input's without the classes."""
        if len(x) < 2:
            raise ValueError(f"{self.op}: input must be (N, C) or (N, C, ...), got the shape {x}")
        require_elements(self.op, "input", x)
        expected = pixel_shape(x)
        if target != expected:
            raise ValueError(f"{self.op}: target has shape {target}, expected {expected} for input of shape {x}")
        if weight is not None and weight != x[1:2]:
            raise ValueError(f"{self.op}: {self.inputs[2]} has shape {weight}, expected {x[1:2]}, one for each class")
        return expected if self.reduction == "none" else ()

    def forward(self, x, target, weight):
        target = self.class_numbers(target, x.shape[1], x.dtype)
        losses = np.empty(target.size, x.dtype)
        self.save()
        counted = self.losses(x.reshape(planes(x.shape)), target, weight, losses)
        self.saved.shape, self.saved.target, self.saved.weight = x.shape, target, weight
        self.saved.divided_by = counted if self.reduction == "mean" else 1
        return reduce(losses.reshape(pixel_shape(x.shape)), self.reduction, counted)

    def backward(self, gy):
        gx = np.empty(planes(self.saved.shape), gy.dtype)
        self.gradient(gradient_of_each(gy, self.saved.divided_by), gx)
        return gx.reshape(self.saved.shape), None, None

    def class_numbers(self, target, classes, dtype):
        """Targets as a vector of int64. Raises TypeError and ValueError for those that are not numbers of classes."""
        return class_numbers(self.op, target, classes, dtype, self.ignore_index)

    def losses(self, x, target, weight, losses):
        """Fill the losses (n p,) of x (n, c, p)."""
        raise NotImplementedError(f"{self.op}: losses")

    def gradient(self, g, gx):
        """Fill gx (n, c, p) from the gradients g of the losses."""
        raise NotImplementedError(f"{self.op}: gradient")


class CrossEntropy(ClassLoss, op="cross_entropy"):
    """log sum e^x - sum q x, where q is 1 at the target class, or smoothed; weighted."""

    attributes = ("reduction", "ignore_index", "label_smoothing")
    label_smoothing: float

    def losses(self, x, target, weight, losses):
        y = self.saved.y = np.empty_like(x)
        return kernels(x.dtype, "losses").cross_entropy_forward(x, target, weight, self.label_smoothing,
                                                                self.ignore_index, losses, y)

    def gradient(self, g, gx):
        saved = self.saved
        kernels(g.dtype, "losses").cross_entropy_backward(saved.y, saved.target, saved.weight, self.label_smoothing,
                                                          self.ignore_index, g, gx)


class NLL(ClassLoss, op="nll_loss"):
    """-w x at the target."""

    attributes = ("reduction", "ignore_index")

    def losses(self, x, target, weight, losses):
        return kernels(x.dtype, "losses").nll_forward(x, target, weight, self.ignore_index, losses)

    def gradient(self, g, gx):
        kernels(g.dtype, "losses").nll_backward(self.saved.target, self.saved.weight, self.ignore_index, g, gx)


class SoftCrossEntropy(Function, op="soft_cross_entropy"):
    """-sum w q log softmax(x), q the target distribution, perhaps smoothed."""

    inputs = ("input", "target", "weight")
    attributes = ("reduction", "label_smoothing")
    reduction: str
    label_smoothing: float

    def shapes(self, x, target, weight):
        """As those of `cross_entropy`; target has input's."""
        require_elements("cross_entropy", "input", x)
        if len(x) < 2 or target != x:
            raise ValueError(f"cross_entropy: target of probabilities has shape {target}, expected input's, {x}, which "
                             "must be (N, C) or (N, C, ...)")
        if weight is not None and weight != x[1:2]:
            raise ValueError(f"cross_entropy: weight has shape {weight}, expected {x[1:2]}, one for each class")
        return pixel_shape(x) if self.reduction == "none" else ()

    def forward(self, x, target, weight):
        shape = planes(x.shape)
        losses, y = np.empty(x.size // x.shape[1], x.dtype), np.empty(shape, x.dtype)
        target = target.reshape(shape)
        kernels(x.dtype, "losses").soft_cross_entropy_forward(x.reshape(shape), target, weight, self.label_smoothing,
                                                              losses, y)
        self.save(y=y, target=target, weight=weight, shape=x.shape, x=x if self.needs("target") else None)
        return reduce(losses.reshape(pixel_shape(x.shape)), self.reduction)

    def backward(self, gy):
        """gx = g (A softmax(x) - a), a = w q, A their sum; of the target: -g w log softmax(x)."""
        saved, gx = self.saved, np.empty_like(self.saved.y)
        g = gradient_of_each(gy, divisor(self.reduction, (saved.y.size // saved.y.shape[1],)))
        kernels(gy.dtype, "losses").soft_cross_entropy_backward(saved.y, saved.target, saved.weight,
                                                                self.label_smoothing, g, gx)
        return gx.reshape(saved.shape), self._target_gradient(g) if self.needs("target") else None, None

    def _target_gradient(self, g):
        saved = self.saved
        n, c, p = saved.y.shape
        rows = np.ascontiguousarray(saved.x.reshape(n, c, p).transpose(0, 2, 1)).reshape(-1, c)
        logs = np.empty_like(rows)
        kernels(g.dtype).log_softmax_forward(rows, logs)
        logs *= g.dtype.type(self.label_smoothing - 1) * (1 if saved.weight is None else saved.weight)
        return (logs * g[:, None]).reshape(n, p, c).transpose(0, 2, 1).reshape(saved.shape)


def cross_entropy(input: Any, target: Any, weight: Any = None, ignore_index: int = NO_CLASS, reduction: str = "mean",
                  label_smoothing: float = 0.0):
    """-log softmax(input)[target], of logits input (N, C) or (N, C, ...) and targets (N,) or (N, ...).

    target: integers, the numbers of classes; or floating-point probabilities of input's shape, as mixed images have.
    weight: numbers >= 0 (C,), one for each class, or None.  ignore_index: targets that do not count.  reduction:
    "sum"; "none", for the shape of the target; or "mean", which divides by the weights of the targets that count, or,
    of probabilities, by the number of pixels.  label_smoothing: this share of the target is spread over all classes
    (Szegedy et al., "Rethinking the inception architecture", CVPR 2016, section 7).

    Logits of any size do not overflow; NaN gives NaN.  Where every target is ignored, the mean is NaN, as 0 / 0 is and
    torch has it, but its gradient is 0.  Raises ValueError naming a target that is no class, a weight that is negative
    or NaN, or a shape that misfits; TypeError for targets of neither kind.

    >>> import numpy as np
    >>> round(cross_entropy(np.zeros((2, 10), "f"), np.array([3, 9])).item(), 4)  # log 10
    2.3026
    >>> round(cross_entropy(np.zeros((1, 2), "f"), np.array([[0.5, 0.5]], "f")).item(), 4)  # log 2
    0.6931
    """
    require_reduction("cross_entropy", reduction)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must be within [0, 1], got {label_smoothing!r}")
    input, target = as_tensor(input), as_tensor(target)
    weight = constant("cross_entropy", "weight", weight, input)
    if target.dtype.kind != "f":
        return CrossEntropy.apply(input, target, weight, reduction=reduction, ignore_index=int(ignore_index),
                                  label_smoothing=float(label_smoothing))
    if target.ndim == input.ndim - 1:
        raise TypeError(f"cross_entropy: target must be integers, the numbers of classes, got {target.dtype} of shape "
                        f"{target.shape}; probabilities have input's shape, {input.shape}")
    return SoftCrossEntropy.apply(input, target, weight, reduction=reduction, label_smoothing=float(label_smoothing))


def nll_loss(input: Any, target: Any, weight: Any = None, ignore_index: int = NO_CLASS, reduction: str = "mean"):
    """-input[target], of logarithms of probabilities (N, C) or (N, C, ...) and classes target (N,) or (N, ...).

    weight, ignore_index, reduction and errors are those of `cross_entropy`, which is this after `log_softmax`.

    >>> import numpy as np
    >>> nll_loss(np.log(np.array([[0.25, 0.75]])), np.array([1])).item()
    0.28768...
    """
    require_reduction("nll_loss", reduction)
    input = as_tensor(input)
    return NLL.apply(input, target, constant("nll_loss", "weight", weight, input), reduction=reduction,
                     ignore_index=int(ignore_index))
