"""Checks that the shape contracts of several operations share."""
from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import Function, Shape


def as_tensor(x: Any) -> Any:
    """x itself where it is a Tensor, else a Tensor of it."""
    return x if isinstance(x, Function.tensor) else Function.tensor(x)


def require_elements(op: str, name: str, shape: Shape) -> None:
    """Refuse an array without elements (an empty batch, an extent of 0)."""
    if 0 in shape:
        raise ValueError(f"{op}: {name} of shape {shape} has no elements")


def planes(shape: Shape) -> Shape:
    """(N, C, ...) as the (N, C, P) that kernels over planes take; P is 1 for (N, C)."""
    size = 1
    for extent in shape[2:]:
        size *= extent
    return shape[0], shape[1], size


def broadcast(a: Shape, b: Shape) -> Shape:
    """What two shapes broadcast to; numpy takes longer to say so of equal ones than to add small arrays."""
    return a if a == b else np.broadcast_shapes(a, b)
