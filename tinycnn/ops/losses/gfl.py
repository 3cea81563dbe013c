"""Generalized focal loss: quality focal loss, distribution focal loss, and the box side that a distribution says."""
from __future__ import annotations

import math

import numpy as np

from ..._kernels import kernels
from ...autograd import Function
from ...tensor import Tensor
from ..contracts import require_elements
from ..softmax import softmax
from .reduction import reduce, require_reduction, spread


class QualityFocalLoss(Function, op="quality_focal_loss"):
    """|y - sigmoid(x)|^beta times the binary cross-entropy."""

    inputs = ("pred", "target")
    attributes = ("beta", "reduction")
    beta: float
    reduction: str

    def shapes(self, pred, target):
        """() where the losses are reduced, else the shape of pred."""
        require_elements(self.op, "pred", pred)
        if target != pred:
            raise ValueError(f"{self.op}: target has shape {target}, expected {pred}, that of pred")
        return pred if self.reduction == "none" else ()

    def forward(self, pred, target):
        if not (target.min() >= 0 and target.max() <= 1):
            at = tuple(int(k) for k in np.argwhere(~((target >= 0) & (target <= 1)))[0])
            raise ValueError(f"{self.op}: target at {at} is {target[at]}, expected a quality within [0, 1]")
        losses = np.empty_like(pred)
        kernels(pred.dtype, "losses").quality_focal_loss_forward(pred.reshape(-1), target.reshape(-1), self.beta,
                                                                 losses.reshape(-1))
        self.save(pred=pred, target=target)
        return reduce(losses, self.reduction)

    def backward(self, gy):
        pred, target = self.saved.pred, self.saved.target
        gx, each = np.empty_like(pred), spread(gy, self.reduction, pred.shape)
        kernels(pred.dtype, "losses").quality_focal_loss_backward(pred.reshape(-1), target.reshape(-1), self.beta,
                                                                  each.reshape(-1), gx.reshape(-1))
        return gx, None


class DistributionFocalLoss(Function, op="distribution_focal_loss"):
    """Cross-entropy with the two bins next to a continuous label."""

    inputs = ("pred", "label")
    attributes = ("reduction",)
    reduction: str

    def shapes(self, pred, label):
        """() where the losses are reduced, else (N,)."""
        require_elements(self.op, "pred", pred)
        if len(pred) != 2 or pred[1] < 2:
            raise ValueError(f"{self.op}: pred must be (N, n + 1), logits of at least 2 bins, got the shape {pred}")
        if label != pred[:1]:
            raise ValueError(f"{self.op}: label has shape {label}, expected {pred[:1]} for pred of shape {pred}")
        return pred[:1] if self.reduction == "none" else ()

    def forward(self, pred, label):
        wrong = ~((label >= 0) & (label <= pred.shape[1] - 1))
        if wrong.any():
            at = int(wrong.argmax())
            raise ValueError(f"{self.op}: label[{at}] is {label[at]}, expected 0 <= label <= {pred.shape[1] - 1}")
        losses, y = np.empty_like(label), np.empty_like(pred)
        kernels(pred.dtype, "losses").distribution_focal_loss_forward(pred, label, losses, y)
        self.save(y=y, label=label)
        return reduce(losses, self.reduction)

    def backward(self, gy):
        y, gx = self.saved.y, np.empty_like(self.saved.y)
        each = spread(gy, self.reduction, y.shape[:1])
        kernels(y.dtype, "losses").distribution_focal_loss_backward(y, self.saved.label, each, gx)
        return gx, None


def _weighted(function: type[Function], x, y, weight, reduction: str, **attributes):
    """The loss, each element multiplied by its weight before what is reduced."""
    require_reduction(function.op, reduction)
    if weight is None:
        return function.apply(x, y, **attributes, reduction=reduction)
    losses = function.apply(x, y, **attributes, reduction="none")
    weight = weight if isinstance(weight, Tensor) else Tensor(np.asarray(weight, losses.dtype))
    if weight.shape != losses.shape:
        raise ValueError(f"{function.op}: weight has shape {weight.shape}, expected {losses.shape}, one for each loss")
    losses = losses * weight
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


def quality_focal_loss(pred, target, beta: float = 2.0, weight=None, reduction: str = "mean"):
    """|y - σ(x)|^beta bce(σ(x), y) of logits x = pred and qualities y = target in [0, 1], of one shape.

    For a detector y is the IoU of a positive's box with its truth at the true class, and 0 elsewhere.  beta = 0 is the
    binary cross-entropy.  weight: of each loss, of the same shape.  reduction: "mean" (of all elements), "sum", "none".
    The gradient is exact, the factor's own included (0 where y = σ(x)); none flows to the target.  Logits of any size
    do not overflow.  Raises ValueError for a target beyond [0, 1] (NaN too), for shapes that differ, for a beta < 0.
    Li et al., "Generalized focal loss", NeurIPS 2020, equation 5.

    >>> quality_focal_loss(np.zeros(2), np.array([0.5, 1.0]), reduction="none").numpy().round(4).tolist()  # 0.25 log 2
    [0.0, 0.1733]
    """
    if not 0 <= beta < math.inf:
        raise ValueError(f"quality_focal_loss: beta must be at least 0, got {beta!r}")
    return _weighted(QualityFocalLoss, pred, target, weight, reduction, beta=float(beta))


def distribution_focal_loss(pred, label, weight=None, reduction: str = "mean"):
    """-((l + 1 - y) log S_l + (y - l) log S_l+1) of logits pred (N, n + 1), labels y = label in [0, n] (N,).

    S = softmax(pred); l is the bin below the label: what a box side is, between two bins, is learnt by both.
    weight: of each loss, (N,).  reduction: "mean" (over N), "sum", "none".  No gradient flows to the label.
    Raises ValueError naming a label beyond [0, n] (NaN too) and shapes that do not fit.
    Li et al., "Generalized focal loss", NeurIPS 2020, equation 6.

    >>> distribution_focal_loss(np.zeros((2, 4)), np.array([1.25, 3.0]), reduction="none").numpy().round(4).tolist()
    [1.3863, 1.3863]
    """
    return _weighted(DistributionFocalLoss, pred, label, weight, reduction)


def integral(pred):
    """The mean of the distribution that logits pred (..., n + 1) over the bins 0 .. n mean: Σ i softmax(pred)_i, (...).

    Li et al., "Generalized focal loss", NeurIPS 2020, equation 4.

    >>> integral(np.array([[0.0, 0.0, 0.0], [-50.0, 0.0, 0.0]])).numpy().round(4).tolist()
    [1.0, 1.5]
    """
    s = softmax(pred, -1)
    return (s * np.arange(s.shape[-1], dtype=s.dtype)).sum(-1)
