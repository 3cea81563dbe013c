"""The graph of a network: what `trace` notes down, what passes rewrite, and what everything else reads.

A node is an operation of `autograd.OPS` with named inputs, outputs, plain attributes and the path of the module that
called it.  Passes may add steps to it: element-wise operations that its kernel performs while it loads its input
(`before`) or stores its output (`after`).  `Graph.run` interprets any graph, rewritten or not, with the Functions of
the tape, so that each pass can be tested by running the graph before and after.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..autograd import OPS, Function, Shape


@dataclass(eq=False)
class Value:
    """An array of the graph: an input, a parameter or constant (then it has `data`), or an output of a node."""

    name: str
    shape: Shape
    dtype: np.dtype
    data: np.ndarray | None = None
    node: Node | None = None  # that makes it

    def __repr__(self) -> str:
        return f"{self.name}{list(self.shape)}"


class Step(NamedTuple):
    """An element-wise operation that is part of a node: `inputs` holds None where the running value goes."""

    op: str
    attributes: dict[str, Any]
    inputs: tuple[Value | None, ...] = (None,)


@dataclass(eq=False)
class Node:
    """An operation of the graph."""

    op: str
    inputs: dict[str, Value | None]
    attributes: dict[str, Any]
    outputs: list[Value] = field(default_factory=list)
    path: str = ""  # of the module that called it
    before: tuple[Step, ...] = ()  # on its first input
    after: tuple[Step, ...] = ()  # on its first output
    frozen: bool = False  # it was called within `no_grad`: nothing goes back through it

    @property
    def y(self) -> Value:
        """The output, of a node that has one."""
        return self.outputs[0]

    def used(self) -> Iterator[Value]:
        """Every value that the node reads, those of its steps included; a value read twice comes twice."""
        for values in (self.inputs.values(), *(step.inputs for step in (*self.before, *self.after))):
            yield from (value for value in values if value is not None)

    def replace(self, old: Value, new: Value) -> None:
        """Read another value instead of one."""
        self.inputs = {name: new if value is old else value for name, value in self.inputs.items()}
        self.before, self.after = (tuple([step._replace(inputs=tuple([new if v is old else v for v in step.inputs]))
                                          for step in steps]) for steps in (self.before, self.after))

    def __repr__(self) -> str:
        steps = "".join(f".{step.op}" for step in self.after)
        reads = ", ".join(repr(value) for value in self.used() if value.data is None)
        return f"{', '.join(map(repr, self.outputs))} = {self.op}{steps}({reads})"


class Graph:
    """Nodes in an order in which each comes after what it reads.

    inputs: the values that `run` is given; result: nested lists, tuples and dicts of the values that it gives back.
    """

    def __init__(self, inputs: Sequence[Value], nodes: Sequence[Node], result: Any) -> None:
        self.inputs, self.nodes, self.result = list(inputs), list(nodes), result
        self.counters: list[Any] = []  # Tensors that go up by 1 in each run

    @property
    def outputs(self) -> list[Value]:
        """The values of `result`, in order."""
        return list(leaves(self.result))

    @property
    def constants(self) -> list[Value]:
        """Parameters, buffers and other arrays that the nodes read, each once."""
        return list(dict.fromkeys(value for node in self.nodes for value in node.used() if value.data is not None))

    def readers(self) -> dict[Value, list[Node]]:
        """Who reads each value; a node that reads it twice comes twice."""
        readers: dict[Value, list[Node]] = {}
        for node in self.nodes:
            for value in node.used():
                readers.setdefault(value, []).append(node)
        return readers

    def run(self, *arrays: Any) -> Any:
        """Interpret the graph, op by op, on arrays for its inputs; gives back arrays, structured as the result is."""
        if len(arrays) != len(self.inputs):
            raise TypeError(f"Graph.run: expected {len(self.inputs)} arrays, got {len(arrays)}")
        known: dict[Value, np.ndarray] = {}
        for value, array in zip(self.inputs, arrays):
            known[value] = np.asarray(array, value.dtype)
            if known[value].shape != value.shape:
                raise ValueError(f"Graph.run: {value.name} has the shape {known[value].shape}, expected {value.shape}")
        for node in self.nodes:
            _run_node(node, known)
        return restructure(self.result, lambda value: _array(value, known))

    def __repr__(self) -> str:
        return "\n".join([f"Graph of {', '.join(map(repr, self.inputs))}", *(f"  {node!r}" for node in self.nodes)])


def leaves(tree: Any) -> Iterator[Value]:
    """The values of nested lists, tuples and dicts."""
    if isinstance(tree, Value):
        yield tree
    else:
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from leaves(part)


def restructure(tree: Any, change: Callable[[Value], Any]) -> Any:
    """The same nesting, with each value changed."""
    if isinstance(tree, Value):
        return change(tree)
    if isinstance(tree, dict):
        return {key: restructure(part, change) for key, part in tree.items()}
    parts = [restructure(part, change) for part in tree]
    return parts if isinstance(tree, list) else tuple(parts)


def _array(value: Value, known: dict[Value, np.ndarray]) -> np.ndarray:
    return known[value] if value.data is None else value.data


def _run_node(node: Node, known: dict[Value, np.ndarray]) -> None:
    arrays = [None if value is None else _array(value, known) for value in node.inputs.values()]
    for step in node.before:
        arrays[0] = _run_step(step, arrays[0], known)
    results = compute(node.op, arrays, node.attributes)
    for step in node.after:
        results[0] = _run_step(step, results[0], known)
    known.update(zip(node.outputs, results, strict=True))


def _run_step(step: Step, running: np.ndarray | None, known: dict[Value, np.ndarray]) -> np.ndarray:
    arrays = [running if value is None else _array(value, known) for value in step.inputs]
    return compute(step.op, arrays, step.attributes)[0]


def compute(op: str, arrays: Sequence[np.ndarray | None], attributes: dict[str, Any]) -> list[np.ndarray]:
    """The outputs of an operation, by its Function."""
    if op in GRAPH_OPS:
        return GRAPH_OPS[op](arrays, **attributes)
    function = OPS[op].like(arrays, attributes)
    function.parents = (None,) * len(arrays)
    ready = [_ready(a, function) for a in arrays]
    shapes = function.shapes(*[None if a is None else a.shape for a in ready])
    function.out_shapes = shapes if isinstance(shapes, list) else (shapes,)
    result = function.forward(*ready)
    return [np.asarray(y) for y in (result if isinstance(shapes, list) else [result])]


def _ready(array: np.ndarray | None, function: Function) -> np.ndarray | None:
    return np.ascontiguousarray(array) if array is not None and function.contiguous and array.ndim else array


def pick(arrays: Sequence[np.ndarray], channels: tuple[tuple[int, int], ...]) -> list[np.ndarray]:
    """Channels of several arrays (N, C, ...) in any order: (number of the array, channel) for each of the result."""
    return [np.stack([arrays[i][:, c] for i, c in channels], 1)]


GRAPH_OPS: dict[str, Callable[..., list[np.ndarray]]] = {"pick": pick}  # operations that passes make, not the tape
