"""The two parts of generalized focal loss (Li et al., NeurIPS 2020)."""
from __future__ import annotations

from typing import Any

from .. import ops as F
from ..nn import Module


class QualityFocalLoss(Module):
    """|y - σ(x)|^beta times the binary cross-entropy of logits x and qualities y in [0, 1], of one shape.

    reduction: "mean", "sum" or "none".  Called with a third argument, weights of the losses' shape.  Details and
    errors: `functional.quality_focal_loss`.

    >>> import numpy as np
    >>> round(QualityFocalLoss()(np.zeros(1), np.ones(1)).item(), 4)  # 0.25 log 2
    0.1733
    """

    shown = ("beta", "reduction")

    def __init__(self, beta: float = 2.0, reduction: str = "mean") -> None:
        self.beta, self.reduction = beta, reduction

    def forward(self, pred: Any, target: Any, weight: Any = None) -> Any:
        return F.quality_focal_loss(pred, target, self.beta, weight, self.reduction)


class DistributionFocalLoss(Module):
    """Cross-entropy of logits (N, n + 1) with the two bins next to labels in [0, n] (N,), by their distance.

    reduction: "mean", "sum" or "none".  Called with a third argument, weights (N,).  Details and errors:
    `functional.distribution_focal_loss`.

    >>> import numpy as np
    >>> round(DistributionFocalLoss()(np.zeros((1, 4)), np.array([1.3])).item(), 4)  # log 4
    1.3863
    """

    shown = ("reduction",)

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction

    def forward(self, pred: Any, label: Any, weight: Any = None) -> Any:
        return F.distribution_focal_loss(pred, label, weight, self.reduction)
