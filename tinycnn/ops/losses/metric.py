"""Losses that pull embeddings together or apart: pairs, triplets, rankings."""
from __future__ import annotations

from typing import Any

import numpy as np

from ..._kernels import kernels
from ...autograd import Function
from ..contracts import require_elements
from .arguments import as_tensor, require_at_least, require_finite
from .binary import Hinge, signs
from .reduction import divisor, gradient_of_each, reduce, require_reduction


class RowLoss(Function):
    """What losses share of rows of embeddings (N, D): one loss for each row, from distances between rows."""

    reduction: str

    def shapes(self, first, *others):
        """() where the losses are reduced, else (N,)."""
        if len(first) != 2:
            raise ValueError(f"{self.op}: {self.inputs[0]} must be (N, D), got the shape {first}")
        require_elements(self.op, self.inputs[0], first)
        for name, shape in zip(self.inputs[1:], others):
            expected = first[:1] if name in self.indices else first
            if shape != expected:
                raise ValueError(f"{self.op}: {name} has shape {shape}, expected {expected} as {self.inputs[0]} has "
                                 f"{first}")
        return first[:1] if self.reduction == "none" else ()

    def each(self, gy, rows):
        """The gradient of each row's loss."""
        return gradient_of_each(gy, divisor(self.reduction, (rows,)))


def _distances(x1: np.ndarray, x2: np.ndarray, p: float = 2.0, eps: float = 0.0) -> np.ndarray:
    """|x1 - x2 + eps|_p, row by row."""
    d = np.empty(len(x1), x1.dtype)
    kernels(x1.dtype, "losses").row_distance_forward(x1, x2, p, eps, d)
    return d


def _slope(x1, x2, d, g, p=2.0, eps=0.0):
    """g times the gradient of `_distances` by x1."""
    gx = np.empty_like(x1)
    kernels(x1.dtype, "losses").row_distance_backward(x1, x2, d, p, eps, g, gx)
    return gx


class Contrastive(RowLoss, op="contrastive_loss"):
    """d^2 / 2 of a pair that is the same, max(0, margin - d)^2 / 2 of one that is not."""

    inputs = ("x1", "x2", "label")
    attributes = ("reduction", "margin")
    indices = ("label",)
    margin: float

    def forward(self, x1, x2, label):
        """label: 0 the same, 1 different."""
        if not np.isin(label, (0, 1)).all():
            raise ValueError("contrastive_loss: label must be 0 (the same) or 1 (different), got "
                             f"{label[~np.isin(label, (0, 1))][0]}")
        d = _distances(x1, x2)
        gap = np.where(label == 0, d, np.maximum(x1.dtype.type(self.margin) - d, 0))
        self.save(x1=x1, x2=x2, d=d, slope=np.where(label == 0, gap, -gap))
        return reduce(gap * gap / 2, self.reduction)

    def backward(self, gy):
        saved = self.saved
        gx = _slope(saved.x1, saved.x2, saved.d, saved.slope * self.each(gy, len(saved.d)))
        return gx, -gx, None


class TripletMargin(RowLoss, op="triplet_margin_loss"):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), of distances or of their squares."""

    inputs = ("anchor", "positive", "negative")
    attributes = ("reduction", "margin", "p", "eps", "swap", "squared")
    margin: float
    p: float
    eps: float
    swap: bool
    squared: bool

    def forward(self, anchor, positive, negative):
        """With swap, d(positive, negative) stands for d(anchor, negative) where it is smaller."""
        near = _distances(anchor, positive, self.p, self.eps)
        far, swapped = _distances(anchor, negative, self.p, self.eps), None
        if self.swap:
            other = _distances(positive, negative, self.p, self.eps)
            far, swapped = np.minimum(far, other), other < far
        excess = (near * near - far * far if self.squared else near - far) + near.dtype.type(self.margin)
        self.save(anchor=anchor, positive=positive, negative=negative, near=near, far=far, active=excess >= 0,
                  swapped=swapped)
        return reduce(np.maximum(excess, 0), self.reduction)

    def backward(self, gy):
        """The anchor is pulled to the positive, the negative pushed away from it, or, swapped, from the positive."""
        saved = self.saved
        g = saved.active * self.each(gy, len(saved.near))
        pull, push = (2 * g * saved.near, -2 * g * saved.far) if self.squared else (g, -g)
        near = self._slope(saved.anchor, saved.positive, saved.near, pull)
        kept = push if saved.swapped is None else push * ~saved.swapped
        far = self._slope(saved.anchor, saved.negative, saved.far, kept)
        if saved.swapped is None:
            return near + far, -near, -far
        swapped = self._slope(saved.positive, saved.negative, saved.far, push * saved.swapped)
        return near + far, swapped - near, -far - swapped

    def _slope(self, x1, x2, d, g):
        return _slope(x1, x2, d, g, self.p, self.eps)


def contrastive_loss(x1: Any, x2: Any, label: Any, margin: float = 1.0, reduction: str = "mean"):
    """Pairs of embeddings: d^2 / 2 where label is 0, max(0, margin - d)^2 / 2 where it is 1, d their distance.

    x1, x2: (N, D).  label: integers (N,), 0 for a pair that is the SAME, 1 for one that is DIFFERENT, as the paper has
    it.  reduction: "mean", "sum" or "none" for (N,).  The gradient of x1 is x1 - x2, or -(margin - d)(x1 - x2) / d
    within the margin; where d is 0 there is no direction to part in, and it is 0.  Raises ValueError for another label
    or a shape that misfits.

    Hadsell, Chopra and LeCun, "Dimensionality reduction by learning an invariant mapping", CVPR 2006, equation 4.

    >>> import numpy as np
    >>> x = np.array([[0.0, 0.0], [0.0, 0.0]])
    >>> contrastive_loss(x, np.array([[3.0, 4.0], [0.0, 0.5]]), np.array([0, 1]), reduction="none").tolist()
    [12.5, 0.125]
    """
    require_reduction("contrastive_loss", reduction)
    return Contrastive.apply(x1, x2, label, reduction=reduction,
                             margin=require_at_least("contrastive_loss", "margin", margin, 0))


def triplet_margin_loss(anchor: Any, positive: Any, negative: Any, margin: float = 1.0, p: float = 2.0,
                        eps: float = 1e-6, swap: bool = False, reduction: str = "mean"):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), where d(x, y) = |x - y + eps|_p.

    anchor, positive, negative: embeddings (N, D).  p: a finite number >= 1.  swap: take d(positive, negative) for
    d(anchor, negative) where it is smaller.  reduction: "mean", "sum" or "none" for (N,).  Raises ValueError naming the
    argument whose shape differs.

    Balntas et al., "Learning shallow convolutional feature descriptors with triplet losses", BMVC 2016 (swap).

    >>> import numpy as np
    >>> a, p, n = np.zeros((1, 2)), np.array([[3.0, 4.0]]), np.array([[0.0, 2.0]])
    >>> round(triplet_margin_loss(a, p, n).item(), 4)  # 5 - 2 + 1
    4.0
    """
    require_reduction("triplet_margin_loss", reduction)
    return TripletMargin.apply(anchor, positive, negative, reduction=reduction, squared=False, swap=bool(swap),
                               margin=require_finite("triplet_margin_loss", "margin", margin),
                               p=require_at_least("triplet_margin_loss", "p", p, 1),
                               eps=require_finite("triplet_margin_loss", "eps", eps))


def squared_triplet_loss(anchor: Any, positive: Any, negative: Any, margin: float = 0.2, reduction: str = "mean"):
    """max(0, |anchor - positive|^2 - |anchor - negative|^2 + margin), of embeddings (N, D): FaceNet's triplet loss.

    The paper's embeddings have length 1.  reduction: "mean", "sum" or "none" for (N,).  Schroff, Kalenichenko and
    Philbin, "FaceNet: a unified embedding for face recognition and clustering", CVPR 2015, equation 3.

    >>> import numpy as np
    >>> a, p, n = np.zeros((1, 2)), np.array([[3.0, 4.0]]), np.array([[0.0, 2.0]])
    >>> round(squared_triplet_loss(a, p, n, margin=1.0).item(), 4)  # 25 - 4 + 1
    22.0
    """
    require_reduction("squared_triplet_loss", reduction)
    margin = require_finite("squared_triplet_loss", "margin", margin)
    return TripletMargin.apply(anchor, positive, negative, reduction=reduction, margin=margin, swap=False, p=2.0,
                               eps=0.0, squared=True)


def margin_ranking_loss(input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean"):
    """max(0, margin - target (input1 - input2)): target 1 wants input1 the larger, -1 input2; arrays of one shape.

    It is the `hinge_loss` of the difference.  reduction: "mean", "sum" or "none".

    >>> import numpy as np
    >>> margin_ranking_loss(np.array([2.0, 0.0]), np.array([0.5, 3.0]), np.array([1.0, 1.0]), reduction="none").tolist()
    [0.0, 3.0]
    """
    require_reduction("margin_ranking_loss", reduction)
    first, second = as_tensor(input1), as_tensor(input2)
    if second.shape != first.shape:
        raise ValueError(f"margin_ranking_loss: input2 has shape {second.shape}, expected input1's, {first.shape}")
    return Hinge.apply(first - second, signs("margin_ranking_loss", target, first.dtype), reduction=reduction,
                       margin=require_finite("margin_ranking_loss", "margin", margin))


class CosineEmbedding(Function, op="cosine_embedding_loss"):
    """1 - cos of alike rows, what cos has above the margin of others; cos = ab / sqrt((aa + eps) (bb + eps))."""

    inputs = ("input1", "input2", "target")
    attributes = ("margin", "reduction")
    margin: float
    reduction: str
    eps = 1e-12

    def shapes(self, first, second, target):
        """(N, D) twice and (N,), to () or (N,)."""
        require_elements(self.op, "input1", first)
        if len(first) != 2 or second != first or target != first[:1]:
            raise ValueError("cosine_embedding_loss: input1 and input2 must be (N, D), target (N,), got the shapes "
                             f"{first}, {second} and {target}")
        return target if self.reduction == "none" else ()

    def forward(self, a, b, target):
        aa, bb, ab = (np.einsum("nd,nd->n", x, y).astype(np.float64) for x, y in ((a, a), (b, b), (a, b)))
        aa, bb = aa + self.eps, bb + self.eps
        cosine = ab / np.sqrt(aa * bb)
        alike = target == 1
        self.save(a=a, b=b, aa=aa, bb=bb, cosine=cosine, slope=np.where(alike, -1.0, cosine >= self.margin))
        losses = np.where(alike, 1 - cosine, np.maximum(cosine - self.margin, 0))
        return reduce(losses.astype(a.dtype), self.reduction)

    def backward(self, gy):
        """The gradient of cos by a: b / sqrt(aa bb) - cos a / aa."""
        z = self.saved
        g = gradient_of_each(gy, divisor(self.reduction, z.cosine.shape)) * z.slope
        across, along_a, along_b = (factor[:, None].astype(gy.dtype) for factor in (
            g / np.sqrt(z.aa * z.bb), g * z.cosine / z.aa, g * z.cosine / z.bb))
        return across * z.b - along_a * z.a, across * z.a - along_b * z.b, None


def cosine_embedding_loss(input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean"):
    """1 - cos where target is 1, max(0, cos - margin) where it is -1; cos is that of the angle between two rows.

    input1, input2: (N, D); target: (N,), each 1 (alike) or -1.  reduction: "mean", "sum" or "none" for (N,).  As in
    torch, 1e-12 is added to the squared lengths: a row of zeros has the cosine 0, and a finite gradient.

    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0], [1.0, 0.0]])
    >>> cosine_embedding_loss(x, np.array([[0.0, 2.0], [3.0, 0.0]]), np.array([1, -1]), reduction="none").tolist()
    [1.0, 0.99999...]
    """
    require_reduction("cosine_embedding_loss", reduction)
    first, second = as_tensor(input1), as_tensor(input2)
    target = signs("cosine_embedding_loss", target, first.dtype)
    margin = require_finite("cosine_embedding_loss", "margin", margin)
    return CosineEmbedding.apply(first, second, target, margin=margin, reduction=reduction)
