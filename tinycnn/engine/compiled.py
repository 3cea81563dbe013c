"""Compiled networks: `compile` makes one of a model, calling it runs its plan."""
from __future__ import annotations

import threading
from typing import Any

import numpy as np

from .._kernels import get_num_threads, kernels
from .graph import Graph, restructure
from .passes import optimise
from .plan import aligned, plan
from .trace import trace


class CompiledNet:
    """A network as a plan: called with arrays of the shapes it was compiled for, it gives back new arrays.

    It is a snapshot of the model's parameters.  Calls from several Python threads are right and take turns.
    """

    def __init__(self, graph: Graph, threads: int) -> None:
        self.graph, self.threads = graph, threads
        self.plan = plan(graph, threads)
        self._executor = kernels(np.dtype(np.float32), "engine").Executor(
            self.plan.ops, self.plan.constants, self.plan.tables, threads)
        self._arena = aligned(self.plan.arena, np.dtype(np.float32))
        self._arena[:] = 0
        self._lock = threading.Lock()
        self._io = np.zeros(len(graph.inputs) + len(graph.outputs), np.uint64)

    def __call__(self, *inputs: Any) -> Any:
        """The outputs for some inputs, structured as the model gives them."""
        return self._run(inputs, None)

    def _run(self, inputs: tuple[Any, ...], times: np.ndarray | None) -> Any:
        if len(inputs) != len(self.graph.inputs):
            raise TypeError(f"CompiledNet: expected {len(self.graph.inputs)} inputs, got {len(inputs)}")
        arrays = [_ready(x, value) for x, value in zip(inputs, self.graph.inputs)]
        results = [np.empty(value.shape, np.float32) for value in self.graph.outputs]
        with self._lock:
            self._io[:] = [a.ctypes.data for a in (*arrays, *results)]
            self._executor.run(self._arena, self._io, times)
        each = iter(results)
        return restructure(self.graph.result, lambda value: next(each))

    def profile(self, *inputs: Any, rounds: int = 20) -> list[tuple[str, str, float]]:
        """(module, kernel, seconds) of each operation: the least of several rounds."""
        times = np.empty((rounds, len(self.plan.ops)))
        for row in times:
            self._run(inputs, row)
        return list(zip(self.plan.labels, self.plan.kinds, times.min(0).tolist()))


def _ready(x: Any, value: Any) -> np.ndarray:
    array = np.ascontiguousarray(getattr(x, "data", x) if not isinstance(x, np.ndarray) else x, np.float32)
    if array.shape != value.shape:
        raise ValueError(f"CompiledNet: {value.name} has the shape {array.shape}, expected {value.shape}")
    return array


def compile(model: Any, *examples: Any, threads: int | None = None) -> CompiledNet:
    """The fast form of `model` for inputs of fixed shapes.

    model: a Module in evaluation mode, or a function of Tensors.  examples: as `trace` takes them.  threads: None for as
    many as `tinycnn.get_num_threads()` says now.  Raises CompileError naming what the engine cannot run.

    >>> import numpy as np, tinycnn
    >>> net = compile(tinycnn.nn.Conv2d(3, 8, 3).eval(), (1, 3, 16, 16))
    >>> net(np.zeros((1, 3, 16, 16), np.float32)).shape
    (1, 8, 14, 14)
    """
    return CompiledNet(optimise(trace(model, *examples)), threads or get_num_threads())
