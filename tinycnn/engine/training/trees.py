"""Nested lists, tuples and dicts of arrays, or of what stands for arrays: their leaves, and the way back."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Spec = tuple[tuple[int, ...], np.dtype]
Rebuild = Callable[[list[Any]], Any]


def is_shape(tree: Any) -> bool:
    """Whether it is a tuple or list of integers, and not empty."""
    return isinstance(tree, (tuple, list)) and len(tree) > 0 and all(isinstance(n, (int, np.integer)) for n in tree)


def is_spec(tree: Any) -> bool:
    """Whether it stands for an array: (shape, dtype)."""
    return (isinstance(tree, (tuple, list)) and len(tree) == 2 and isinstance(tree[1], (str, type, np.dtype))
            and (is_shape(tree[0]) or tree[0] == ()))


def is_leaf(tree: Any) -> bool:
    """What is no nest: a specification, or a list of whole numbers, which is an array in other words."""
    return is_spec(tree) or is_shape(tree)


def flattened(tree: Any) -> tuple[list[Any], Rebuild]:
    """The leaves of a tree in order, and what makes such a tree of others."""
    if is_leaf(tree) or not isinstance(tree, (dict, list, tuple)):
        return [tree], lambda leaves: leaves[0]
    keys = list(tree) if isinstance(tree, dict) else range(len(tree))
    parts = [flattened(tree[key]) for key in keys]
    kind = dict if isinstance(tree, dict) else type(tree)
    def rebuild(leaves: list[Any]) -> Any:
        found, at = [], 0
        for part, again in parts:
            found.append(again(leaves[at:at + len(part)]))
            at += len(part)
        return kind(zip(keys, found)) if kind is dict else kind(found)
    return [leaf for part, _ in parts for leaf in part], rebuild


def outline(tree: Any) -> Any:
    """The nesting alone, to compare."""
    if is_leaf(tree) or not isinstance(tree, (dict, list, tuple)):
        return None
    parts = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return type(tree).__name__, tuple([(key, outline(part)) for key, part in parts])


def spec_of(leaf: Any, dtype: np.dtype) -> Spec:
    """Shape and element type of an array, a Tensor or (shape, type), as a plan takes it: floating ones are `dtype`,
    whole ones int64.
    """
    if is_spec(leaf):
        shape, given = tuple([int(n) for n in leaf[0]]), np.dtype(leaf[1])
    else:
        array = leaf if hasattr(leaf, "shape") and hasattr(leaf, "dtype") else np.asarray(leaf)
        shape, given = tuple(array.shape), np.dtype(array.dtype)
    if given.kind not in "fiub":
        raise TypeError(f"training step: arrays must hold numbers, got {given} of shape {shape}")
    if 0 in shape:
        raise ValueError(f"training step: an array has the shape {shape}, which holds nothing")
    return shape, dtype if given.kind == "f" else np.dtype(np.int64)
