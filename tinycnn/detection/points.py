"""Which truth a point answers for: the ranges and the centre sampling of FCOS; and how near its middle it is."""
from __future__ import annotations

from typing import Any

import numpy as np

from .._kernels import kernels
from .boxes import as_boxes
from .targets import as_truths


def fcos_ranges(strides: Any) -> np.ndarray:
    """The least and the largest of a box's four distances that a point of each stride (P,) answers for: (P, 2), pixels.

    4 to 8 strides, so 64 to 128 for stride 16; from 0 for the smallest stride and without end for the largest.
    Tian et al., "FCOS", ICCV 2019, section 3.2.

    >>> fcos_ranges([8, 16, 32]).tolist()
    [[0.0, 64.0], [64.0, 128.0], [128.0, inf]]
    """
    strides = np.asarray(strides, np.float32)
    if strides.ndim != 1 or not (strides > 0).all():
        raise ValueError(f"fcos_ranges: strides must be (P,), numbers above 0, got {strides}")
    ranges = np.stack([4 * strides, 8 * strides], 1)
    if len(strides):
        ranges[strides == strides.min(), 0] = 0
        ranges[strides == strides.max(), 1] = np.inf
    return ranges


def match_points(boxes: Any, points: Any, ranges: Any, radii: Any = None) -> np.ndarray:
    """For each point (P, 2) the number of its truth among boxes (M, 4), or BACKGROUND: int64 (P,).

    A point answers for a truth that it lies in, if the largest of its distances to the four sides is within its range
    (P, 2); of several for the one with the smallest area.  radii: (P,) or a number, pixels: it must also be nearer than
    this to the truth's centre, along both axes (FCOS's second version: 1.5 strides); None: anywhere in the truth.

    Tian et al., "FCOS", ICCV 2019, section 3.2; "FCOS: a simple and strong anchor-free object detector", TPAMI 2020.

    >>> match_points([[0, 0, 40, 40], [0, 0, 10, 10]], [[4, 4], [20, 20]], [[0, 64], [0, 64]]).tolist()
    [1, 0]
    """
    truths, _ = as_truths("match_points", boxes)
    places = np.asarray(points, np.float32)
    if places.ndim != 2 or places.shape[1] != 2:
        raise ValueError(f"match_points: points must be (P, 2), got the shape {places.shape}")
    limits = np.asarray(ranges, np.float32)
    if limits.shape != places.shape:
        raise ValueError(f"match_points: ranges has shape {limits.shape}, expected {places.shape} as points")
    reach = np.asarray(np.inf if radii is None else radii, np.float32)
    if reach.shape not in ((), (len(places),)):
        raise ValueError(f"match_points: radii has shape {reach.shape}, expected {(len(places),)} or a number")
    which = np.full(len(places), -1, np.float32)
    if len(truths) and len(places):
        planes = np.stack([*places.T, *limits.T, np.broadcast_to(reach, len(places))])
        kernels(planes.dtype, "losses").assign_points(planes, np.ascontiguousarray(truths, np.float32), which)
    return which.astype(np.int64)


def centerness(distances: Any) -> np.ndarray:
    """How near to the middle of its box a point is, from 0 to 1, told by its distances (..., 4) to the sides: (...).

    sqrt(min(l, r) / max(l, r) min(t, b) / max(t, b)), and 0 for a point that is not within the box.
    Tian et al., "FCOS", ICCV 2019, equation 3.

    >>> centerness([[4, 4, 4, 4], [1, 4, 4, 4], [-1, 4, 9, 4]]).tolist()
    [1.0, 0.5, 0.0]
    """
    sides = as_boxes("centerness", "distances", distances)
    least, most = np.minimum(sides[..., :2], sides[..., 2:]), np.maximum(sides[..., :2], sides[..., 2:])
    inside = (least > 0).all(-1)
    ratios = least / np.where(most > 0, most, 1)
    return np.sqrt(np.where(inside, ratios.prod(-1), 0))
