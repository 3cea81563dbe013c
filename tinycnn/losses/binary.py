"""Losses of yes and no, and of distributions."""
from __future__ import annotations

from typing import Any

from .. import ops as F
from .base import Loss


class BCELoss(Loss):
    """Cross-entropy of probabilities: see `functional.binary_cross_entropy`.

    >>> import numpy as np
    >>> round(BCELoss()(np.array([0.5]), np.array([1.0])).item(), 4)
    0.6931
    """

    function = staticmethod(F.binary_cross_entropy)
    shown = ("reduction",)
    _weights = ("weight",)

    def __init__(self, weight: Any = None, reduction: str = "mean") -> None:
        self.keep_weight("weight", weight)
        self.reduction = reduction


class BCEWithLogitsLoss(Loss):
    """Cross-entropy of sigmoid(input): see `functional.binary_cross_entropy_with_logits`.

    >>> import numpy as np
    >>> BCEWithLogitsLoss()(np.array([-1e4]), np.array([1.0])).item()
    10000.0
    """

    function = staticmethod(F.binary_cross_entropy_with_logits)
    shown = ("reduction",)
    _weights = ("weight", "pos_weight")

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> None:
        self.keep_weight("weight", weight)
        self.keep_weight("pos_weight", pos_weight)
        self.reduction = reduction


class SigmoidFocalLoss(Loss):
    """Focal loss of sigmoid(inputs): see `functional.sigmoid_focal_loss`, whose reduction is "none" unless told.

    >>> import numpy as np
    >>> round(SigmoidFocalLoss()(np.array([0.0]), np.array([1.0])).item(), 4)
    0.0433
    """

    function = staticmethod(F.sigmoid_focal_loss)
    shown = ("alpha", "gamma", "reduction")

    def __init__(self, alpha: float = 0.25, gamma: float = 2.0, reduction: str = "mean") -> None:
        self.alpha, self.gamma, self.reduction = alpha, gamma, reduction


class HingeLoss(Loss):
    """max(0, margin - target input): see `functional.hinge_loss`.

    >>> import numpy as np
    >>> HingeLoss()(np.array([0.5]), np.array([-1.0])).item()
    1.5
    """

    function = staticmethod(F.hinge_loss)
    shown = ("margin", "reduction")

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        self.margin, self.reduction = margin, reduction


class KLDivLoss(Loss):
    """The Kullback-Leibler divergence: see `functional.kl_div`.

    >>> import numpy as np
    >>> KLDivLoss("sum")(np.array([-1.0]), np.array([1.0])).item()
    1.0
    """

    function = staticmethod(F.kl_div)
    shown = ("reduction", "log_target")

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        self.reduction, self.log_target = reduction, log_target
