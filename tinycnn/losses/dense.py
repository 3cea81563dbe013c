"""Losses of detectors that say something of each place of a pyramid: RetinaNet's, and FCOS's, which is ATSS's too.

Their targets are dense, of fixed shape, one for each place; what matches truths to places fills them:

    labels  (N, P)     integers: the class of the truth, C for background, -1 for neither (no loss at all)
    boxes   (N, P, 4)  where a place has a truth: what is compared with the network's; elsewhere anything at all

There is no loss of boxes and of centre-ness where no place has a truth; classes are learned there, too.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops as F
from ..nn import Module
from ..tensor import Tensor
from .terms import bce_with_logits, one_hot, require_batch, require_labels, require_shape, require_type, tensors

BOX_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": lambda pred, target: F.l1_loss(pred, target, "none").sum(-1),
    "iou": lambda pred, target: F.iou_loss(pred, target, logarithmic=True),
    "giou": F.generalized_box_iou_loss,
}
LEAST = 1e-6  # what a sum of weights counts as where there are none


class RetinaNetLoss(Module):
    """Focal loss of all places; the distance of those that have a truth.

    logits (N, P, C), boxes (N, P, 4), labels (N, P), targets (N, P, 4) as above
    -> {"classification", "bbox_regression"}: each image's over the number of its places with a truth (at least 1), the
    mean of the images, as torchvision has it.

    box_loss: "l1" of boxes and targets in code (torchvision's; the paper: smooth L1), "giou" or "iou" of both in
    pixels.  alpha, gamma: `functional.sigmoid_focal_loss`.  Raises ValueError for another box_loss, shapes that do not
    fit, an empty batch, or labels beyond [-1, C].

    Lin et al., "Focal loss for dense object detection", ICCV 2017, section 4.

    >>> import numpy as np
    >>> loss = RetinaNetLoss()(np.zeros((1, 4, 2)), np.ones((1, 4, 4)), np.array([[1, 2, -1, 2]]), np.zeros((1, 4, 4)))
    >>> {name: round(term.item(), 4) for name, term in loss.items()}  # (1/4 + 5 * 3/4) log(2) / 4; 4 times 1
    {'classification': 0.6931, 'bbox_regression': 4.0}
    """

    shown = ("box_loss", "alpha", "gamma")

    def __init__(self, box_loss: str = "l1", alpha: float = 0.25, gamma: float = 2.0) -> None:
        _require_box_loss("RetinaNetLoss", box_loss)
        self.box_loss, self.alpha, self.gamma = box_loss, alpha, gamma

    def forward(self, logits: Any, boxes: Any, labels: Any, targets: Any) -> dict[str, Tensor]:
        logits, boxes, labels, targets = tensors(logits, boxes, labels, targets)
        _check("RetinaNetLoss", logits, labels, boxes=boxes, targets=targets)
        mask = with_truth(labels, logits)
        count = mask.sum(1).clip(1)
        focal = focal_of_places(logits, labels, self.alpha, self.gamma)
        distances = of_pairs(self.box_loss, boxes, targets, mask)
        return {"classification": (focal.sum(1) / count).mean(), "bbox_regression": (distances.sum(1) / count).mean()}


class FCOSLoss(Module):
    """Focal loss of all places; how boxes overlap, and centre-ness, of those that have a truth.

    logits (N, P, C), boxes (N, P, 4) in pixels, centerness (N, P) logits, labels (N, P), targets (N, P, 4) in pixels,
    quality (N, P), the truth's centre-ness -> {"classification", "bbox_regression", "bbox_ctrness"}: all over the
    number of places in the batch that have a truth, at least 1.

    box_loss: "giou", or "iou" for -ln IoU (FCOS, first version).  weigh_boxes: the loss of boxes is the mean by the
    truth's centre-ness (the authors' code of FCOS and of ATSS).  box_weight: of the loss of boxes.  alpha, gamma:
    `functional.sigmoid_focal_loss`.  Raises ValueError as `RetinaNetLoss`.

    Tian et al., "FCOS: fully convolutional one-stage object detection", ICCV 2019, equations 2 and 3.

    >>> import numpy as np
    >>> box = np.array([[[0.0, 0.0, 8.0, 8.0]] * 2])
    >>> loss = FCOSLoss()(np.zeros((1, 2, 1)), box, np.zeros((1, 2)), np.array([[0, 1]]), box, np.ones((1, 2)))
    >>> {name: round(term.item(), 4) for name, term in loss.items()}  # (1/4 + 3/4) log(2) / 4; the same box; log 2
    {'classification': 0.1733, 'bbox_regression': 0.0, 'bbox_ctrness': 0.6931}
    """

    shown = ("box_loss", "weigh_boxes", "box_weight", "alpha", "gamma")

    def __init__(self, box_loss: str = "giou", weigh_boxes: bool = False, box_weight: float = 1.0, alpha: float = 0.25,
                 gamma: float = 2.0) -> None:
        _require_box_loss("FCOSLoss", box_loss)
        self.box_loss, self.weigh_boxes, self.box_weight = box_loss, weigh_boxes, box_weight
        self.alpha, self.gamma = alpha, gamma

    def forward(self, logits: Any, boxes: Any, centerness: Any, labels: Any, targets: Any,
                quality: Any) -> dict[str, Tensor]:
        logits, boxes, centerness, labels, targets, quality = tensors(logits, boxes, centerness, labels, targets,
                                                                      quality)
        _check("FCOSLoss", logits, labels, boxes=boxes, targets=targets)
        for name, array in (("centerness", centerness), ("quality", quality)):
            require_shape("FCOSLoss", name, array, logits.shape[:2], f"logits of shape {logits.shape}")
        mask = with_truth(labels, logits)
        count = mask.sum().clip(1)
        weights = mask * quality if self.weigh_boxes else mask
        total = weights.sum().clip(LEAST) if self.weigh_boxes else count
        overlaps = of_pairs(self.box_loss, boxes, targets, mask) * weights
        return {"classification": focal_of_places(logits, labels, self.alpha, self.gamma).sum() / count,
                "bbox_regression": overlaps.sum() * self.box_weight / total,
                "bbox_ctrness": (bce_with_logits(centerness, quality) * mask).sum() / count}


def with_truth(labels: Tensor, logits: Tensor) -> Tensor:
    """1 where a place has a truth, 0 elsewhere: (N, P)."""
    return (labels >= 0).astype(logits.dtype) * (labels < logits.shape[2]).astype(logits.dtype)


def focal_of_places(logits: Tensor, labels: Tensor, alpha: float, gamma: float) -> Tensor:
    """Focal loss (N, P), the sum over classes; 0 where a place does not count."""
    losses = F.sigmoid_focal_loss(logits, one_hot(labels, logits), alpha, gamma).sum(2)
    return losses * (labels >= 0).astype(logits.dtype)


def of_pairs(kind: str, boxes: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """A loss of boxes (N, P), 0 where the mask is, whatever stands there in both."""
    there, nothing = mask.unsqueeze(2) > 0, np.zeros((), boxes.dtype)
    return BOX_LOSSES[kind](F.where(there, boxes, nothing), F.where(there, targets, nothing)) * mask


def _require_box_loss(loss: str, box_loss: str) -> None:
    if box_loss not in BOX_LOSSES:
        raise ValueError(f"{loss}: box_loss must be one of {', '.join(BOX_LOSSES)}, got {box_loss!r}")


def _check(loss: str, logits: Tensor, labels: Tensor, **boxes: Tensor) -> None:
    if logits.ndim != 3:
        raise ValueError(f"{loss}: logits must be (N, P, C), got the shape {logits.shape}")
    require_batch(loss, "logits", logits)
    n, p, classes = logits.shape
    of = f"logits of shape {logits.shape}"
    for name, array in boxes.items():
        require_shape(loss, name, array, (n, p, 4), of)
        require_type(loss, name, array, logits)
    require_shape(loss, "labels", labels, (n, p), of)
    require_labels(loss, labels, -1, classes + 1)
