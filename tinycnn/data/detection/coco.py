"""Reading the annotations of COCO, a JSON file.

cocodataset.org, "Data format".  Boxes there are (x, y, width, height) in pixels, the categories' numbers have gaps.
"""
from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..faults import BadDataError
from .entries import (
    coco_box,
    coco_label,
    read_json,
    require_mapping,
    require_number,
    require_text,
    require_whole,
    shown,
)
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


def read_coco(annotations: str | os.PathLike[str], images: str | os.PathLike[str], skip_bad: bool = False,
              check_images: bool = True) -> DetectionSet:
    """A data set from COCO's JSON: `annotations` the file, `images` the directory that its `file_name`s are in.

    Labels are the places of the categories in order of their numbers.  Everything that is wrong is found before this
    returns: no or another JSON, empty lists, entries that lack something or refer to nothing, numbers that come twice,
    a box that is inverted, empty or beyond its image by more than a pixel (less is clipped), and with `check_images` an
    image that is missing, unreadable or of another size, for which all are decoded.

    Raises BadDataError, a ValueError that lists all of it as (file, entry, reason).  skip_bad: go on without what is
    wrong, and raise only where the file as a whole is, or no image is left; `faults` of the result has the list.
    ImportError without the extra `tinycnn[images]`, where images are checked.
    """
    faults, path = Faults(), Path(annotations)
    content = faults.attempt(path, "", _read_object, path)
    if content is None:
        raise BadDataError(path, faults.found, "entries", skippable=False)
    names = _numbered(faults, path, "category", content["categories"], lambda entry: require_text(entry, "name"))
    categories = dict(sorted(names.items()))
    found = _numbered(faults, path, "image", content["images"], lambda entry: _image(entry, Path(images)))
    objects = _objects(faults, path, content["annotations"], found, {c: i for i, c in enumerate(categories)})
    kept = [fill(image, objects[number]) for number, image in found.items()]
    kept = check_files(kept, faults) if check_images else kept
    return finish(path, DetectionSet(kept, tuple(categories.values()), tuple(categories)), faults, skip_bad)


def _read_object(path: Path) -> dict[str, list[Any]]:
    content = read_json(path)
    if not isinstance(content, dict):
        raise BadEntryError("not COCO's annotations: the top is no object")
    for name in ("images", "annotations", "categories"):
        if not isinstance(content.get(name), list):
            raise BadEntryError(f"not COCO's annotations: no list {name!r}")
    return content


def _image(entry: Mapping[str, Any], directory: Path) -> DetectionImage:
    width, height = (require_whole(entry, name) for name in ("width", "height"))
    if width < 1 or height < 1:
        raise BadEntryError(f"a size of {width} x {height}")
    return DetectionImage(directory / require_text(entry, "file_name"), width, height, id=require_whole(entry, "id"))


def _object(entry: Mapping[str, Any], images: Mapping[int, DetectionImage], labels: Mapping[int, int]) -> Found:
    image = images.get(require_whole(entry, "image_id"))
    if image is None:
        raise BadEntryError(f"its image {entry['image_id']} is not in the list of images, or bad")
    label = coco_label(entry, labels)
    x, y, w, h = coco_box(entry)
    area = require_number(entry, "area") if "area" in entry else None
    if area is not None and area < 0:
        raise BadEntryError(f"an area of {area:g}")
    return Found(check_box(x, y, x + w, y + h, image.width, image.height), label, bool(entry.get("iscrowd")), area=area)


def _objects(faults: Faults, path: Path, entries: list[Any], images: Mapping[int, DetectionImage],
             labels: Mapping[int, int]) -> dict[int, list[Found]]:
    """The objects of each image."""
    objects, seen = defaultdict(list), set()
    if not entries:
        faults.add(path, "", "has no annotation")
    for i, entry in enumerate(entries):
        number = entry.get("id") if isinstance(entry, dict) else None
        name = f"annotation {i}" if number is None else f"annotation {i} (id {shown(number)})"
        found = faults.attempt(path, name, lambda e=entry: _object(require_mapping(e), images, labels))
        if number is not None and str(number) in seen:
            faults.add(path, name, "its id has come before")
        elif found is not None:
            objects[entry["image_id"]].append(found)
        seen.add(str(number))
    return objects


def _numbered(faults: Faults, path: Path, kind: str, entries: list[Any], read: Any) -> dict[int, Any]:
    """Entries by their id, in their order."""
    found: dict[int, Any] = {}
    if not entries:
        faults.add(path, "", f"has no {kind}")
    for i, entry in enumerate(entries):
        value = faults.attempt(path, f"{kind} {i}",
                                 lambda e=entry: (require_whole(require_mapping(e), "id"), read(e)))
        if value is None:
            continue
        if value[0] in found:
            faults.add(path, f"{kind} {i}", f"its id {value[0]} has come before")
        found.setdefault(*value)
    return found
