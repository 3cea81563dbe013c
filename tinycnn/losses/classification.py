"""Losses for choosing one class of several."""
from __future__ import annotations

from typing import Any

from .. import ops as F
from .base import Loss


class CrossEntropyLoss(Loss):
    """-log softmax(input)[target]: see `functional.cross_entropy`.

    >>> import numpy as np
    >>> round(CrossEntropyLoss()(np.zeros((2, 10), np.float32), np.array([3, 7])).item(), 4)
    2.3026
    """

    function = staticmethod(F.cross_entropy)
    shown = ("ignore_index", "reduction", "label_smoothing")
    _weights = ("weight",)

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean",
                 label_smoothing: float = 0.0) -> None:
        self.keep_weight("weight", weight)
        self.ignore_index, self.reduction, self.label_smoothing = ignore_index, reduction, label_smoothing


class NLLLoss(Loss):
    """-input[target], of log-probabilities: see `functional.nll_loss`.

    >>> import numpy as np
    >>> NLLLoss()(np.array([[-1.0, -2.0]]), np.array([1])).item()
    2.0
    """

    function = staticmethod(F.nll_loss)
    shown = ("ignore_index", "reduction")
    _weights = ("weight",)

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        self.keep_weight("weight", weight)
        self.ignore_index, self.reduction = ignore_index, reduction


class FocalLoss(Loss):
    """Cross-entropy in which easy examples count less: see `functional.focal_loss`.

    >>> import numpy as np
    >>> round(FocalLoss()(np.zeros((2, 2), np.float32), np.array([0, 1])).item(), 4)
    0.1733
    """

    function = staticmethod(F.focal_loss)
    shown = ("gamma", "ignore_index", "reduction")
    _weights = ("alpha",)

    def __init__(self, alpha: Any = None, gamma: float = 2.0, ignore_index: int = -100,
                 reduction: str = "mean") -> None:
        self.keep_weight("alpha", alpha)
        self.gamma, self.ignore_index, self.reduction = gamma, ignore_index, reduction


class MultiMarginLoss(Loss):
    """The multi-class hinge: see `functional.multi_margin_loss`.

    >>> import numpy as np
    >>> MultiMarginLoss()(np.array([[1.0, 0.5]]), np.array([0])).item()
    0.25
    """

    function = staticmethod(F.multi_margin_loss)
    shown = ("p", "margin", "reduction")
    _weights = ("weight",)

    def __init__(self, weight: Any = None, p: int = 1, margin: float = 1.0, reduction: str = "mean") -> None:
        self.keep_weight("weight", weight)
        self.p, self.margin, self.reduction = p, margin, reduction
