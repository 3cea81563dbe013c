"""The average precision of PASCAL VOC, at one IoU threshold.

Everingham et al., "The PASCAL visual object classes (VOC) challenge", IJCV 2010, section 4.4.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .curves import compute_ap, eleven_point_ap, precision_recall
from .matching import overlapping_pairs
from .records import Detections, Truths, read_all


@dataclass(frozen=True)
class VocResult:
    """The average precision of each class that has a truth to find, by label."""

    per_class: dict[int, float]

    @property
    def mean(self) -> float:
        """mAP; NaN where no class has a truth."""
        return float(np.mean(list(self.per_class.values()))) if self.per_class else float("nan")


def average_precision(detections: Sequence[Mapping[str, Any]], truths: Sequence[Mapping[str, Any]],
                      iou_threshold: float = 0.5, eleven_point: bool = False, inclusive: bool = False,
                      box_format: str = "xyxy") -> VocResult:
    """VOC's average precision of a list of images.

    detections: per image a dict of `boxes` (n, 4), `scores` (n,), `labels` (n,).  truths: per image a dict of `boxes`
    (m, 4), `labels` (m,), and where there are any `difficult` (m,): objects that need not be found, nor count against
    who finds them.  eleven_point: VOC 2007's mean of eleven precisions, else the area under the curve.  inclusive: the
    last pixels belong to the box, which is then x2 - x1 + 1 wide, as in VOC's files and its own program.

    In order of score each detection looks at the truth of its class that it overlaps most: it is right if the IoU is
    at least the threshold and no detection before it took that truth, wrong otherwise.

    Raises ValueError for arrays that do not belong together, a number that is not finite, a threshold outside (0, 1].

    >>> truths = [{"boxes": [[0, 0, 40, 40], [50, 0, 90, 40]], "labels": [1, 1]}]
    >>> average_precision([{"boxes": [[0, 0, 40, 40]], "labels": [1], "scores": [0.5]}], truths).mean
    0.5
    """
    if not 0 < iou_threshold <= 1:
        raise ValueError(f"average_precision: iou_threshold must be within (0, 1], got {iou_threshold}")
    found, there = read_all("average_precision", detections, truths, box_format)
    if inclusive:
        found.boxes[:, 2:] += 1
        there.boxes[:, 2:] += 1
    classes = np.unique(there.labels[~there.difficult])
    return VocResult({int(c): _one_class(_of_class(found, c), _of_class(there, c), iou_threshold, eleven_point)
                      for c in classes})


def _one_class(found: Detections, there: Truths, threshold: float, eleven_point: bool) -> float:
    taken = _taken_truth(found, there, threshold)
    order = np.argsort(-found.scores, kind="stable")
    taken = taken[order]
    hit = taken >= 0
    first = np.zeros(len(taken), bool)
    first[np.unique(taken, return_index=True)[1]] = True
    free = hit & there.difficult[taken] if len(there.difficult) else np.zeros(len(taken), bool)
    right = hit & first & ~free
    precision, recall = precision_recall(right, ~right & ~free, int(np.count_nonzero(~there.difficult)))
    return (eleven_point_ap if eleven_point else compute_ap)(recall, precision)


def _taken_truth(found: Detections, there: Truths, threshold: float) -> np.ndarray:
    """The truth that each detection overlaps most, the first of equal ones; -1 below the threshold."""
    pairs = overlapping_pairs(found.boxes, found.image, there.boxes, there.image, np.zeros(len(there.boxes), bool),
                              threshold)
    order = np.lexsort((-pairs.truth, pairs.iou, pairs.detection))  # the best of each detection comes last
    taken = np.full(len(found.boxes), -1)
    taken[pairs.detection[order]] = pairs.truth[order]
    return taken


def _of_class(of: Any, label: int) -> Any:
    return type(of)(*(column[of.labels == label] for column in of))
