"""Triplets found in a batch: distances between all embeddings, the hardest and the semi-hard, and their losses."""
from __future__ import annotations

from typing import Any

import numpy as np

from ..._kernels import kernels
from ...autograd import Function, Shape
from ..contracts import require_elements
from .arguments import as_tensor, require_at_least, require_finite
from .reduction import gradient_of_each, quotient, require_reduction


class DistanceMatrix(Function, op="distance_matrix"):
    """|x_i - x_j| for all i and j."""

    inputs = ("embeddings",)

    def shapes(self, x):
        """(N, D) to (N, N)."""
        if len(x) != 2:
            raise ValueError(f"distance_matrix: embeddings must be (N, D), got the shape {x}")
        require_elements("distance_matrix", "embeddings", x)
        return (x[0], x[0])

    def forward(self, x):
        d = self.empty(x.dtype)
        kernels(x.dtype, "losses").distance_matrix_forward(x, d)
        self.save(x=x, d=d)
        return d

    def backward(self, gy):
        gx = np.empty_like(self.saved.x)
        kernels(gy.dtype, "losses").distance_matrix_backward(self.saved.x, self.saved.d, gy, gx)
        return gx


class MinedTriplets(Function):
    """What losses share that choose triplets from distances (N, N) by labels (N,)."""

    inputs = ("distances", "labels")
    indices = ("labels",)
    reduction: str
    margin: float

    def shapes(self, d, labels):
        """() where the losses are reduced, else (N,)."""
        _require_labels(self.op, d, labels)
        return d[:1] if self.reduction == "none" else ()

    def reduced(self, losses):
        """The sum or the mean over triplets; 0 where there is none."""
        self.saved.divided_by = max(1, len(losses)) if self.reduction == "mean" else 1
        return quotient(losses.sum(dtype=np.float64), self.saved.divided_by, losses.dtype)


class BatchHardTriplet(MinedTriplets, op="batch_hard_triplet_loss"):
    """For each anchor, of its farthest positive and its nearest negative."""

    attributes = ("reduction", "margin", "soft_margin")
    soft_margin: bool

    def forward(self, d, labels):
        anchor, positive, negative = _hardest(self.op, d, labels)
        excess = d[anchor, positive] - d[anchor, negative]
        if self.soft_margin:  # log(1 + e^excess), whose derivative is a sigmoid
            losses, slope = np.logaddexp(excess, 0), (1 + np.tanh(excess / 2)) / 2
        else:
            excess = excess + d.dtype.type(self.margin)
            losses, slope = np.maximum(excess, 0), (excess >= 0).astype(d.dtype)
        self.save(triplets=(anchor, positive, negative), slope=slope, rows=len(d), divided_by=1)
        if self.reduction != "none":
            return self.reduced(losses)
        each = np.zeros(len(d), d.dtype)
        each[anchor] = losses
        return each

    def backward(self, gy):
        anchor, positive, negative = self.saved.triplets
        g = gradient_of_each(gy, self.saved.divided_by)
        g = self.saved.slope * (g[anchor] if self.reduction == "none" else g)
        gd = np.zeros((self.saved.rows, self.saved.rows), gy.dtype)
        gd[anchor, positive] = g
        gd[anchor, negative] = -g
        return gd, None


class SemiHardTriplet(MinedTriplets, op="semi_hard_triplet_loss"):
    """For each anchor and positive, of the nearest negative beyond the positive, within the margin, in squares."""

    attributes = ("reduction", "margin")

    def forward(self, d, labels):
        anchor, positive, negative = triplets = _semi_hard(self.op, d, labels, self.margin)
        near, far = d[anchor, positive], d[anchor, negative]
        self.save(triplets=triplets, near=near, far=far, rows=len(d))
        return self.reduced(near * near - far * far + d.dtype.type(self.margin))

    def backward(self, gy):
        anchor, positive, negative = self.saved.triplets
        g = 2 * gradient_of_each(gy, self.saved.divided_by)
        gd = np.zeros((self.saved.rows, self.saved.rows), gy.dtype)
        gd[anchor, positive] = g * self.saved.near
        np.subtract.at(gd, (anchor, negative), g * self.saved.far)  # one negative may serve several positives
        return gd, None


def _integers(op: str, labels: np.ndarray) -> np.ndarray:
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{op}: labels must be integers, got {labels.dtype}")
    return np.ascontiguousarray(labels, np.int64)


def _hardest(op: str, d: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    positive, negative = np.empty(len(d), np.int64), np.empty(len(d), np.int64)
    kernels(d.dtype, "losses").hardest_triplets(d, _integers(op, labels), positive, negative)
    anchor = np.flatnonzero((positive >= 0) & (negative >= 0))
    return anchor, positive[anchor], negative[anchor]


def _semi_hard(op: str, d: np.ndarray, labels: np.ndarray,
               margin: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    negative = np.empty(d.shape, np.int64)
    kernels(d.dtype, "losses").semi_hard_triplets(d, _integers(op, labels), margin, negative)
    anchor, positive = np.nonzero(negative >= 0)
    return anchor, positive, negative[anchor, positive]


def distance_matrix(embeddings: Any):
    """Euclidean distances between all rows of embeddings (N, D): (N, N), symmetric, 0 on the diagonal.

    Summed over differences, so that close rows keep their distance's digits.  The gradient of a distance of 0 is 0.

    >>> import numpy as np
    >>> distance_matrix(np.array([[0.0, 0.0], [3.0, 4.0]])).tolist()
    [[0.0, 5.0], [5.0, 0.0]]
    """
    return DistanceMatrix.apply(embeddings)


def batch_hard_triplets(embeddings: Any, labels: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Anchor, positive and negative of each triplet that `batch_hard_triplet_loss` compares: three vectors of rows.

    >>> import numpy as np
    >>> x = np.array([[0.0], [1.0], [2.0], [9.0]])
    >>> [rows.tolist() for rows in batch_hard_triplets(x, np.array([7, 7, 5, 7]))]
    [[0, 1, 3], [3, 3, 0], [2, 2, 2]]
    """
    return _hardest("batch_hard_triplets", *_plain("batch_hard_triplets", embeddings, labels))


def semi_hard_triplets(embeddings: Any, labels: Any,
                       margin: float = 0.2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Anchor, positive and negative of each triplet that `semi_hard_triplet_loss` compares: three vectors of rows."""
    return _semi_hard("semi_hard_triplets", *_plain("semi_hard_triplets", embeddings, labels), margin)


def _plain(op: str, embeddings: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Distances and labels, off the tape."""
    d, labels = DistanceMatrix.apply(as_tensor(embeddings).detach()).numpy(), as_tensor(labels).numpy()
    _require_labels(op, d.shape, labels.shape)
    return d, labels


def _require_labels(op: str, d: Shape, labels: Shape) -> None:
    if labels != d[:1]:
        raise ValueError(f"{op}: labels have shape {labels}, expected {d[:1]}, one for each embedding")


def batch_hard_triplet_loss(embeddings: Any, labels: Any, margin: float = 0.2, soft_margin: bool = False,
                            reduction: str = "mean"):
    """max(0, margin + d(a, p) - d(a, n)) for each anchor a, its farthest positive p and its nearest negative n.

    embeddings: (N, D); labels: integers (N,): rows of equal labels are each other's positives.  soft_margin:
    log(1 + e^(d(a, p) - d(a, n))) instead, without a margin.  Of equally distant rows the first is taken.  reduction:
    "mean" over the anchors that have both a positive and a negative, "sum", or "none" for (N,), 0 for other anchors.
    Where there is no triplet, the loss and its gradient are 0.  The gradient of a distance of 0 is 0.

    Hermans, Beyer and Leibe, "In defense of the triplet loss for person re-identification", 2017, equation 5.

    >>> import numpy as np
    >>> x = np.array([[0.0], [1.0], [3.0], [3.5]])
    >>> batch_hard_triplet_loss(x, np.array([0, 0, 1, 1]), margin=1.5, reduction="none").tolist()
    [0.0, 0.5, 0.0, 0.0]
    """
    require_reduction("batch_hard_triplet_loss", reduction)
    margin = require_finite("batch_hard_triplet_loss", "margin", margin)
    return BatchHardTriplet.apply(DistanceMatrix.apply(embeddings), labels, reduction=reduction, margin=margin,
                                  soft_margin=bool(soft_margin))


def semi_hard_triplet_loss(embeddings: Any, labels: Any, margin: float = 0.2, reduction: str = "mean"):
    """d(a, p)^2 - d(a, n)^2 + margin for all pairs of anchor a and positive p, and the semi-hard negative n of each.

    n is the nearest row of another label that lies beyond p, d(a, p) < d(a, n), and within the margin,
    d(a, n)^2 < d(a, p)^2 + margin; pairs without one do not count.  embeddings: (N, D), of length 1 in the paper;
    labels: integers (N,).  reduction: "mean" over the triplets, or "sum".  Where there is no triplet, the loss and its
    gradient are 0.

    Schroff, Kalenichenko and Philbin, "FaceNet: a unified embedding for face recognition and clustering", CVPR 2015,
    section 3.2.

    >>> import numpy as np
    >>> x = np.array([[0.0], [1.0], [1.1], [9.0]])
    >>> round(semi_hard_triplet_loss(x, np.array([0, 0, 1, 1]), margin=0.5).item(), 4)  # 1 - 1.21 + 0.5
    0.29
    """
    require_reduction("semi_hard_triplet_loss", reduction, ("mean", "sum"))
    return SemiHardTriplet.apply(DistanceMatrix.apply(embeddings), labels, reduction=reduction,
                                 margin=require_at_least("semi_hard_triplet_loss", "margin", margin, 0, open_end=True))
