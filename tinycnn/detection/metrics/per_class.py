"""Precision, recall, average precision and F1 of each class, in three steps as YOLO programs have them.

    statistics = get_batch_statistics(outputs, targets, iou_threshold)     # of each batch
    right, scores, labels = (np.concatenate(column) for column in zip(*statistics))
    precision, recall, ap, f1, classes = ap_per_class(right, scores, labels, targets[:, 1])

An image's detections that are wrong count as such; how the matching treats classes is one option of the first step.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...ops.boxes import box_iou
from .curves import compute_ap, precision_recall

TINY = 1e-16  # F1 is 0 where precision and recall are


class ClassMetrics(NamedTuple):
    """One entry for each class that occurs among the truths, after all detections."""

    precision: np.ndarray
    recall: np.ndarray
    ap: np.ndarray
    f1: np.ndarray
    classes: np.ndarray


def get_batch_statistics(outputs: Sequence[Any], targets: Any, iou_threshold: float,
                         class_aware: bool = True) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Per image which detections are right, 0 or 1 (n,), their scores (n,) and their labels (n,).

    outputs: per image the detections, best first, rows (x1, y1, x2, y2, confidence, ..., label), or None: no entry.
    targets: (m, 6), rows (number of the image, label, x1, y1, x2, y2).  All boxes in the same unit.

    A detection is right if the truth that it overlaps most has an IoU of at least the threshold, and none before it
    took that truth.  class_aware: it looks at the truths of its own label.  Otherwise at all truths, provided that one
    of the image has its label; the program that this pipeline is named after works so, and then a detection of the
    wrong class may be right.

    Raises ValueError for another shape or a threshold outside (0, 1].

    >>> targets = [[0, 7, 0, 0, 10, 10], [0, 8, 20, 0, 30, 10]]
    >>> outputs = [[[0, 0, 10, 10, 0.9, 1, 8]]]  # the place of the 7, the label of the 8
    >>> [int(get_batch_statistics(outputs, targets, 0.5, aware)[0][0][0]) for aware in (True, False)]
    [0, 1]
    """
    if not 0 < iou_threshold <= 1:
        raise ValueError(f"get_batch_statistics: iou_threshold must be within (0, 1], got {iou_threshold}")
    rows = _rows("targets", targets, least=6)
    if rows.shape[1] != 6:
        raise ValueError(f"get_batch_statistics: targets must be (m, 6), got the shape {rows.shape}")
    statistics = []
    for i, output in enumerate(outputs):
        if output is not None:
            found = _rows(f"outputs[{i}]", output, least=6)
            right = _right(found, rows[rows[:, 0] == i, 1:], iou_threshold, class_aware)
            statistics.append((right, found[:, 4], found[:, -1]))
    return statistics


def _right(found: np.ndarray, there: np.ndarray, threshold: float, class_aware: bool) -> np.ndarray:
    right = np.zeros(len(found))
    if not len(found) or not len(there):
        return right
    same = found[:, -1:] == there[:, 0]
    possible = same if class_aware else np.broadcast_to(same.any(axis=1, keepdims=True), same.shape)
    iou = np.where(possible, box_iou(found[:, :4], there[:, 1:]), -1.0)
    best = iou.argmax(axis=1)
    near = np.flatnonzero(iou.max(axis=1) >= threshold)
    right[near[np.unique(best[near], return_index=True)[1]]] = 1  # of those that want one truth, the first
    return right


def ap_per_class(right: Any, scores: Any, labels: Any, target_labels: Any) -> ClassMetrics:
    """The metrics of each class, from the detections of all images, whose order does not matter.

    right: 0 or 1 (n,).  scores, labels: (n,).  target_labels: (m,), those of all truths.  A class that is never
    detected has zeros.  Raises ValueError where the first three differ in length.

    >>> metrics = ap_per_class([1, 0, 1], [0.9, 0.8, 0.7], [5, 5, 5], [5, 5, 6])
    >>> metrics.ap.round(4).tolist(), metrics.classes.tolist()
    ([0.8333, 0.0], [5, 6])
    """
    right, scores, labels = (np.asarray(a, np.float64).ravel() for a in (right, scores, labels))
    if not len(right) == len(scores) == len(labels):
        raise ValueError(f"ap_per_class: {len(right)} of right, {len(scores)} scores and {len(labels)} labels; "
                         "expected one of each for a detection")
    order = np.argsort(-scores, kind="stable")
    right, labels = right[order] > 0, labels[order]
    classes, counts = np.unique(np.asarray(target_labels), return_counts=True)
    rows = [_one_class(right[labels == c], count) for c, count in zip(classes, counts)]
    precision, recall, ap = np.array(rows, np.float64).reshape(-1, 3).T
    return ClassMetrics(precision, recall, ap, 2 * precision * recall / (precision + recall + TINY),
                        classes.astype(np.int64))


def _one_class(right: np.ndarray, count: int) -> tuple[float, float, float]:
    """Precision and recall after the last detection, and the area under the curve."""
    if not len(right):
        return 0.0, 0.0, 0.0
    precision, recall = precision_recall(right, ~right, count)
    return precision[-1], recall[-1], compute_ap(recall, precision)


def _rows(name: str, given: Any, least: int) -> np.ndarray:
    rows = np.asarray(given, np.float64)
    rows = rows.reshape(0, least) if rows.size == 0 else rows
    if rows.ndim != 2 or rows.shape[1] < least:
        raise ValueError(f"get_batch_statistics: {name} must have rows of {least} numbers or more, "
                         f"got the shape {rows.shape}")
    return rows
