"""What a reader hands out: plain containers of arrays, numbers and strings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinycnn.serialize.bounds import MAX_DEPTH, MAX_NODES, CheckpointError, shown

# A training checkpoint may carry two sets of weights, hence names that say which one is meant.
STATE_DICT_KEYS = ("state_dict", "model_state_dict", "model", "net", "model_ema", "state_dict_ema", "ema")

_SCALARS = (type(None), bool, int, float, str, bytes)
_SHOWN_KEYS = 10
_TOO_DEEP = f"containers are nested more than {MAX_DEPTH} deep"


class StateDict(dict[Any, Any]):
    """A dict from names to arrays, in file order; it also stands for every `OrderedDict` inside a checkpoint.

    `metadata` is what torch keeps in a state dict's `_metadata`: for each module's name a dict, usually
    `{"version": ...}`. It is empty for files that carry none.

    >>> StateDict({"weight": 1}) == {"weight": 1}
    True
    """

    __slots__ = ("metadata",)

    def __init__(self, items: Mapping[Any, Any] | Iterable[tuple[Any, Any]] = (), /) -> None:
        super().__init__(items)
        self.metadata: dict[str, Any] = {}


def check_plain(root: object) -> None:
    """Raise `CheckpointError` unless `root` is a finite tree of plain values.

    Pickles can build what no caller expects: lists that contain themselves, a million levels, a few lists that share
    one another so that a walk over them never ends, or our own helper objects. Iterative, linear in the objects.
    """
    measured: dict[int, tuple[int, int]] = {}  # id -> (levels, nodes) below and including that container
    ancestors: set[int] = set()
    work: list[tuple[object, bool]] = [(root, False)]
    while work:
        node, children_done = work.pop()
        if _is_leaf(node) or id(node) in measured:
            continue
        children = [child for child in _children(node) if not _is_leaf(child)]
        if children_done:
            ancestors.discard(id(node))
            measured[id(node)] = _measure(node, [measured[id(child)] for child in children])
        elif id(node) in ancestors:
            raise CheckpointError("a container contains itself")
        elif len(ancestors) == MAX_DEPTH:  # an early end; _measure finds what is deep by way of shared parts
            raise CheckpointError(_TOO_DEEP)
        else:
            ancestors.add(id(node))
            work.append((node, True))
            work.extend((child, False) for child in children)


def _is_leaf(value: object) -> bool:
    return type(value) in _SCALARS or isinstance(value, np.ndarray | np.generic)


def _children(node: object) -> list[object]:
    if isinstance(node, list | tuple) and type(node) in (list, tuple):  # a NamedTuple of ours is no plain value
        return list(node)
    if isinstance(node, dict):
        values = list(node.values())
        return [*values, node.metadata] if isinstance(node, StateDict) and node.metadata else values
    raise CheckpointError(f"the file holds {shown(node)} where an array, a number, a string or a container must stand")


def _measure(node: Any, children: list[tuple[int, int]]) -> tuple[int, int]:
    depth = 1 + max((levels for levels, _ in children), default=0)
    nodes = 1 + len(node) + sum(nodes for _, nodes in children)
    if depth > MAX_DEPTH:
        raise CheckpointError(_TOO_DEEP)
    if nodes > MAX_NODES:
        raise CheckpointError(f"the structure spells out to more than {MAX_NODES} objects")
    return depth, nodes


def is_state_dict(value: object) -> bool:
    """Whether `value` is a flat mapping from strings to arrays."""
    return isinstance(value, dict) and all(
        isinstance(name, str) and isinstance(array, np.ndarray) for name, array in value.items()
    )


def select_state_dict(root: object, key: str | None = None) -> StateDict:
    """The one state dict of a checkpoint: `root[key]`, or `root` itself, or what one well-known key of it holds."""
    if key is not None:
        candidates = [key] if isinstance(root, dict) and key in root and is_state_dict(root[key]) else []
    elif is_state_dict(root):
        return _as_state_dict(root)
    else:
        mapping = root if isinstance(root, dict) else {}
        candidates = [name for name in STATE_DICT_KEYS if name in mapping and is_state_dict(mapping[name])]
    if len(candidates) != 1 or not isinstance(root, dict):
        raise CheckpointError(_no_single_state_dict(root, key, candidates))
    return _as_state_dict(root[candidates[0]])


def _as_state_dict(value: Any) -> StateDict:
    return value if isinstance(value, StateDict) else StateDict(value)


def _no_single_state_dict(root: object, key: str | None, candidates: list[str]) -> str:
    if candidates:
        return f"holds several state dicts, under {', '.join(candidates)}; choose one with key="
    wanted = "no state dict (flat mapping from names to arrays)" + (f" under key {shown(key)}" if key else "")
    if not isinstance(root, dict):
        return f"holds {wanted}: its top object is {shown(root)}; load_object() returns it as it is"
    names = ", ".join(shown(name) for name in list(root)[:_SHOWN_KEYS]) + (", ..." if len(root) > _SHOWN_KEYS else "")
    return f"holds {wanted}: its top-level keys are {names or '(none)'}; load_object() returns it as it is"
