"""Writing COCO's JSON: annotations, and results, which are read here too."""
from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...serialize.atomic import write_atomically
from ..faults import BadDataError
from .entries import coco_box, coco_label, read_json, require_mapping, require_number, require_whole
from .records import BadEntryError, DetectionSet, Faults


def write_coco(dataset: DetectionSet, path: str | os.PathLike[str], images: str | os.PathLike[str]) -> None:
    """Write the annotations as COCO's JSON; the file appears whole or not at all.

    images: the directory that the images are in, as `read_coco` takes it.  COCO knows no difficult objects.  Raises
    ValueError where an image is elsewhere, or two have the same `id`.
    """
    if len({image.id for image in dataset.images}) < len(dataset):
        raise ValueError("write_coco: two images of the data set have the same id")
    entries = [{"id": image.id, "file_name": image.path.relative_to(images).as_posix(), "width": image.width,
                "height": image.height} for image in dataset.images]
    annotations: list[dict[str, Any]] = []
    for image in dataset.images:
        for box, label, crowd, area in zip(image.boxes, image.labels, image.crowd, image.area):
            annotations.append({"id": len(annotations) + 1, "image_id": image.id, "iscrowd": int(crowd),
                                "category_id": dataset.category_ids[label], "bbox": _extents(box), "area": float(area)})
    categories = [{"id": number, "name": name} for number, name in zip(dataset.category_ids, dataset.classes)]
    _write(path, {"images": entries, "annotations": annotations, "categories": categories})


def write_coco_results(path: str | os.PathLike[str], detections: Sequence[Mapping[str, Any]],
                       dataset: DetectionSet, names: bool = False) -> None:
    """Write what was found in the set's images as COCO's results file: it appears whole or not at all.

    detections: one dict for each image, of `boxes` (n, 4) xyxy pixels, `scores` (n,), `labels` (n,).  names: each
    result has `file_name` and `category` too, which COCO's tools pass over.  Raises ValueError where there are more or
    fewer detections than images, or a label has no category.
    """
    if len(detections) != len(dataset):
        raise ValueError(f"write_coco_results: detections of {len(detections)} images, a data set of {len(dataset)}")
    results = []
    for image, found in zip(dataset.images, detections):
        for box, score, label in zip(np.asarray(found["boxes"]), found["scores"], found["labels"]):
            if not 0 <= label < len(dataset.category_ids):
                raise ValueError(f"write_coco_results: label {label}, expected 0 to {len(dataset.category_ids) - 1}")
            said = {"file_name": str(image.path), "category": dataset.classes[label]} if names else {}
            results.append({"image_id": image.id, "category_id": dataset.category_ids[label], "bbox": _extents(box),
                            "score": float(score), **said})
    _write(path, results)


def read_coco_results(path: str | os.PathLike[str], dataset: DetectionSet) -> list[dict[str, np.ndarray]]:
    """Detections from a results file, one dict for each image of the set, as `write_coco_results` takes them.

    Raises BadDataError, which lists results that lack something or are of no image or category of the set.
    """
    faults = Faults()
    content = faults.attempt(path, "", read_json, Path(path))
    if content is not None and not isinstance(content, list):
        faults.add(path, "", "not a list of results")
    places, labels = ({number: i for i, number in enumerate(numbers)}
                      for numbers in ([image.id for image in dataset.images], dataset.category_ids))
    rows: list[list[Any]] = [[] for _ in dataset.images]
    for i, entry in enumerate(content if isinstance(content, list) else []):
        row = faults.attempt(path, f"result {i}", _result, entry, places, labels)
        if row is not None:
            rows[row[0]].append(row[1:])
    if faults.found:
        raise BadDataError(Path(path), faults.found, "entries", skippable=False)
    return [{"boxes": np.array([r[0] for r in image], np.float64).reshape(-1, 4),
             "labels": np.array([r[1] for r in image], np.int64),
             "scores": np.array([r[2] for r in image], np.float64)} for image in rows]


def _result(entry: Any, places: Mapping[int, int], labels: Mapping[int, int]) -> tuple[int, list[float], int, float]:
    entry = require_mapping(entry)
    number, label = require_whole(entry, "image_id"), coco_label(entry, labels)
    if number not in places:
        raise BadEntryError(f"the image {number} is not in the data set")
    x, y, w, h = coco_box(entry)
    return places[number], [x, y, x + w, y + h], label, require_number(entry, "score")


def _write(path: str | os.PathLike[str], content: Any) -> None:
    text = json.dumps(content, allow_nan=False)
    write_atomically(path, lambda file: file.write(text.encode()))


def _extents(box: Any) -> list[float]:
    x1, y1, x2, y2 = map(float, box)
    return [x1, y1, x2 - x1, y2 - y1]
