"""A plan that is ready to run: checked, with its executor, and with what its inputs and results must be."""
from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from .._kernels import kernels
from .check import check
from .graph import Graph, Value, leaves, restructure
from .plan import plan
from .report import PlanReport


class Planned:
    """A graph as a plan for inputs of its shapes. It keeps none of the graph's arrays; the caller gives the arena."""

    def __init__(self, graph: Graph, threads: int, dtype: np.dtype, began: float, consume: bool) -> None:
        """consume: the graph is nobody else's; each of its constants is let go as soon as it is packed."""
        self.dtype, self.threads = dtype, threads
        self.inputs = list(graph.inputs)
        # values of their own, for those of the graph lead to its nodes and their weights
        self.result = restructure(graph.result, lambda value: Value(value.name, value.shape, value.dtype))
        self.outputs = list(leaves(self.result))
        self.unit = kernels(dtype, "engine")
        self.plan = plan(graph, threads, dtype, consume)
        sizes = [int(np.prod(value.shape)) for value in (*self.inputs, *self.outputs)]
        check(self.plan, sizes, self.unit.WIDTH, threads, self.unit)
        self.bytes = np.array(sizes, np.int64) * dtype.itemsize
        self.executor = self.execute(self.plan.constants)
        self.first_call_time: float | None = None
        self.compile_time = time.perf_counter() - began

    def execute(self, constants: np.ndarray) -> Any:
        """An executor of the plan over some constants."""
        return self.unit.Executor(self.plan.ops, constants, self.plan.tables, self.threads, self.bytes,
                                  len(self.inputs))

    def share_constants(self, other: Planned) -> None:
        """Keep one array where the constants of two plans are the same bytes; one may have fewer zeros at the end."""
        shorter, longer = sorted((self, other), key=lambda planned: len(planned.plan.constants))
        mine, theirs = shorter.plan.constants, longer.plan.constants[:len(shorter.plan.constants)]
        if mine.base is not theirs.base and _same_bits(mine, theirs):
            shorter.plan.constants = theirs
            shorter.executor = shorter.execute(theirs)

    # ---- calls
    def run(self, arena: np.ndarray, arrays: list[np.ndarray], times: np.ndarray | None = None) -> None:
        """Run the plan on inputs and results."""
        if self.first_call_time is not None:
            self.executor.run(arena, arrays, times)
            return
        began = time.perf_counter()
        self.executor.run(arena, arrays, times)
        self.first_call_time = time.perf_counter() - began

    def new_results(self) -> list[np.ndarray]:
        """Arrays for the results."""
        return [np.empty(value.shape, self.dtype) for value in self.outputs]

    def results_in(self, out: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """The arrays for the results within `out`, each seen to fit and to lie apart from the inputs and the others."""
        results: list[np.ndarray] = []
        for name, value, array in _matched(self.result, out, "out"):
            if not isinstance(array, np.ndarray):
                raise TypeError(f"CompiledNet: {name} is of type {type(array).__name__}, expected an array")
            if array.shape != value.shape or array.dtype != self.dtype:
                raise ValueError(f"CompiledNet: {name} has the shape {array.shape} and type {array.dtype}, "
                                 f"expected {value.shape} and {self.dtype}")
            if not array.flags.carray:
                raise ValueError(f"CompiledNet: {name} must be C-contiguous, aligned and writable")
            for other, what in [*[(x, "an input") for x in inputs], *[(y, "another result") for y in results]]:
                if np.may_share_memory(array, other):
                    raise ValueError(f"CompiledNet: {name} shares memory with {what}")
            results.append(array)
        return results

    def structured(self, results: list[np.ndarray]) -> Any:
        """The results as the model nests them."""
        if isinstance(self.result, Value):
            return results[0]
        each = iter(results)
        return restructure(self.result, lambda value: next(each))

    def unstructured(self, results: Any) -> list[np.ndarray]:
        """The arrays of results that the model's way nests."""
        return [array for _, _, array in _matched(self.result, results, "results")]

    def report(self) -> PlanReport:
        """Operations, memory, and what compiling and the first call took."""
        size = self.dtype.itemsize
        return PlanReport(tuple(value.shape for value in self.inputs), dict(Counter(self.plan.kinds)),
                          self.plan.arena * size, len(self.plan.constants) * size, self.compile_time,
                          self.first_call_time)


def _matched(tree: Any, given: Any, name: str) -> Iterator[tuple[str, Value, Any]]:
    """The values of a result, each with what `given` has in its place."""
    if isinstance(tree, Value):
        yield name, tree, given
        return
    expected = dict(tree if isinstance(tree, dict) else enumerate(tree))
    if isinstance(given, dict) is not isinstance(tree, dict) or not isinstance(given, (dict, list, tuple)):
        raise TypeError(f"CompiledNet: {name} is of type {type(given).__name__}, expected a {type(tree).__name__}")
    found = dict(given if isinstance(given, dict) else enumerate(given))
    if found.keys() != expected.keys():
        raise ValueError(f"CompiledNet: {name} has {list(found)}, expected {list(expected)}")
    for key, part in expected.items():
        yield from _matched(part, found[key], f"{name}[{key!r}]")


def _same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    bits = f"i{a.itemsize}"
    return np.array_equal(a.view(bits), b.view(bits))
