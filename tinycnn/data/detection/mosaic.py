"""Training on several images at once, and on images of several sizes."""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...ops.geometry import pair
from .sample import Sample, as_floats, as_pixels, crop, moved, resize

SPLIT = 0.2, 0.8  # where the four images of a mosaic meet, as shares of its sides
SHARE = 0.4, 1.0  # of an image's largest window of the right shape: the side of the window that is shown
VISIBLE = 0.3  # of an object's area must be in the window
SMALLEST = 2.0  # pixels: objects with a shorter side are not labelled


def mosaic(samples: Sequence[Sample], rng: np.random.Generator, size: int | tuple[int, int]) -> Sample:
    """Four images on one of (height, width) or a square, a window of each filling its quarter.

    The quarters meet at a random point.  Objects are cut off at the windows' edges; those with less than 0.3 of their
    area left, or 2 pixels across, are dropped.  Bochkovskiy, Wang and Liao, "YOLOv4: optimal speed and accuracy of
    object detection", arXiv:2004.10934, 2020, section 3.3; the choice of windows is ours.

    Raises ValueError for another number of images, of channels or types that differ, or a size below 8 pixels.
    """
    height, width = pair(size, "size", "mosaic", least=8)
    first = samples[0].image if samples else np.zeros((0, 0, 0))
    if len(samples) != 4 or any((s.image.dtype, s.image.shape[2]) != (first.dtype, first.shape[2]) for s in samples):
        raise ValueError(f"mosaic: expected four images of one type and number of channels, got "
                         f"{[f'{s.image.dtype} {s.image.shape}' for s in samples]}")
    y, x = round(height * rng.uniform(*SPLIT)), round(width * rng.uniform(*SPLIT))
    canvas = np.empty((height, width, first.shape[2]), first.dtype)
    parts = []
    for sample, (top, left, bottom, right) in zip(samples, ((0, 0, y, x), (0, x, y, width), (y, 0, height, x),
                                                            (y, x, height, width))):
        part = _window_of(sample, rng, bottom - top, right - left)
        canvas[top:bottom, left:right] = part.image
        parts.append(replace(part, boxes=moved(part.boxes, (1, 1), (top, left))))
    return _joined(canvas, parts)


def _window_of(sample: Sample, rng: np.random.Generator, height: int, width: int) -> Sample:
    """A window of the shape height x width, resized to it."""
    h, w = sample.size
    scale = min(h / height, w / width) * rng.uniform(*SHARE)
    rows, columns = min(h, max(1, round(height * scale))), min(w, max(1, round(width * scale)))
    top, left = int(rng.integers(h - rows + 1)), int(rng.integers(w - columns + 1))
    part = resize(crop(sample, top, left, rows, columns, VISIBLE), (height, width))
    sides = part.boxes[:, 2:] - part.boxes[:, :2]
    return part.chosen((sides >= SMALLEST).all(axis=1))


def mixup(a: Sample, b: Sample, rng: np.random.Generator, alpha: float = 1.5) -> Sample:
    """lam a + (1 - lam) b, lam from Beta(alpha, alpha), with the objects of both, weighted lam and 1 - lam.

    The images lie on each other by their upper left corners, black where there is only one, so that no object is
    distorted.  Zhang et al., "Bag of freebies for training object detection neural networks", arXiv:1902.04103, 2019,
    section 3.1.  Raises ValueError for images of another type or number of channels, or alpha not above 0.
    """
    if not alpha > 0:
        raise ValueError(f"mixup: alpha must be positive, got {alpha}")
    if (a.image.dtype, a.image.shape[2]) != (b.image.dtype, b.image.shape[2]):
        raise ValueError(f"mixup: images of {a.image.dtype} {a.image.shape} and {b.image.dtype} {b.image.shape}")
    share = float(rng.beta(alpha, alpha))
    height, width = (max(sides) for sides in zip(a.size, b.size))
    mixed = np.zeros((height, width, a.image.shape[2]), as_floats(a.image[:1]).dtype)
    for sample, weight in ((a, share), (b, 1 - share)):
        h, w = sample.size
        mixed[:h, :w] += weight * sample.image
    parts = [replace(a, weights=a.weights * share), replace(b, weights=b.weights * (1 - share))]
    return _joined(as_pixels(mixed, a.image.dtype), parts)


def _joined(image: np.ndarray, parts: Sequence[Sample]) -> Sample:
    return Sample(image, *(np.concatenate([getattr(part, name) for part in parts])
                           for name in ("boxes", "labels", "weights")))


def multi_scale_size(batch: int, seed: int = 0, every: int = 10, smallest: int = 320, largest: int = 608,
                     step: int = 32) -> int:
    """The side of the images of a batch: one of smallest, smallest + step, ..., largest, another each `every` batches.

    It depends on the arguments alone, so that a run which goes on after a stop sees the sizes it would have seen.
    Redmon and Farhadi, "YOLO9000: better, faster, stronger", CVPR 2017, section 2, "Multi-scale training".  Raises
    ValueError where there is no such size.

    >>> sizes = {multi_scale_size(batch) for batch in range(1000)}
    >>> sizes == set(range(320, 609, 32)), multi_scale_size(20) == multi_scale_size(29)
    (True, True)
    """
    if not (0 < smallest <= largest and step > 0 and every > 0 and batch >= 0):
        raise ValueError(f"multi_scale_size: no size for batch {batch}, another every {every}, from {smallest} to "
                         f"{largest} by {step}")
    count = math.floor((largest - smallest) / step) + 1
    return smallest + step * int(np.random.default_rng((seed, batch // every)).integers(count))
