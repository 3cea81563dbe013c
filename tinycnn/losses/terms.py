"""Terms that the losses of detectors are made of, and checks of the dense targets that they take."""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops as F
from ..autograd import no_grad
from ..tensor import Tensor


def smooth_l1(pred: Tensor, target: Any) -> Tensor:
    """d² / 2 where |d| < 1, else |d| - 1/2; element by element."""
    return F.smooth_l1_loss(pred, target, "none")


def bce_with_logits(x: Tensor, target: Any) -> Tensor:
    """-(t log σ(x) + (1 - t) log(1 - σ(x))), element by element."""
    return F.binary_cross_entropy_with_logits(x, target, reduction="none")


def squared_error(pred: Tensor, target: Any) -> Tensor:
    """(pred - target)², element by element; the target may be one number."""
    d = pred - target
    return d * d


def corners(centres: Tensor, sizes: Tensor) -> Tensor:
    """(x1, y1, x2, y2) on the last axis."""
    half = sizes * 0.5
    return F.concat([centres - half, centres + half], -1)


def iou_of_pairs(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """IoU of boxes (..., 4) with boxes (..., 4), without gradient."""
    with no_grad():
        return 1 - F.iou_loss(boxes1, boxes2)


def one_hot(labels: Tensor, classes: Tensor) -> Tensor:
    """1 at the class of each label, on a last axis as long as that of `classes`; all 0 for a label below 0."""
    return (labels.unsqueeze(labels.ndim) == np.arange(classes.shape[-1])).astype(classes.dtype)


def per_image(terms: dict[str, Tensor], images: int) -> dict[str, Tensor]:
    """Each term, summed over everything, for one image."""
    return {name: term.sum() / images for name, term in terms.items()}


def require_shape(loss: str, name: str, array: Tensor, shape: tuple[int, ...], of: str) -> None:
    """Refuse an argument whose shape is not what the others ask for."""
    if array.shape != shape:
        raise ValueError(f"{loss}: {name} has shape {array.shape}, expected {shape} for {of}")


def require_type(loss: str, name: str, array: Tensor, like: Tensor) -> None:
    """Refuse an argument of another element type."""
    if array.dtype != like.dtype:
        raise TypeError(f"{loss}: {name} has the type {array.dtype}, expected {like.dtype}")


def require_labels(loss: str, labels: Tensor, least: int, classes: int) -> None:
    """Refuse labels that are not integers within [least, classes)."""
    array = labels.data
    if array.dtype.kind not in "iu":
        raise TypeError(f"{loss}: labels must be integers, the numbers of classes, got {array.dtype}")
    wrong = (array < least) | (array >= classes)
    if wrong.any():
        at = tuple(int(k) for k in np.argwhere(wrong)[0])
        raise ValueError(f"{loss}: label at {at} is {array[at]}, expected {least} <= label < {classes}")


def require_batch(loss: str, name: str, array: Tensor) -> None:
    """Refuse an argument without elements (an empty batch)."""
    if array.size == 0:
        raise ValueError(f"{loss}: {name} of shape {array.shape} has no elements")


def tensors(*arguments: Any) -> tuple[Tensor, ...]:
    """Arguments as Tensors."""
    return tuple(x if isinstance(x, Tensor) else Tensor(x) for x in arguments)
