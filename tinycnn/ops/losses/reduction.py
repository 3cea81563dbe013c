"""What losses share: from one loss each to what `reduction` asks for, and the gradient's way back."""
from __future__ import annotations

import numpy as np

from ...autograd import Shape

REDUCTIONS = ("mean", "sum", "none")


def require_reduction(op: str, reduction: str) -> None:
    """Refuse a reduction that does not exist."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"{op}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def reduce(losses: np.ndarray, reduction: str) -> np.ndarray:
    """The losses as they are, their sum, or their mean."""
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


def spread(gy: np.ndarray, reduction: str, shape: Shape) -> np.ndarray:
    """The gradient of each loss of `shape`, contiguous, from that of what `reduce` made of them."""
    each = gy / gy.dtype.type(np.prod(shape)) if reduction == "mean" else gy
    return np.ascontiguousarray(np.broadcast_to(each, shape))
