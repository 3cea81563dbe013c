"""Tasks of classification: images to train on and to test with, and how a network is shown them."""
from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from . import scenes, transforms, views
from .datasets import FashionMNIST
from .faults import BadDataError, Fault
from .folder import MIN_SIDE, ImageFolder, Photos, split
from .loader import Loader, Mix

FASHION_MNIST, PORTRAITS = "fashion-mnist", "portraits"  # what the data sets are called on the command line
FASHION_MNIST_MEAN, FASHION_MNIST_STD = 0.2860, 0.3530  # of the training images' pixels
AUGMENTATIONS = ("none", "flip", "crop")
_ENOUGH = 2  # times as large as it is shown a photo is decoded to cut parts out of it: the least has half of its side
_SHIFT = 8  # of its side an image is moved by at most one part


@dataclass(frozen=True)
class View:
    """What of an image a network is shown: (channels, size, size) pixels, less their mean, over their deviation.

    resize, interpolation: of a photo, as `models.Preprocessing` has them.  Grey images become as many channels as
    there are.
    """

    size: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: int = 0
    interpolation: str = "bilinear"

    def __call__(self, images: Any, rng: np.random.Generator) -> np.ndarray:
        """A batch as it is tested, float32 (N, channels, size, size): Photos, or uint8, grey (N, H, W) of any size, or
        of this size in colours (N, H, W, C)."""
        return self._normalized(self._pixels(images))

    def augmented(self, kind: str) -> Callable[[Any, np.random.Generator], np.ndarray]:
        """What shows a batch as it is trained on: as it is, mirrored by chance, or a random part of each image too."""
        def transform(images: Any, rng: np.random.Generator) -> np.ndarray:
            if kind == "none":
                return self(images, rng)
            pixels = self._part(images, rng) if kind == "crop" else self._pixels(images)
            return self._normalized(transforms.random_flip(pixels, rng))
        return transform

    def _pixels(self, images: Any) -> np.ndarray:
        if isinstance(images, Photos):
            return views.middle(images, self.resize, self.size, self.interpolation)
        return images if images.shape[1:3] == (self.size, self.size) else transforms.resize(images, self.size)

    def _part(self, images: Any, rng: np.random.Generator) -> np.ndarray:
        if isinstance(images, Photos):
            enough = Photos(images.files, _ENOUGH * self.size)
            return views.random_resized_crop(enough, rng, self.size, interpolation=self.interpolation)
        return transforms.random_shift(self._pixels(images), rng, self.size // _SHIFT)

    def _normalized(self, pixels: np.ndarray) -> np.ndarray:
        if pixels.ndim == 3 and self.channels > 1:
            pixels = np.repeat(pixels[..., None], self.channels, axis=3)
        return transforms.normalize(pixels, self.mean, self.std)


@dataclass(frozen=True)
class Task:
    """Images (arrays or Photos) with labels, int64 (n,), to train on and to test with; the classes' names; a view.

    Either side may be without images.  faults: what was left out of a folder.
    """

    train: tuple[Any, np.ndarray]
    test: tuple[Any, np.ndarray]
    classes: tuple[str, ...]
    view: View
    faults: tuple[Fault, ...] = ()

    def limited(self, most: int | None) -> Task:
        """Only the first images of each side: of Photos evenly spread ones, for these come class by class."""
        return self if most is None else replace(self, train=_first(self.train, most), test=_first(self.test, most))

    def train_loader(self, batch_size: int, augment: str = "none", seed: int = 0, mix: Mix | None = None,
                     workers: int = 0) -> Loader:
        """Batches to train on, in a new order each epoch; the rest that makes no whole batch is left out.

        Raises ValueError for an augmentation that there is not, or without images.
        """
        if augment not in AUGMENTATIONS:
            raise ValueError(f"train_loader: augment must be one of {', '.join(AUGMENTATIONS)}, got {augment!r}")
        return Loader(*self.train, min(batch_size, max(len(self.train[1]), 1)), shuffle=True, seed=seed, mix=mix,
                      transform=self.view.augmented(augment), drop_last=True, workers=workers)

    def loader(self, test: bool, batch_size: int, workers: int = 0) -> Loader:
        """All the images of a side in order, as they are tested."""
        return Loader(*(self.test if test else self.train), batch_size, transform=self.view, workers=workers)


def _first(side: tuple[Any, np.ndarray], most: int) -> tuple[Any, np.ndarray]:
    images, labels = side
    n = len(labels)
    chosen = np.arange(n)[:most] if not isinstance(images, Photos) else np.arange(min(n, most)) * n // min(n, most)
    return images[chosen], labels[chosen]


def fashion_mnist(root: str | os.PathLike[str] | None = None, size: int = 28, channels: int = 1,
                  mean: Sequence[float] = (), std: Sequence[float] = (), download: bool = False) -> Task:
    """Fashion-MNIST, tested with its own 10,000 test images; errors are those of `FashionMNIST`.

    mean, std: those of its training images, where not given.
    """
    train, test = (FashionMNIST(root, part, download) for part in ("train", "test"))
    view = View(size, channels, tuple(mean) or (FASHION_MNIST_MEAN,), tuple(std) or (FASHION_MNIST_STD,))
    return Task((train.images, train.labels), (test.images, test.labels), train.classes, view)


def portraits(view: View, root: str | os.PathLike[str] | None = None, seed: int = 0,
              limit: int | None = None, download: bool = False) -> Task:
    """Fashion-MNIST's garments one by one as the scenes have them, in colour: see `scenes.portraits`.

    A detector's backbone that has learnt to tell them apart begins with what is hardest in the scenes.  At 64 pixels
    they take two minutes to draw, and 860 MB.  limit: draw only so many of each side.  Errors are those of
    `FashionMNIST`.
    """
    train, test = (FashionMNIST(root, part, download) for part in ("train", "test"))
    return Task((scenes.portraits(train, view.size, seed, limit), train.labels[:limit]),
                (scenes.portraits(test, view.size, seed, limit), test.labels[:limit]), train.classes, view)


def folder(root: str | os.PathLike[str], view: View, validation: str | os.PathLike[str] | None = None,
           share: float = 0.1, seed: int = 0, skip_bad: bool = False, min_side: int = MIN_SIDE,
           workers: int = 0) -> Task:
    """A folder of photos by class, tested with another, or with a share of each of its classes.

    Raises BadDataError with the faults of both folders' files where there are any, and other errors as `ImageFolder`
    and `split` do.
    """
    found: list[ImageFolder] = []
    faults: list[Fault] = []
    for path in (root,) if validation is None else (root, validation):
        try:
            found.append(ImageFolder(path, found[0].classes if found else None, skip_bad, min_side, workers))
        except BadDataError as error:
            faults += error.faults
    if faults:
        raise BadDataError(Path(root), faults)
    first, classes = found[0], tuple(found[0].classes)
    if validation is None:
        train, test = [(first.images[part], first.labels[part]) for part in split(first.labels, share, seed)]
        return Task(train, test, classes, view, tuple(first.faults))
    return Task((first.images, first.labels), (found[1].images, found[1].labels), classes, view,
                (*first.faults, *found[1].faults))


def evaluation_folder(root: str | os.PathLike[str], view: View, classes: Sequence[str] | None = None,
                      skip_bad: bool = False, min_side: int = MIN_SIDE) -> Task:
    """A folder of photos by class, all of them to test with.

    classes: the network's, in their order; where not given, the folders' names, sorted.  Errors: `ImageFolder`.
    """
    found = ImageFolder(root, classes, skip_bad, min_side)
    return Task((found.images[:0], found.labels[:0]), (found.images, found.labels), tuple(found.classes), view,
                tuple(found.faults))
