"""Center loss, which owns the centres."""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops as F
from ..nn import Module
from ..tensor import Tensor


class CenterLoss(Module):
    """|input - c|^2 / 2 for the centre c of each feature's class; in training, the centres then follow the features.

    num_classes, feat_dim: extents of the buffer `centers`, zeros at first.  alpha: how far they follow; 0 holds them.
    reduction: "mean", "sum" as in the paper, or "none".  It is added to another loss, times a small number.

    As batch normalisation's averages, the centres move in `forward` while the module is in training mode (it is until
    `eval`), after the loss has been computed from them, by `functional.center_update`.  No gradient moves them, and a
    batch whose loss is not finite does not.  Errors are those of `functional.center_loss`.

    Wen et al., "A discriminative feature learning approach for deep face recognition", ECCV 2016, equations 2 and 4.

    >>> loss = CenterLoss(2, 1, alpha=1.0)
    >>> loss(np.array([[4.0]], "f"), np.array([1])).item(), loss.centers.tolist()
    (8.0, [[0.0], [2.0]])
    """

    centers: Tensor
    shown = ("num_classes", "feat_dim", "alpha", "reduction")

    def __init__(self, num_classes: int, feat_dim: int, alpha: float = 0.5, reduction: str = "mean") -> None:
        if num_classes < 1 or feat_dim < 1:
            raise ValueError(f"CenterLoss: num_classes and feat_dim must be >= 1, got {num_classes} and {feat_dim}")
        if not 0 <= alpha <= 1:
            raise ValueError(f"CenterLoss: alpha must be within [0, 1], got {alpha!r}")
        self.num_classes, self.feat_dim, self.alpha, self.reduction = num_classes, feat_dim, alpha, reduction
        self.register_buffer("centers", np.zeros((num_classes, feat_dim), np.float32))

    def forward(self, input: Any, target: Any) -> Any:
        """The loss; in training mode the centres move after it."""
        loss = F.center_loss(input, target, self.centers, self.reduction)
        if self.training and np.isfinite(loss.numpy()).all():
            self.centers.data[...] = F.center_update(input, target, self.centers, self.alpha)
        return loss
