"""Boxes: matrices of overlaps, losses of pairs, and regions of maps."""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinycnn import functional as F

from .frame import Task, group, integers, normal, uniform
from .torchvision import compiled_ops, ops

IMAGE = 320  # pixels


def boxes(n: int, seed: int = 0) -> np.ndarray:
    """(n, 4) x1, y1, x2, y2 in an image."""
    corner, extent = uniform(n, 2, high=0.8 * IMAGE, seed=seed), uniform(n, 2, low=4.0, high=60.0, seed=seed + 1)
    return np.concatenate([corner, corner + extent], 1)


@group("boxes")
def overlaps() -> Iterator[Task]:
    for n, m in ((100, 100), (1000, 50), (1000, 1000), (8732, 50)):
        a, b = boxes(n), boxes(m, seed=5)
        for name in ("box_iou", "generalized_box_iou", "distance_box_iou", "complete_box_iou"):
            yield Task(name, lambda a, b, name=name: getattr(F, name)(a, b),
                       lambda a, b, name=name: getattr(ops(), name)(a, b), [a, b], (), f"{n}x{m}", n * m)
    for n in (64, 2048, 4 * 8400):
        a = boxes(n)
        b = (a + uniform(n, 4, low=-3.0, high=3.0, seed=7)).astype(np.float32)
        for name in ("generalized_box_iou_loss", "distance_box_iou_loss", "complete_box_iou_loss"):
            yield Task(name, lambda a, b, name=name: getattr(F, name)(a, b, reduction="mean"),
                       lambda a, b, name=name: getattr(ops(), name)(a, b, reduction="mean"), [a, b])


@group("regions")
def regions() -> Iterator[Task]:
    for channels, side, n in ((64, 20, 16), (256, 40, 100), (490, 20, 100)):
        x = normal(1, channels, side, side)
        rois = np.concatenate([integers(n, 1, high=1), boxes(n)], 1).astype(np.float32)
        scale, size = side / IMAGE, f"1x{channels}x{side}x{side}, {n} boxes"
        for name, more in (("roi_align", {"sampling_ratio": 2, "aligned": True}), ("roi_pool", {}),
                           *([("ps_roi_pool", {})] if channels % 49 == 0 else [])):
            yield Task(name, lambda x, r, name=name, scale=scale, more=more: getattr(F, name)(x, r, 7, scale, **more),
                       lambda x, r, name=name, scale=scale, more=more: getattr(compiled_ops(), name)(
                           x, r, 7, scale, **more), [x, rois], (0,), size)
