"""The XML files of PASCAL VOC, one for each image.

Everingham et al., "The PASCAL visual object classes challenge 2012 development kit", section 11.  Pixels there are
numbered from 1 and the last ones belong to the box: xmin..xmax is xmin - 1 to xmax here.
"""
from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from xml.etree import ElementTree
from xml.parsers import expat

from ..images import SUFFIXES, load_image
from .records import (
    BadEntryError,
    DetectionImage,
    DetectionSet,
    Faults,
    Found,
    check_box,
    check_files,
    fill,
    finish,
)

LONGEST = 9  # digits of a size
LARGEST = 1 << 24  # bytes of an XML file; those of VOC have a few thousand


def read_voc(annotations: str | os.PathLike[str], images: str | os.PathLike[str], classes: Sequence[str] | None = None,
             names: Iterable[str] | None = None, one_based: bool = True, skip_bad: bool = False,
             check_images: bool = True) -> DetectionSet:
    """A data set from the XML files of a directory.

    images: the directory of the images.  classes: the names by label; those that occur, sorted, where not given.
    names: the files to read, without suffix, as the lists in VOC's ImageSets/Main have them; else all.  one_based:
    False for programs that write VOC's form but count pixels from 0, whose boxes are xmin to xmax.

    Everything that is wrong is found before this returns: no or another XML, objects that lack something, are of an
    unknown class, inverted, empty or beyond the image by more than a pixel (less is clipped), and with `check_images`
    images that are missing, unreadable or of another size, for which all are decoded.  An image without objects is
    fine.  XML that declares anything of its own (a DOCTYPE, entities) is refused, for it may be made to fill memory.

    Raises BadDataError, a ValueError that lists all of it as (file, entry, reason).  skip_bad: go on without what is
    wrong, and raise only where no image is left; `faults` of the result has the list.  FileNotFoundError without the
    directory, ImportError without the extra `tinycnn[images]`, where images are checked or a size is not given.
    """
    files = _files(Path(annotations), names)
    faults = Faults()
    trees = {file: faults.attempt(file, "", _parse, file) for file in files}
    read = {file: tree for file, tree in trees.items() if tree is not None}
    classes = _classes(read.values()) if classes is None else tuple(classes)
    kept = []
    for number, (file, tree) in enumerate(read.items()):
        image = faults.attempt(file, "", _image, tree, file, Path(images), number)
        if image is not None:
            kept.append(fill(image, _objects(faults, file, tree, image, classes, float(one_based))))
    kept = check_files(kept, faults) if check_images else kept
    return finish(Path(annotations), DetectionSet(kept, tuple(classes)), faults, skip_bad)


def _files(directory: Path, names: Iterable[str] | None) -> list[Path]:
    if not directory.is_dir():
        raise FileNotFoundError(f"read_voc: {directory} is not a directory")
    if names is not None:
        return [directory / f"{name}.xml" for name in names]
    files = sorted(directory.glob("*.xml"))
    if not files:
        raise FileNotFoundError(f"read_voc: {directory} has no .xml files")
    return files


# ---------------------------------------------------------------- reading one file
def _parse(file: Path) -> ElementTree.Element:
    """The tree of an XML file that declares nothing of its own."""
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = builder.data, _refuse_doctype
    try:
        data = _read(file)
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise BadEntryError(f"not XML: {error}") from error
    return builder.close()


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > LARGEST:
            raise BadEntryError(f"is larger than {LARGEST} bytes")
        data = file.read_bytes()
    except OSError as error:
        raise BadEntryError(f"cannot be read: {error.strerror}") from error
    if not data.strip():
        raise BadEntryError("is empty")
    return data


def _refuse_doctype(*declaration: object) -> None:
    raise BadEntryError("it declares a DOCTYPE, which annotations do not need")


def _classes(trees: Iterable[ElementTree.Element]) -> tuple[str, ...]:
    return tuple(sorted({name for tree in trees for o in tree.iterfind("object") if (name := _text(o, "name"))}))


def _image(tree: ElementTree.Element, file: Path, directory: Path, number: int) -> DetectionImage:
    if tree.tag != "annotation":
        raise BadEntryError(f"not VOC's annotations: the top is <{tree.tag[:60]}>")
    path = directory / _file_name(tree, file, directory)
    width, height = (_text(tree, f"size/{name}") for name in ("width", "height"))
    if all(side.isdecimal() and int(side[:LONGEST]) > 0 for side in (width, height)):
        return DetectionImage(path, int(width[:LONGEST]), int(height[:LONGEST]), id=number)
    try:
        height_found, width_found = load_image(path).shape[:2]
    except (OSError, ValueError) as error:
        raise BadEntryError(f"has no size, and neither tells the image: {error}") from error
    return DetectionImage(path, width_found, height_found, id=number)


def _file_name(tree: ElementTree.Element, file: Path, directory: Path) -> str:
    """That in the file, without directories; else the annotation's own, with a suffix that exists."""
    name = PurePath(_text(tree, "filename").replace("\\", "/")).name
    beside = (file.stem + suffix for suffix in SUFFIXES)
    return name or next((other for other in beside if (directory / other).is_file()), file.stem + ".jpg")


def _objects(faults: Faults, file: Path, tree: ElementTree.Element, image: DetectionImage, classes: Sequence[str],
             origin: float) -> list[Found]:
    labels = {name: i for i, name in enumerate(classes)}
    found = [faults.attempt(file, f"object {i}", _object, element, image, labels, origin)
             for i, element in enumerate(tree.iterfind("object"))]
    return [o for o in found if o is not None]


def _object(element: ElementTree.Element, image: DetectionImage, labels: dict[str, int], origin: float) -> Found:
    name = _text(element, "name")
    if name not in labels:
        raise BadEntryError(f"unknown class {name[:60]!r}" if name else "no name")
    x1, y1, x2, y2 = (_number(element, f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax"))
    box = check_box(x1 - origin, y1 - origin, x2, y2, image.width, image.height)
    return Found(box, labels[name], difficult=_text(element, "difficult") == "1")


def _number(element: ElementTree.Element, path: str) -> float:
    text = _text(element, path)
    try:
        return float(text)
    except ValueError:
        raise BadEntryError(f"{path} is {text[:60]!r}, expected a number" if text else f"no {path}") from None


def _text(element: ElementTree.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()
