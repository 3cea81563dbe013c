"""Truths of an image, whom they were matched with, and the dense arrays of fixed shape that criteria take.

A match is a row of integers, one for each anchor, point or cell: the number of its truth, BACKGROUND or IGNORED.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .boxes import as_boxes

BACKGROUND, IGNORED = -1, -2


def as_truths(call: str, boxes: Any, labels: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Truths of one image: boxes (M, 4), xyxy with positive sides, and labels (M,), integers from 0; M may be 0.

    Raises ValueError or TypeError naming the caller and the first box or label that is none.
    """
    array = as_boxes(call, "boxes", boxes)
    if array.ndim != 2:
        raise ValueError(f"{call}: boxes must be (M, 4), got the shape {array.shape}")
    good = np.isfinite(array).all(1) & (array[:, 2:] > array[:, :2]).all(1)
    if not good.all():
        at = int(np.argmin(good))
        raise ValueError(f"{call}: boxes[{at}] is {array[at].tolist()}, expected x1 < x2 and y1 < y2, all finite")
    if labels is None:
        return array, np.zeros(len(array), np.int64)
    classes = np.asarray(labels)
    if classes.dtype.kind not in "iu" and classes.size:
        raise TypeError(f"{call}: labels must be integers, got {classes.dtype}")
    if classes.shape != (len(array),) or (classes < 0).any():
        raise ValueError(f"{call}: labels must be {len(array)} integers from 0, one for each box; got the shape "
                         f"{classes.shape}" + (f" and {classes.min()}" if classes.size else ""))
    return array, classes.astype(np.int64)


def pad_truths(boxes: Sequence[Any], most: int | None = None) -> np.ndarray:
    """The boxes of N images, (M_i, 4) each, as one array (N, M, 4), filled up with zeros.

    most: M; None: the largest M_i, at least 1.  Raises ValueError where an image has more.

    >>> pad_truths([[[0, 0, 4, 4]], []], most=2).tolist()
    [[[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]
    """
    arrays = [as_truths("pad_truths", of_image)[0] for of_image in boxes]
    longest = max((len(array) for array in arrays), default=0)
    if most is not None and longest > most:
        raise ValueError(f"pad_truths: an image has {longest} boxes, more than most={most!r}")
    padded = np.zeros((len(arrays), max(1, longest) if most is None else most, 4), np.float32)
    for row, array in zip(padded, arrays):
        row[:len(array)] = array
    return padded


def dense_targets(match: np.ndarray, boxes: Any, labels: Any, background: int,
                  ignored: int = -1) -> tuple[np.ndarray, np.ndarray]:
    """Labels (P,) and boxes (P, 4) of anchors that were matched with the truths of an image: what criteria take.

    background, ignored: the labels of anchors without a truth and of those that do not count.  Boxes are 0 there.

    >>> labels, boxes = dense_targets(np.array([0, -1, -2]), [[1, 2, 3, 4]], [7], background=20)
    >>> labels.tolist(), boxes.tolist()
    ([7, 20, -1], [[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    """
    truths, classes = as_truths("dense_targets", boxes, labels)
    found = match >= 0
    of_each = np.where(match == IGNORED, ignored, background)
    where = np.zeros((len(match), 4), truths.dtype)
    of_each[found], where[found] = classes[match[found]], truths[match[found]]
    return of_each, where


def batch_targets(boxes: Sequence[Any], labels: Sequence[Any], match: Callable[[np.ndarray], np.ndarray],
                  background: int, ignored: int = -1) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N, P) and boxes (N, P, 4) from boxes (M_i, 4) and labels (M_i,) of N images; see `dense_targets`.

    match: what matches the boxes of an image with the P anchors.

    >>> from tinycnn.detection.matching import match_boxes
    >>> anchors = np.array([[0, 0, 10, 10], [20, 20, 30, 30]], np.float32)
    >>> found, _ = batch_targets([[[0, 0, 10, 9]], []], [[4], []], lambda truths: match_boxes(truths, anchors), 80)
    >>> found.tolist()
    [[4, 80], [80, 80]]
    """
    if len(boxes) != len(labels) or not len(boxes):
        raise ValueError("batch_targets: expected boxes and labels of as many images, at least one; got "
                         f"{len(boxes)} and {len(labels)}")
    images = [as_truths("batch_targets", *of_image) for of_image in zip(boxes, labels)]
    dense = [dense_targets(match(truths), truths, classes, background, ignored) for truths, classes in images]
    return np.stack([of_each for of_each, _ in dense]), np.stack([where for _, where in dense]).astype(np.float32)


def sample_matches(match: np.ndarray, count: int, positive_fraction: float,
                   rng: np.random.Generator) -> np.ndarray:
    """A match in which at most `count` anchors are left, drawn at random; all others are IGNORED.

    At most a positive_fraction of them have a truth; background fills up what is wanting.  RPN: 256 and 1/2, the
    head of Fast R-CNN: 128 and 1/4.  Ren et al., "Faster R-CNN", NeurIPS 2015, section 3.1.3.

    >>> sampled = sample_matches(np.array([0, 1, 2, -1, -1, -1, -1, -2]), 4, 0.25, np.random.default_rng(0))
    >>> int((sampled >= 0).sum()), int((sampled == BACKGROUND).sum())
    (1, 3)
    """
    if count < 0 or not 0 <= positive_fraction <= 1:
        raise ValueError("sample_matches: expected count >= 0 and positive_fraction within [0, 1], got "
                         f"{count!r} and {positive_fraction!r}")
    positive, negative = np.flatnonzero(match >= 0), np.flatnonzero(match == BACKGROUND)
    wanted = min(len(positive), int(count * positive_fraction))
    chosen = [rng.choice(positive, wanted, replace=False),
              rng.choice(negative, min(len(negative), count - wanted), replace=False)]
    sampled = np.full_like(match, IGNORED)
    for places in chosen:
        sampled[places] = match[places]
    return sampled
