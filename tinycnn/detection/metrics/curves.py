"""Average precision from a precision-recall curve, in the two ways of PASCAL VOC."""
from __future__ import annotations

import numpy as np

ELEVEN = np.arange(11) / 10  # recalls 0, 0.1, ..., 1, each the nearest double: 3 found of 10 reach 0.3


def precision_recall(right: np.ndarray, wrong: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall (n,) after each of n detections in order of score, of `count` truths.

    right, wrong: bool (n,); one that is neither changes nothing, and before the first of the others precision is 0.

    >>> precision, recall = precision_recall(np.array([True, False]), np.array([False, True]), 4)
    >>> precision.tolist(), recall.tolist()
    ([1.0, 0.5], [0.25, 0.25])
    """
    hits, misses = np.cumsum(right), np.cumsum(wrong)
    return hits / np.maximum(hits + misses, 1), hits / count


def compute_ap(recall: np.ndarray, precision: np.ndarray) -> float:
    """The area under the curve, precision being the best at that recall or beyond (VOC from 2010 on).

    recall, precision: (n,), recall never falling.  Everingham et al., "The PASCAL visual object classes challenge: a
    retrospective", IJCV 2015, section 3.4.1.

    >>> compute_ap(np.array([0.5, 0.5, 1.0]), np.array([1.0, 0.5, 0.75]))
    0.875
    """
    steps = np.diff(recall, prepend=0.0)
    return float(np.dot(steps, _best_beyond(precision)))


def eleven_point_ap(recall: np.ndarray, precision: np.ndarray) -> float:
    """The mean of the best precision at recall 0, 0.1, ..., 1 or beyond, 0 where it is not reached (VOC until 2009).

    recall, precision: (n,), recall never falling.  Everingham et al., "The PASCAL visual object classes (VOC)
    challenge", IJCV 2010, section 4.2.

    >>> round(eleven_point_ap(np.array([0.5]), np.array([1.0])), 4)  # recall 0 to 0.5: six of eleven
    0.5455
    """
    best = np.append(_best_beyond(precision), 0.0)
    return float(best[np.searchsorted(recall, ELEVEN)].mean())


def _best_beyond(precision: np.ndarray) -> np.ndarray:
    return np.maximum.accumulate(np.asarray(precision, np.float64)[::-1])[::-1]
