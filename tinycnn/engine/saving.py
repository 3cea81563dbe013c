"""Compiled networks in files: the graph as JSON, its constants as arrays, in one archive of NumPy's format.

What is saved is the graph after its passes, not the plan: the plan is made again, for whatever processor loads it.
"""
from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from ..autograd import ATTRIBUTE_TYPES
from ..serialize import CheckpointError, load, save
from .graph import Graph, Node, Step, Value

GRAPH = "graph.json"
FORMAT = 1


def save_graph(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Write a graph. The file appears whole or not at all."""
    number: dict[Value, int] = {}
    arrays: dict[str, np.ndarray] = {}
    described: list[list[Any]] = []
    for value in [*graph.inputs, *graph.constants, *(v for node in graph.nodes for v in node.outputs)]:
        number[value] = len(described)
        described.append([value.name, list(value.shape), value.dtype.str])
        if value.data is not None:
            arrays[str(number[value])] = value.data
    text = json.dumps({
        "format": FORMAT,
        "values": described,
        "inputs": [number[value] for value in graph.inputs],
        "nodes": [_node(node, number) for node in graph.nodes],
        "result": _tree(graph.result, number),
    })
    save({GRAPH: np.frombuffer(text.encode(), np.uint8), **arrays}, path)


def _node(node: Node, number: dict[Value, int]) -> dict[str, Any]:
    def steps(some: tuple[Step, ...]) -> list[Any]:
        return [[s.op, _plain(s.attributes), [None if v is None else number[v] for v in s.inputs]] for s in some]
    return {"op": node.op, "path": node.path, "attributes": _plain(node.attributes),
            "inputs": {name: None if v is None else number[v] for name, v in node.inputs.items()},
            "outputs": [number[v] for v in node.outputs], "before": steps(node.before), "after": steps(node.after)}


def _tree(tree: Any, number: dict[Value, int]) -> Any:
    """A result as JSON: numbers of values; a tuple is told from a list."""
    if isinstance(tree, Value):
        return number[tree]
    if isinstance(tree, dict):
        return {"dict": {key: _tree(part, number) for key, part in tree.items()}}
    return {type(tree).__name__: [_tree(part, number) for part in tree]}


def _plain(value: Any) -> Any:
    """Attributes as JSON: named tuples keep their names, slices and element types are told from other things."""
    if isinstance(value, dict):
        return {"dict": {key: _plain(part) for key, part in value.items()}}
    if isinstance(value, tuple) and ATTRIBUTE_TYPES.get(type(value).__name__) is type(value):
        fields = list(value._fields)  # type: ignore[attr-defined]
        return {"named": [type(value).__name__, fields, [_plain(part) for part in value]]}
    if type(value) in (tuple, list):
        return {type(value).__name__: [_plain(part) for part in value]}
    if isinstance(value, slice):
        return {"slice": [value.start, value.stop, value.step]}
    if value is Ellipsis:
        return {"ellipsis": None}
    if isinstance(value, np.ndarray):
        return {"array": [value.dtype.str, value.tolist()]}
    if isinstance(value, np.dtype):
        return {"dtype": value.str}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"save: an attribute of type {type(value).__name__} cannot be written")


def _value_of(plain: Any) -> Any:
    """The attribute that `_plain` wrote."""
    if not isinstance(plain, dict):
        return plain
    [(kind, body)] = plain.items()
    if kind == "dict":
        return {str(key): _value_of(part) for key, part in body.items()}
    if kind == "named":
        name, fields, parts = body
        return ATTRIBUTE_TYPES[name](**dict(zip(fields, map(_value_of, parts), strict=True)))
    if kind in ("tuple", "list"):
        return {"tuple": tuple, "list": list}[kind](map(_value_of, body))
    if kind == "slice":
        return slice(*body)
    if kind == "ellipsis":
        return Ellipsis
    if kind == "array":
        return np.array(body[1], np.dtype(body[0]))
    if kind == "dtype":
        return np.dtype(body)
    raise ValueError(f"an attribute of kind {kind!r}")


def load_graph(path: str | os.PathLike[str]) -> Graph:
    """Read what `save_graph` wrote. Raises CheckpointError for a file that is damaged or something else."""
    arrays = load(path)
    if GRAPH not in arrays:
        raise CheckpointError(f"{os.fspath(path)}: no compiled network (it has no {GRAPH})")
    try:
        return _graph(json.loads(arrays.pop(GRAPH).tobytes()), arrays)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{os.fspath(path)}: its graph is damaged ({type(error).__name__}: {error})") from error


def _graph(told: dict[str, Any], arrays: dict[str, np.ndarray]) -> Graph:
    if told["format"] != FORMAT:
        raise ValueError(f"it has the format {told['format']}, expected {FORMAT}")
    values = [Value(str(name), tuple(map(int, shape)), np.dtype(dtype), arrays.get(str(i)))
              for i, (name, shape, dtype) in enumerate(told["values"])]
    for value in values:
        if value.data is not None and value.data.shape != value.shape:
            raise ValueError(f"{value.name} has shape {value.data.shape}, expected {value.shape}")
    def find(i: int | None) -> Value | None:
        if i is not None and not 0 <= i < len(values):
            raise IndexError(f"value {i} of {len(values)}")
        return None if i is None else values[i]
    def steps(some: list[Any]) -> tuple[Step, ...]:
        return tuple([Step(op, _value_of(attributes), tuple([find(i) for i in inputs]))
                      for op, attributes, inputs in some])
    number = {id(value): i for i, value in enumerate(values)}
    nodes, known = [], {i for i in told["inputs"]} | {i for i, v in enumerate(values) if v.data is not None}
    for t in told["nodes"]:
        node = Node(t["op"], {name: find(i) for name, i in t["inputs"].items()}, _value_of(t["attributes"]),
                    [values[i] for i in t["outputs"]], t["path"], steps(t["before"]), steps(t["after"]))
        missing = [v.name for v in node.used() if number[id(v)] not in known]
        if missing:
            raise ValueError(f"{node.op} reads {missing[0]} before it is computed")
        known.update(t["outputs"])
        for value in node.outputs:
            value.node = node
        nodes.append(node)
    return Graph([values[i] for i in told["inputs"]], nodes, _result(told["result"], values))


def _result(tree: Any, values: list[Value]) -> Any:
    if isinstance(tree, int):
        return values[tree]
    [(kind, body)] = tree.items()
    if kind == "dict":
        return {key: _result(part, values) for key, part in body.items()}
    return {"tuple": tuple, "list": list}[kind](_result(part, values) for part in body)
