"""Resizing of maps: to the nearest element, or bilinearly between four."""
from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from .._kernels import get_num_threads, kernels, scratch
from ..autograd import Function, Shape
from .geometry import Pair, pair

MODES = ("nearest", "bilinear")
Table = tuple[np.ndarray, np.ndarray]  # places and weights (taps, out): what each element is summed from


class Interpolate(Function, op="interpolate"):
    """y = R x C' in each plane, R and C being a rule for rows and one for columns."""

    attributes = ("size", "scale", "mode", "align_corners")
    size: Pair
    scale: tuple[float, float]  # pixels of x from one pixel of y to the next
    mode: str
    align_corners: bool

    def shapes(self, x):
        """(N, C, *size)."""
        _require_map(x)
        return *x[:2], *self.size

    def forward(self, x):
        y = self.empty(x.dtype)
        self.save(shape=x.shape)
        self._run(x, y, self.tables(x.shape, x.dtype))
        return y

    def backward(self, gy):
        """The rules turned round."""
        gx = np.empty(self.saved.shape, gy.dtype)
        self._run(gy, gx, self.adjoint_tables(gx.shape, gy.dtype))
        return gx

    def tables(self, x: Shape, dtype: np.dtype) -> list[Table]:
        """For rows, then columns: places in x, and their weights, (taps, size) each; compiled plans read them too."""
        return [_table(*rule) for rule in self._rules(x, dtype)]

    def adjoint_tables(self, x: Shape, dtype: np.dtype) -> list[Table]:
        """The same turned round: what a gradient comes back by."""
        return [_adjoint(*rule) for rule in self._rules(x, dtype)]

    def _rules(self, x, dtype):
        """The arguments of `_table`, for rows and for columns."""
        real_int = np.dtype(f"i{dtype.itemsize}")
        return [(n, out, scale, self.mode, self.align_corners, dtype, real_int)
                for n, out, scale in zip(x[2:], self.size, self.scale)]

    def _run(self, x: np.ndarray, y: np.ndarray, tables: list[Table]) -> None:
        (rows, row_weights), (columns, column_weights) = tables
        room = scratch(x.shape[3]*get_num_threads(), x.dtype)
        kernels(x.dtype).resize(x.reshape(-1, *x.shape[2:]), y.reshape(-1, *y.shape[2:]), room, rows, row_weights,
                                columns, column_weights)


@lru_cache(maxsize=256)
def _table(size: int, out: int, scale: float, mode: str, align_corners: bool, dtype: np.dtype,
           real_int: np.dtype) -> Table:
    """Where element i of an axis comes from, as torch rounds it: nearest in float32, else in the element type."""
    i = np.arange(out)
    if mode == "nearest" or out == size:
        at = i//(out//size) if out in (size, 2*size) else np.floor(i.astype(np.float32)*np.float32(scale))
        return np.minimum(at, size - 1).astype(real_int)[None], np.ones((1, out), dtype)
    i, step, half = i.astype(dtype), dtype.type(scale), dtype.type(0.5)
    at = i*step if align_corners else np.maximum((i + half)*step - half, 0)
    low = np.minimum(np.floor(at), size - 1)
    part = np.clip(at - low, 0, 1).astype(dtype)
    places = np.stack([low, np.minimum(low + 1, size - 1)]).astype(real_int)
    return places, np.stack([1 - part, part])


@lru_cache(maxsize=256)
def _adjoint(size: int, out: int, *rule: Any) -> Table:
    """The table turned round: for each element of x, the elements of y that it goes into, by their order.

    Where others have more, an element's first place stands again, with the weight 0.
    """
    places, weights = _table(size, out, *rule)
    order = np.argsort(places.ravel(), kind="stable")
    of = places.ravel()[order]
    counts = np.bincount(of, minlength=size)
    rank = np.arange(of.size) - np.repeat(np.cumsum(counts) - counts, counts)
    turned, shares = np.zeros((counts.max(), size), places.dtype), np.zeros((counts.max(), size), weights.dtype)
    turned[:, of[::-1]] = (order % out)[::-1]
    turned[rank, of] = order % out
    shares[rank, of] = weights.ravel()[order]
    return turned, shares


def _require_map(x) -> None:
    if len(x) != 4 or 0 in x:
        raise ValueError(f"interpolate: x must have the axes (N, C, H, W), none of extent 0, got {x}")


def interpolate(x, size=None, scale_factor=None, mode: str = "nearest", align_corners: bool = False):
    """x (N, C, H, W) made larger or smaller: (N, C, *size).

    size: an int or (height, width); or scale_factor instead, one number or two, which give floor(scale_factor H), and
    by which coordinates are then divided.  mode: "nearest", y[i] = x[floor(i H / OH)]; or "bilinear", between the
    elements beside (i + 1/2) H / OH - 1/2, or beside i (H - 1) / (OH - 1) where align_corners holds: then the corners
    of x are those of y.  An axis that keeps its extent is copied, and "nearest" doubles one exactly, whatever the
    factor was.  Nothing is smoothed before x is made smaller.  gx: each gy comes back by the same weights.

    Values as torch's.  Raises ValueError for both or neither of size and scale_factor, another mode, a size below 1, or
    align_corners with "nearest".

    >>> from tinycnn import Tensor
    >>> interpolate(Tensor([[[[1.0, 3.0]]]]), scale_factor=(1, 2), mode="bilinear").tolist()
    [[[[1.0, 1.5, 2.5, 3.0]]]]
    """
    _require_map(x.shape)
    if mode not in MODES:
        raise ValueError(f"interpolate: mode must be one of {MODES}, got {mode!r}")
    if align_corners and mode == "nearest":
        raise ValueError("interpolate: align_corners=True is for mode='bilinear', got mode='nearest'")
    if (size is None) == (scale_factor is None):
        raise ValueError(f"interpolate: expected either size or scale_factor, got {size!r} and {scale_factor!r}")
    factors = None if scale_factor is None else _factors(scale_factor)
    out = (pair(size, "size", "interpolate") if factors is None
           else tuple([math.floor(n*f) for n, f in zip(x.shape[2:], factors)]))
    if min(out) < 1:
        raise ValueError(f"interpolate: scale_factor {scale_factor!r} makes the size {out} of x of shape {x.shape}")
    scale = tuple([_scale(n, m, None if factors is None else factors[i], align_corners)
                   for i, (n, m) in enumerate(zip(x.shape[2:], out))])
    return Interpolate.apply(x, size=out, scale=scale, mode=mode, align_corners=bool(align_corners))


def _factors(scale_factor) -> tuple[float, float]:
    """One number, or two, above 0."""
    two = tuple(scale_factor) if isinstance(scale_factor, (tuple, list)) else (scale_factor, scale_factor)
    if len(two) != 2 or not all(isinstance(f, (int, float)) and 0 < f < math.inf for f in two):
        raise ValueError(f"interpolate: scale_factor must be a positive number or two, got {scale_factor!r}")
    return two


def _scale(size: int, out: int, factor: float | None, align_corners: bool) -> float:
    """Elements of x from one element of y to the next."""
    if align_corners:
        return (size - 1)/(out - 1) if out > 1 else 0.0
    return size/out if factor is None else 1/factor
