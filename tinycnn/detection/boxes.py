"""Boxes as arrays: their three formats, clipping, and which of them are boxes at all.

    xyxy    x1, y1, x2, y2: two corners, the format of everything here
    xywh    x1, y1 and the sides w, h: COCO's files
    cxcywh  the centre and the sides: what networks are asked for

How well boxes agree is told by `functional.box_iou` and its like.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

FORMATS = ("xyxy", "xywh", "cxcywh")


def as_boxes(call: str, name: str, boxes: Any) -> np.ndarray:
    """Boxes as an array (..., 4) of float32 or float64; whatever else they are becomes float32.

    Raises ValueError for another shape and TypeError for what is no numbers, naming the function and the argument.
    """
    try:
        array = np.asarray(boxes)
    except ValueError as error:
        raise ValueError(f"{call}: {name} must be an array (..., 4) of boxes: {error}") from None
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{call}: {name} must be numbers, got {array.dtype}")
    if array.size == 0 and array.ndim < 2:
        array = array.reshape(0, 4)
    if array.ndim == 0 or array.shape[-1] != 4:
        raise ValueError(f"{call}: {name} must be (..., 4), one box in each row; got the shape {array.shape}")
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)


def centres_and_sides(boxes: Any) -> tuple[Any, Any]:
    """((x1 + x2) / 2, ...) and (x2 - x1, ...), (..., 2) each, of boxes (..., 4); arrays or Tensors."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return (low + high) / 2, high - low


def _pair(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.concatenate([a, b], -1)


_TO_CORNERS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "xyxy": _pair,
    "xywh": lambda corner, sides: _pair(corner, corner + sides),
    "cxcywh": lambda centre, sides: _pair(centre - sides / 2, centre + sides / 2)}
_FROM_CORNERS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "xyxy": _pair,
    "xywh": lambda low, high: _pair(low, high - low),
    "cxcywh": lambda low, high: _pair((low + high) / 2, high - low)}


def box_convert(boxes: Any, in_fmt: str, out_fmt: str) -> np.ndarray:
    """Boxes (..., 4) of one format in another, a fresh array; formats: "xyxy", "xywh" or "cxcywh".

    Raises ValueError for another format or shape.

    >>> box_convert([[10, 20, 4, 6]], "xywh", "xyxy").tolist()
    [[10.0, 20.0, 14.0, 26.0]]
    """
    for name, value in (("in_fmt", in_fmt), ("out_fmt", out_fmt)):
        if value not in FORMATS:
            raise ValueError(f"box_convert: {name} must be one of {', '.join(FORMATS)}, got {value!r}")
    array = as_boxes("box_convert", "boxes", boxes)
    if in_fmt == out_fmt:
        return array.copy()
    corners = _TO_CORNERS[in_fmt](array[..., :2], array[..., 2:])
    return _FROM_CORNERS[out_fmt](corners[..., :2], corners[..., 2:])


def clip_boxes_to_image(boxes: Any, size: tuple[float, float]) -> np.ndarray:
    """Corners of boxes (..., 4) drawn into an image of size (height, width), in pixels; a NaN stays.

    >>> clip_boxes_to_image([[-3, 5, 40, 90]], (60, 30)).tolist()
    [[0.0, 5.0, 30.0, 60.0]]
    """
    array = as_boxes("clip_boxes_to_image", "boxes", boxes)
    if len(size) != 2 or not all(side >= 0 for side in size):
        raise ValueError(f"clip_boxes_to_image: size must be (height, width), neither below 0, got {size!r}")
    height, width = size
    return np.clip(array, 0, np.array([width, height, width, height], array.dtype))


def remove_small_boxes(boxes: Any, min_size: float) -> np.ndarray:
    """Numbers of the boxes (N, 4) whose sides both are at least min_size: integers, rising.

    >>> remove_small_boxes([[0, 0, 9, 9], [0, 0, 9, 1]], 2).tolist()
    [0]
    """
    array = as_boxes("remove_small_boxes", "boxes", boxes)
    if array.ndim != 2:
        raise ValueError(f"remove_small_boxes: boxes must be (N, 4), got the shape {array.shape}")
    return np.flatnonzero((array[:, 2:] - array[:, :2] >= min_size).all(1))
