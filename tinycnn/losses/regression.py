"""Losses of the distance between numbers."""
from __future__ import annotations

from typing import Any

from .. import ops as F
from .base import Loss


class L1Loss(Loss):
    """|input - target|: see `functional.l1_loss`.

    >>> import numpy as np
    >>> L1Loss()(np.array([1.0, 2.0]), np.array([0.0, 4.0])).item()
    1.5
    """

    function = staticmethod(F.l1_loss)
    shown = ("reduction",)

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction


class MSELoss(Loss):
    """(input - target)^2: see `functional.mse_loss`.

    >>> import numpy as np
    >>> MSELoss()(np.array([1.0, 2.0]), np.array([0.0, 4.0])).item()
    2.5
    """

    function = staticmethod(F.mse_loss)
    shown = ("reduction",)

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction


class SSELoss(Loss):
    """Sum of weight (input - target)^2: see `functional.sse_loss`.

    >>> import numpy as np
    >>> SSELoss()(np.array([1.0, 2.0]), np.array([0.0, 4.0])).item()
    5.0
    """

    function = staticmethod(F.sse_loss)
    shown = ()
    _weights = ("weight",)

    def __init__(self, weight: Any = None) -> None:
        self.keep_weight("weight", weight)


class SmoothL1Loss(Loss):
    """A parabola within beta, straight beyond: see `functional.smooth_l1_loss`.

    >>> import numpy as np
    >>> SmoothL1Loss()(np.array([0.5, 3.0]), np.zeros(2)).item()
    1.3125
    """

    function = staticmethod(F.smooth_l1_loss)
    shown = ("reduction", "beta")

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        self.reduction, self.beta = reduction, beta


class HuberLoss(Loss):
    """A parabola within delta, straight beyond: see `functional.huber_loss`.

    >>> import numpy as np
    >>> HuberLoss(delta=2.0)(np.array([0.5, 3.0]), np.zeros(2)).item()
    2.0625
    """

    function = staticmethod(F.huber_loss)
    shown = ("reduction", "delta")

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        self.reduction, self.delta = reduction, delta


class WingLoss(Loss):
    """A logarithm within w, straight beyond: see `functional.wing_loss`.

    >>> import numpy as np
    >>> WingLoss()(np.array([4.0]), np.array([4.0])).item()
    0.0
    """

    function = staticmethod(F.wing_loss)
    shown = ("w", "epsilon", "reduction")

    def __init__(self, w: float = 10.0, epsilon: float = 2.0, reduction: str = "mean") -> None:
        self.w, self.epsilon, self.reduction = w, epsilon, reduction
