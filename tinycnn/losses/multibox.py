"""SSD's loss over default boxes (Liu et al., "SSD: Single shot multibox detector", ECCV 2016, equations 1 to 3).

Its targets are dense, of fixed shape, one for each default box; what matches truths to default boxes fills them:

    labels (N, A)     integers: 0 background, 1 .. C - 1 the class of the truth matched, -1 neither (no loss at all)
    boxes  (N, A, 4)  where labels > 0: the truth matched, encoded as the offsets are; elsewhere anything at all
"""
from __future__ import annotations

from typing import Any

from .. import ops as F
from ..nn import Module
from ..tensor import Tensor
from .terms import require_batch, require_labels, require_shape, require_type, smooth_l1, tensors


class MultiBoxLoss(Module):
    """Cross-entropy of positives and of the hardest negatives; smooth L1 of the positives' offsets.

    scores (N, A, C) logits, offsets (N, A, 4), labels (N, A), boxes (N, A, 4) as above
    -> {"classification", "localization"}: both over the number of positives in the batch, 0 where there is none.

    neg_pos_ratio: negatives that count for each positive, image by image, those of the largest cross-entropy (of equal
    ones the first).  alpha: weight of the localization.  The paper's loss is the sum of the two.  Raises ValueError for
    shapes that do not fit, an empty batch, or labels beyond [-1, C).

    >>> import numpy as np
    >>> loss = MultiBoxLoss()(np.zeros((1, 8, 3)), np.ones((1, 8, 4)), np.array([[2] + [0]*7]), np.zeros((1, 8, 4)))
    >>> {name: round(term.item(), 4) for name, term in loss.items()}  # 4 log 3 (1 positive, 3 negatives); 4 times 1/2
    {'classification': 4.3944, 'localization': 2.0}
    """

    shown = ("neg_pos_ratio", "alpha")

    def __init__(self, neg_pos_ratio: float = 3.0, alpha: float = 1.0) -> None:
        self.neg_pos_ratio, self.alpha = neg_pos_ratio, alpha

    def forward(self, scores: Any, offsets: Any, labels: Any, boxes: Any) -> dict[str, Tensor]:
        scores, offsets, labels, boxes = tensors(scores, offsets, labels, boxes)
        _check(scores, offsets, labels, boxes)
        positive = labels > 0
        mask = positive.astype(scores.dtype)
        count = mask.sum().clip(1)
        return {"classification": (self._entropies(scores, labels, mask)).sum() / count,
                "localization": (_distances(offsets, boxes, positive) * self.alpha).sum() / count}

    def _entropies(self, scores: Tensor, labels: Tensor, positive: Tensor) -> Tensor:
        """Cross-entropy (N, A) of positives and hard negatives, 0 elsewhere."""
        classes = scores.shape[2]
        losses = F.cross_entropy(scores.reshape(-1, classes), labels.clip(0).reshape(-1), reduction="none")
        losses = losses.reshape(labels.shape)
        return losses * (positive + F.hard_negatives(losses, labels, self.neg_pos_ratio))


def _distances(offsets: Tensor, boxes: Tensor, positive: Tensor) -> Tensor:
    """Smooth L1 (N, A, 4) of positives, 0 elsewhere, whatever stands there in `boxes`."""
    there = positive.unsqueeze(2)
    return smooth_l1(offsets, F.where(there, boxes, offsets.detach()))


def _check(scores: Tensor, offsets: Tensor, labels: Tensor, boxes: Tensor) -> None:
    if scores.ndim != 3:
        raise ValueError(f"MultiBoxLoss: scores must be (N, A, C), got the shape {scores.shape}")
    require_batch("MultiBoxLoss", "scores", scores)
    n, a, classes = scores.shape
    of = f"scores of shape {scores.shape}"
    require_shape("MultiBoxLoss", "offsets", offsets, (n, a, 4), of)
    require_shape("MultiBoxLoss", "labels", labels, (n, a), of)
    require_shape("MultiBoxLoss", "boxes", boxes, (n, a, 4), of)
    require_type("MultiBoxLoss", "offsets", offsets, scores)
    require_type("MultiBoxLoss", "boxes", boxes, scores)
    require_labels("MultiBoxLoss", labels, -1, classes)
