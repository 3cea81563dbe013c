"""The crops that SSD trains on.

Liu et al., "SSD: single shot multibox detector", ECCV 2016, section 2.2 (sampled patches) and 3.6 (zooming out).
"""
from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ...ops.boxes import box_iou
from .sample import GREY, Sample, crop, moved

LEAST_IOU = (None, 0.1, 0.3, 0.5, 0.7, 0.9, 0.0)  # None: the image as it is; 0: any patch
AREA = 0.1, 1.0  # of a patch, as a share of the image's
ASPECT = 0.5, 2.0  # of a patch, width by height
TRIES = 50  # for a patch that meets the least IoU, before another is chosen


def random_patch(sample: Sample, rng: np.random.Generator) -> Sample:
    """The image, or a patch of it that some object overlaps by an IoU of at least 0.1, 0.3, 0.5, 0.7 or 0.9, or any.

    Patches have 0.1 to 1 of the image's area and aspects of 1/2 to 2.  The objects whose centres are inside stay, cut
    off at the edges; there is at least one.  An image without objects stays as it is.
    """
    while len(sample.boxes) and (least := LEAST_IOU[rng.integers(len(LEAST_IOU))]) is not None:
        for _ in range(TRIES):
            window = _window(sample.size, rng)
            if window is None:
                continue
            inside = _centres_inside(sample.boxes, window)
            if inside.any() and box_iou(sample.boxes, _as_box(window)).max() >= least:
                return crop(sample.chosen(inside), *window)
    return sample


def random_expansion(sample: Sample, rng: np.random.Generator, most: float = 4.0, probability: float = 0.5,
                     fill: float = GREY) -> Sample:
    """The image somewhere on a canvas whose sides are up to `most` times as long, with a probability: small objects.

    fill: the rest of the canvas, from 0 to 1.  Raises ValueError where `most` is below 1.
    """
    if not most >= 1:
        raise ValueError(f"random_expansion: most must be at least 1, got {most}")
    if not rng.random() < probability:
        return sample
    (h, w), ratio = sample.size, rng.uniform(1, most)
    height, width = int(h * ratio), int(w * ratio)
    top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    canvas = np.full((height, width, sample.image.shape[2]), fill * sample.largest, sample.image.dtype)
    canvas[top:top + h, left:left + w] = sample.image
    return replace(sample, image=canvas, boxes=moved(sample.boxes, (1, 1), (top, left)))


def _window(size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int, int, int] | None:
    """Top, left, height and width of a patch, or None where it would not fit."""
    h, w = size
    area, aspect = rng.uniform(*AREA), math.exp(rng.uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
    height, width = max(1, round(h * math.sqrt(area / aspect))), max(1, round(w * math.sqrt(area * aspect)))
    if height > h or width > w:
        return None
    return int(rng.integers(h - height + 1)), int(rng.integers(w - width + 1)), height, width


def _as_box(window: tuple[int, int, int, int]) -> np.ndarray:
    top, left, height, width = window
    return np.array([[left, top, left + width, top + height]], np.float32)


def _centres_inside(boxes: np.ndarray, window: tuple[int, int, int, int]) -> np.ndarray:
    low, high = np.split(_as_box(window)[0], 2)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    return ((centres > low) & (centres < high)).all(axis=1)
