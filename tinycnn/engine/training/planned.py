"""A training plan that is ready to run: its segments, the arrays of the caller that it keeps, and its step."""
from __future__ import annotations

import time
from collections import Counter
from typing import Any

import numpy as np

from ..._kernels import kernels
from ..check import check
from ..report import Timed
from . import checks  # noqa: F401  # enters what it holds
from .builder import TrainingBuilder
from .masters import Masters
from .prepare import Prepared
from .report import StepReport, layout_changes, peak_memory


class PlannedStep:
    """A plan for inputs of certain shapes."""

    def __init__(self, prepared: Prepared, masters: Masters, threads: int, began: float) -> None:
        """began: when its compilation did, by `time.perf_counter`."""
        self.prepared, self.masters, self.dtype = prepared, masters, masters.dtype
        self.builder = builder = TrainingBuilder(prepared.graph, prepared.loss, masters, threads, self.dtype)
        builder.modules = prepared.modules
        self.plan = builder.build()
        self.unit = kernels(self.dtype, "engine")
        gradients = masters.room_for_gradients(builder.gradients_size)[:builder.gradients_size]
        self.seed = np.ones(1, self.dtype)
        self.inputs = [np.empty(value.shape, value.dtype) for value in prepared.graph.inputs]
        self.own = [masters.parameters, masters.statistics, gradients, self.seed, *builder.arrays]
        sizes = [array.size for array in (*self.inputs, *self.own)]
        check(self.plan, sizes, self.unit.WIDTH, threads, self.unit)
        self.executor = None
        if len(self.plan.ops):
            bytes_ = np.array([array.nbytes for array in (*self.inputs, *self.own)], np.int64)
            self.executor = self.unit.Executor(self.plan.ops, self.plan.constants, self.plan.tables, threads, bytes_,
                                               len(self.inputs))
        fields = {name: i for i, name in enumerate(self.unit.FIELDS)}
        self.dynamic = [(change.row, fields[change.field], change.value) for change in builder.dynamic]
        self.compile_time = time.perf_counter() - began

    def refuse(self, inputs: list[np.ndarray]) -> None:
        """Raise what the operations of the tape would for inputs that make no sense, such as a class that is none."""
        for demand in self.builder.demands:
            demand(inputs)

    def run(self, inputs: list[np.ndarray], arena: np.ndarray, timed: bool = False) -> list[Timed]:
        """Forward and back. timed: give the time of everything, the steps of Python's last."""
        times = np.zeros(len(self.plan.ops)) if timed else None
        self.own[2] = self.masters.gradients[:self.builder.gradients_size]  # another plan may have made it longer
        arrays, at, took = [*inputs, *self.own], 0, list[Timed]()
        for row, field, value in self.dynamic:
            number = value()
            self.plan.ops[row, field] = np.float64(number).view(np.int64) if isinstance(number, float) else number
        for host in self.builder.hosts:
            self._segment(arrays, arena, times, at, host.before)
            at, began = host.before, time.perf_counter()
            host.run(arrays)
            took.append(Timed(host.label, "python", time.perf_counter() - began))
        self._segment(arrays, arena, times, at, len(self.plan.ops))
        gradients = self.masters.gradients
        for begin, to, size in self.builder.shared:
            gradients[to:to + size] += gradients[begin:begin + size]
        if times is None:
            return took
        return [*map(Timed, self.plan.labels, self.plan.kinds, times.tolist()), *took]

    def _segment(self, arrays: list[np.ndarray], arena: np.ndarray, times: np.ndarray | None, first: int,
                 stop: int) -> None:
        if self.executor is not None and first < stop:
            part = None if times is None else np.zeros(len(self.plan.ops))
            self.executor.run(arena, arrays, part, first, stop)
            if times is not None:
                times += part

    def result(self, value: Any) -> np.ndarray:
        """The array in which a result was left."""
        number = self.builder.results[value] - len(self.inputs)
        return self.own[number]

    def kinds(self) -> dict[str, int]:
        """How many operations there are of each kind, and as "python: op" what runs on the tape."""
        return dict(Counter([*self.plan.kinds, *(f"python: {host.label}" for host in self.builder.hosts)]))

    def report(self) -> StepReport:
        """Operations, memory, and what compiling took."""
        return StepReport(tuple(value.shape for value in self.prepared.graph.inputs), dict(Counter(self.plan.kinds)),
                          dict(Counter(host.label for host in self.builder.hosts)), layout_changes(self.plan),
                          self.plan.arena * self.dtype.itemsize, self.masters.parameters.nbytes, peak_memory(),
                          self.compile_time)
