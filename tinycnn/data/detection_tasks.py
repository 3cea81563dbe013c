"""Tasks of detection: images to train on and to test with, from scenes or from annotated folders."""
from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from .detection.coco import read_coco
from .detection.records import DetectionSet
from .detection.sample import Sample
from .detection.voc import read_voc
from .faults import BadDataError, Fault
from .scenes import Scenes

SCENES = "scenes"  # what the data set is called on the command line
XML, LISTS = "Annotations", Path("ImageSets", "Main")  # where VOC has its files, its lists of names
PHOTOS = "JPEGImages"


class Images(Protocol):
    """A side of a task: a sequence of samples, and what is to be found in each, as the metrics take it."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...

    def truths(self, index: int) -> dict[str, np.ndarray]:
        """The objects of an image."""
        ...


class Kept:
    """Images that stay in memory once they are made: to draw or decode them again takes longer than a small network's
    step.  Samples are never written into, so that every epoch may share them."""

    def __init__(self, images: Images) -> None:
        self.images = images
        self._samples: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        if index not in self._samples:
            self._samples[index] = self.images[index]  # by two threads at once: the same twice
        return self._samples[index]

    def truths(self, index: int) -> dict[str, np.ndarray]:
        """The objects of an image, as the images themselves have them."""
        return self.images.truths(index)


@dataclass(frozen=True)
class DetectionTask:
    """Images with their objects to train on and to test with, the classes' names, their numbers in COCO's files.

    faults: what was left out.
    """

    train: Images
    test: Images
    classes: tuple[str, ...]
    category_ids: tuple[int, ...]
    faults: tuple[Fault, ...] = ()

    def limited(self, most: int | None) -> DetectionTask:
        """Only the first images of each side."""
        return self if most is None else replace(self, train=_first(self.train, most), test=_first(self.test, most))

    def kept(self) -> DetectionTask:
        """With the images of both sides kept in memory once they are made."""
        return replace(self, train=Kept(self.train), test=Kept(self.test))


def scenes(size: int = 160, counts: tuple[int | None, int | None] = (None, None), seed: int = 0,
           root: str | os.PathLike[str] | None = None) -> DetectionTask:
    """The scenes of Fashion-MNIST's garments, of so many pixels; counts: scenes to train on, to test with.

    Errors are those of `Scenes`.
    """
    train, test = (Scenes(split, size, seed, count, root) for split, count in zip(("train", "test"), counts))
    return DetectionTask(train, test, train.classes, tuple(range(1, len(train.classes) + 1)))


def annotated(path: str | os.PathLike[str], images: str | os.PathLike[str] | None = None,
              validation: str | os.PathLike[str] | None = None,
              validation_images: str | os.PathLike[str] | None = None, share: float = 0.1, seed: int = 0,
              skip_bad: bool = False) -> DetectionTask:
    """Images annotated in COCO's JSON file, or in the XML files of a folder as VOC has them, read and checked.

    images: where the images are; without it beside the JSON file, or in the folder's JPEGImages, else beside the XML.
    validation, validation_images: the same to test with; without it those that ImageSets/Main/val.txt names (and
    train.txt those to train on), or a share of the images by chance.

    Raises BadDataError with the faults of both sides, unless they may be left out, ValueError for classes of the second
    that the first has not, a share outside (0, 1) or no second image, and errors of the system as `read_coco` and
    `read_voc` do.
    """
    path, lists = Path(path), _lists(Path(path))
    if validation is not None:
        other = Path(validation)
        train, test = _both([(path, images, None), (other, validation_images or images, None)], skip_bad)
    elif lists is not None:
        train, test = _both([(path, images, file.read_text(encoding="utf-8").split()) for file in lists], skip_bad)
    else:
        train, test = _parted(path, read(path, images, skip_bad), share, seed)
    return DetectionTask(train, test, train.classes, train.category_ids, (*train.faults, *test.faults))


def read(path: str | os.PathLike[str], images: str | os.PathLike[str] | None = None, skip_bad: bool = False,
         classes: Sequence[str] | None = None, names: Sequence[str] | None = None) -> DetectionSet:
    """An annotated data set of either kind; classes, names: of VOC's kind alone, see `read_voc`.

    Raises FileNotFoundError where there is nothing, and what `read_coco` and `read_voc` raise.
    """
    path = Path(path)
    if path.is_dir():
        where = path / XML if (path / XML).is_dir() else path
        photos = path / PHOTOS if (path / PHOTOS).is_dir() else path
        return read_voc(where, photos if images is None else images, classes, names, skip_bad=skip_bad)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder; expected '{SCENES}', COCO's JSON file, or a folder "
                                "of VOC's XML files")
    return read_coco(path, path.parent if images is None else images, skip_bad)


def _both(sides: Sequence[tuple[Path, Any, Any]], skip_bad: bool) -> tuple[DetectionSet, DetectionSet]:
    """Two data sets, the second by the classes of the first; the faults of both come together."""
    faults: list[Fault] = []
    found: list[DetectionSet] = []
    for path, images, names in sides:
        try:
            known = found[0].classes if found and path.is_dir() else None
            found.append(read(path, images, skip_bad, known, names))
        except BadDataError as error:
            faults += error.faults
    if faults:
        raise BadDataError(sides[0][0], faults, "images and entries")
    train, test = found
    if test.classes != train.classes:
        raise ValueError(f"{sides[1][0]}: its classes are {', '.join(test.classes)}; those of {sides[0][0]} are "
                         f"{', '.join(train.classes)}")
    return train, test


def _lists(path: Path) -> tuple[Path, Path] | None:
    """VOC's lists of the images to train on and to test with, if it has both."""
    train, test = (path / LISTS / f"{name}.txt" for name in ("train", "val"))
    return (train, test) if train.is_file() and test.is_file() else None


def _parted(path: Path, whole: DetectionSet, share: float, seed: int) -> tuple[DetectionSet, DetectionSet]:
    """A share of the images, by chance, at least one, to test with."""
    if not 0 < share < 1:
        raise ValueError(f"annotated: share must be a number with 0 < share < 1, got {share!r}")
    if len(whole) < 2:
        raise ValueError(f"{path}: a single image, expected at least one to train on and one to test with")
    count = min(max(1, round(share * len(whole))), len(whole) - 1)
    drawn = {int(i) for i in np.random.default_rng(seed).permutation(len(whole))[:count]}
    train, test = ([image for i, image in enumerate(whole.images) if (i in drawn) == of_test]
                   for of_test in (False, True))
    return replace(whole, images=train), replace(whole, images=test, faults=())


def _first(side: Any, most: int) -> Any:
    if isinstance(side, DetectionSet):
        return replace(side, images=side.images[:most])
    return Scenes(side.split, side.size, side.seed, min(most, len(side)), side.root)
