"""Tracing: run a network once on tensors that have a shape and no numbers, and keep the tape as a graph."""
from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np

from .. import random
from ..autograd import Function, Shape, is_grad_enabled, traced_by
from .graph import Graph, Node, Value

PACKAGE = os.path.dirname(os.path.dirname(__file__))


class TraceError(RuntimeError):
    """A network read numbers, or did something else that depends on them, while it was traced."""


def _caller() -> str:
    """File and line outside of this package from which it was called: the network's own source, in its own words."""
    frame: Any = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(os.path.join(PACKAGE, "")):
        inside = os.path.relpath(frame.f_code.co_filename, PACKAGE)
        if inside.split(os.sep)[0] in ("models", "detection", "losses"):
            break
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _refuse(self: Any, *_: Any, **__: Any) -> NoReturn:
    raise TraceError(f"{_caller()} reads the numbers of a traced tensor of shape {self.shape}; while a network is "
                     "traced there are none, and what depends on them cannot be part of a graph")


class Abstract:
    """What stands for an array while a network is traced: its shape and element type. Reading it is a TraceError."""

    flags = SimpleNamespace(c_contiguous=True)
    base = None

    def __init__(self, shape: Shape, dtype: Any) -> None:
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a tensor without axes")
        return self.shape[0]

    __array__ = __bool__ = __float__ = __int__ = __index__ = __iter__ = __getitem__ = _refuse  # type: ignore[assignment]
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse  # type: ignore[assignment]
    item = tolist = argmax = copy = astype = _refuse
    __hash__ = object.__hash__


def _identity(tensor: Any) -> int:
    """What tells traced tensors apart: their Abstract, which they keep when they are cut off from the tape."""
    return id(tensor.data if isinstance(getattr(tensor, "data", None), Abstract) else tensor)


class Tracer:
    """Notes down operations as nodes of a graph."""

    def __init__(self, model: Any) -> None:
        self.nodes: list[Node] = []
        self.values: dict[int, Value] = {}  # by id of what they stand for
        self.kept: list[Any] = []  # keeps what has an entry alive: ids stay unique
        self.paths = {id(m): path for path, m in getattr(model, "named_modules", lambda: [])()}
        self.stack: list[str] = [""]
        self.counters: list[Any] = []
        for source in ("named_parameters", "named_buffers"):
            for name, tensor in getattr(model, source, lambda: [])():
                self._know(tensor, Value(name, tensor.data.shape, tensor.data.dtype, tensor.data))

    def _know(self, tensor: Any, value: Value) -> Value:
        self.kept.append(tensor)
        self.values[_identity(tensor)] = value
        return value

    def input(self, name: str, shape: Shape, dtype: Any) -> Any:
        """A tensor for an input of the graph."""
        tensor = Function.tensor._result(Abstract(shape, dtype), None, 0)
        self._know(tensor, Value(name, tensor.shape, tensor.dtype))
        return tensor

    def value(self, tensor: Any) -> Value:
        """The value that a tensor stands for; one that was not traced is a constant."""
        if _identity(tensor) in self.values:
            return self.values[_identity(tensor)]
        if isinstance(tensor.data, Abstract):
            raise TraceError(f"{_caller()} uses a tensor of another trace")
        return self._know(tensor, Value(f"constant{len(self.kept)}", tensor.shape, tensor.dtype, tensor.data))

    def inside(self, module: Any, inputs: tuple[Any, ...]) -> Any:
        """Run the forward of a module; what it records carries its path."""
        self.stack.append(self.paths.get(id(module), self.stack[-1]))
        try:
            return module.forward(*inputs)
        finally:
            self.stack.pop()

    def count(self, counter: Any) -> None:
        """Note that a Tensor goes up by 1 where the network really runs."""
        self.counters.append(counter)

    def record(self, function: Function) -> tuple[Any, ...]:
        """A node for a Function whose shapes are known, and tensors for its outputs."""
        inputs = {name: None if p is None else self.value(p) for name, p in zip(function.inputs, function.parents)}
        node = Node(function.op, inputs, {name: getattr(function, name) for name in function.attributes},
                    path=self.stack[-1], frozen=not is_grad_enabled())
        floating = next(p.dtype for name, p in zip(function.inputs, function.parents)
                        if p is not None and name not in function.indices)
        dtype = function.result_dtype(floating)
        results = []
        for i, shape in enumerate(function.out_shapes):
            tensor = Function.tensor._result(Abstract(shape, dtype), None, 0)
            name = f"{function.op}{len(self.nodes)}" + (f".{i}" if i else "")
            node.outputs.append(self._know(tensor, Value(name, tensor.shape, dtype, node=node)))
            results.append(tensor)
        self.nodes.append(node)
        return tuple(results)

    def result(self, tree: Any) -> Any:
        """What a network gave back, with values for its tensors."""
        if isinstance(tree, Function.tensor):
            return self.value(tree)
        if isinstance(tree, dict):
            return {key: self.result(part) for key, part in tree.items()}
        if isinstance(tree, (list, tuple)):
            parts = [self.result(part) for part in tree]
            return parts if isinstance(tree, list) else tuple(parts)
        raise TraceError(f"trace: the model gave back a {type(tree).__name__}; "
                         "expected a Tensor, or lists, tuples and dicts of them")


def signature(example: Any) -> tuple[Shape, np.dtype]:
    """Shape and element type of an input: of an array or Tensor, of a shape (float32), or of (shape, dtype)."""
    if hasattr(example, "shape") and hasattr(example, "dtype"):
        return tuple(example.shape), np.dtype(example.dtype)
    if isinstance(example, Sequence) and len(example) == 2 and isinstance(example[0], Sequence):
        shape, dtype = example
    else:
        shape, dtype = example, np.float32
    if not isinstance(shape, Sequence) or not all(isinstance(n, (int, np.integer)) and n > 0 for n in shape):
        raise ValueError(f"trace: an example must be an array, a shape of positive integers, or (shape, dtype), "
                         f"got {example!r}")
    return tuple(int(n) for n in shape), np.dtype(dtype)


def trace(model: Any, *examples: Any) -> Graph:
    """The graph of `model(*examples)`: the module is run once, on shapes without numbers.

    model: a Module, or any function of Tensors.  examples: for each input an array or Tensor, a shape (float32), or
    (shape, dtype).  What the model does depends on its mode: call `eval()` first for inference.  Raises TraceError,
    naming the line, where the model reads numbers.

    >>> import tinycnn
    >>> graph = tinycnn.trace(tinycnn.nn.Linear(3, 2), (1, 3))
    >>> graph.nodes[0].op, graph.outputs[0].shape
    ('linear', (1, 2))
    """
    note = Tracer(model)
    signatures = [signature(example) for example in examples]
    inputs = [note.input(f"x{i}" if i else "x", *s) for i, s in enumerate(signatures)]
    with traced_by(note), random.unchanged():
        result = note.result(model(*inputs))
    graph = Graph([note.value(x) for x in inputs], note.nodes, result)
    graph.counters = note.counters
    return graph
