"""Losses of yes and no: each element is a question of its own."""
from __future__ import annotations

from typing import Any

import numpy as np

from .arguments import as_tensor, constant, require_at_least, require_finite
from .elementwise import PairLoss
from .reduction import require_reduction


class BinaryCrossEntropy(PairLoss, op="binary_cross_entropy"):
    """-w (target log input + (1 - target) log(1 - input))."""

    kind = "bce"
    inputs = ("input", "target", "weight")

    def forward(self, x, target, weight=None, other=None):
        """As every pair's; refuses what is no probability."""
        if x.min() < 0 or x.max() > 1:
            raise ValueError("binary_cross_entropy: input must be probabilities, within [0, 1], got numbers from "
                             f"{x.min()} to {x.max()}; of logits take binary_cross_entropy_with_logits")
        return super().forward(x, target, weight, other)


class BinaryCrossEntropyWithLogits(PairLoss, op="binary_cross_entropy_with_logits"):
    """-w (pos_weight target log sigmoid(input) + (1 - target) log(1 - sigmoid(input)))."""

    kind = "bce_logits"
    inputs = ("input", "target", "weight", "pos_weight")


class SigmoidFocal(PairLoss, op="sigmoid_focal_loss"):
    """The cross-entropy of sigmoid(inputs), times alpha_t and the gamma-th power of what is missing."""

    kind = "focal"
    inputs = ("inputs", "targets")
    attributes = ("reduction", "alpha", "gamma")
    alpha: float
    gamma: float

    def constants(self):
        return self.alpha, self.gamma, 0.0


class Hinge(PairLoss, op="hinge_loss"):
    """max(0, margin - target input)."""

    kind = "hinge"
    attributes = ("reduction", "margin")
    margin: float

    def constants(self):
        return self.margin, 0.0, 0.0


def binary_cross_entropy(input: Any, target: Any, weight: Any = None, reduction: str = "mean"):
    """-weight (target log input + (1 - target) log(1 - input)), of probabilities; logarithms are kept above -100.

    input, target: of one shape, input within [0, 1].  weight: numbers >= 0 that broadcast to it, or None.  reduction:
    "mean" (over all elements, whatever their weights), "sum" or "none".  The gradient is (input - target) /
    (input (1 - input)), the denominator at least 1e-12.  Raises ValueError for an input out of [0, 1]; NaN gives NaN.

    >>> import numpy as np
    >>> binary_cross_entropy(np.array([0.5, 1.0, 0.0]), np.array([1.0, 1.0, 1.0]), reduction="none").numpy().round(4)
    array([  0.6931,   0.    , 100.    ])
    """
    require_reduction("binary_cross_entropy", reduction)
    input = as_tensor(input)
    weight = constant("binary_cross_entropy", "weight", weight, input, input.shape)
    return BinaryCrossEntropy.apply(input, target, weight, reduction=reduction)


def binary_cross_entropy_with_logits(input: Any, target: Any, weight: Any = None, reduction: str = "mean",
                                     pos_weight: Any = None):
    """`binary_cross_entropy` of sigmoid(input), for logits of any size.

    input, target: of one shape.  weight, pos_weight: numbers >= 0 that broadcast to it; pos_weight counts for the part
    of target that is 1.  reduction: "mean" (over all elements), "sum" or "none".  With p = sigmoid(input) the gradient
    is weight ((1 - target) p - pos_weight target (1 - p)).

    >>> import numpy as np
    >>> binary_cross_entropy_with_logits(np.array([0.0, 1e4, -1e4]), np.ones(3), reduction="none").numpy().round(4)
    array([6.931e-01, 0.000e+00, 1.000e+04])
    """
    op = "binary_cross_entropy_with_logits"
    require_reduction(op, reduction)
    input = as_tensor(input)
    weight = constant(op, "weight", weight, input, input.shape)
    pos_weight = constant(op, "pos_weight", pos_weight, input, input.shape)
    return BinaryCrossEntropyWithLogits.apply(input, target, weight, pos_weight, reduction=reduction)


def sigmoid_focal_loss(inputs: Any, targets: Any, alpha: float = 0.25, gamma: float = 2.0, reduction: str = "none"):
    """alpha_t (1 - p_t)^gamma (-log p_t), where p_t is the probability given to what is true: easy examples count less.

    inputs: logits; targets: of the same shape, 1 or 0 (numbers between are averaged, as torchvision does).  p_t is
    sigmoid(inputs) where targets is 1, 1 minus it where it is 0; alpha_t is alpha and 1 - alpha, or 1 where alpha is
    negative.  gamma >= 0; at 0 it is the weighted cross-entropy.  reduction: "none", "mean" or "sum"; detectors divide
    the sum by the number of objects.  Logits of any size have a finite gradient.

    Lin et al., "Focal loss for dense object detection", ICCV 2017, equation 5.

    >>> import numpy as np
    >>> sigmoid_focal_loss(np.array([0.0, 4.0]), np.array([1.0, 1.0])).numpy().round(6).tolist()
    [0.043322, 1e-06]
    """
    require_reduction("sigmoid_focal_loss", reduction)
    gamma = require_at_least("sigmoid_focal_loss", "gamma", gamma, 0)
    if not alpha <= 1:
        raise ValueError(f"sigmoid_focal_loss: alpha must be within [0, 1], or negative for none, got {alpha!r}")
    return SigmoidFocal.apply(inputs, targets, reduction=reduction, alpha=float(max(alpha, -1)), gamma=gamma)


def hinge_loss(input: Any, target: Any, margin: float = 1.0, reduction: str = "mean"):
    """max(0, margin - target input), of scores and targets of one shape, each target -1 or 1.

    The gradient is -target up to the margin, itself included, 0 beyond.  reduction: "mean", "sum" or "none".  Raises
    ValueError for a target other than -1 and 1.  Cortes and Vapnik, "Support-vector networks", 1995.

    >>> import numpy as np
    >>> hinge_loss(np.array([2.0, 0.5, 0.5]), np.array([1.0, 1.0, -1.0]), reduction="none").tolist()
    [0.0, 0.5, 1.5]
    """
    require_reduction("hinge_loss", reduction)
    input = as_tensor(input)
    return Hinge.apply(input, signs("hinge_loss", target, input.dtype), reduction=reduction,
                       margin=require_finite("hinge_loss", "margin", margin))


def signs(op: str, target: Any, dtype: np.dtype) -> np.ndarray:
    """Targets -1 and 1 as an array of an element type."""
    array = np.asarray(target, dtype)
    if not (np.abs(array) == 1).all():
        raise ValueError(f"{op}: target must be -1 or 1, got {array[np.abs(array) != 1].flat[0]}")
    return array
