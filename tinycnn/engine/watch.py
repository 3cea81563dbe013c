"""Plans under watch: each operation alone, seeing only what it may read, and looked at afterwards.

`check.py` says of every operation what it may read and write, and refuses a plan whose operations may leave their
memory.  Whether the kernels keep to that, and whether a plan's storages are still needed when others take their place,
is seen here: while an operation runs, NaN of a pattern of its own fills whatever it has no business with, fences
included.  What it reads without right makes its result NaN; what it writes without right has changed.
"""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .check import Touched, touched
from .compiled import CompiledNet
from .plan import Plan, aligned
from .spans import PlanError, Span

FENCE = 1024  # elements on each side of every piece of memory
POISON = {4: 0x7FC0DEAD, 8: 0x7FF80000DEADDEAD}  # quiet NaN, by bytes of an element


class Watched:
    """Memory between fences. `values` is what it holds; `view` what kernels see: poison but for what is shown."""

    def __init__(self, values: np.ndarray) -> None:
        bits = np.dtype(f"i{values.itemsize}")
        self.values, self.poison = values.reshape(-1), POISON[values.itemsize]
        self.values_bits = self.values.view(bits)
        room = aligned(values.size + 2 * FENCE, values.dtype)
        self.view, self.bits = room[FENCE:FENCE + values.size], room.view(bits)
        self.bits[:] = self.poison
        self.before = self.bits.copy()
        self.shown: list[Span] = []

    def show(self, spans: Iterable[Span]) -> None:
        """Let kernels see these elements alone."""
        for span in self.shown:
            self.bits[FENCE + span.start:FENCE + span.stop] = self.poison
            self.before[FENCE + span.start:FENCE + span.stop] = self.poison
        self.shown = list(spans)
        for span in self.shown:
            self.view[span.start:span.stop] = self.values[span.start:span.stop]
            self.before[FENCE + span.start:FENCE + span.stop] = self.values_bits[span.start:span.stop]

    def changed(self, allowed: Iterable[Span]) -> int | None:
        """Take over what was written where it is allowed; the first element that was written elsewhere."""
        changed = self.bits != self.before
        inside = changed[FENCE:FENCE + self.values.size]
        self.values[inside] = self.view[inside]
        self.bits[changed] = self.before[changed]
        for span in allowed:
            inside[span.start:span.stop] = False
        return int(changed.argmax()) - FENCE if changed.any() else None

    def forget(self, kept: Iterable[tuple[int, int]]) -> None:
        """Poison the values but for some stretches."""
        lost = np.ones(self.values.size, bool)
        for start, stop in kept:
            lost[start:stop] = False
        self.values_bits[lost] = self.poison


def watched_run(net: CompiledNet, *inputs: Any) -> Any:
    """The results of `net(*inputs)`, one operation at a time.

    Raises PlanError naming the operation that wrote where it must not, or the result that is, bit by bit, not what the
    network gives when it simply runs.
    """
    results = net(*inputs)
    planned, arrays = net._latest, net._ready(inputs)
    arena = np.empty(planned.plan.arena, net.dtype)
    arena.view(f"i{arena.itemsize}")[:] = POISON[arena.itemsize]
    memories: dict[str | int, Watched] = {"arena": Watched(arena), "constants": Watched(planned.plan.constants.copy())}
    memories |= {i: Watched(array.copy()) for i, array in enumerate([*arrays, *planned.new_results()])}
    for i in range(len(arrays), len(arrays) + len(planned.outputs)):
        memories[i].forget([])
    executor = planned.execute(memories["constants"].view)
    for operation in touched(planned.plan, planned.unit.WIDTH, planned.threads, planned.unit):
        _watch(executor, operation, memories)
        memories["arena"].forget(_needed(planned.plan, operation.stop))
    for i, (value, want) in enumerate(zip(planned.outputs, planned.unstructured(results)), len(arrays)):
        if not np.array_equal(memories[i].values_bits, want.reshape(-1).view(memories[i].values_bits.dtype)):
            raise PlanError(f"{value.name}: one operation at a time, seeing only what they may, gives another result")
    return results


def _watch(executor: Any, operation: Touched, memories: dict[str | int, Watched]) -> None:
    """Run one operation."""
    for space, memory in memories.items():
        memory.show(span for span in operation.spans if span.space == space and not span.written)
    arrays = [memory.view for space, memory in memories.items() if isinstance(space, int)]
    executor.run(memories["arena"].view, arrays, first=operation.number, stop=operation.stop)
    for space, memory in memories.items():
        if space == "constants":  # whose type in the kernels does not let them be written
            continue
        place = memory.changed(span for span in operation.spans if span.space == space and span.written)
        if place is not None:
            raise PlanError(f"operation {operation.number}, {operation.kind}: it wrote element {place} of {space}, "
                            f"which has {memory.values.size}")


def _needed(plan: Plan, number: int) -> list[tuple[int, int]]:
    """The stretches of the arena whose content operations from this one on read."""
    return [(storage.offset, storage.offset + storage.size) for storage in plan.storages
            if storage.first < number <= storage.last]
