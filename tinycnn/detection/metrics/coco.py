"""The metrics of COCO: average precision and recall over IoU thresholds, areas and classes.

Lin et al., "Microsoft COCO: common objects in context", ECCV 2014, and the definitions at cocodataset.org,
"Detection evaluation".  The numbers are those of pycocotools, which the tests compare with.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .matching import match, overlapping_pairs, positions
from .records import (
    Detections,
    Truths,
    check_format,
    join,
    no_detections,
    no_truths,
    read_all,
    read_detections,
    read_truths,
)

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
MAX_DETECTIONS = (1, 10, 100)  # of an image and class, the best by score
AREAS = {"all": (0, 1e10), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e10)}  # pixels, inclusive
ALMOST_ONE = 1 - 1e-10  # a threshold above is lowered to it: rounding may keep equal boxes below an IoU of 1
NAMES = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large",
         "AR1", "AR10", "AR100", "AR_small", "AR_medium", "AR_large")


@dataclass(frozen=True)
class CocoResult:
    """The numbers of COCO's table, each -1 where there is no truth to find.

    classes: the K labels that occur among the truths, ascending; the others have no precision or recall.
    precision: (10 IoU thresholds, 101 recalls, K, 4 areas), of the best 100 detections.
    recall: (10 IoU thresholds, K, 4 areas, 3: the best 1, 10, 100 detections).  Areas: all, small, medium, large.
    """

    classes: np.ndarray
    precision: np.ndarray
    recall: np.ndarray

    @property
    def stats(self) -> dict[str, float]:
        """AP, AP50, AP75, AP by area, AR by the number of detections, AR by area."""
        p, r = self.precision, self.recall
        chosen = (p[..., 0], p[0, ..., 0], p[5, ..., 0], p[..., 1], p[..., 2], p[..., 3],
                  r[..., 0, 0], r[..., 0, 1], r[..., 0, 2], r[..., 1, 2], r[..., 2, 2], r[..., 3, 2])
        return dict(zip(NAMES, map(_mean, chosen)))

    @property
    def ap(self) -> float:
        """Average precision, the mean over IoU 0.5 to 0.95 and the classes."""
        return _mean(self.precision[..., 0])

    @property
    def ap50(self) -> float:
        """Average precision at IoU 0.5."""
        return _mean(self.precision[0, ..., 0])

    def per_class(self) -> dict[int, float]:
        """The average precision of each class."""
        return {int(c): _mean(self.precision[:, :, k, 0]) for k, c in enumerate(self.classes)}

    def __str__(self) -> str:
        return "\n".join(f"{name:9} {value:6.3f}" for name, value in self.stats.items())


class CocoEvaluator:
    """COCO's metrics of detections that arrive image by image.

    box_format: "xyxy", corners in pixels, or "xywh", as COCO's files have them.

    >>> evaluator = CocoEvaluator()
    >>> truths = {"boxes": [[10, 10, 50, 50]], "labels": [3]}
    >>> evaluator.update({"boxes": [[10, 10, 50, 42]], "labels": [3], "scores": [0.9]}, truths)
    >>> round(evaluator.evaluate().ap, 3)  # an IoU of 0.8: 7 of the 10 thresholds
    0.7
    """

    def __init__(self, box_format: str = "xyxy") -> None:
        self.box_format = check_format("CocoEvaluator", box_format)
        self._images: dict[int, tuple[Detections, Truths]] = {}

    def update(self, detections: Mapping[str, Any], truths: Mapping[str, Any], image_id: int | None = None) -> None:
        """Take one image: the detections (`boxes`, `scores`, `labels`), the truths (`boxes`, `labels`, and where there
        are any `iscrowd`, `area`: the object's pixels, which need not be the box's).

        image_id: equal scores of different images count in the order of these; 0, 1, 2, ... where not given.  Raises
        ValueError for arrays that do not belong together, a number that is not finite, an image that came before.
        """
        number = len(self._images) if image_id is None else int(image_id)
        if number in self._images:
            raise ValueError(f"CocoEvaluator.update: the image {number} has come before")
        self._images[number] = (read_detections("CocoEvaluator.update", number, detections, self.box_format),
                                read_truths("CocoEvaluator.update", number, truths, self.box_format))

    def evaluate(self) -> CocoResult:
        """The metrics of all images that came."""
        images = [self._images[number] for number in sorted(self._images)]
        return _evaluate(join([d for d, _ in images], no_detections()), join([t for _, t in images], no_truths()))


def coco_map(detections: Sequence[Mapping[str, Any]], truths: Sequence[Mapping[str, Any]],
             box_format: str = "xyxy") -> CocoResult:
    """COCO's metrics of a list of images: see `CocoEvaluator`, whose arguments and errors these are.

    >>> truths = [{"boxes": [[0, 0, 40, 40]], "labels": [1]}, {"boxes": [], "labels": []}]
    >>> found = {"boxes": [[0, 0, 40, 40]], "labels": [1], "scores": [0.5]}
    >>> print(round(coco_map([found, found], truths).ap50, 6))
    1.0
    """
    return _evaluate(*read_all("coco_map", detections, truths, box_format))


def _evaluate(detections: Detections, truths: Truths) -> CocoResult:
    classes = np.unique(truths.labels)
    detections = _take(detections, np.isin(detections.labels, classes))
    images = np.unique(np.concatenate([detections.image, truths.image]))
    truths, truth_group = _by_group(truths, images, classes, np.zeros(len(truths.labels)))
    detections, group = _by_group(detections, images, classes, -detections.scores)
    few = positions(group) < MAX_DETECTIONS[-1]
    detections, group = _take(detections, few), group[few]
    thresholds = np.minimum(IOU_THRESHOLDS, ALMOST_ONE)
    ignored = truths.crowd | _outside(truths.area)
    pairs = overlapping_pairs(detections.boxes, group, truths.boxes, truth_group, truths.crowd, thresholds[0])
    matched, other = match(pairs, group, thresholds, truths.crowd, ignored)
    other |= ~matched & _outside(detections.boxes[:, 2] * detections.boxes[:, 3])[:, None]
    return _curves(classes, detections, positions(group), matched & ~other, ~matched & ~other,
                   [np.count_nonzero(~ignored[:, truths.labels == c], axis=1) for c in classes])


def _curves(classes: np.ndarray, detections: Detections, rank: np.ndarray, right: np.ndarray, wrong: np.ndarray,
            counts: list[np.ndarray]) -> CocoResult:
    """Precision and recall from detections that are right, wrong or neither, bool (A, T, n), and counts of truths."""
    areas, steps = right.shape[:2]
    precision = np.full((steps, len(RECALLS), len(classes), areas), -1.0)
    recall = np.full((steps, len(classes), areas, len(MAX_DETECTIONS)), -1.0)
    order = np.lexsort((-detections.scores, detections.labels))
    bounds = [*np.searchsorted(detections.labels[order], classes, "left").tolist(), len(order)]
    for k, count in enumerate(counts):
        chosen = order[bounds[k]:bounds[k + 1]]
        for a in np.flatnonzero(count):
            hits, misses = right[a][:, chosen], wrong[a][:, chosen]
            precision[:, :, k, a] = _precision_at_recalls(hits, misses, count[a])
            for m, most in enumerate(MAX_DETECTIONS):
                recall[:, k, a, m] = np.count_nonzero(hits & (rank[chosen] < most), axis=1) / count[a]
    return CocoResult(classes, precision, recall)


def _precision_at_recalls(hits: np.ndarray, misses: np.ndarray, count: int) -> np.ndarray:
    """(T, 101): the best precision at each recall or beyond, 0 where it is not reached."""
    right, wrong = hits.cumsum(axis=1), misses.cumsum(axis=1)
    precision = right / (right + wrong + np.spacing(1))
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    best = np.concatenate([best, np.zeros((len(hits), 1))], axis=1)
    return np.stack([row[np.searchsorted(r / count, RECALLS)] for row, r in zip(best, right)])


def _by_group(of: Any, images: np.ndarray, classes: np.ndarray, key: np.ndarray) -> tuple[Any, np.ndarray]:
    """The columns sorted by image, class and key, and a number for each image and class."""
    group = np.searchsorted(images, of.image) * len(classes) + np.searchsorted(classes, of.labels)
    order = np.lexsort((key, group))
    return _take(of, order), group[order]


def _take(of: Any, chosen: np.ndarray) -> Any:
    return type(of)(*(column[chosen] for column in of))


def _outside(area: np.ndarray) -> np.ndarray:
    """Whether an area (n,) lies out of each range: (A, n)."""
    return np.stack([(area < low) | (area > high) for low, high in AREAS.values()])


def _mean(values: np.ndarray) -> float:
    values = values[values > -1]
    return float(values.mean()) if values.size else -1.0
