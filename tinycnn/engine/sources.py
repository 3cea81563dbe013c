"""Where the graphs of a compiled network come from, again when they are wanted: it keeps no weights twice."""
from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..autograd import Shape
from .graph import Graph
from .passes import optimise
from .saving import load_graph
from .trace import signature, trace


class ModelSource:
    """A model as it was when it was compiled, parameters and mode; what is traced later is of the same, or is refused.

    fixed: whether inputs must have the shapes of the examples.
    """

    def __init__(self, model: Any, examples: tuple[Any, ...], fixed: bool) -> None:
        self.model, self.fixed = model, fixed
        self.signatures = [signature(example) for example in examples]
        self.stamp: int | None = None

    def graph(self) -> Graph:
        """The graph for the examples' shapes. Raises RuntimeError where it is not the first one again."""
        graph = trace(self.model, *self.signatures)
        stamp = _checksum(graph)
        if self.stamp not in (None, stamp):
            raise RuntimeError("the model's parameters, or its mode, have changed since it was compiled: "
                               "call refresh() to take them over")
        self.stamp = stamp
        return optimise(graph)

    def graph_for(self, shapes: Iterable[Shape]) -> Graph:
        """The graph for other shapes."""
        self.graph()
        return optimise(trace(self.model, *[(shape, dtype) for shape, (_, dtype) in zip(shapes, self.signatures)]))

    def as_it_is_now(self) -> ModelSource:
        """The same model, with whatever parameters it has by now."""
        return ModelSource(self.model, tuple(self.signatures), self.fixed)


class FileSource:
    """A file; its shapes are fixed."""

    fixed = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(os.fspath(path))
        self.stamp = self._identity()

    def _identity(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def graph(self) -> Graph:
        """What it holds. Raises RuntimeError where it is not the same file any more."""
        if self.stamp != self._identity():
            raise RuntimeError(f"this network was loaded from {self.path}, which has changed or is gone")
        return load_graph(self.path)


class GraphSource:
    """A graph that somebody made; its shapes are fixed."""

    fixed = True

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def graph(self) -> Graph:
        """The graph."""
        return self._graph


def _checksum(graph: Graph) -> int:
    """Of the operations and of the numbers of all constants."""
    stamp = zlib.crc32(repr([(node, node.attributes) for node in graph.nodes]).encode())
    for value in graph.constants:
        stamp = zlib.crc32(np.ascontiguousarray(value.data).data, stamp)
    return stamp
