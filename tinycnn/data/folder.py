"""Photos in a folder for each class: looked through before anything is trained on them."""
from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from .faults import BadDataError, Fault
from .images import SUFFIXES, ImageError, load_image, require_pillow
from .prefetch import prefetch

MIN_SIDE = 8  # pixels: what is shorter shows nothing


class Photos:
    """Files that are decoded when they are come to: iterated over it gives uint8 (H, W, 3), indexed other Photos.

    least: see `load_image`.
    """

    def __init__(self, files: Sequence[Path], least: int | None = None) -> None:
        self.files, self.least = list(files), least

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, numbers: np.ndarray | slice) -> Photos:
        """Those of some numbers, (n,), or of a slice."""
        return Photos([self.files[i] for i in np.arange(len(self))[numbers]], self.least)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (load_image(file, self.least) for file in self.files)


class ImageFolder:
    """Photos by class: `root/CLASS/photo.jpg`; the classes are the names of the folders, sorted.

    classes: those that there may be, in the order of their numbers, where a network knows them already.  skip_bad:
    leave out what cannot be used, instead of refusing the folder.  min_side: pixels that both sides of a photo must
    have.  workers: threads that look through the files: each is decoded once, so that no fault comes up later.

    Attributes: `images`, Photos; `labels`, int64 (n,); `classes`, names; `faults`, what was left out.  What cannot be
    used: a file that is no photo, a damaged or too small photo, a file beside the class folders or a folder within
    one, a class without photos or one that is not among `classes`.  Names that begin with a dot are passed over.

    Raises BadDataError, before anything is trained, where there are faults that may not be left out, ValueError where
    fewer than two classes remain, FileNotFoundError and NotADirectoryError as the system does, ImportError without
    the extra `tinycnn[images]`.
    """

    def __init__(self, root: str | os.PathLike[str], classes: Sequence[str] | None = None, skip_bad: bool = False,
                 min_side: int = MIN_SIDE, workers: int = 0) -> None:
        require_pillow()
        self.root = Path(root)
        candidates, faults = _candidates(self.root)
        found = prefetch(lambda item: _fault(item[1], min_side), candidates, workers)
        checked = list(zip(candidates, found, strict=True))
        good = [item for item, fault in checked if fault is None]
        faults += [fault for _, fault in checked if fault is not None]
        good, self.classes, unfit = _by_class(self.root, good, classes)
        self.faults = sorted(faults + unfit)
        if self.faults and not skip_bad:
            raise BadDataError(self.root, self.faults)
        if len(self.classes) < 2:
            raise ValueError(f"{self.root}: photos of {len(self.classes)} classes, expected at least two folders of "
                             "photos, one for each class")
        numbers = {name: i for i, name in enumerate(self.classes)}
        self.images = Photos([file for _, file in good])
        self.labels = np.array([numbers[name] for name, _ in good], np.int64)

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"ImageFolder({str(self.root)!r}, {len(self)} photos of {len(self.classes)} classes)"


def _candidates(root: Path) -> tuple[list[tuple[str, Path]], list[Fault]]:
    """(class, file) of all that may be photos, and what cannot be."""
    files, faults = [], []
    for folder in _entries(root):
        if not folder.is_dir():
            faults.append(Fault(folder, "a file beside the class folders"))
            continue
        for file in _entries(folder):
            if file.is_dir():
                faults.append(Fault(file, "a folder within a class folder"))
            elif file.suffix.lower() not in SUFFIXES:
                faults.append(Fault(file, f"its name does not end as a photo's does ({' '.join(SUFFIXES)})"))
            else:
                files.append((folder.name, file))
    return files, faults


def _entries(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _fault(file: Path, min_side: int) -> Fault | None:
    """What is wrong with a photo, decoded as it will be in training."""
    try:
        height, width = load_image(file).shape[:2]
    except ImageError as error:
        return Fault(file, str(error).removeprefix(f"{file}: "))
    except OSError as error:
        return Fault(file, error.strerror or str(error))
    if min(height, width) < min_side:
        return Fault(file, f"{width} x {height} pixels, expected at least {min_side} on each side")
    return None


def _by_class(root: Path, good: list[tuple[str, Path]],
              known: Sequence[str] | None) -> tuple[list[tuple[str, Path]], list[str], list[Fault]]:
    """The photos of classes that count, the classes, and the folders that have no photo or are no class."""
    filled = {name for name, _ in good}
    folders = [folder for folder in _entries(root) if folder.is_dir()]
    faults = [Fault(folder, "a class without photos that can be read") for folder in folders
              if folder.name not in filled]
    if known is None:
        return good, sorted(filled), faults
    faults += [Fault(root / name, "not one of the network's classes") for name in sorted(filled - set(known))]
    return [item for item in good if item[0] in known], list(known), faults


def split(labels: np.ndarray, share: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of those to train on and of those to validate by: `share` of each class, at least one of each side.

    labels: int (n,).  Raises ValueError for a share outside (0, 1), or a class of a single image.

    >>> train, validation = split(np.array([0, 0, 0, 0, 1, 1]), 0.25)
    >>> len(train), len(validation)
    (4, 2)
    """
    if not 0 < share < 1:
        raise ValueError(f"split: share must be a number with 0 < share < 1, got {share!r}")
    rng, chosen = np.random.default_rng(seed), []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < 2:
            raise ValueError(f"split: class {label} has a single image, which cannot be on both sides")
        count = min(max(1, round(share * len(members))), len(members) - 1)
        chosen.append(rng.permutation(members)[:count])
    validation = np.sort(np.concatenate(chosen))
    return np.setdiff1d(np.arange(len(labels)), validation), validation
