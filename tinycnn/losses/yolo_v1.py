"""The loss of the first YOLO (Redmon et al., "You only look once", CVPR 2016), on an S x S grid, for N images.

Its targets are dense, of fixed shape; what assigns truths to cells fills them:

    labels (N, S, S)     integers: the class of the object whose centre lies in the cell, -1 where there is none
    boxes  (N, S, S, 4)  its x, y within the cell, in [0, 1], and w, h of the image, in (0, 1]; elsewhere anything
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import ops as F
from ..autograd import no_grad
from ..nn import Module
from ..tensor import Tensor
from .terms import (
    corners,
    iou_of_pairs,
    one_hot,
    per_image,
    require_batch,
    require_labels,
    require_shape,
    require_type,
    squared_error,
    tensors,
)

LEAST_SIDE = 1e-4  # of the image: below, the square root is continued by its tangent, of slope 50


class YOLOv1Loss(Module):
    """Sums of squared errors: Redmon et al., "You only look once", CVPR 2016, equation 3.

    pred (N, S, S, B, 5): x, y, w, h, as in the targets above, and the confidence, of B boxes a cell;
    classes (N, S, S, C): class probabilities; labels and boxes: see the module -> a dict of four terms, means over N,
    whose sum is the paper's loss:

        box         lambda_coord times (x - x̂)² + (y - ŷ)² + (√w - √ŵ)² + (√h - √ĥ)² of the responsible boxes
        objectness  (confidence - IoU)² of the responsible boxes
        noobj       lambda_noobj times confidence² of all others
        class       sum over classes of (p - p̂)², in cells with an object

    Responsible is the box with the highest IoU with the cell's truth (the first, where equal).  No gradient flows
    through that choice nor through the IoU.  A linear layer may give w <= 0, where the root has no slope or is none:
    below LEAST_SIDE it continues as its tangent, so w is always drawn upwards, with a finite gradient.
    Raises ValueError for shapes that do not fit, an empty batch, labels beyond [-1, C), TypeError for other types.

    >>> pred, classes = np.full((1, 1, 1, 1, 5), 0.25), np.zeros((1, 1, 1, 2))
    >>> terms = YOLOv1Loss()(pred, classes, np.array([[[1]]]), np.array([[[[0.25, 0.25, 0.25, 0.25]]]]))
    >>> {name: round(term.item(), 4) for name, term in terms.items()}
    {'box': 0.0, 'objectness': 0.5625, 'noobj': 0.0, 'class': 1.0}
    """

    shown = ("lambda_coord", "lambda_noobj")

    def __init__(self, lambda_coord: float = 5.0, lambda_noobj: float = 0.5) -> None:
        self.lambda_coord, self.lambda_noobj = lambda_coord, lambda_noobj

    def forward(self, pred: Any, classes: Any, labels: Any, boxes: Any) -> dict[str, Tensor]:
        pred, classes, labels, boxes = tensors(pred, classes, labels, boxes)
        _check_grid(pred, classes, labels, boxes)
        there = (labels >= 0).astype(pred.dtype)                                        # (N, S, S)
        truth = F.where((labels >= 0).unsqueeze(3), boxes, np.full(boxes.shape, 0.5, pred.dtype)).unsqueeze(3)
        iou = iou_of_pairs(*(self._cells(b, pred.shape) for b in (pred[..., :4], truth)))
        responsible = F.one_hot_max(iou) * there.unsqueeze(3)                           # (N, S, S, B)
        xy = squared_error(pred[..., :2], truth[..., :2])
        wh = squared_error(_root(pred[..., 2:4]), _root(truth[..., 2:4]))
        of_class = squared_error(classes, one_hot(labels, classes))
        terms = {"box": (xy + wh).sum(-1) * responsible * self.lambda_coord,
                 "objectness": squared_error(pred[..., 4], iou) * responsible,
                 "noobj": squared_error(pred[..., 4], 0) * (1 - responsible) * self.lambda_noobj,
                 "class": of_class.sum(-1) * there}
        return per_image(terms, len(pred))

    @staticmethod
    def _cells(boxes: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Corners in units of cells, from that of their own cell, for each of B; sides below 0 are 0."""
        with no_grad():
            side = boxes[..., 2:4].clip(0) * shape[1]
            return corners(boxes[..., :2], side).expand(*shape[:4], 4)


def _check_grid(pred: Tensor, classes: Tensor, labels: Tensor, boxes: Tensor) -> None:
    if pred.ndim != 5 or pred.shape[1] != pred.shape[2] or pred.shape[4] != 5:
        raise ValueError(f"YOLOv1Loss: pred must be (N, S, S, B, 5), got the shape {pred.shape}")
    require_batch("YOLOv1Loss", "pred", pred)
    cells, of = pred.shape[:3], f"pred of shape {pred.shape}"
    if classes.ndim != 4 or classes.shape[:3] != cells:
        raise ValueError(f"YOLOv1Loss: classes has shape {classes.shape}, expected {cells} and C for {of}")
    require_batch("YOLOv1Loss", "classes", classes)
    require_shape("YOLOv1Loss", "labels", labels, cells, of)
    require_shape("YOLOv1Loss", "boxes", boxes, (*cells, 4), of)
    for name, array in (("classes", classes), ("boxes", boxes)):
        require_type("YOLOv1Loss", name, array, pred)
    require_labels("YOLOv1Loss", labels, -1, classes.shape[-1])


def _root(x: Tensor) -> Tensor:
    """√x, and below LEAST_SIDE its tangent there."""
    tangent = x * (0.5 / math.sqrt(LEAST_SIDE)) + 0.5 * math.sqrt(LEAST_SIDE)
    return F.where(x >= LEAST_SIDE, x.clip(LEAST_SIDE).sqrt(), tangent)
