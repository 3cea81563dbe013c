"""Data sets that install from a package or download from their publisher."""
from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ..download import download as fetch
from ..download import home, mirrored
from .idx import read_idx

FASHION_MNIST_CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                         "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
FASHION_MNIST_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
FASHION_MNIST_SYSTEM = Path("/usr/share/datasets/fashion-mnist")  # of the Debian package dataset-fashion-mnist

# split: images and labels, each with the MD5 checksum that the authors publish
_FILES = {
    "train": (("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
              ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe")),
    "test": (("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
             ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310")),
}


class FashionMNIST:
    """Fashion-MNIST: 60,000 photographs of clothes to train on and 10,000 to test, ten classes, 28x28 grey pixels.

    Xiao, Rasul and Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms",
    arXiv:1708.07747, 2017 (MIT licence).

    root: the one directory that holds the files; where it is not given, fashion-mnist/ in `data_home()` is looked at,
    then where Debian's package dataset-fashion-mnist installs them.  split: "train" or "test".  download: fetch the
    files from the authors' site, or a mirror (`tinycnn.download.mirrored`), into `root` or `data_home()`, if they are
    in none of these places.

    Attributes: `images`, uint8 (n, 28, 28); `labels`, int64 (n,); `classes`, the names by label.

    Raises FileNotFoundError, which says where was looked and how to get the files, ValueError for a damaged file or
    another split, ConnectionError where a download fails.
    """

    classes = FASHION_MNIST_CLASSES

    def __init__(self, root: str | os.PathLike[str] | None = None, split: str = "train", download: bool = False,
                 url: str = FASHION_MNIST_URL) -> None:
        if split not in _FILES:
            raise ValueError(f"FashionMNIST: split must be 'train' or 'test', got {split!r}")
        self.split = split
        self.directory = _locate(root, split, url if download else None)
        images, labels = (self.directory / name for name, _ in _FILES[split])
        self.images = _read_uint8(images, axes=3)
        self.labels = _read_uint8(labels, axes=1).astype(np.int64)
        self._check(images, labels)

    def _check(self, images: Path, labels: Path) -> None:
        if self.images.shape[1:] != (28, 28):
            raise ValueError(f"{images}: images of shape {self.images.shape[1:]}, expected (28, 28)")
        if len(self.images) != len(self.labels):
            raise ValueError(f"{labels}: {len(self.labels)} labels for the {len(self.images)} images beside it")
        if self.labels.size and self.labels.max() >= len(self.classes):
            raise ValueError(f"{labels}: a label {self.labels.max()}, expected 0 to {len(self.classes) - 1}")

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"FashionMNIST(split={self.split!r}, {len(self)} images from {self.directory})"


def _read_uint8(path: Path, axes: int) -> np.ndarray:
    array = read_idx(path)
    if array.dtype != np.uint8 or array.ndim != axes:
        raise ValueError(f"{path}: {array.dtype} of {array.ndim} axes, expected uint8 of {axes}")
    return array


def _locate(root: str | os.PathLike[str] | None, split: str, url: str | None) -> Path:
    """The directory that has both files of a split; with a URL, they are fetched where none has."""
    places = [home() / "fashion-mnist", FASHION_MNIST_SYSTEM] if root is None else [Path(root)]
    for place in places:
        if all((place / name).is_file() for name, _ in _FILES[split]):
            return place
    if url is None:
        names = " and ".join(name for name, _ in _FILES[split])
        raise FileNotFoundError(
            f"FashionMNIST: no {names} in {', '.join(map(str, places))}. Either install Debian's package (apt install "
            "dataset-fashion-mnist), or let FashionMNIST(download=True) fetch them, or name their directory as root")
    for name, md5 in _FILES[split]:
        if not (places[0] / name).is_file():
            fetch(mirrored(url + name), places[0] / name, f"md5:{md5}")
    return places[0]
