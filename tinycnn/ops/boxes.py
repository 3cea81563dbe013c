"""The geometry of boxes (x1, y1, x2, y2), without gradients: which of them agree, and how well.

Plain functions from arrays (or Tensors) to arrays, with torchvision's names; `best_iou` alone is an operation, for a
criterion asks it about predictions.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .._kernels import kernels
from ..autograd import Function, no_grad
from ..tensor import Tensor


def _boxes(op: str, name: str, boxes: Any) -> np.ndarray:
    """Boxes as an array (N, 4) of a floating type."""
    array = boxes.data if isinstance(boxes, Tensor) else np.asarray(boxes)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"{op}: {name} must be (N, 4), rows of x1, y1, x2, y2; got the shape {array.shape}")
    if array.dtype.kind in "iu":
        array = array.astype(np.float32)
    if array.dtype not in (np.float32, np.float64):
        raise TypeError(f"{op}: {name} must be float32, float64 or integers, got {array.dtype}")
    return np.ascontiguousarray(array)


def _matrix(op: str, boxes1: Any, boxes2: Any, *eps: float) -> np.ndarray:
    """The kernel of this name over all pairs; an empty matrix where there are no boxes."""
    a, b = _boxes(op, "boxes1", boxes1), _boxes(op, "boxes2", boxes2)
    if a.dtype != b.dtype:
        raise TypeError(f"{op}: boxes2 has the type {b.dtype}, but boxes1 has {a.dtype}")
    if eps and not eps[0] > 0:
        raise ValueError(f"{op}: eps must be positive, got {eps[0]!r}")
    y = np.empty((len(a), len(b)), a.dtype)
    if y.size:
        getattr(kernels(a.dtype, "losses"), op)(a, np.ascontiguousarray(b.T), *eps, y)
    return y


def box_area(boxes: Any) -> np.ndarray:
    """(x2 - x1) (y2 - y1) of boxes (..., 4): an array (...).

    >>> box_area(np.array([[0.0, 0.0, 2.0, 3.0]])).tolist()
    [6.0]
    """
    array = boxes.data if isinstance(boxes, Tensor) else np.asarray(boxes)
    if array.ndim == 0 or array.shape[-1] != 4:
        raise ValueError(f"box_area: boxes must be (..., 4), x1, y1, x2, y2; got the shape {array.shape}")
    return (array[..., 2] - array[..., 0]) * (array[..., 3] - array[..., 1])


def box_iou(boxes1: Any, boxes2: Any) -> np.ndarray:
    """Intersection over union of boxes (N, 4) with boxes (M, 4): an array (N, M).

    Two boxes without area give 0 (torchvision: NaN), a NaN in a box gives NaN.  N or M may be 0.  Integers are taken as
    float32.  Raises ValueError for another shape, TypeError where the two differ in type.

    >>> box_iou([[0, 0, 2, 2]], [[0, 0, 2, 1], [5, 5, 6, 6]]).tolist()
    [[0.5, 0.0]]
    """
    return _matrix("box_iou", boxes1, boxes2)


def generalized_box_iou(boxes1: Any, boxes2: Any) -> np.ndarray:
    """IoU - (C - U) / C of boxes (N, 4) with boxes (M, 4), an array (N, M) within [-1, 1].

    U is the area of the union, C that of the smallest box around both (C = 0: the last term is 0).  Errors are those of
    `box_iou`.  Rezatofighi et al., "Generalized intersection over union", CVPR 2019, algorithm 1.

    >>> generalized_box_iou(np.array([[0.0, 0.0, 1.0, 1.0]]), np.array([[3.0, 0.0, 4.0, 1.0]])).tolist()
    [[-0.5]]
    """
    return _matrix("generalized_box_iou", boxes1, boxes2)


def distance_box_iou(boxes1: Any, boxes2: Any, eps: float = 1e-7) -> np.ndarray:
    """IoU - d² / (c² + eps) of boxes (N, 4) with boxes (M, 4): an array (N, M).

    d is the distance of the centres, c the diagonal of the smallest box around both.  Errors are those of `box_iou`.
    Zheng et al., "Distance-IoU loss", AAAI 2020, equation 6.

    >>> distance_box_iou(np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[0.0, 0.0, 2.0, 2.0]])).tolist()
    [[1.0]]
    """
    return _matrix("distance_box_iou", boxes1, boxes2, eps)


def complete_box_iou(boxes1: Any, boxes2: Any, eps: float = 1e-7) -> np.ndarray:
    """DIoU - α v of boxes (N, 4) with boxes (M, 4): an array (N, M).

    v = 4/π² (arctan w2/h2 - arctan w1/h1)², α = v / (1 - IoU + v + eps).  Errors are those of `box_iou`.
    Zheng et al., "Distance-IoU loss", AAAI 2020, equations 8 to 11.

    >>> complete_box_iou(np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[0.0, 0.0, 2.0, 2.0]])).tolist()
    [[1.0]]
    """
    return _matrix("complete_box_iou", boxes1, boxes2, eps)


class BestIoU(Function, op="best_iou"):
    """The largest IoU of each box with any truth of its image."""

    inputs = ("boxes", "truths")

    def shapes(self, boxes, truths):
        """(N, P)."""
        if len(boxes) != 3 or boxes[2] != 4 or 0 in boxes:
            raise ValueError(f"best_iou: boxes must be (N, P, 4) with N, P > 0, got the shape {boxes}")
        if len(truths) != 3 or truths[0] != boxes[0] or truths[2] != 4:
            raise ValueError(f"best_iou: truths has shape {truths}, expected ({boxes[0]}, M, 4) for boxes {boxes}")
        return boxes[:2]

    def forward(self, boxes, truths):
        best = np.zeros(boxes.shape[:2], boxes.dtype)
        if truths.size:
            kernels(boxes.dtype, "losses").best_iou(boxes, truths, best)
        return best

    def backward(self, gy):
        return None, None


def best_iou(boxes, truths):
    """The largest IoU of each box (N, P, 4) with any truth (N, M, 4) of its image: (N, P), without gradient.

    Truths without area (padding) and boxes with a NaN count as 0, so does M = 0.

    >>> best_iou(np.array([[[0.0, 0.0, 2.0, 2.0]]]), np.array([[[0.0, 0.0, 2.0, 1.0], [0.0, 0.0, 0.0, 0.0]]])).tolist()
    [[0.5]]
    """
    with no_grad():
        return BestIoU.apply(boxes, truths)
