"""YOLO's anchors: those that were published, how new ones are found, and where they stand."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .anchors import GridSizes, as_grids, cell_places

Sides = tuple[tuple[float, float], ...]  # (w, h) in pixels of the network's input


class YOLOScale(NamedTuple):
    """A map of a YOLO: pixels from cell to cell, its anchors, how far σ is stretched about 1/2."""

    stride: int
    anchors: Sides
    scale_xy: float = 1.0


def _pairs(*numbers: float, of: float = 1) -> Sides:
    """w, h, w, h, ... as pairs, each `of` pixels."""
    return tuple((w * of, h * of) for w, h in zip(numbers[::2], numbers[1::2], strict=True))


_V3 = _pairs(10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326)
_V3_TINY = _pairs(10, 14, 23, 27, 37, 58, 81, 82, 135, 169, 344, 319)
_V4 = _pairs(12, 16, 19, 36, 40, 28, 36, 75, 76, 55, 72, 146, 142, 110, 192, 243, 459, 401)
PUBLISHED: dict[str, tuple[YOLOScale, ...]] = {  # Darknet's configuration files; maps in the order of its networks
    "yolov2_voc": (YOLOScale(32, _pairs(1.3221, 1.73145, 3.19275, 4.00944, 5.05587, 8.09892, 9.47112, 4.84053,
                                        11.2364, 10.0071, of=32)),),
    "yolov2_coco": (YOLOScale(32, _pairs(0.57273, 0.677385, 1.87446, 2.06253, 3.33843, 5.47434, 7.88282, 3.52778,
                                         9.77052, 9.16828, of=32)),),
    "yolov3": (YOLOScale(32, _V3[6:]), YOLOScale(16, _V3[3:6]), YOLOScale(8, _V3[:3])),
    "yolov3_tiny": (YOLOScale(32, _V3_TINY[3:]), YOLOScale(16, _V3_TINY[:3])),
    "yolov4": (YOLOScale(8, _V4[:3], 1.2), YOLOScale(16, _V4[3:6], 1.1), YOLOScale(32, _V4[6:], 1.05)),
}


def yolo_priors(grid_sizes: GridSizes, scales: Sequence[YOLOScale]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The cell's first corner and the anchor's sides (P, 4) of all maps, in pixels; their strides and scale_xy, (P, 1).

    Rows go map by map, in each anchor by anchor, row by row, column by column: a head's output (N, A K, H, W) is
    (N, A, K, H W), from which one takes (N, A H W, K).  `coders.decode_logistic` takes the three.

    >>> priors, strides, _ = yolo_priors([(13, 13), (26, 26), (52, 52)], PUBLISHED["yolov3"])
    >>> priors.shape, priors[14].tolist()
    ((10647, 4), [32.0, 32.0, 116.0, 90.0])
    """
    grids = as_grids("yolo_priors", grid_sizes, scales=scales)
    priors = []
    for grid, scale in zip(grids, scales):
        corner = np.broadcast_to(cell_places(grid, 0) * scale.stride, (len(scale.anchors), *grid, 2))
        sides = np.broadcast_to(np.array(scale.anchors)[:, None, None], corner.shape)
        priors.append(np.concatenate([corner, sides], -1).reshape(-1, 4))
    counts = [len(of_map) for of_map in priors]
    strides, scale_xy = (np.repeat([getattr(s, name) for s in scales], counts).astype(np.float32)[:, None]
                         for name in ("stride", "scale_xy"))
    return np.concatenate(priors).astype(np.float32), strides, scale_xy


def sides_iou(sides1: np.ndarray, sides2: np.ndarray) -> np.ndarray:
    """IoU of boxes of sides (N, 2) and (M, 2) that share their centre: (N, M)."""
    common = np.minimum(sides1[:, None], sides2[None]).prod(-1)
    return common / (sides1.prod(-1)[:, None] + sides2.prod(-1)[None] - common)


def kmeans_anchors(sides: Any, k: int, seed: int = 0, iterations: int = 300) -> tuple[np.ndarray, float]:
    """k anchors (k, 2) for boxes of sides (N, 2), by area, and the mean over boxes of their best IoU with an anchor.

    k-means with the distance 1 - IoU of boxes that share their centre; a cluster's centre is the mean of its boxes.  It
    starts from k of the boxes, drawn as k-means++ draws them, and ends when no box changes its cluster.
    Redmon and Farhadi, "YOLO9000", CVPR 2017, section 2, "dimension clusters".

    Raises ValueError for sides that are not positive numbers, and for fewer of them than k.

    >>> anchors, mean_iou = kmeans_anchors([[10, 10], [12, 12], [100, 40], [100, 44]], 2)
    >>> anchors.tolist(), round(mean_iou, 3)
    ([[11.0, 11.0], [100.0, 42.0]], 0.893)
    """
    sides = np.asarray(sides, np.float64)
    if sides.ndim != 2 or sides.shape[1] != 2 or not (np.isfinite(sides) & (sides > 0)).all():
        raise ValueError("kmeans_anchors: sides must be (N, 2), widths and heights above 0; got "
                         f"the shape {sides.shape}" + (" with others" if sides.ndim == 2 else ""))
    if not 1 <= k <= len(sides):
        raise ValueError(f"kmeans_anchors: k must be from 1 to the number of boxes, {len(sides)}, got {k!r}")
    anchors = _first_anchors(sides, k, np.random.default_rng(seed))
    nearest = np.full(len(sides), -1)
    for _ in range(iterations):
        before, nearest = nearest, sides_iou(sides, anchors).argmax(1)
        if (before == nearest).all():
            break
        anchors = np.stack([sides[nearest == i].mean(0) if (nearest == i).any() else anchors[i] for i in range(k)])
    anchors = anchors[anchors.prod(1).argsort(kind="stable")]
    return anchors, float(sides_iou(sides, anchors).max(1).mean())


def _first_anchors(sides: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """k of the boxes, each drawn by the square of its distance to those drawn before."""
    chosen = [int(rng.integers(len(sides)))]
    while len(chosen) < k:
        distance = 1 - sides_iou(sides, sides[chosen]).max(1)
        weight = np.maximum(distance, 0)**2
        chosen.append(int(rng.choice(len(sides), p=weight / weight.sum())) if weight.sum() > 0
                      else int(rng.integers(len(sides))))
    return sides[chosen]
