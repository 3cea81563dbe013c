"""Checks of what losses take beside their input: weights, class numbers, settings."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..._kernels import kernels
from ...autograd import Function, Shape

NO_CLASS = -100  # torch's ignore_index where none is given


def as_tensor(x: Any) -> Any:
    """x itself where it is a Tensor, else one of it."""
    return x if isinstance(x, Function.tensor) else Function.tensor(x)


def require_at_least(op: str, name: str, value: float, least: float, open_end: bool = False) -> float:
    """`value` as a float; ValueError where it is not finite or below `least` (or equal, where the end is open)."""
    if not math.isfinite(value) or value < least or (open_end and value == least):
        raise ValueError(f"{op}: {name} must be a number {'>' if open_end else '>='} {least:g}, got {value!r}")
    return float(value)


def require_finite(op: str, name: str, value: float) -> float:
    """`value` as a float; ValueError where it is infinite or NaN."""
    if not math.isfinite(value):
        raise ValueError(f"{op}: {name} must be a finite number, got {value!r}")
    return float(value)


def constant(op: str, name: str, value: Any, like: Any, shape: Shape | None = None) -> np.ndarray | None:
    """Weights as an array of `like`'s element type, broadcast to `shape` if given; None stays None.

    Raises ValueError for a weight that is negative, infinite or NaN, that requires a gradient, or that does not fit;
    TypeError for what is no number.
    """
    if value is None:
        return None
    if getattr(value, "requires_grad", False):
        raise ValueError(f"{op}: {name} is a constant, no gradient reaches it; pass {name}.detach()")
    try:
        array = np.asarray(value, like.dtype)
    except (TypeError, ValueError):
        raise TypeError(f"{op}: {name} must be numbers, got {value!r}") from None
    wrong = ~((array >= 0) & (array < np.inf))
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(f"{op}: {name}{list(at)} is {array[at]}, expected a finite number >= 0")
    if shape is None or array.shape == shape:
        return array
    try:
        return np.ascontiguousarray(np.broadcast_to(array, shape))
    except ValueError:
        raise ValueError(f"{op}: {name} of shape {array.shape} does not broadcast to input's, {shape}") from None


def class_numbers(op: str, target: np.ndarray, classes: int, dtype: np.dtype,
                  ignore_index: int | None = None) -> np.ndarray:
    """Targets as a vector of int64, each seen to be a class or to be ignored.

    dtype: the element type of whose kernels will look.  Raises TypeError for targets that are no integers, ValueError
    naming the first that is no class.
    """
    if target.dtype.kind not in "iu":
        raise TypeError(f"{op}: target must be integers, the numbers of classes, got {target.dtype}")
    flat = np.ascontiguousarray(target, np.int64).reshape(-1)
    ignore = 0 if ignore_index is None else ignore_index  # 0 is a class, so nothing is let through
    wrong = kernels(dtype, "losses").first_wrong_class(flat, classes, ignore)
    if wrong >= 0:
        at = [int(i) for i in np.unravel_index(wrong, target.shape)]
        raise ValueError(f"{op}: target{at} is {flat[wrong]}, expected 0 <= target < {classes} (classes)"
                         + ("" if ignore_index is None else f", or {ignore_index} to ignore it"))
    return flat
