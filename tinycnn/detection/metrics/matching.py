"""COCO's matching of detections with truths, of all images and classes at once.

Within one image and class the detections choose in the order of their scores: each takes the free truth of the largest
IoU, not below the threshold; one that counts before one that is ignored (a crowd, or an area out of bounds), of equal
ones the later.  A crowd stays free.  That is done for each area range (A) and threshold (T).

Only a detection with some IoU of at least the lowest threshold can match, which few have, so the pairs above it are
listed first.  The choices within a group depend on each other, those of different groups do not: round r handles the
r-th such detection of every group, as one array of (A, T, pairs).
"""
from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

PAIRS_AT_ONCE = 1 << 18  # of which the IoU is computed: the arrays stay in the cache


class Pairs(NamedTuple):
    """Detection and truth of one image and class that overlap enough; ordered by detection, then by truth."""

    detection: np.ndarray  # int64 (p,)
    truth: np.ndarray  # int64 (p,)
    iou: np.ndarray  # float64 (p,)


def overlapping_pairs(boxes: np.ndarray, group: np.ndarray, truth_boxes: np.ndarray, truth_group: np.ndarray,
                      crowd: np.ndarray, least: float) -> Pairs:
    """All pairs of one group with an IoU of at least `least`.

    boxes: xywh (n, 4).  group: (n,), the same number for what has the same image and class; both groups are sorted.
    """
    first, last = (np.searchsorted(truth_group, group, side) for side in ("left", "right"))
    ends = np.cumsum(last - first)
    parts, start = [], 0
    while start < len(ends):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + PAIRS_AT_ONCE, "right")))
        parts.append(_pairs_of(np.arange(start, stop), boxes, first, last, truth_boxes, crowd, least))
        start = stop
    nothing = np.zeros(0, np.int64)
    return Pairs(*map(np.concatenate, zip(*parts))) if parts else Pairs(nothing, nothing, np.zeros(0))


def _pairs_of(chosen: np.ndarray, boxes: np.ndarray, first: np.ndarray, last: np.ndarray, truth_boxes: np.ndarray,
              crowd: np.ndarray, least: float) -> Pairs:
    """The pairs of some detections, each with the truths first[i] to last[i]."""
    count = last[chosen] - first[chosen]
    detection = np.repeat(chosen, count)
    truth = np.arange(len(detection)) + np.repeat(first[chosen] - (np.cumsum(count) - count), count)
    iou = paired_iou(boxes[detection], truth_boxes[truth], crowd[truth])
    near = iou >= least
    return Pairs(detection[near], truth[near], iou[near])


def paired_iou(a: np.ndarray, b: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """IoU of boxes xywh (n, 4) with their partners; where the partner is a crowd, the share of `a` within it."""
    w, h = (np.minimum(a[:, i] + a[:, i + 2], b[:, i] + b[:, i + 2]) - np.maximum(a[:, i], b[:, i]) for i in (0, 1))
    common = np.where((w > 0) & (h > 0), w * h, 0)
    area = a[:, 2] * a[:, 3]
    union = np.where(crowd, area, area + b[:, 2] * b[:, 3] - common)
    return np.divide(common, union, out=np.zeros(len(a)), where=common > 0)


def match(pairs: Pairs, group: np.ndarray, thresholds: np.ndarray, crowd: np.ndarray,
          ignored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which detections match any truth, and which one that is ignored: bool (A, T, n) each.

    group: (n,), detections in order of score within each.  ignored: bool (A, m), truths that do not count.
    """
    shape = (len(ignored), len(thresholds))
    matched, matched_ignored = np.zeros((2, *shape, len(group)), bool)
    free = np.ones((*shape, len(crowd)), bool)
    preference = _preferences(pairs)
    most = preference.max(initial=0)
    order, bounds = _rounds(pairs.detection, group)
    for start, stop in pairwise(bounds):
        p = order[start:stop]
        truth = pairs.truth[p]
        possible = free[:, :, truth] & (pairs.iou[p] >= thresholds[:, None])
        value = possible * (preference[p] + most * ~ignored[:, truth])[:, None]  # 0: not to be had
        detection, begins, of = np.unique(pairs.detection[p], return_index=True, return_inverse=True)
        best = np.maximum.reduceat(value, begins, axis=2)
        matched[:, :, detection], matched_ignored[:, :, detection] = best > 0, (best > 0) & (best <= most)
        free[:, :, truth] &= ~((value == best[:, :, of]) & possible) | crowd[truth]
    return matched, matched_ignored


def _preferences(pairs: Pairs) -> np.ndarray:
    """1, 2, ... among the pairs of each detection, by IoU, of equal ones by the truth's place."""
    order = np.lexsort((pairs.truth, pairs.iou, pairs.detection))
    rank = np.empty(len(order), np.int32)
    rank[order] = positions(pairs.detection[order]) + 1
    return rank


def _rounds(detection: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An order of the pairs by round, then detection, and where each round begins and ends."""
    if not len(detection):
        return np.zeros(0, np.int64), np.zeros(1, np.int64)
    some, of = np.unique(detection, return_inverse=True)
    number = positions(group[some])[of]
    return np.argsort(number, kind="stable"), np.concatenate([[0], np.cumsum(np.bincount(number))])


def positions(sorted_keys: np.ndarray) -> np.ndarray:
    """0, 1, 2, ... within each run of equal keys.

    >>> positions(np.array([3, 3, 3, 7, 9, 9])).tolist()
    [0, 1, 2, 0, 0, 1]
    """
    return np.arange(len(sorted_keys)) - np.searchsorted(sorted_keys, sorted_keys, "left")
