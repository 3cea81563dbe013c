"""Of boxes that show the same thing one stays: greedy, by distance, and soft; class by class where labels are given.

What has a NaN, in its box or its score, is dropped.  Boxes of equal scores count in the order in which they are given.
"""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._kernels import kernels, scratch
from .boxes import as_boxes

SMALL = 1 << 16  # labels below it are sorted by NumPy in linear time


class Runs(NamedTuple):
    """Boxes sorted for a kernel: those of a class stand together, the best first."""

    order: np.ndarray  # (n,) which box stands there
    starts: np.ndarray  # (runs + 1,) where each class begins, and n


def _scores(call: str, scores: Any, boxes: np.ndarray) -> np.ndarray:
    array = np.asarray(scores)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{call}: scores must be numbers, got {array.dtype}")
    if array.shape != (len(boxes),):
        raise ValueError(f"{call}: scores has shape {array.shape}, expected {(len(boxes),)}, one for each box")
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def _labels(call: str, labels: Any, boxes: np.ndarray) -> np.ndarray | None:
    if labels is None:
        return None
    array = np.asarray(labels)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{call}: labels must be integers, got {array.dtype}")
    if array.shape != (len(boxes),):
        raise ValueError(f"{call}: labels has shape {array.shape}, expected {(len(boxes),)}, one for each box")
    return array


def _flat(call: str, boxes: Any) -> np.ndarray:
    array = as_boxes(call, "boxes", boxes)
    if array.ndim != 2:
        raise ValueError(f"{call}: boxes must be (N, 4), got the shape {array.shape}")
    return array


def _threshold(call: str, name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"{call}: {name} must be within [0, 1], got {value!r}")
    return float(value)


def _runs(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray | None) -> Runs:
    order = np.argsort(-scores, kind="stable")
    bad = np.isnan(scores) | np.isnan(boxes).any(1)
    if bad.any():
        order = order[~bad[order]]
    if labels is None or not order.size:
        return Runs(order, np.array([0, len(order)]))
    if labels.min() < 0 or labels.max() >= SMALL:
        labels = np.unique(labels, return_inverse=True)[1].reshape(-1)
    sorted_labels = labels[order].astype(np.uint16 if labels.max() < SMALL else np.int64)
    by_label = sorted_labels.argsort(kind="stable")
    sorted_labels = sorted_labels[by_label]
    begins = np.flatnonzero(sorted_labels[1:] != sorted_labels[:-1]) + 1
    return Runs(order[by_label], np.concatenate([[0], begins, [len(order)]]))


def _at_most(threshold: float, dtype: np.dtype) -> float:
    """The largest number of this type that does not exceed the threshold: the same IoUs, of this type, exceed both."""
    near = dtype.type(threshold)
    return float(near if float(near) <= threshold else np.nextafter(near, dtype.type(-1)))


def _best_first(places: np.ndarray, scores: np.ndarray) -> np.ndarray:
    places = np.sort(places)
    return places[np.argsort(-scores[places], kind="stable")]


def _greedy(call: str, boxes: Any, scores: Any, labels: Any, iou_threshold: float, most: int | None,
            distance: bool) -> np.ndarray:
    boxes = _flat(call, boxes)
    scores, labels = _scores(call, scores, boxes), _labels(call, labels, boxes)
    threshold = _threshold(call, "iou_threshold", iou_threshold)
    if most is not None and most < 0:
        raise ValueError(f"{call}: most must be None or at least 0, got {most!r}")
    order, starts = _runs(boxes, scores, labels)
    n = len(order)
    if n == 0:
        return order
    keep = np.empty(n, np.uint8)
    kernels(boxes.dtype, "losses").greedy_nms(
        np.ascontiguousarray(boxes[order]), starts, distance, _at_most(threshold, boxes.dtype),
        n if most is None else most, scratch(4*n, boxes.dtype)[:4*n].reshape(4, n), keep)
    return _best_first(order[keep.view(bool)], scores)[:most]


def nms(boxes: Any, scores: Any, iou_threshold: float) -> np.ndarray:
    """Which boxes (N, 4), xyxy, stay: int64, sorted by falling score.

    A box goes if its IoU with a better one that stays exceeds iou_threshold; a box without area never does.  scores:
    (N,).  Raises ValueError for shapes that do not fit and a threshold beyond [0, 1], TypeError for what is no numbers.

    >>> nms([[0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30]], [0.8, 0.9, 0.7], 0.5).tolist()
    [1, 2]
    """
    return _greedy("nms", boxes, scores, None, iou_threshold, None, False)


def batched_nms(boxes: Any, scores: Any, labels: Any, iou_threshold: float, most: int | None = None) -> np.ndarray:
    """`nms` among the boxes of each label by itself; labels: integers (N,).  At most `most` boxes stay.

    >>> boxes = [[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10]]
    >>> batched_nms(boxes, [0.8, 0.9, 0.7], [1, 1, 2], 0.5).tolist()
    [1, 2]
    """
    return _greedy("batched_nms", boxes, scores, labels, iou_threshold, most, False)


def diou_nms(boxes: Any, scores: Any, iou_threshold: float, labels: Any = None, most: int | None = None) -> np.ndarray:
    """`nms`, or `batched_nms`, by IoU less the squared distance of centres over that of the hull's corners.

    Two objects that overlap but lie apart both stay.  Zheng et al., "Distance-IoU loss", AAAI 2020, equation 13.

    >>> diou_nms([[0, 0, 10, 10], [3, 0, 13, 10]], [0.8, 0.9], 0.52).tolist()  # IoU 0.538, DIoU 0.505
    [1, 0]
    """
    return _greedy("diou_nms", boxes, scores, labels, iou_threshold, most, True)


def soft_nms(boxes: Any, scores: Any, method: str = "gaussian", iou_threshold: float = 0.3, sigma: float = 0.5,
             score_threshold: float = 0.001, labels: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Which boxes (N, 4) stay, and the scores they fell to; both sorted by falling score.

    The best box is taken and lowers the scores of the others by their IoU with it, and so on.  method: "linear", by
    (1 - IoU) from iou_threshold on, or "gaussian", by e^(-IoU² / sigma).  A score of score_threshold or less is gone.
    labels: classes that do not know of each other.  Other errors are those of `nms`.

    Bodla et al., "Soft-NMS: improving object detection with one line of code", ICCV 2017, equations 2 and 3.

    >>> boxes = np.array([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 5.0], [20.0, 20.0, 30.0, 30.0]])
    >>> keep, scores = soft_nms(boxes, [0.8, 0.9, 0.7], "linear")
    >>> keep.tolist(), scores.round(3).tolist()
    ([1, 2, 0], [0.9, 0.7, 0.4])
    """
    if method not in ("linear", "gaussian"):
        raise ValueError(f"soft_nms: method must be 'linear' or 'gaussian', got {method!r}")
    if not sigma > 0:
        raise ValueError(f"soft_nms: sigma must be positive, got {sigma!r}")
    if not score_threshold >= 0:
        raise ValueError(f"soft_nms: score_threshold must be at least 0, got {score_threshold!r}")
    boxes = _flat("soft_nms", boxes)
    given, labels = _scores("soft_nms", scores, boxes), _labels("soft_nms", labels, boxes)
    threshold = _threshold("soft_nms", "iou_threshold", iou_threshold)
    order, starts = _runs(boxes, given, labels)
    fallen = np.zeros(len(order), boxes.dtype)
    if len(order):
        kernels(boxes.dtype, "losses").soft_nms(
            np.ascontiguousarray(boxes[order].T), starts, method == "gaussian", threshold, float(sigma),
            float(score_threshold), given[order].astype(boxes.dtype), fallen)
    left = np.flatnonzero(fallen)
    all_scores = np.zeros(len(given), boxes.dtype)
    all_scores[order[left]] = fallen[left]
    keep = _best_first(order[left], all_scores)
    return keep, all_scores[keep]
