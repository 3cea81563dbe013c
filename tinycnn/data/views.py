"""What of a photo a network sees: photos of any size to one array of equal ones.

The random ones draw from the Generator they are given, for each photo apart; resizing is pillow's.
"""
from __future__ import annotations

from collections.abc import Iterable
from math import exp, log, sqrt

import numpy as np

from .images import resized, resized_middle

TRIES = 10  # of a random crop, before the middle is taken


def middle(photos: Iterable[np.ndarray], resize: int, size: int, interpolation: str = "bilinear") -> np.ndarray:
    """The middle of each photo: uint8 (H, W, 3), any H and W -> uint8 (N, size, size, 3).

    The shorter side is resized to `resize` pixels before.  interpolation: "bilinear" or "bicubic".
    """
    return np.stack([resized_middle(photo, resize, size, interpolation) for photo in photos])


def random_resized_crop(photos: Iterable[np.ndarray], rng: np.random.Generator, size: int,
                        scale: tuple[float, float] = (0.35, 1.0), ratio: tuple[float, float] = (3 / 4, 4 / 3),
                        interpolation: str = "bilinear") -> np.ndarray:
    """A random part of each photo, resized: uint8 (H, W, 3), any H and W -> uint8 (N, size, size, 3).

    scale: least and largest share of the photo's area; ratio: of width to height, drawn by its logarithm.

    Szegedy et al., "Going deeper with convolutions", CVPR 2015, section 6 (with a scale from 0.08).
    """
    boxes = ((photo, _random_box(photo.shape[0], photo.shape[1], rng, scale, ratio)) for photo in photos)
    return np.stack([resized(photo, size, box, interpolation) for photo, box in boxes])


def _random_box(height: int, width: int, rng: np.random.Generator, scale: tuple[float, float],
                ratio: tuple[float, float]) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of a random part; of the largest square in the middle, where none fits."""
    for _ in range(TRIES):
        area = height * width * rng.uniform(*scale)
        aspect = exp(rng.uniform(log(ratio[0]), log(ratio[1])))
        w, h = round(sqrt(area * aspect)), round(sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
            return left, top, left + w, top + h
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side
