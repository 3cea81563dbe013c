"""Losses of the distance between numbers."""
from __future__ import annotations

import math
from typing import Any

from .arguments import as_tensor, constant, require_at_least
from .elementwise import PairLoss
from .reduction import require_reduction


class L1(PairLoss, op="l1_loss"):
    """|input - target|."""

    kind = "l1"


class MSE(PairLoss, op="mse_loss"):
    """w (input - target)^2."""

    kind = "mse"
    inputs = ("input", "target", "weight")


class SmoothL1(PairLoss, op="smooth_l1_loss"):
    """d^2 / (2 beta) within beta, |d| - beta / 2 beyond."""

    kind = "smooth_l1"
    attributes = ("reduction", "beta")
    beta: float

    def constants(self):
        return self.beta, 0.0, 0.0


class Huber(PairLoss, op="huber_loss"):
    """d^2 / 2 within delta, delta (|d| - delta / 2) beyond."""

    kind = "huber"
    attributes = ("reduction", "delta")
    delta: float

    def constants(self):
        return self.delta, 0.0, 0.0


class Wing(PairLoss, op="wing_loss"):
    """w ln(1 + |d| / epsilon) within w, |d| - C beyond."""

    kind = "wing"
    attributes = ("reduction", "w", "epsilon")
    w: float
    epsilon: float

    def constants(self):
        return self.w, self.epsilon, self.w - self.w * math.log1p(self.w / self.epsilon)


def l1_loss(input: Any, target: Any, reduction: str = "mean"):
    """|input - target|, of two arrays of one shape: the mean, the sum, or each ("none").

    The gradient is the sign of the difference, 0 where there is none.

    >>> import numpy as np
    >>> l1_loss(np.array([1.0, 2.0]), np.array([0.0, 4.0])).item()
    1.5
    """
    require_reduction("l1_loss", reduction)
    return L1.apply(input, target, reduction=reduction)


def mse_loss(input: Any, target: Any, reduction: str = "mean"):
    """(input - target)^2, of two arrays of one shape: the mean, the sum, or each ("none").

    >>> import numpy as np
    >>> mse_loss(np.array([1.0, 2.0]), np.array([0.0, 4.0])).item()
    2.5
    """
    require_reduction("mse_loss", reduction)
    return MSE.apply(input, target, None, reduction=reduction)


def sse_loss(input: Any, target: Any, weight: Any = None):
    """Sum of squared errors, sum of weight (input - target)^2, over arrays of one shape.

    weight: numbers >= 0 that broadcast to input's shape, such as the lambdas of Redmon et al., "You only look once",
    CVPR 2016, equation 3; None: 1 each.  Raises ValueError for a weight that is negative or NaN.

    >>> import numpy as np
    >>> sse_loss(np.array([1.0, 2.0]), np.array([0.0, 4.0]), weight=np.array([5.0, 0.5])).item()
    7.0
    """
    input = as_tensor(input)
    return MSE.apply(input, target, constant("sse_loss", "weight", weight, input, input.shape), reduction="sum")


def smooth_l1_loss(input: Any, target: Any, reduction: str = "mean", beta: float = 1.0):
    """d^2 / (2 beta) where |d| < beta, else |d| - beta / 2, with d = input - target: a parabola that goes on straight.

    input, target: of one shape.  beta >= 0; at 0 it is `l1_loss`.  The gradient is d / beta kept within -1 and 1.
    reduction: "mean", "sum" or "none".  Girshick, "Fast R-CNN", ICCV 2015, equation 3.

    >>> import numpy as np
    >>> smooth_l1_loss(np.array([0.5, 3.0]), np.zeros(2), reduction="none").tolist()
    [0.125, 2.5]
    """
    require_reduction("smooth_l1_loss", reduction)
    if require_at_least("smooth_l1_loss", "beta", beta, 0) == 0:
        return L1.apply(input, target, reduction=reduction)
    return SmoothL1.apply(input, target, reduction=reduction, beta=float(beta))


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0):
    """d^2 / 2 where |d| < delta, else delta (|d| - delta / 2), with d = input - target.

    input, target: of one shape.  delta > 0.  The gradient is d kept within -delta and delta.  reduction: "mean", "sum"
    or "none".  Huber, "Robust estimation of a location parameter", 1964.

    >>> import numpy as np
    >>> huber_loss(np.array([0.5, 3.0]), np.zeros(2), reduction="none", delta=2.0).tolist()
    [0.125, 4.0]
    """
    require_reduction("huber_loss", reduction)
    delta = require_at_least("huber_loss", "delta", delta, 0, open_end=True)
    return Huber.apply(input, target, reduction=reduction, delta=delta)


def wing_loss(input: Any, target: Any, w: float = 10.0, epsilon: float = 2.0, reduction: str = "mean"):
    """w ln(1 + |d| / epsilon) where |d| < w, else |d| - C, with d = input - target and C = w - w ln(1 + w / epsilon).

    Steep for small errors, unlike a parabola, so that they still count; C joins the pieces.  A larger epsilon is
    flatter around 0.  input, target: of one shape; w, epsilon > 0, in the unit of the landmarks.  The gradient is
    sign(d) w / (epsilon + |d|), beyond w sign(d), and 0 at 0.  reduction: "mean", "sum" or "none".

    Feng et al., "Wing loss for robust facial landmark localisation with convolutional neural networks", CVPR 2018,
    equation 5.

    >>> import numpy as np
    >>> wing_loss(np.array([0.0, 2.0, 20.0]), np.zeros(3), reduction="none").numpy().round(4).tolist()
    [0.0, 6.9315, 27.9176]
    """
    require_reduction("wing_loss", reduction)
    return Wing.apply(input, target, reduction=reduction, w=require_at_least("wing_loss", "w", w, 0, open_end=True),
                      epsilon=require_at_least("wing_loss", "epsilon", epsilon, 0, open_end=True))
