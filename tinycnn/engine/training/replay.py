"""Where numbers first stopped being finite: a batch again, operation by operation, on the tape's Functions."""
from __future__ import annotations

import numpy as np

from ..graph import Node, Value, compute
from .prepare import Prepared


def first_not_finite(prepared: Prepared, inputs: list[np.ndarray], keys: dict[int, list[int]]) -> str | None:
    """The first operation whose result is not finite although what it read was; None where there is none.

    keys: seed and draw of operations that are random, by the id of their attributes.
    """
    known: dict[Value, np.ndarray] = dict(zip(prepared.traced.inputs, inputs))
    for value, array in known.items():
        if not finite(array):
            return f"none: the input {value.name} itself holds NaN or Inf"
    for node in prepared.traced.nodes:
        arrays = [None if v is None else known[v] if v.data is None else v.data for v in node.inputs.values()]
        for constant in node.used():
            if constant.data is not None and not finite(constant.data):
                return f"{named(node)}, whose {constant.name} holds NaN or Inf"
        results = again(node, arrays, keys)
        if not all(map(finite, results)):
            return named(node)
        known.update(zip(node.outputs, results))
    return None


def again(node: Node, arrays: list[np.ndarray | None], keys: dict[int, list[int]]) -> list[np.ndarray]:
    """The results of one operation; statistics do not move."""
    if node.op == "tape":
        return node.attributes["tape"].forward(arrays)
    attributes = node.attributes
    if id(attributes) in keys:
        seed, draw = keys[id(attributes)]
        attributes = attributes | {"seed": seed, "draw": draw}
    if node.op == "batch_norm":
        arrays = [None if a is None else a.copy() for a in arrays]
    return compute(node.op, arrays, attributes)


def finite(array: np.ndarray) -> bool:
    """Whether an array holds neither NaN nor Inf."""
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def named(node: Node) -> str:
    """An operation for a message."""
    return f"{node.op} in {node.path}" if node.path else node.op
