"""Losses that choose among classes in another way than cross-entropy: focal, multi-class hinge."""
from __future__ import annotations

from typing import Any

import numpy as np

from ..._kernels import kernels
from .arguments import NO_CLASS, as_tensor, constant, require_at_least, require_finite
from .classification import ClassLoss
from .reduction import require_reduction


class Focal(ClassLoss, op="focal_loss"):
    """alpha_t (1 - p_t)^gamma l with l = -log p_t, the cross-entropy, whose kernels do the work.

    As dp_t/dx = p_t (q - softmax(x)) and dl/dx = softmax(x) - q, q being 1 at the target, its gradient is that of l
    times alpha_t (1 - p_t)^gamma (1 + gamma p_t l / (1 - p_t)).  1 - p_t = 1 - e^-l keeps its digits where p_t is near
    1; l / (1 - p_t) is 1 at 1.
    """

    inputs = ("input", "target", "alpha")
    attributes = ("reduction", "ignore_index", "gamma")
    gamma: float

    def losses(self, x, target, alpha, losses):
        y = self.saved.y = np.empty_like(x)
        counted = kernels(x.dtype, "losses").cross_entropy_forward(x, target, None, 0.0, self.ignore_index, losses, y)
        wrong = -np.expm1(-losses)
        factor = wrong ** x.dtype.type(self.gamma)
        if alpha is not None:
            factor *= alpha[np.where(target == self.ignore_index, 0, target)]
        ratio = np.divide(losses, wrong, out=np.ones_like(losses), where=wrong > 0)
        self.saved.slope = factor * (1 + x.dtype.type(self.gamma) * (1 - wrong) * ratio)
        losses *= factor
        return counted

    def gradient(self, g, gx):
        kernels(g.dtype, "losses").cross_entropy_backward(self.saved.y, self.saved.target, None, 0.0, self.ignore_index,
                                                          self.saved.slope * g, gx)


class MultiMargin(ClassLoss, op="multi_margin_loss"):
    """w_y / C sum over other classes of max(0, margin - x_y + x_c)^p."""

    attributes = ("reduction", "p", "margin")
    ignore_index = None
    p: int
    margin: float

    def shapes(self, x, target, weight):
        """As those of `cross_entropy`, without pixels."""
        if len(x) != 2:
            raise ValueError(f"multi_margin_loss: input must be (N, C), got the shape {x}")
        return super().shapes(x, target, weight)

    def losses(self, x, target, weight, losses):
        x = self.saved.x = x[:, :, 0]
        kernels(x.dtype, "losses").multi_margin_forward(x, target, weight, self.p, self.margin, losses)
        return len(x)

    def gradient(self, g, gx):
        kernels(g.dtype, "losses").multi_margin_backward(self.saved.x, self.saved.target, self.saved.weight, self.p,
                                                         self.margin, g, gx[:, :, 0])


def focal_loss(input: Any, target: Any, alpha: Any = None, gamma: float = 2.0, ignore_index: int = NO_CLASS,
               reduction: str = "mean"):
    """alpha_t (1 - p_t)^gamma (-log p_t), p = softmax(input): easy examples count less than in `cross_entropy`.

    input: logits (N, C) or (N, C, ...); target: classes, integers (N,) or (N, ...).  alpha: numbers >= 0 (C,), one for
    each class, or None.  gamma >= 0; at 0 it is the cross-entropy.  reduction: "sum", "none", or "mean", which divides
    by the number of targets that are not ignored, whatever alpha.  Other rules and errors are those of
    `cross_entropy`.

    Lin et al., "Focal loss for dense object detection", ICCV 2017, equation 5, over softmax instead of sigmoid.

    >>> import numpy as np
    >>> round(focal_loss(np.zeros((2, 2), "f"), np.array([0, 1])).item(), 4)  # log(2) / 4
    0.1733
    """
    require_reduction("focal_loss", reduction)
    input = as_tensor(input)
    return Focal.apply(input, target, constant("focal_loss", "alpha", alpha, input), reduction=reduction,
                       ignore_index=int(ignore_index), gamma=require_at_least("focal_loss", "gamma", gamma, 0))


def multi_margin_loss(input: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None,
                      reduction: str = "mean"):
    """The multi-class hinge: weight_y / C times the sum over classes c != y of max(0, margin - x_y + x_c)^p.

    input: scores x (N, C); target: classes y, integers (N,).  p: 1 or 2.  weight: numbers >= 0 (C,), or None.
    reduction: "mean" (over the examples, whatever their weights), "sum" or "none".  At the margin itself the gradient
    is 0.  Raises ValueError naming a target that is no class or a shape that misfits.

    Crammer and Singer, "On the algorithmic implementation of multiclass kernel-based vector machines", JMLR 2001; as in
    torch, summed over the classes.

    >>> import numpy as np
    >>> multi_margin_loss(np.array([[1.0, 0.5, 3.0]]), np.array([0])).item()  # (0.5 + 3) / 3
    1.16666666666666...
    """
    require_reduction("multi_margin_loss", reduction)
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: p must be 1 or 2, got {p!r}")
    input = as_tensor(input)
    return MultiMargin.apply(input, target, constant("multi_margin_loss", "weight", weight, input),
                             reduction=reduction, p=int(p),
                             margin=require_finite("multi_margin_loss", "margin", margin))
