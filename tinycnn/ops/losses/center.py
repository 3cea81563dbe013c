"""Center loss: features drawn to the centre of their class."""
from __future__ import annotations

from typing import Any

import numpy as np

from ..._kernels import kernels
from ...autograd import Function
from ..contracts import require_elements
from .arguments import as_tensor, class_numbers
from .reduction import divisor, gradient_of_each, reduce, require_reduction


class Center(Function, op="center_loss"):
    """|input - centers[target]|^2 / 2."""

    inputs = ("input", "target", "centers")
    attributes = ("reduction",)
    indices = ("target",)
    reduction: str

    def shapes(self, x, target, centers):
        """x (N, D), target (N,), centers (C, D) to () where the losses are reduced, else (N,)."""
        if len(x) != 2:
            raise ValueError(f"center_loss: input must be (N, D), got the shape {x}")
        require_elements("center_loss", "input", x)
        require_elements("center_loss", "centers", centers)
        if target != x[:1]:
            raise ValueError(f"center_loss: target has shape {target}, expected {x[:1]} for input of shape {x}")
        if len(centers) != 2 or centers[1] != x[1]:
            raise ValueError(f"center_loss: centers have shape {centers}, expected (C, {x[1]}) for input of shape {x}")
        return x[:1] if self.reduction == "none" else ()

    def forward(self, x, target, centers):
        target = class_numbers("center_loss", target, len(centers), x.dtype)
        losses, difference = np.empty(len(x), x.dtype), np.empty_like(x)
        kernels(x.dtype, "losses").center_forward(x, target, centers, difference, losses)
        self.save(difference=difference)
        return reduce(losses, self.reduction)

    def backward(self, gy):
        difference, gx = self.saved.difference, np.empty_like(self.saved.difference)
        g = gradient_of_each(gy, divisor(self.reduction, difference.shape[:1]))
        kernels(gy.dtype, "losses").center_backward(difference, g, gx)
        return gx, None, None


def center_loss(input: Any, target: Any, centers: Any, reduction: str = "mean"):
    """|input - c|^2 / 2, where c is the centre of each feature's class.

    input: features (N, D); target: classes, integers (N,); centers: (C, D), constants, which `center_update` moves.
    reduction: "sum" as in the paper, "mean" over the batch, or "none" for (N,).  The gradient is input - c.  Raises
    ValueError naming a target that has no centre, or a shape that misfits.

    Wen et al., "A discriminative feature learning approach for deep face recognition", ECCV 2016, equation 2.

    >>> import numpy as np
    >>> center_loss(np.array([[3.0, 4.0]]), np.array([1]), np.zeros((2, 2))).item()
    12.5
    """
    require_reduction("center_loss", reduction)
    return Center.apply(input, target, as_tensor(centers).detach(), reduction=reduction)


def center_update(input: Any, target: Any, centers: Any, alpha: float = 0.5) -> np.ndarray:
    """The centres after a batch: c_j - alpha sum(c_j - x) / (1 + n), over the n features x of class j in it.

    input, target, centers: those of `center_loss`.  Returns new centres (C, D); those of other classes are the same.
    Wen et al., equation 4 and algorithm 1.

    >>> import numpy as np
    >>> center_update(np.array([[4.0], [8.0]]), np.array([1, 1]), np.zeros((2, 1)), alpha=1.0).tolist()
    [[0.0], [4.0]]
    """
    x, centers = as_tensor(input).numpy(), np.array(as_tensor(centers).numpy())
    present, which = np.unique(as_tensor(target).numpy(), return_inverse=True)
    difference = np.zeros((len(present), centers.shape[1]))
    np.add.at(difference, which, centers[present][which] - x)
    count = np.bincount(which, minlength=len(present))[:, None]
    centers[present] -= (alpha * difference / (1 + count)).astype(centers.dtype)
    return centers
