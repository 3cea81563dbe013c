"""From scores of every place and class to detections: threshold, the best candidates, suppression, the best of all."""
from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from .boxes import as_boxes
from .coders import logit, sigmoid
from .suppression import batched_nms, diou_nms, soft_nms

SLACK = 1e-3  # of logits near the threshold: the score itself decides
METHODS = ("greedy", "diou", "linear", "gaussian")


class Detections(NamedTuple):
    """What was found in one image, the surest first: xyxy in pixels (K, 4), (K,) within [0, 1], int64 (K,)."""

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


class Candidates(NamedTuple):
    """Pairs of a place and a class, and their scores; (K,) each."""

    places: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


def _table(call: str, scores: Any) -> np.ndarray:
    array = np.asarray(scores)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{call}: scores must be numbers, got {array.dtype}")
    if array.ndim != 2:
        raise ValueError(f"{call}: scores must be (P, C), a score of each class for each place; got the shape "
                         f"{array.shape}")
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)


def _require_top_k(call: str, top_k: int | None) -> None:
    if top_k is not None and not (isinstance(top_k, (int, np.integer)) and top_k > 0):
        raise ValueError(f"{call}: top_k must be None or an integer above 0, got {top_k!r}")


def _best(values: np.ndarray, k: int) -> np.ndarray:
    """Places of the k largest of values (n,), rising; the first ones of those that are equal.  None is a NaN."""
    least = np.partition(values, len(values) - k)[len(values) - k]
    above = np.flatnonzero(values > least)
    return np.sort(np.concatenate([above, np.flatnonzero(values == least)[:k - len(above)]]))


def class_candidates(scores: Any, score_threshold: float, top_k: int | None = None,
                     first_label: int = 0) -> Candidates:
    """Of each class the top_k places (None: all) whose score exceeds a threshold; of equal scores the first.

    scores: (P, C).  first_label: classes before it are none (SSD's background: 1).  A NaN exceeds nothing.
    Liu et al., "SSD", ECCV 2016, section 2.2, "inference".

    >>> class_candidates([[0.9, 0.2], [0.6, 0.7], [0.8, 0.4]], 0.3, top_k=2).places.tolist()
    [0, 2, 1, 2]
    """
    _require_top_k("class_candidates", top_k)
    table = _table("class_candidates", scores)[:, first_label:]
    above = table > score_threshold
    classes, rows = np.flatnonzero(above.any(0)), np.flatnonzero(above.any(1))  # seldom more than a few
    by_class = np.ascontiguousarray(table[rows][:, classes].T)
    found = []
    for of_class in by_class:
        places = np.flatnonzero(of_class > score_threshold)
        if top_k is not None and len(places) > top_k:
            places = places[_best(of_class[places], top_k)]
        found.append(places)
    counts = [len(places) for places in found]
    at = np.concatenate(found) if found else rows
    return Candidates(rows[at], np.repeat(classes + first_label, counts),
                      by_class[np.repeat(np.arange(len(classes)), counts), at])


def level_candidates(scores: Any, score_threshold: float, top_k: int | None = None) -> Candidates:
    """Of all places and classes of one map together the top_k pairs whose score exceeds a threshold.

    scores: (P, C); otherwise as `class_candidates`.  Lin et al., "Focal loss", ICCV 2017, section 4, "inference".

    >>> level_candidates([[0.9, 0.2], [0.6, 0.7]], 0.3, top_k=2)[:2]
    (array([0, 1]), array([0, 1]))
    """
    _require_top_k("level_candidates", top_k)
    table = _table("level_candidates", scores)
    flat = table.reshape(-1)
    chosen = np.flatnonzero(flat > score_threshold)
    if top_k is not None and len(chosen) > top_k:
        chosen = chosen[_best(flat[chosen], top_k)]
    places, labels = np.divmod(chosen, max(1, table.shape[1]))
    return Candidates(places, labels, flat[chosen])


def logit_candidates(logits: Any, score_threshold: float, top_k: int | None = None,
                     level_sizes: Sequence[int] | None = None, quality: Any = None, root: bool = True) -> Candidates:
    """`level_candidates` of each level, of scores σ(logits), which are computed of those alone that may exceed.

    logits: (P, C).  level_sizes: places of each level, P in all; None: there is one.  quality: (P, 1) logits, whose
    sigmoid the class's is multiplied by, and root: the score is the root of that (Tian et al., "FCOS", TPAMI 2020).

    >>> logit_candidates([[2.0, -2.0], [0.5, 1.0]], 0.6, top_k=2).scores.round(3).tolist()
    [0.881, 0.731]
    """
    table = _table("logit_candidates", logits)
    factor = None if quality is None else sigmoid(np.asarray(quality))
    power = 0.5 if root and factor is not None else 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        least = logit(max(0.0, score_threshold)**(1 / power) / (1 if factor is None else factor)) - SLACK
    chosen = np.flatnonzero(table > least)
    places, labels = np.divmod(chosen, max(1, table.shape[1]))
    scores = sigmoid(table.reshape(-1)[chosen])
    if factor is not None:
        scores = (scores * factor[places, 0])**scores.dtype.type(power)
    ends = np.searchsorted(places, np.cumsum([0, *(level_sizes or [len(table)])]))
    at = np.concatenate([begin + level_candidates(scores[begin:end, None], score_threshold, top_k).places
                         for begin, end in pairwise(ends)])
    return Candidates(places[at], labels[at], scores[at])


def suppress(boxes: Any, scores: Any, labels: Any, iou_threshold: float = 0.5, max_detections: int = 100,
             method: str = "greedy") -> Detections:
    """Detections from boxes (K, 4), scores and labels (K,): what stays of each class, at most so many in all.

    method: "greedy", "diou", or of soft-NMS "linear" or "gaussian" (scores then fall; iou_threshold is for "linear").

    >>> suppress([[0, 0, 10, 10], [1, 0, 11, 10]], [0.8, 0.9], [3, 3]).boxes.tolist()
    [[1.0, 0.0, 11.0, 10.0]]
    """
    if method not in METHODS:
        raise ValueError(f"suppress: method must be one of {', '.join(METHODS)}, got {method!r}")
    if not (isinstance(max_detections, (int, np.integer)) and max_detections > 0):
        raise ValueError(f"suppress: max_detections must be an integer above 0, got {max_detections!r}")
    boxes, scores, labels = as_boxes("suppress", "boxes", boxes), np.asarray(scores), np.asarray(labels)
    if method in ("linear", "gaussian"):
        keep, fallen = soft_nms(boxes, scores, method, iou_threshold, labels=labels)
        keep, fallen = keep[:max_detections], fallen[:max_detections]
    else:
        keep = (batched_nms(boxes, scores, labels, iou_threshold, max_detections) if method == "greedy"
                else diou_nms(boxes, scores, iou_threshold, labels, max_detections))
        fallen = scores[keep]
    return Detections(boxes[keep], fallen, labels[keep].astype(np.int64))


def multiclass_nms(boxes: Any, scores: Any, score_threshold: float = 0.05, iou_threshold: float = 0.5,
                   top_k: int | None = None, max_detections: int = 100, first_label: int = 0,
                   method: str = "greedy") -> Detections:
    """Detections of one image from boxes (P, 4), or (P, C, 4), one for each class, and scores (P, C).

    The top_k candidates of each class (`class_candidates`), then `suppress`.  SSD: 0.01, 0.45, 400, 200, first_label=1.

    >>> boxes, scores = [[0, 0, 10, 10], [1, 0, 11, 10]], [[0.9, 0.1], [0.8, 0.6]]
    >>> multiclass_nms(boxes, scores, 0.5).labels.tolist()
    [0, 1]
    """
    table, array = _table("multiclass_nms", scores), as_boxes("multiclass_nms", "boxes", boxes)
    if array.shape not in ((len(table), 4), (*table.shape, 4)):
        raise ValueError(f"multiclass_nms: boxes has shape {array.shape}, expected {(len(table), 4)} or "
                         f"{(*table.shape, 4)} for scores of shape {table.shape}")
    places, labels, chosen = class_candidates(table, score_threshold, top_k, first_label)
    at = array[places] if array.ndim == 2 else array[places, labels]
    return suppress(at, chosen, labels, iou_threshold, max_detections, method)
