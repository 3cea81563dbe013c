"""Dense targets of YOLO, for `losses.YOLOv1Loss` and for the losses of versions 2 to 4."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .anchors import GridSizes, as_grids
from .boxes import centres_and_sides
from .coders import encode_grid
from .targets import as_truths
from .yolo_anchors import YOLOScale, sides_iou

NO_OBJECT = -1


class Cells(NamedTuple):
    """Targets of one map: the class that each anchor of each cell answers for, or NO_OBJECT, its box in pixels, and
    what it counts in the loss, 1 where there is none.
    """

    labels: np.ndarray  # int64 (N, A, H, W)
    boxes: np.ndarray  # float32 (N, A, H, W, 4)
    weights: np.ndarray  # float32 (N, A, H, W)


def _require_pairs(call: str, boxes: Sequence[Any], labels: Sequence[Any]) -> list[tuple[np.ndarray, np.ndarray]]:
    if len(boxes) != len(labels) or not len(boxes):
        raise ValueError(f"{call}: expected boxes and labels of as many images, at least one; got {len(boxes)} and "
                         f"{len(labels)}")
    return [as_truths(call, *of_image) for of_image in zip(boxes, labels)]


def yolo_v1_targets(boxes: Sequence[Any], labels: Sequence[Any], size: tuple[int, int],
                    cells: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N, S, S) and boxes (N, S, S, 4) of `YOLOv1Loss`, from boxes (M_i, 4) and labels (M_i,) of N images.

    size: (height, width) of the network's input; cells: S.  The cell in which a truth's centre lies answers for it; of
    several the first.  Redmon et al., "You only look once", CVPR 2016, section 2.

    >>> labels, boxes = yolo_v1_targets([[[0, 0, 50, 50]]], [[3]], (100, 100), cells=2)
    >>> labels.tolist(), boxes[0, 0, 0].tolist()
    ([[[3, -1], [-1, -1]]], [0.5, 0.5, 0.5, 0.5])
    """
    images = _require_pairs("yolo_v1_targets", boxes, labels)
    dense = np.full((len(images), cells, cells), NO_OBJECT), np.zeros((len(images), cells, cells, 4), np.float32)
    for i, (truths, classes) in enumerate(images):
        codes, places = encode_grid(truths, cells, size)
        _, first = np.unique(places @ [cells, 1], return_index=True)
        at = (i, *places[first].T)
        dense[0][at], dense[1][at] = classes[first], codes[first]
    return dense


def yolo_targets(boxes: Sequence[Any], labels: Sequence[Any], grid_sizes: GridSizes, scales: Sequence[YOLOScale],
                 iou_threshold: float | None = None, weights: Sequence[Any] | None = None) -> list[Cells]:
    """Targets of every map of YOLO v2, v3 or v4, from boxes (M_i, 4), labels and weights (M_i,) of N images.

    Of all anchors of all maps the one answers for a truth whose sides have the largest IoU with the truth's, in the
    cell in which its centre lies; of truths that fall together the last.  iou_threshold: so do all others whose IoU
    exceeds it (v4's configuration: 0.213), but not where another truth has its best.  weights: what
    truths count in the loss; None: 1.  What the losses take besides, all truths, is `targets.pad_truths`.

    Redmon and Farhadi, "YOLOv3", 2018, section 2.1.

    >>> from tinycnn.detection.yolo_anchors import PUBLISHED
    >>> coarse, fine = yolo_targets([[[100, 100, 130, 130]]], [[5]], [(13, 13), (26, 26)], PUBLISHED["yolov3_tiny"])
    >>> bool((coarse.labels >= 0).any()), np.argwhere(fine.labels == 5).tolist()
    (False, [[0, 1, 7, 7]])
    """
    images = _require_pairs("yolo_targets", boxes, labels)
    grids = as_grids("yolo_targets", grid_sizes, scales=scales)
    places = [(len(images), len(scale.anchors), *grid) for grid, scale in zip(grids, scales)]
    dense = [Cells(np.full(shape, NO_OBJECT), np.zeros((*shape, 4), np.float32), np.ones(shape, np.float32))
             for shape in places]
    for i, (truths, classes) in enumerate(images):
        counts = np.ones(len(truths), np.float32) if weights is None else np.asarray(weights[i], np.float32)
        if len(truths):
            iou = sides_iou(centres_and_sides(truths)[1], np.concatenate([scale.anchors for scale in scales]))
            best = iou.argmax(1)
            if iou_threshold is not None:
                _write(dense, i, truths, classes, counts, scales, *np.nonzero(iou > iou_threshold))
            _write(dense, i, truths, classes, counts, scales, np.arange(len(truths)), best)
    return dense


def _write(dense: list[Cells], image: int, truths: np.ndarray, classes: np.ndarray, counts: np.ndarray,
           scales: Sequence[YOLOScale], chosen: np.ndarray, anchors: np.ndarray) -> None:
    """Let anchors (K,), counted over all maps, answer for the truths `chosen` (K,), each in its cell."""
    centres, first = centres_and_sides(truths)[0], 0
    for (labels, boxes, weights), scale in zip(dense, scales):
        mine = (anchors >= first) & (anchors < first + len(scale.anchors))
        truth, extent = chosen[mine], np.array(labels.shape[:1:-1])  # (W, H)
        column, row = np.clip(centres[truth] // scale.stride, 0, extent - 1).astype(np.int64).T
        at = (image, anchors[mine] - first, row, column)
        labels[at], boxes[at], weights[at] = classes[truth], truths[truth], counts[truth]
        first += len(scale.anchors)
