"""What is done to images before a detector trains on them, by name; the same again for the same seed, epoch and index.

What comes out may have any size: a detector's `inputs.place` brings it onto the canvas.
"""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .colour import distort_colour
from .crops import random_expansion, random_patch
from .jitter import random_window, scale_colour
from .mosaic import mixup, mosaic
from .sample import Sample, random_flip

Fetch = Callable[[int], Sample]  # gives the sample of an index
Augmentation = Callable[[Fetch, int, int, np.random.Generator, tuple[int, int]], Sample]
MOSAICS = MIXTURES = 0.5  # share of images that are shown with others


def sample_rng(seed: int, epoch: int, index: int) -> np.random.Generator:
    """What an image's changes are drawn from: they depend on nothing else, whatever was drawn before.

    >>> sample_rng(0, 3, 5).random() == sample_rng(0, 3, 5).random(), sample_rng(0, 3, 5).random() == sample_rng(
    ...     0, 5, 3).random()
    (True, False)
    """
    return np.random.default_rng((seed, epoch, index))


def augment(recipe: str) -> Augmentation:
    """The recipe of a name: a function (fetch, index, count, rng, canvas) -> Sample.

    fetch(i): the sample i of `count`; index: the one that is due; rng: see `sample_rng`; canvas: (height, width) of the
    detector's images.

        none    as it is
        flip    mirrored left to right, half of them
        ssd     light, expansion, a patch, flip: Liu et al., "SSD", ECCV 2016, sections 2.2 and 3.6
        yolo    another window, light, flip: Redmon et al., "You only look once", CVPR 2016, section 2.2
        yolov4  the same, half of the images in a mosaic of four: Bochkovskiy et al., "YOLOv4", 2020, section 3.3
        mixup   as yolo, half of the images mixed with another: Zhang et al., arXiv:1902.04103, 2019, section 3.1

    Raises ValueError for another name.

    >>> only = Sample(np.zeros((40, 60, 3), np.uint8), [[10, 10, 30, 30]], [2])
    >>> augment("yolov4")(lambda i: only, 0, 1, sample_rng(0, 0, 0), (64, 64)).image.dtype
    dtype('uint8')
    """
    if recipe not in RECIPES:
        raise ValueError(f"augment: recipe must be one of {', '.join(RECIPES)}, got {recipe!r}")
    return RECIPES[recipe]


def _alone(change: Callable[[Sample, np.random.Generator], Sample]) -> Augmentation:
    """A recipe that changes an image by itself."""
    def recipe(fetch: Fetch, index: int, count: int, rng: np.random.Generator, canvas: tuple[int, int]) -> Sample:
        return change(fetch(index), rng)
    return recipe


def _ssd(sample: Sample, rng: np.random.Generator) -> Sample:
    return random_flip(random_patch(random_expansion(distort_colour(sample, rng), rng), rng), rng)


def _yolo(sample: Sample, rng: np.random.Generator) -> Sample:
    return random_flip(scale_colour(random_window(sample, rng), rng), rng)


def _yolov4(fetch: Fetch, index: int, count: int, rng: np.random.Generator, canvas: tuple[int, int]) -> Sample:
    if not rng.random() < MOSAICS:
        return _yolo(fetch(index), rng)
    chosen = [index, *map(int, rng.integers(count, size=3))]
    return mosaic([_yolo(fetch(chosen[i]), rng) for i in rng.permutation(4)], rng, canvas)


def _mixup(fetch: Fetch, index: int, count: int, rng: np.random.Generator, canvas: tuple[int, int]) -> Sample:
    sample = _yolo(fetch(index), rng)
    if not rng.random() < MIXTURES:
        return sample
    return mixup(sample, _yolo(fetch(int(rng.integers(count))), rng), rng)


RECIPES: dict[str, Augmentation] = {
    "none": _alone(lambda sample, rng: sample),
    "flip": _alone(random_flip),
    "ssd": _alone(_ssd),
    "yolo": _alone(_yolo),
    "yolov4": _yolov4,
    "mixup": _mixup,
}
