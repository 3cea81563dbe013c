"""Losses of sequences."""
from __future__ import annotations

from typing import Any

from .. import ops as F
from ..nn import Module


class CTCLoss(Module):
    """-log p(targets | log_probs): log_probs (T, N, C), targets (N, S) or (sum of lengths,), lengths (N,) and (N,).

    blank: the class between labels.  reduction: "mean" (of the losses per label), "sum" or "none".  zero_infinity: a
    target that its frames cannot hold counts 0, not infinity.  Details and errors: `functional.ctc_loss`.

    >>> import numpy as np
    >>> even = np.log(np.full((2, 1, 2), 0.5, np.float32))
    >>> round(CTCLoss()(even, np.array([[1]]), (2,), (1,)).item(), 4)
    0.2877
    """

    shown = ("blank", "reduction", "zero_infinity")

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        self.blank, self.reduction, self.zero_infinity = blank, reduction, zero_infinity

    def forward(self, log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any) -> Any:
        return F.ctc_loss(log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction,
                          self.zero_infinity)
