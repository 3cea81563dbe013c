"""A detection data set in memory, the same whatever files it came from, and the list of what was wrong in them."""
from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..faults import BadDataError, Fault
from ..images import load_image, require_pillow
from ..prefetch import prefetch
from .sample import Sample

EDGE = 1.0  # pixels that a box may reach beyond its image, by rounding or by another origin; it is clipped


class BadEntryError(Exception):
    """Why an entry of a file cannot be used; `Faults.attempt` writes it down."""


class Faults:
    """The faults found so far, while a data set is read."""

    def __init__(self) -> None:
        self.found: list[Fault] = []

    def add(self, file: str | os.PathLike[str], entry: str, reason: str) -> None:
        """One more."""
        self.found.append(Fault(Path(file), reason, entry))

    def attempt(self, file: str | os.PathLike[str], entry: str, read: Callable[..., Any], *arguments: Any) -> Any:
        """What `read` returns, or None where it finds the entry bad."""
        try:
            return read(*arguments)
        except BadEntryError as error:
            self.add(file, entry, str(error))
            return None


@dataclass
class DetectionImage:
    """One image of a data set: where its file is, and the n objects in it."""

    path: Path
    width: int  # pixels, as is the height
    height: int
    boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))  # float64 (n, 4): x1, y1, x2, y2 in pixels
    labels: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # int64 (n,): places in the set's classes
    crowd: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))  # bool (n,): a group that is not told apart
    difficult: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))  # bool (n,): need not be found
    area: np.ndarray = field(default_factory=lambda: np.zeros(0))  # float64 (n,): pixels of the object itself
    id: int = 0


@dataclass
class DetectionSet:
    """Images with their objects: a sequence of `Sample`s to train on.

    classes: the names by label.  category_ids: the number of each class in COCO's files.  faults: what was left out.
    """

    images: list[DetectionImage]
    classes: tuple[str, ...]
    category_ids: tuple[int, ...] = ()
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        self.category_ids = self.category_ids or tuple(range(1, len(self.classes) + 1))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        """An image and what is to be learnt in it, all but the crowds; errors are those of `load_image`."""
        image = self.images[index]
        alone = ~image.crowd
        return Sample(load_image(image.path), image.boxes[alone], image.labels[alone])

    def truths(self, index: int) -> dict[str, np.ndarray]:
        """The objects of an image as the metrics take them."""
        image = self.images[index]
        return {"boxes": image.boxes, "labels": image.labels, "iscrowd": image.crowd, "difficult": image.difficult,
                "area": image.area}


class Found(NamedTuple):
    """One object as a reader hands it over."""

    box: tuple[float, float, float, float]
    label: int
    crowd: bool = False
    difficult: bool = False
    area: float | None = None


def fill(image: DetectionImage, objects: list[Found]) -> DetectionImage:
    """Put the objects into the image; an area that is not known is the box's."""
    image.boxes = np.array([o.box for o in objects], np.float64).reshape(-1, 4)
    image.labels = np.array([o.label for o in objects], np.int64)
    image.crowd = np.array([o.crowd for o in objects], bool)
    image.difficult = np.array([o.difficult for o in objects], bool)
    own = (image.boxes[:, 2] - image.boxes[:, 0]) * (image.boxes[:, 3] - image.boxes[:, 1])
    image.area = np.array([a if o.area is None else o.area for o, a in zip(objects, own)], np.float64)
    return image


def check_box(x1: float, y1: float, x2: float, y2: float, width: int, height: int) -> tuple[float, float, float, float]:
    """The box within its image.  Raises BadEntryError where it is no box, or is not there."""
    shown = f"the box ({x1:g}, {y1:g}) to ({x2:g}, {y2:g})"
    if not all(map(math.isfinite, (x1, y1, x2, y2))):
        raise BadEntryError(f"{shown} is not finite")
    if x2 <= x1 or y2 <= y1:
        raise BadEntryError(f"{shown} is inverted or empty")
    if x1 < -EDGE or y1 < -EDGE or x2 > width + EDGE or y2 > height + EDGE:
        raise BadEntryError(f"{shown} is not within the image, {width} x {height}")
    clipped = max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))
    if clipped[2] <= clipped[0] or clipped[3] <= clipped[1]:
        raise BadEntryError(f"{shown} is not within the image, {width} x {height}")
    return clipped


def check_files(images: list[DetectionImage], faults: Faults) -> list[DetectionImage]:
    """Decode every image, a few at once; those that are as large as their annotations say."""
    require_pillow()
    reasons = list(prefetch(_fault, images, os.cpu_count() or 1))
    for image, reason in zip(images, reasons):
        if reason:
            faults.add(image.path, "", reason)
    return [image for image, reason in zip(images, reasons) if not reason]


def _fault(image: DetectionImage) -> str:
    try:
        height, width = load_image(image.path).shape[:2]
    except FileNotFoundError:
        return "there is no such file"
    except (OSError, ValueError) as error:
        return str(error).removeprefix(f"{image.path}: ")
    if (width, height) != (image.width, image.height):
        return f"{width} x {height} pixels, but its annotations are for {image.width} x {image.height}"
    return ""


def finish(root: Path, dataset: DetectionSet, faults: Faults, skip_bad: bool) -> DetectionSet:
    """The set, if nothing was wrong, or what was wrong may be left out and something remains."""
    if not dataset.images:
        raise BadDataError(root, faults.found, "images and entries, and none is left,", skippable=False)
    if faults.found and not skip_bad:
        raise BadDataError(root, faults.found, "images and entries")
    dataset.faults = tuple(faults.found)
    return dataset
