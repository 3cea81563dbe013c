"""How far one distribution is from another."""
from __future__ import annotations

from typing import Any

from .elementwise import PairLoss
from .reduction import REDUCTIONS, require_reduction


class KLDiv(PairLoss, op="kl_div"):
    """target (log target - input)."""

    attributes = ("reduction", "log_target")
    log_target: bool

    @property
    def kind(self):  # type: ignore[override]
        """Told by whether targets are logarithms too."""
        return "kl_log" if self.log_target else "kl"


def kl_div(input: Any, target: Any, reduction: str = "mean", log_target: bool = False):
    """target (log target - input), where input holds logarithms of probabilities: the Kullback-Leibler divergence.

    input, target: of one shape.  log_target: target holds logarithms too, and the loss is e^target (target - input).
    Where a probability in target is 0, so is the loss, and its gradient for target.  reduction: "batchmean", the sum
    over the first extent, which is what the divergence is; "mean", over all elements, "sum" or "none".  The gradient
    for input is -target.  Kullback and Leibler, "On information and sufficiency", 1951.

    >>> import numpy as np
    >>> log_p = np.log(np.array([[0.25, 0.75]]))
    >>> round(kl_div(log_p, np.array([[0.5, 0.5]]), reduction="batchmean").item(), 4)
    0.1438
    """
    require_reduction("kl_div", reduction, ("batchmean", *REDUCTIONS))
    return KLDiv.apply(input, target, reduction=reduction, log_target=bool(log_target))
