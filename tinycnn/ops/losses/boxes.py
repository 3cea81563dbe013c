"""Losses of boxes against boxes, told by how they overlap."""
from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from ..._kernels import kernels
from ...autograd import Function
from ..contracts import require_elements
from .reduction import reduce, require_reduction, spread

KINDS = ("linear", "logarithmic", "generalized", "distance", "complete")  # by the kernels' numbers


class BoxLoss(Function):
    """What losses of pairs of boxes share; `kind` is one of KINDS."""

    inputs = ("boxes1", "boxes2")
    attributes: ClassVar[tuple[str, ...]] = ("reduction", "eps")
    kind = "linear"
    reduction: str
    eps: float

    def shapes(self, boxes1, boxes2):
        """() where the losses are reduced, else (...) of boxes (..., 4)."""
        if not boxes1 or boxes1[-1] != 4:
            raise ValueError(f"{self.op}: boxes1 must be (..., 4), x1, y1, x2, y2; got the shape {boxes1}")
        require_elements(self.op, "boxes1", boxes1)
        if boxes2 != boxes1:
            raise ValueError(f"{self.op}: boxes2 has shape {boxes2}, expected {boxes1}, that of boxes1")
        return boxes1[:-1] if self.reduction == "none" else ()

    def forward(self, boxes1, boxes2):
        losses = np.empty(boxes1.shape[:-1], boxes1.dtype)
        self._kernels(boxes1).box_loss_forward(boxes1.reshape(-1, 4), boxes2.reshape(-1, 4), KINDS.index(self.kind),
                                               self.eps, losses.reshape(-1))
        self.save(boxes1=boxes1, boxes2=boxes2)
        return reduce(losses, self.reduction)

    def backward(self, gy):
        one, two = self.saved.boxes1, self.saved.boxes2
        g1, g2 = np.empty_like(one), np.empty_like(two)
        each = spread(gy, self.reduction, one.shape[:-1])
        self._kernels(one).box_loss_backward(one.reshape(-1, 4), two.reshape(-1, 4), KINDS.index(self.kind), self.eps,
                                             each.reshape(-1), g1.reshape(-1, 4), g2.reshape(-1, 4))
        return g1, g2

    @staticmethod
    def _kernels(boxes: np.ndarray):
        return kernels(boxes.dtype, "losses")


class IoULoss(BoxLoss, op="iou_loss"):
    """1 - IoU, or -ln IoU."""

    attributes = ("kind", "reduction", "eps")


class GeneralizedBoxIoULoss(BoxLoss, op="generalized_box_iou_loss"):
    """1 - GIoU."""

    kind = "generalized"


class DistanceBoxIoULoss(BoxLoss, op="distance_box_iou_loss"):
    """1 - DIoU."""

    kind = "distance"


class CompleteBoxIoULoss(BoxLoss, op="complete_box_iou_loss"):
    """1 - CIoU."""

    kind = "complete"


def _apply(function: type[BoxLoss], boxes1, boxes2, reduction: str, eps: float, **more: str):
    require_reduction(function.op, reduction)
    if not 0 < eps < math.inf:
        raise ValueError(f"{function.op}: eps must be positive, got {eps!r}")
    return function.apply(boxes1, boxes2, **more, reduction=reduction, eps=float(eps))


def iou_loss(boxes1, boxes2, reduction: str = "none", eps: float = 1e-7, logarithmic: bool = False):
    """1 - IoU of pairs of boxes (..., 4), or -ln IoU: each (...), or their "mean" or "sum".

    IoU = I / (U + eps), of the areas of intersection and union.  Gradients flow to both boxes; where corners coincide
    each box takes half of it; boxes that do not overlap get none from 1 - IoU.  -ln is of max(IoU, eps), so that it
    stays finite: no gradient there either (`generalized_box_iou_loss` has one).  Raises ValueError for shapes that are
    not (..., 4) or differ, and for no boxes.  Yu et al., "UnitBox", ACM Multimedia 2016, equation 1.

    >>> a, b = np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[0.0, 0.0, 2.0, 1.0]])
    >>> iou_loss(a, b, "sum").numpy().round(4).item(), iou_loss(a, b, logarithmic=True).numpy().round(4).tolist()
    (0.5, [0.6931])
    """
    return _apply(IoULoss, boxes1, boxes2, reduction, eps, kind="logarithmic" if logarithmic else "linear")


def generalized_box_iou_loss(boxes1, boxes2, reduction: str = "none", eps: float = 1e-7):
    """1 - IoU + (C - U) / (C + eps) of pairs of boxes (..., 4): each (...), or their "mean" or "sum".

    C is the area of the smallest box around both, U that of their union: boxes far apart are drawn together, too.
    Gradients and errors are those of `iou_loss`.  Rezatofighi et al., "Generalized intersection over union", CVPR 2019.

    >>> generalized_box_iou_loss(np.array([0.0, 0.0, 1.0, 1.0]), np.array([3.0, 0.0, 4.0, 1.0])).numpy().round(4).item()
    1.5
    """
    return _apply(GeneralizedBoxIoULoss, boxes1, boxes2, reduction, eps)


def distance_box_iou_loss(boxes1, boxes2, reduction: str = "none", eps: float = 1e-7):
    """1 - IoU + d² / (c² + eps) of pairs of boxes (..., 4): each (...), or their "mean" or "sum".

    d is the distance of the centres, c the diagonal of the smallest box around both.  Gradients and errors are those of
    `iou_loss`.  Zheng et al., "Distance-IoU loss", AAAI 2020, equation 7.

    >>> distance_box_iou_loss(np.array([0.0, 0.0, 1.0, 1.0]), np.array([3.0, 0.0, 4.0, 1.0])).numpy().round(4).item()
    1.5294
    """
    return _apply(DistanceBoxIoULoss, boxes1, boxes2, reduction, eps)


def complete_box_iou_loss(boxes1, boxes2, reduction: str = "none", eps: float = 1e-7):
    """1 - IoU + d² / (c² + eps) + α v of pairs of boxes (..., 4): each (...), or their "mean" or "sum".

    v = 4/π² (arctan w2/h2 - arctan w1/h1)², α = v / (1 - IoU + v + eps); a box without width has the angle 0.  The
    gradient treats α as a constant, a weight, as the authors' code and torchvision do; the exact gradient of v is used,
    with its 1 / (w² + h²).  Gradients and errors otherwise as `iou_loss`.  Zheng et al., AAAI 2020, equations 8 to 12.

    >>> complete_box_iou_loss(np.array([0.0, 0.0, 2.0, 2.0]), np.array([0.0, 0.0, 2.0, 1.0])).numpy().round(4).item()
    0.5345
    """
    return _apply(CompleteBoxIoULoss, boxes1, boxes2, reduction, eps)
