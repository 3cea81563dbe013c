"""Which truth an anchor answers for, by IoU: SSD's two rules, the two thresholds of RetinaNet and of the RPN, ATSS."""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import ops as F
from .._kernels import kernels
from .boxes import as_boxes, centres_and_sides
from .targets import BACKGROUND, IGNORED, as_truths

RULES = ("none", "ties", "own")


class Overlaps(NamedTuple):
    """How P anchors and M truths of one image overlap best."""

    best: np.ndarray  # (P,) the best IoU of each anchor
    which: np.ndarray  # (P,) with which truth: int64, -1: none
    tops: np.ndarray  # (M,) the best IoU of each truth
    firsts: np.ndarray  # (M,) with which anchor, the first of equals: int64, -1: none
    tied: np.ndarray  # (P,) whether it is one of the best anchors of any truth


def best_overlaps(truths: np.ndarray, anchors: np.ndarray) -> Overlaps:
    """Overlaps of truths (M, 4) with anchors (P, 4), both xyxy, without a matrix of all pairs."""
    p, m, dtype = len(anchors), len(truths), anchors.dtype
    if not p or not m:
        return Overlaps(np.zeros(p, dtype), np.full(p, -1), np.zeros(m, dtype), np.full(m, -1), np.zeros(p, bool))
    row, best, which, tied = (np.empty(p, dtype) for _ in range(4))
    tops, firsts = np.empty(m, dtype), np.empty(m, np.int64)
    kernels(dtype, "losses").match_anchors(np.ascontiguousarray(anchors.T), np.ascontiguousarray(truths, dtype), row,
                                           best, which, tops, firsts, tied)
    return Overlaps(best, which.astype(np.int64), tops, firsts, tied > 0)


def match_boxes(boxes: Any, anchors: Any, high: float = 0.5, low: float = 0.5, best: str = "ties") -> np.ndarray:
    """For each anchor (P, 4) the number of its truth among boxes (M, 4), BACKGROUND or IGNORED: int64 (P,).

    An anchor answers for the truth with which it has the largest IoU (of equals the first), if that is at least `high`;
    below `low` it is background, between the two it does not count.  best: what the best anchors of a truth do whose
    IoU is lower still:

        "none"  nothing
        "ties"  all of them answer, each for its own best truth   (RPN: 0.7, 0.3; RetinaNet in torchvision: 0.5, 0.4)
        "own"   first each truth takes one anchor for itself, the pair with the largest IoU before the others (SSD: 0.5)

    A truth that overlaps no anchor gets none.  Raises ValueError for a box without area and for low > high.

    Ren et al., "Faster R-CNN", NeurIPS 2015, section 3.1.2; Lin et al., "Focal loss", ICCV 2017, section 4; Liu et al.,
    "SSD", ECCV 2016, section 2.2, "matching strategy".

    >>> anchors = [[0, 0, 10, 10], [0, 0, 10, 20], [50, 50, 60, 60]]
    >>> match_boxes([[0, 0, 10, 12], [52, 52, 55, 55]], anchors, 0.7, 0.3, best="own").tolist()
    [0, -2, 1]
    """
    if best not in RULES:
        raise ValueError(f"match_boxes: best must be one of {', '.join(RULES)}, got {best!r}")
    if not 0 <= low <= high:
        raise ValueError(f"match_boxes: expected 0 <= low <= high, got low={low!r} and high={high!r}")
    truths, anchors = as_truths("match_boxes", boxes)[0], _anchors("match_boxes", anchors)
    found = best_overlaps(truths, anchors)
    match = np.where(found.best >= high, found.which, np.where(found.best < low, BACKGROUND, IGNORED))
    if best == "ties":
        match[found.tied] = found.which[found.tied]
    elif best == "own":
        own = _own_anchors(found, truths, anchors)
        match[own[own >= 0]] = np.flatnonzero(own >= 0)
    return match


def _anchors(call: str, anchors: Any) -> np.ndarray:
    array = as_boxes(call, "anchors", anchors)
    if array.ndim != 2:
        raise ValueError(f"{call}: anchors must be (P, 4), got the shape {array.shape}")
    return array


def _own_anchors(found: Overlaps, truths: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """An anchor for each truth (M,), none twice, in the order of falling IoU; -1 where none is left that overlaps."""
    own, tops = found.firsts.copy(), found.tops.copy()
    taken = np.zeros(len(anchors), bool)
    left = list(np.flatnonzero(own >= 0))
    while left:
        truth = left[int(tops[left].argmax())]
        if not taken[own[truth]]:
            taken[own[truth]] = True
            left.remove(truth)
            continue
        iou = np.where(taken, 0, F.box_iou(truths[truth:truth + 1].astype(anchors.dtype), anchors)[0])
        own[truth], tops[truth] = iou.argmax(), iou.max()
        if tops[truth] == 0:
            own[truth] = -1
            left.remove(truth)
    return own


def _nearest(distances: np.ndarray, k: int) -> np.ndarray:
    """Columns of the k smallest numbers in each row of (M, P), the first of equals: (M, k)."""
    if distances.shape[1] <= k:
        return np.broadcast_to(np.arange(distances.shape[1]), distances.shape)
    last = np.partition(distances, k - 1, 1)[:, k - 1:k]
    chosen, equal = distances < last, distances == last
    chosen |= equal & (equal.cumsum(1) <= k - chosen.sum(1, keepdims=True))
    return chosen.nonzero()[1].reshape(len(distances), k)


def match_atss(boxes: Any, anchors: Any, level_sizes: list[int], top_k: int = 9) -> np.ndarray:
    """For each anchor (P, 4) the number of its truth among boxes (M, 4), or BACKGROUND: int64 (P,).

    A truth's candidates are, of each map, the top_k anchors whose centres are nearest to its own; those answer for it
    whose IoU is at least the mean plus the standard deviation of all its candidates', and whose centres lie in it.  An
    anchor that several truths want takes the one with the largest IoU.  level_sizes: anchors of each map.

    Zhang et al., "Bridging the gap between anchor-based and anchor-free detection via adaptive training sample
    selection", CVPR 2020, algorithm 1.  NanoDet and GFL assign by it.

    >>> anchors = [[0, 0, 10, 10], [10, 0, 20, 10], [20, 0, 30, 10]]
    >>> match_atss([[11, 1, 19, 9]], anchors, [3]).tolist()
    [-1, 0, -1]
    """
    truths, anchors = as_truths("match_atss", boxes)[0], _anchors("match_atss", anchors)
    if sum(level_sizes) != len(anchors):
        raise ValueError(f"match_atss: level_sizes add up to {sum(level_sizes)}, but there are {len(anchors)} anchors")
    match = np.full(len(anchors), BACKGROUND)
    if not len(truths) or not len(anchors):
        return match
    candidates = _candidates(truths, anchors, level_sizes, top_k)
    row, column = np.nonzero(_answers(truths, anchors[candidates]))
    places, quality = candidates[row, column], _iou_of(truths[row], anchors[candidates[row, column]])
    order = np.lexsort((-row, quality))  # the last one that is written stays: the largest IoU, then the first truth
    match[places[order]] = row[order]
    return match


def _candidates(truths: np.ndarray, anchors: np.ndarray, level_sizes: list[int], top_k: int) -> np.ndarray:
    """Anchors whose centres are nearest to each truth's, of each map: (M, K)."""
    of_truths, of_anchors = centres_and_sides(truths)[0], centres_and_sides(anchors)[0]
    columns, first = [], 0
    for size in level_sizes:
        apart = ((of_truths[:, None] - of_anchors[None, first:first + size])**2).sum(-1)
        columns.append(first + _nearest(apart, top_k))
        first += size
    return np.concatenate(columns, 1)


def _iou_of(truths: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """IoU of truths (..., 4) with anchors (..., 4) in float64, pair by pair."""
    truths, anchors = truths.astype(np.float64), anchors.astype(np.float64)
    sides = np.minimum(truths[..., 2:], anchors[..., 2:]) - np.maximum(truths[..., :2], anchors[..., :2])
    common = np.maximum(sides, 0).prod(-1)
    return common / (F.box_area(truths) + F.box_area(anchors) - common)


def _answers(truths: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Which candidates (M, K, 4) answer for their truths (M, 4): bool (M, K)."""
    iou = _iou_of(truths[:, None], candidates)
    spread = iou.std(1, ddof=1, keepdims=True) if iou.shape[1] > 1 else 0
    centre = centres_and_sides(candidates)[0]
    inside = ((centre > truths[:, None, :2]) & (centre < truths[:, None, 2:])).all(-1)
    return (iou >= iou.mean(1, keepdims=True) + spread) & inside
