"""What the metrics are fed: per image the detections and the truths, checked, as float64 columns.

Detections are what `postprocess` of a detector gives: a dict of `boxes` (n, 4), `scores` (n,) and `labels` (n,).
Truths are a dict of `boxes` (m, 4) and `labels` (m,), and where a metric knows them `iscrowd` (m,), `area` (m,) and
`difficult` (m,).  Labels are integers of any value.  Boxes are (x1, y1, x2, y2) or (x, y, width, height), by name.
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

BOX_FORMATS = ("xyxy", "xywh")


class Detections(NamedTuple):
    """n detections of one image or of several: the image's number, what was found there."""

    image: np.ndarray  # int64 (n,)
    boxes: np.ndarray  # float64 (n, 4), xywh
    labels: np.ndarray  # int64 (n,)
    scores: np.ndarray  # float64 (n,)


class Truths(NamedTuple):
    """m objects of one image or of several: the image's number, what is there."""

    image: np.ndarray  # int64 (m,)
    boxes: np.ndarray  # float64 (m, 4), xywh
    labels: np.ndarray  # int64 (m,)
    crowd: np.ndarray  # bool (m,)
    area: np.ndarray  # float64 (m,)
    difficult: np.ndarray  # bool (m,)


def check_format(where: str, box_format: str) -> str:
    """The format's name; ValueError where it is none."""
    if box_format not in BOX_FORMATS:
        raise ValueError(f"{where}: box_format must be one of {', '.join(BOX_FORMATS)}, got {box_format!r}")
    return box_format


def read_detections(where: str, image: int, given: Mapping[str, Any], box_format: str) -> Detections:
    """The detections of one image.  Raises ValueError naming what is missing, misshapen or not finite."""
    boxes = _boxes(where, "detections", given, box_format)
    n = len(boxes)
    scores = _column(where, "detections", given, "scores", n).astype(np.float64)
    _require_finite(where, "detections['scores']", scores)
    return Detections(np.full(n, image), boxes, _labels(where, "detections", given, n), scores)


def read_truths(where: str, image: int, given: Mapping[str, Any], box_format: str) -> Truths:
    """The truths of one image.  An area that is not given is the box's, a flag that is not given is unset."""
    boxes = _boxes(where, "truths", given, box_format)
    n = len(boxes)
    area = boxes[:, 2] * boxes[:, 3]
    if given.get("area") is not None:
        area = _column(where, "truths", given, "area", n).astype(np.float64)
        _require_finite(where, "truths['area']", area)
    crowd, difficult = (np.zeros(n, bool) if given.get(name) is None else
                        _column(where, "truths", given, name, n).astype(bool) for name in ("iscrowd", "difficult"))
    return Truths(np.full(n, image), boxes, _labels(where, "truths", given, n), crowd, area, difficult)


def join(parts: list[Any], empty: Any) -> Any:
    """Those of all images, as one; `empty` where there are no images."""
    return type(empty)(*map(np.concatenate, zip(*parts))) if parts else empty


def read_all(where: str, detections: Any, truths: Any, box_format: str) -> tuple[Detections, Truths]:
    """The detections and truths of all images, two sequences of equal length."""
    check_format(where, box_format)
    if len(detections) != len(truths):
        raise ValueError(f"{where}: detections of {len(detections)} images, truths of {len(truths)}")
    found = [read_detections(where, i, d, box_format) for i, d in enumerate(detections)]
    there = [read_truths(where, i, t, box_format) for i, t in enumerate(truths)]
    return join(found, no_detections()), join(there, no_truths())


def no_detections() -> Detections:
    """Those of no image."""
    return read_detections("", 0, {"boxes": [], "labels": [], "scores": []}, "xywh")


def no_truths() -> Truths:
    """Those of no image."""
    return read_truths("", 0, {"boxes": [], "labels": []}, "xywh")


def _boxes(where: str, which: str, given: Mapping[str, Any], box_format: str) -> np.ndarray:
    """xywh.  The extents of xyxy are differences, as in the results files of COCO, to the last bit."""
    boxes = np.array(_entry(where, which, given, "boxes"), np.float64)
    boxes = boxes.reshape(0, 4) if boxes.size == 0 else boxes
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"{where}: {which}['boxes'] must be (n, 4), got the shape {boxes.shape}")
    _require_finite(where, f"{which}['boxes']", boxes)
    if box_format == "xyxy":
        boxes[:, 2:] -= boxes[:, :2]
    return boxes


def _labels(where: str, which: str, given: Mapping[str, Any], n: int) -> np.ndarray:
    labels = _column(where, which, given, "labels", n)
    if n and labels.dtype.kind not in "iu":
        raise ValueError(f"{where}: {which}['labels'] must be integers, got {labels.dtype}")
    return labels.astype(np.int64)


def _column(where: str, which: str, given: Mapping[str, Any], name: str, n: int) -> np.ndarray:
    column = np.asarray(_entry(where, which, given, name))
    if column.shape != (n,):
        raise ValueError(f"{where}: {which}[{name!r}] must be ({n},), one for each box, got the shape {column.shape}")
    return column


def _entry(where: str, which: str, given: Mapping[str, Any], name: str) -> Any:
    try:
        return given[name]
    except KeyError:
        raise ValueError(f"{where}: {which} lack {name!r}, they have {sorted(given)}") from None


def _require_finite(where: str, what: str, values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise ValueError(f"{where}: {what} must be finite, got {values[~np.isfinite(values)][0]}")
