"""Codes: what networks say of a box, told from the place that says it; each pair of functions is an inverse.

    deltas     of an anchor: ((x - xa) / wa, (y - ya) / ha, ln w/wa, ln h/ha), each over its variance
               Girshick et al., "Rich feature hierarchies", CVPR 2014, appendix C, equations 1 to 9: variances of 1;
               Liu et al., "SSD", ECCV 2016, equation 2, whose code divides by SSD_VARIANCES
    distances  of a point to the four sides: left, top, right, bottom, over a scale
               Tian et al., "FCOS", ICCV 2019, equation 1
    logistic   of a cell and its anchor: x = (s σ(tx) - (s - 1) / 2 + column) stride, w = wa e^tw, y and h likewise
               Redmon and Farhadi, "YOLO9000", CVPR 2017, section 2; s > 1: Bochkovskiy et al., "YOLOv4", 2020, 3.4
    grid       of a cell of S x S: x, y within the cell, w, h of the image
               Redmon et al., "You only look once", CVPR 2016, section 2

Arrays broadcast.  Decoding deltas or distances also takes Tensors, and hands gradients back: criteria use it.
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import ops as F
from ..losses.yolo import MOST_GROWTH
from ..tensor import Tensor
from .boxes import as_boxes, centres_and_sides

SSD_VARIANCES = (0.1, 0.1, 0.2, 0.2)
PLAIN = (1.0, 1.0, 1.0, 1.0)
MOST_DELTA = math.log(1000 / 16)  # of ln w/wa before decoding: an untrained network makes no endless boxes
NEAREST = 1e-6  # to 0 and to 1: how near σ is asked to come when logistic codes are made


def _join(low: Any, high: Any) -> Any:
    """Two halves of boxes on the last axis, arrays or Tensors."""
    return F.concat([low, high], -1) if isinstance(low, Tensor) else np.concatenate([low, high], -1)


def _exp(x: Any, most: float) -> Any:
    """e^min(x, most)."""
    return x.clip(high=most).exp() if isinstance(x, Tensor) else np.exp(np.minimum(x, x.dtype.type(most)))


def _codes(call: str, name: str, codes: Any) -> Any:
    """Codes as they are, if (..., 4)."""
    if not isinstance(codes, Tensor):
        return as_boxes(call, name, codes)
    if codes.ndim == 0 or codes.shape[-1] != 4:
        raise ValueError(f"{call}: {name} must be (..., 4), got the shape {codes.shape}")
    return codes


def _variances(call: str, variances: tuple[float, ...], dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    if len(variances) != 4 or not all(v > 0 for v in variances):
        raise ValueError(f"{call}: variances must be four positive numbers, got {variances!r}")
    array = np.array(variances, dtype)
    return array[:2], array[2:]


def encode_deltas(boxes: Any, anchors: Any, variances: tuple[float, ...] = PLAIN) -> np.ndarray:
    """Boxes (..., 4) as deltas (..., 4) of anchors (..., 4), both xyxy with positive sides.

    variances: what x, y, w, h are divided by; SSD_VARIANCES or PLAIN.  A side of 0 gives -inf.

    >>> encode_deltas([[2, 0, 6, 4]], [[0, 0, 4, 4]], SSD_VARIANCES).tolist()
    [[5.0, 0.0, 0.0, 0.0]]
    """
    of_place, of_size = _variances("encode_deltas", variances, np.dtype(np.float64))
    array = as_boxes("encode_deltas", "boxes", boxes)
    (centre, sides), (ca, sa) = (centres_and_sides(b) for b in (array, as_boxes("encode_deltas", "anchors", anchors)))
    with np.errstate(divide="ignore", invalid="ignore"):
        deltas = _join((centre - ca) / sa / of_place, np.log(sides / sa) / of_size)
    return deltas.astype(array.dtype)


def decode_deltas(deltas: Any, anchors: Any, variances: tuple[float, ...] = PLAIN, most: float = MOST_DELTA) -> Any:
    """Boxes xyxy (..., 4) from deltas (..., 4), an array or a Tensor, of anchors (..., 4), xyxy.

    variances: those of `encode_deltas`.  most: larger ln w/wa count as this, ln(1000/16) as torchvision has it.

    >>> decode_deltas([[5.0, 0.0, 0.0, 0.0]], [[0, 0, 4, 4]], SSD_VARIANCES).round(4).tolist()
    [[2.0, 0.0, 6.0, 4.0]]
    """
    deltas = _codes("decode_deltas", "deltas", deltas)
    of_place, of_size = _variances("decode_deltas", variances, deltas.dtype)
    anchors = as_boxes("decode_deltas", "anchors", anchors).astype(deltas.dtype, copy=False)
    centre, sides = centres_and_sides(anchors)
    centre = deltas[..., :2] * of_place * sides + centre
    half = _exp(deltas[..., 2:] * of_size, most) * (sides / 2)
    return _join(centre - half, centre + half)


def _points(call: str, points: Any, dtype: np.dtype) -> np.ndarray:
    array = np.asarray(points, dtype)
    if array.ndim == 0 or array.shape[-1] != 2:
        raise ValueError(f"{call}: points must be (..., 2), x and y; got the shape {array.shape}")
    return array


def encode_distances(boxes: Any, points: Any, scale: Any = 1.0) -> np.ndarray:
    """Distances (..., 4) of points (..., 2) to the left, top, right, bottom of boxes (..., 4), over scale.

    scale: a number, or an array (..., 1), of pixels: FCOS v2, GFL and NanoDet measure in strides.  A distance is
    negative where the point lies outside.

    >>> encode_distances([[0, 0, 10, 20]], [[4, 4]], 2).tolist()
    [[2.0, 2.0, 3.0, 8.0]]
    """
    boxes = as_boxes("encode_distances", "boxes", boxes)
    points = _points("encode_distances", points, boxes.dtype)
    return _join(points - boxes[..., :2], boxes[..., 2:] - points) / np.asarray(scale, boxes.dtype)


def decode_distances(distances: Any, points: Any, scale: Any = 1.0) -> Any:
    """Boxes xyxy (..., 4) from distances (..., 4), an array or a Tensor, of points (..., 2); see `encode_distances`.

    Distances that are given as distributions over bins are first made numbers by `functional.integral`.

    >>> decode_distances([[2, 2, 3, 8]], [[4, 4]], 2).tolist()
    [[0.0, 0.0, 10.0, 20.0]]
    """
    distances = _codes("decode_distances", "distances", distances)
    points = _points("decode_distances", points, distances.dtype)
    distances = distances * np.asarray(scale, distances.dtype)
    return _join(points - distances[..., :2], points + distances[..., 2:])


def encode_logistic(boxes: Any, priors: Any, stride: float, scale_xy: float = 1.0) -> np.ndarray:
    """tx, ty, tw, th (..., 4) of boxes xyxy (..., 4) whose centres lie in the cells of priors (..., 4).

    priors: the cell's first corner and the anchor's sides, in pixels (`anchors.yolo_priors`).  stride: pixels from cell
    to cell; scale_xy: v4's stretching of σ about 1/2.  σ is kept 1e-6 away from 0 and 1, where t is infinite.

    >>> encode_logistic([[8, 8, 24, 24]], [[0, 0, 16, 16]], 32).tolist()
    [[0.0, 0.0, 0.0, 0.0]]
    """
    boxes, priors = (as_boxes("encode_logistic", *named) for named in (("boxes", boxes), ("priors", priors)))
    centre, sides = centres_and_sides(boxes)
    said = ((centre - priors[..., :2]) / stride + (scale_xy - 1) / 2) / scale_xy
    said = np.clip(said, NEAREST, 1 - NEAREST)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _join(np.log(said / (1 - said)), np.log(sides / priors[..., 2:])).astype(boxes.dtype)


def decode_logistic(codes: Any, priors: Any, stride: Any, scale_xy: Any = 1.0) -> np.ndarray:
    """Boxes xyxy (..., 4) from tx, ty, tw, th (..., 4) of priors (..., 4); see `encode_logistic`.

    stride, scale_xy: numbers, or arrays (..., 1) where the scales of a network stand in one array.  tw and th beyond
    ln 1000 count as that, as in the losses.

    >>> decode_logistic([[0.0, 0.0, 0.0, 0.0]], [[0, 0, 16, 16]], 32).tolist()
    [[8.0, 8.0, 24.0, 24.0]]
    """
    codes = as_boxes("decode_logistic", "codes", codes)
    priors = as_boxes("decode_logistic", "priors", priors).astype(codes.dtype, copy=False)
    stride, scale_xy = (np.asarray(value, codes.dtype) for value in (stride, scale_xy))
    said = sigmoid(codes[..., :2]) * scale_xy - (scale_xy - 1) / 2
    centre = said * stride + priors[..., :2]
    half = _exp(codes[..., 2:], MOST_GROWTH) * (priors[..., 2:] / 2)
    return _join(centre - half, centre + half)


def encode_grid(boxes: Any, cells: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """x, y within the cell and w, h of the image (..., 4), and row and column of that cell (..., 2), of boxes (..., 4).

    cells: S of S x S; size: (height, width) of the image.  A centre beyond the image counts as on its border.

    >>> codes, cells = encode_grid([[0, 0, 100, 50]], 2, (100, 100))
    >>> codes.tolist(), cells.tolist()
    ([[0.0, 0.5, 1.0, 0.5]], [[0, 1]])
    """
    boxes = as_boxes("encode_grid", "boxes", boxes)
    extent = np.array(size[::-1], boxes.dtype)
    centre, sides = centres_and_sides(boxes)
    place = np.clip(centre / extent * cells, 0, cells)
    cell = np.minimum(place.astype(np.int64), cells - 1)
    return _join((place - cell).astype(boxes.dtype), sides / extent), cell[..., ::-1]


def decode_grid(codes: Any, size: tuple[int, int]) -> np.ndarray:
    """Boxes xyxy in pixels (..., S, S, B, 4) from codes (..., S, S, B, 4); see `encode_grid`.

    Sides below 0 count as 0.

    >>> decode_grid(np.array([[[[0.5, 0.5, 1.0, 0.5]]]]), (100, 60)).tolist()
    [[[[0.0, 25.0, 60.0, 75.0]]]]
    """
    codes = as_boxes("decode_grid", "codes", codes)
    if codes.ndim < 4 or codes.shape[-3] != codes.shape[-4]:
        raise ValueError(f"decode_grid: codes must be (..., S, S, B, 4), got the shape {codes.shape}")
    cells, extent = codes.shape[-3], np.array(size[::-1], codes.dtype)
    rows, columns = np.indices((cells, cells))
    centre = (codes[..., :2] + np.stack([columns, rows], -1)[:, :, None].astype(codes.dtype)) / cells * extent
    half = np.maximum(codes[..., 2:], 0) * extent / 2
    return _join(centre - half, centre + half)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-x), of an array, without overflow."""
    return (np.tanh(x / 2) + 1) / 2


def logit(p: Any) -> np.ndarray:
    """ln(p / (1 - p)), float32, what `sigmoid` undoes; minus infinity up to 0 and infinity from 1 on.

    >>> logit([0.5, 0, 1]).tolist()
    [0.0, -inf, inf]
    """
    p = np.clip(np.asarray(p, np.float32), 0, 1)
    with np.errstate(divide="ignore"):
        return np.log(p) - np.log1p(-p)
