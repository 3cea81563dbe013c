"""What criteria choose by what the network says: masks of fixed shape, without gradients."""
from __future__ import annotations

import numpy as np

from ...autograd import Function, no_grad
from ..contracts import require_elements


class HardNegatives(Function, op="hard_negatives"):
    """1 at the negatives of the largest loss, `neg_pos_ratio` for each positive; row by row."""

    inputs = ("losses", "labels")
    indices = ("labels",)
    attributes = ("neg_pos_ratio",)
    neg_pos_ratio: float

    def shapes(self, losses, labels):
        """The shape of losses, (N, A)."""
        if len(losses) != 2:
            raise ValueError(f"hard_negatives: losses must be (N, A), got the shape {losses}")
        require_elements("hard_negatives", "losses", losses)
        if labels != losses:
            raise ValueError(f"hard_negatives: labels has shape {labels}, expected {losses}, that of losses")
        return losses

    def forward(self, losses, labels):
        mask = np.zeros_like(losses)
        for row, label, chosen in zip(losses, labels, mask, strict=True):
            count = int(self.neg_pos_ratio * np.count_nonzero(label > 0))
            negatives = np.flatnonzero(label == 0)
            chosen[negatives[_largest(row[negatives], count)]] = 1
        return mask

    def backward(self, gy):
        return None, None


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Places of the `count` largest values (all, where there are fewer); the first ones of those that are equal."""
    if count >= len(values):
        return np.arange(len(values))
    if count == 0:
        return np.arange(0)
    values = np.where(np.isnan(values), np.inf, values)
    least = np.partition(values, -count)[-count]
    above = np.flatnonzero(values > least)
    return np.concatenate([above, np.flatnonzero(values == least)[:count - len(above)]])


def hard_negatives(losses, labels, neg_pos_ratio: float = 3):
    """Which negatives count: 1 at the hardest, 0 elsewhere, for losses and integer labels (N, A); no gradient.

    labels: above 0 a positive, 0 a negative, below 0 neither.  Of each row the negatives with the largest losses are
    taken, at most `neg_pos_ratio` for each positive; of equal losses the first; a NaN counts as the largest.
    Liu et al., "SSD", ECCV 2016, section 2.2.

    >>> hard_negatives(np.array([[9.0, 1.0, 3.0, 2.0]]), np.array([[1, 0, 0, 0]]), 2).tolist()
    [[0.0, 0.0, 1.0, 1.0]]
    """
    if not neg_pos_ratio >= 0:
        raise ValueError(f"hard_negatives: neg_pos_ratio must be at least 0, got {neg_pos_ratio!r}")
    with no_grad():
        return HardNegatives.apply(losses, labels, neg_pos_ratio=float(neg_pos_ratio))


class OneHotMax(Function, op="one_hot_max"):
    """1 at the first largest element along the last axis, 0 elsewhere."""

    def shapes(self, x):
        """The shape of x."""
        if not x:
            raise ValueError("one_hot_max: x must have an axis, got a single number")
        require_elements("one_hot_max", "x", x)
        return x

    def forward(self, x):
        mask = np.zeros_like(x)
        largest = np.where(np.isnan(x), -np.inf, x).argmax(-1)
        np.put_along_axis(mask, largest[..., None], 1, -1)
        return mask

    def backward(self, gy):
        return None


def one_hot_max(x):
    """1 where the largest element along the last axis stands (the first, where several are equal), 0 elsewhere.

    No gradient; a NaN is never the largest.

    >>> one_hot_max(np.array([[0.2, 0.5, 0.5], [3.0, 1.0, 2.0]])).tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    with no_grad():
        return OneHotMax.apply(x)
