"""What losses share: from one loss each to what `reduction` asks for, and the gradient's way back."""
from __future__ import annotations

import math

import numpy as np

from ...autograd import Shape

REDUCTIONS = ("mean", "sum", "none")


def require_reduction(op: str, reduction: str, allowed: tuple[str, ...] = REDUCTIONS) -> None:
    """Refuse a reduction that does not exist."""
    if reduction not in allowed:
        names = ", ".join(repr(name) for name in allowed[:-1])
        raise ValueError(f"{op}: reduction must be {names} or {allowed[-1]!r}, got {reduction!r}")


def reduce(losses: np.ndarray, reduction: str, divided_by: float | None = None) -> np.ndarray:
    """The losses as they are, their sum, or their mean, which divides by their number unless told by what."""
    if reduction == "none":
        return losses
    if reduction == "sum" or divided_by is None:
        divided_by = divisor(reduction, losses.shape)
    return quotient(losses.sum(dtype=np.float64), divided_by, losses.dtype)


def spread(gy: np.ndarray, reduction: str, shape: Shape) -> np.ndarray:
    """The gradient of each loss of `shape`, contiguous, from that of what `reduce` made of them."""
    each = gy / gy.dtype.type(np.prod(shape)) if reduction == "mean" else gy
    return np.ascontiguousarray(np.broadcast_to(each, shape))


# ---- without an array of all the losses, or of their gradients, where none is asked for
def divisor(reduction: str, shape: Shape) -> int:
    """What the sum of losses of `shape` is divided by: their number, or that of examples."""
    return math.prod(shape) if reduction == "mean" else shape[0] if reduction == "batchmean" else 1


def quotient(total: float, divided_by: float, dtype: np.dtype) -> np.ndarray:
    """A reduced loss; NaN where nothing counts, as 0 / 0 is."""
    return np.asarray(total / divided_by if divided_by else math.nan, dtype)


def gradient_of_each(gy: np.ndarray, divided_by: float) -> np.ndarray:
    """(n,), or (1,) for all: the gradients of losses that were divided; 0 where nothing counts."""
    factor = gy.dtype.type(1 / divided_by if divided_by else 0)
    return (gy if divided_by == 1 else gy * factor).reshape(-1)
