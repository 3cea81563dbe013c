"""Compiled networks: `compile` makes one of a model, calling it runs its plan."""
from __future__ import annotations

import os
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from .._kernels import ISA, get_num_threads, kernels
from ..serialize import CheckpointError
from .check import check
from .graph import Graph, Value, restructure
from .passes import optimise
from .plan import aligned, plan
from .saving import load_graph, save_graph
from .trace import trace


class Timed(NamedTuple):
    """An operation of a plan, and how long it took."""

    module: str  # path of the module it comes from
    kernel: str
    seconds: float


class Report(NamedTuple):
    """What a compiled network is: sizes in bytes, times in seconds."""

    isa: str
    threads: int
    operations: dict[str, int]  # how many of each kernel
    arena: int
    constants: int
    compile_time: float
    first_call_time: float | None  # None before the first call

    def __str__(self) -> str:
        first = "not called yet" if self.first_call_time is None else f"first call {1e3 * self.first_call_time:.2f} ms"
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.operations.items())
        return (f"{sum(self.operations.values())} operations ({kinds})\n"
                f"{self.isa}, {self.threads} thread{'s' if self.threads > 1 else ''}; arena {self.arena / 1e6:.2f} MB, "
                f"constants {self.constants / 1e6:.2f} MB\ncompiled in {1e3 * self.compile_time:.0f} ms, {first}")


class CompiledNet:
    """A network as a plan: called with arrays of the shapes it was compiled for, it gives back new arrays.

    It is a snapshot of the model's parameters; `refresh` takes another.  Calls from several Python threads are right
    and take turns; while one runs, other Python threads go on.  After a fork the child runs on one thread.
    """

    def __init__(self, graph: Graph, threads: int, source: tuple[Any, tuple[Any, ...]] | None = None,
                 dtype: Any = np.float32, began: float | None = None) -> None:
        began = time.perf_counter() if began is None else began
        self.graph, self.threads, self.dtype, self._source = graph, threads, np.dtype(dtype), source
        _warn_of_nonfinite(graph.constants)
        unit = kernels(self.dtype, "engine")
        self._plan = plan(graph, threads, self.dtype)
        check(self._plan, [_size(value) for value in (*graph.inputs, *graph.outputs)], unit.WIDTH, threads, unit)
        self._executor = unit.Executor(self._plan.ops, self._plan.constants, self._plan.tables, threads)
        self._arena = aligned(self._plan.arena, self.dtype)
        self._arena[:] = 0  # its pages exist before the first call
        self._io = np.zeros(len(graph.inputs) + len(graph.outputs), np.uint64)
        self._lock = threading.Lock()
        self._first_call_time: float | None = None
        self._compile_time = time.perf_counter() - began

    def __call__(self, *inputs: Any) -> Any:
        """The outputs for some inputs, structured as the model gives them: new arrays.

        Raises TypeError for another number of inputs, ValueError for other shapes.
        """
        if self._first_call_time is None:
            began = time.perf_counter()
            result = self._run(inputs, None)
            self._first_call_time = time.perf_counter() - began
            return result
        return self._run(inputs, None)

    def _run(self, inputs: tuple[Any, ...], times: np.ndarray | None) -> Any:
        if len(inputs) != len(self.graph.inputs):
            raise TypeError(f"CompiledNet: expected {len(self.graph.inputs)} inputs, got {len(inputs)}")
        arrays = [self._ready(x, value) for x, value in zip(inputs, self.graph.inputs)]
        results = [np.empty(value.shape, self.dtype) for value in self.graph.outputs]
        with self._lock:
            self._io[:] = [array.ctypes.data for array in (*arrays, *results)]
            self._executor.run(self._arena, self._io, times)
        each = iter(results)
        return restructure(self.graph.result, lambda value: next(each))

    def _ready(self, x: Any, value: Value) -> np.ndarray:
        array = np.asarray(x if isinstance(x, np.ndarray) else getattr(x, "data", x), self.dtype, order="C")
        if array.shape != value.shape:
            raise ValueError(f"CompiledNet: {value.name} has the shape {array.shape}, expected {value.shape}")
        return array

    def profile(self, *inputs: Any, rounds: int = 20) -> list[Timed]:
        """How long each operation takes, the least of several rounds.

        >>> import tinycnn
        >>> net = tinycnn.compile(tinycnn.nn.Linear(3, 2), (1, 3), threads=1)
        >>> [timed.kernel for timed in net.profile(np.zeros((1, 3), np.float32))]
        ['product', 'write_output']
        """
        if rounds < 1:
            raise ValueError(f"profile: rounds must be at least 1, got {rounds!r}")
        times = np.empty((rounds, len(self._plan.ops)))
        for row in times:
            self._run(inputs, row)
        return [Timed(*row) for row in zip(self._plan.labels, self._plan.kinds, times.min(0).tolist())]

    def report(self) -> Report:
        """Operations, memory, threads, instruction set, and what compiling and the first call took."""
        size = self.dtype.itemsize
        return Report(ISA, self.threads, dict(Counter(self._plan.kinds)), self._plan.arena * size,
                      len(self._plan.constants) * size, self._compile_time, self._first_call_time)

    def refresh(self) -> None:
        """Take over the model's parameters and buffers as they are now.

        Raises RuntimeError for a network that was loaded from a file: it has no model.
        """
        if self._source is None:
            raise RuntimeError("refresh: this network was loaded from a file, it has no model to take parameters from")
        model, examples = self._source
        fresh = CompiledNet(optimise(trace(model, *examples)), self.threads, self._source, self.dtype)
        with self._lock:
            self.graph, self._plan, self._executor = fresh.graph, fresh._plan, fresh._executor
            self._arena, self._io = fresh._arena, fresh._io

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file `*.tinycnn`, whole or not at all; `load_compiled` needs nothing else."""
        if os.path.splitext(os.fspath(path))[1] != ".tinycnn":
            raise ValueError(f"save: path must end in .tinycnn, got {os.fspath(path)!r}")
        save_graph(self.graph, path)


def _size(value: Value) -> int:
    return int(np.prod(value.shape))


def _warn_of_nonfinite(constants: Iterable[Value]) -> None:
    names = [value.name for value in constants if not np.isfinite(np.asarray(value.data)).all()]
    if names:
        warnings.warn(f"compile: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''} "
                      "hold NaN or infinite numbers", RuntimeWarning, stacklevel=4)


def compile(model: Any, *examples: Any, threads: int | None = None) -> CompiledNet:
    """The fast form of `model` for inputs of fixed shapes.

    model: a Module in evaluation mode, or a function of Tensors.  examples: for each input an array or Tensor, a shape,
    or (shape, dtype); numbers are float32.  threads: None for as many as `tinycnn.get_num_threads()` says now.  Raises
    CompileError naming what the engine cannot run, TraceError where the model reads numbers; warns where parameters
    hold NaN or infinite numbers.

    >>> import tinycnn
    >>> net = tinycnn.compile(tinycnn.nn.Conv2d(3, 8, 3), (1, 3, 16, 16))
    >>> net(np.zeros((1, 3, 16, 16), np.float32)).shape
    (1, 8, 14, 14)
    """
    began = time.perf_counter()
    return CompiledNet(optimise(trace(model, *examples)), _threads(threads), (model, examples), began=began)


def load_compiled(path: str | os.PathLike[str], threads: int | None = None) -> CompiledNet:
    """A network that `CompiledNet.save` wrote, for this processor. threads: as `compile` takes it.

    Raises CheckpointError for a file that is damaged or something else.
    """
    began = time.perf_counter()
    graph = load_graph(path)
    try:
        return CompiledNet(graph, _threads(threads), began=began)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RuntimeError) as error:
        told = f"{type(error).__name__}: {error}"
        raise CheckpointError(f"{os.fspath(path)}: its graph cannot be run ({told})") from error


def _threads(threads: int | None) -> int:
    if threads is None:
        return get_num_threads()
    if not isinstance(threads, int) or threads < 1:
        raise ValueError(f"compile: threads must be an integer >= 1, got {threads!r}")
    return threads

