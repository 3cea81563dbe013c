"""Writing the XML files of PASCAL VOC: the form is that of `read_voc`."""
from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

import numpy as np

from ...serialize.atomic import write_atomically
from .records import DetectionImage, DetectionSet


def write_voc(dataset: DetectionSet, directory: str | os.PathLike[str]) -> None:
    """Write one XML file for each image, named as the image; each appears whole or not at all.

    VOC's pixels count from 1 (see `read_voc`).  Crowds are written as difficult objects: VOC has no word for them.
    Raises ValueError before anything is written where two images would share a file.
    """
    files = [Path(directory, image.path.stem + ".xml") for image in dataset.images]
    if len(set(files)) < len(files):
        raise ValueError(f"write_voc: two images of the data set would share a file in {os.fspath(directory)}")
    Path(directory).mkdir(parents=True, exist_ok=True)
    for image, file in zip(dataset.images, files):
        text = ElementTree.tostring(_annotation(image, dataset.classes))
        write_atomically(file, partial(_put, text))


def _put(data: bytes, file: IO[bytes]) -> None:
    file.write(data)


def _annotation(image: DetectionImage, classes: Sequence[str]) -> ElementTree.Element:
    tree = ElementTree.Element("annotation")
    _add(tree, "filename", image.path.name)
    size = _add(tree, "size")
    for name, value in (("width", image.width), ("height", image.height), ("depth", 3)):
        _add(size, name, str(value))
    for box, label, hard in zip(image.boxes, image.labels, image.difficult | image.crowd):
        element = _add(tree, "object")
        _add(element, "name", classes[label])
        _add(element, "difficult", str(int(hard)))
        bounds = _add(element, "bndbox")
        for side, value in zip(("xmin", "ymin", "xmax", "ymax"), box + np.array([1, 1, 0, 0])):
            _add(bounds, side, str(int(value)) if value == int(value) else repr(float(value)))
    return tree


def _add(parent: ElementTree.Element, tag: str, text: str | None = None) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, tag)
    child.text = text
    return child
