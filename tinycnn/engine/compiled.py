"""Compiled networks: `compile` makes one of a model, calling it runs its plan."""
from __future__ import annotations

import os
import threading
import time
import warnings
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import numpy as np

from .._kernels import ISA, get_num_threads
from ..autograd import Shape
from ..serialize import CheckpointError
from .graph import Graph, Value
from .plan import aligned
from .planned import Planned
from .report import Report, Timed
from .saving import load_graph, save_graph
from .sources import FileSource, GraphSource, ModelSource

MOST_PLANS = 8  # shapes of the inputs that a network keeps plans for


class CompiledNet:
    """A network as plans, one for each shape of its inputs: called with arrays, it gives back new arrays.

    It is a snapshot of the model's parameters; `refresh` takes another.  Calls from several Python threads are right
    and take turns; while one runs, other Python threads go on.  After a fork the child runs on one thread.
    """

    def __init__(self, graph: Graph, threads: int, source: ModelSource | FileSource | None = None,
                 dtype: Any = np.float32, began: float | None = None) -> None:
        """source: from where the graph can be had again; then its constants are taken out of it."""
        began = time.perf_counter() if began is None else began
        self.threads, self.dtype, self._source = threads, np.dtype(dtype), source or GraphSource(graph)
        _warn_of_nonfinite(graph.constants)
        self._arena = np.empty(0, self.dtype)
        self._plans: OrderedDict[tuple[Shape, ...], Planned] = OrderedDict()
        self._lock = threading.Lock()
        self._keep(Planned(graph, threads, self.dtype, began, consume=source is not None))

    @property
    def graph(self) -> Graph:
        """The network for the shapes it was compiled for, after all passes: traced, or its file read, again.

        Raises RuntimeError where the model's parameters, or the file, have changed since.
        """
        return self._source.graph()

    def __call__(self, *inputs: Any, out: Any = None) -> Any:
        """The outputs for some inputs, structured as the model gives them: new arrays, or those in `out`.

        inputs: arrays or Tensors, cast to the network's element type.  Of shapes that it has no plan for, it makes one
        (`shapes="any"`) and keeps the 8 that were used last.  out: C-contiguous arrays, nested as the results are, that
        share no memory with the inputs or each other.

        Raises TypeError for another number of inputs; ValueError for shapes that the model does not take, or, where
        shapes are fixed, for others than those, and for an `out` that does not fit; CompileError where the engine
        cannot run the model on such inputs; RuntimeError for new shapes after the model's parameters have changed.
        """
        arrays = self._ready(inputs)
        with self._lock:
            planned = self._planned_for(arrays)
            results = planned.new_results() if out is None else planned.results_in(out, arrays)
            planned.run(self._arena, arrays + results)
        return planned.structured(results) if out is None else out

    def _ready(self, inputs: tuple[Any, ...]) -> list[np.ndarray]:
        arrays = [np.asarray(x if isinstance(x, np.ndarray) else getattr(x, "data", x), self.dtype, order="C")
                  for x in inputs]
        return [array if array.flags.aligned else array.copy() for array in arrays]

    # ---- plans
    @property
    def _latest(self) -> Planned:
        return next(reversed(self._plans.values()))

    def _planned_for(self, arrays: list[np.ndarray]) -> Planned:
        """The plan for inputs like these, made if there is none; from now on it is the latest."""
        shapes = tuple([array.shape for array in arrays])
        if shapes in self._plans:
            self._plans.move_to_end(shapes)
            return self._plans[shapes]
        values = self._latest.inputs
        if len(arrays) != len(values):
            raise TypeError(f"CompiledNet: expected {len(values)} inputs, got {len(arrays)}")
        for shape, value in zip(shapes, values):
            if shape != value.shape and (self._source.fixed or 0 in shape):
                raise ValueError(f"CompiledNet: {value.name} has the shape {shape}, expected {value.shape}"
                                 + (" (its shapes are fixed)" if 0 not in shape else ""))
        assert isinstance(self._source, ModelSource)
        began = time.perf_counter()
        return self._keep(Planned(self._source.graph_for(shapes), self.threads, self.dtype, began, consume=True))

    def _keep(self, planned: Planned) -> Planned:
        """Let the network have a plan; of too many the one goes that has not been used for longest."""
        for other in self._plans.values():
            planned.share_constants(other)
        self._plans[tuple([value.shape for value in planned.inputs])] = planned
        if len(self._plans) > MOST_PLANS:
            self._plans.popitem(last=False)
        if planned.plan.arena > len(self._arena):
            self._arena = aligned(planned.plan.arena, self.dtype)
            self._arena[:] = 0  # its pages exist before the first call
        return planned

    # ---- what else can be asked
    def profile(self, *inputs: Any, rounds: int = 20) -> list[Timed]:
        """How long each operation takes, the least of several rounds; other calls take their turns in between.

        >>> import tinycnn
        >>> net = tinycnn.compile(tinycnn.nn.Linear(3, 2), (1, 3), threads=1)
        >>> [timed.kernel for timed in net.profile(np.zeros((1, 3), np.float32))]
        ['product', 'write_output']
        """
        if rounds < 1:
            raise ValueError(f"profile: rounds must be at least 1, got {rounds!r}")
        arrays = self._ready(inputs)
        with self._lock:
            planned = self._planned_for(arrays)
        times = np.empty((rounds, len(planned.plan.ops)))
        arrays += planned.new_results()
        for row in times:
            with self._lock:
                planned.run(self._arena, arrays, row)
        plan = planned.plan
        return [Timed(*row) for row in zip(plan.labels, plan.kinds, times.min(0).tolist(), plan.nodes)]

    def report(self) -> Report:
        """Threads, instruction set, memory; of each plan its operations and what compiling and its first call took."""
        size = self.dtype.itemsize
        with self._lock:
            plans = list(self._plans.values())
            arena = len(self._arena) * size
        constants: dict[int, int] = {}  # by address: shared ones are views of one piece of memory
        for own in (planned.plan.constants for planned in plans):
            constants[own.ctypes.data] = max(constants.get(own.ctypes.data, 0), own.nbytes)
        return Report(ISA, self.threads, arena, sum(constants.values()), tuple(planned.report() for planned in plans))

    def refresh(self) -> None:
        """Take over the model's parameters and buffers as they are now; plans for other shapes are made again when they
        are wanted.

        Raises RuntimeError for a network that was loaded from a file: it has no model.
        """
        if not isinstance(self._source, ModelSource):
            raise RuntimeError("refresh: this network was loaded from a file, it has no model to take parameters from")
        began, source = time.perf_counter(), self._source.as_it_is_now()
        planned = Planned(source.graph(), self.threads, self.dtype, began, consume=True)
        with self._lock:
            self._source = source
            self._plans.clear()
            self._keep(planned)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file `*.tinycnn`, whole or not at all; `load_compiled` needs nothing else. It is for the shapes that
        the network was compiled for.

        Raises ValueError for another suffix; RuntimeError where the model's parameters, or the file that the network
        was loaded from, have changed since.
        """
        if os.path.splitext(os.fspath(path))[1] != ".tinycnn":
            raise ValueError(f"save: path must end in .tinycnn, got {os.fspath(path)!r}")
        save_graph(self.graph, path)


def _warn_of_nonfinite(constants: Iterable[Value]) -> None:
    names = [value.name for value in constants if _looks_wrong(np.asarray(value.data))]
    if names:
        warnings.warn(f"compile: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''} "
                      "hold NaN or infinite numbers", RuntimeWarning, stacklevel=4)


def _looks_wrong(array: np.ndarray) -> bool:
    """Whether it holds NaN or infinite numbers, and is no mask of attention (zeros and -inf)."""
    return not np.isfinite(array).all() and not ((array == 0) | (array == -np.inf)).all()


def compile(model: Any, *examples: Any, threads: int | None = None, shapes: str = "any") -> CompiledNet:
    """The fast form of `model`.

    model: a Module in evaluation mode, or a function of Tensors.  examples: for each input an array or Tensor, a shape,
    or (shape, dtype); numbers are float32.  threads: None for as many as `tinycnn.get_num_threads()` says now; a later
    `set_num_threads` changes nothing.  shapes: "any" to compile again when inputs of new shapes come, "fixed" to refuse
    them.  Raises CompileError naming what the engine cannot run, TraceError where the model reads numbers; warns where
    parameters hold NaN or infinite numbers.

    >>> import tinycnn
    >>> net = tinycnn.compile(tinycnn.nn.Conv2d(3, 8, 3), (1, 3, 16, 16))
    >>> net(np.zeros((1, 3, 16, 16), np.float32)).shape
    (1, 8, 14, 14)
    >>> net(np.zeros((2, 3, 20, 9), np.float32)).shape
    (2, 8, 18, 7)
    """
    began = time.perf_counter()
    if shapes not in ("any", "fixed"):
        raise ValueError(f"compile: shapes must be 'any' or 'fixed', got {shapes!r}")
    source = ModelSource(model, examples, fixed=shapes == "fixed")
    return CompiledNet(source.graph(), _threads(threads), source, began=began)


def load_compiled(path: str | os.PathLike[str], threads: int | None = None) -> CompiledNet:
    """A network that `CompiledNet.save` wrote, for this processor; its shapes are fixed.

    threads: as `compile` takes it.
    Raises CheckpointError for a file that is damaged or something else.
    """
    began = time.perf_counter()
    source = FileSource(path)
    graph = load_graph(path)
    try:
        return CompiledNet(graph, _threads(threads), source, began=began)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RuntimeError) as error:
        told = f"{type(error).__name__}: {error}"
        raise CheckpointError(f"{os.fspath(path)}: its graph cannot be run ({told})") from error


def _threads(threads: int | None) -> int:
    if threads is None:
        return get_num_threads()
    if not isinstance(threads, int) or threads < 1:
        raise ValueError(f"compile: threads must be an integer >= 1, got {threads!r}")
    return threads
