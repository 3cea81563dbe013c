"""Losses for choosing one class of several."""
from __future__ import annotations

from typing import Any

from .. import ops as F
from ..nn import Module


class CrossEntropyLoss(Module):
    """-log softmax(x)[target]: logits x (N, classes), integer classes target (N,) -> the mean, (), over the batch.

    reduction: "mean", "sum", or "none" for each (N,).  label_smoothing: the share of the target that is spread over
    all classes.  Errors are those of `functional.cross_entropy`.

    >>> import numpy as np
    >>> loss = CrossEntropyLoss()
    >>> round(loss(np.zeros((2, 10), np.float32), np.array([3, 7])).item(), 4)
    2.3026
    """

    shown = ("reduction", "label_smoothing")

    def __init__(self, reduction: str = "mean", label_smoothing: float = 0.0) -> None:
        self.reduction, self.label_smoothing = reduction, label_smoothing

    def forward(self, x: Any, target: Any) -> Any:
        return F.cross_entropy(x, target, self.reduction, self.label_smoothing)
