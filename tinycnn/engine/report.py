"""What a compiled network tells about itself."""
from __future__ import annotations

from typing import NamedTuple

from ..autograd import Shape


class Timed(NamedTuple):
    """An operation of a plan, and how long it took."""

    module: str  # path of the module it comes from
    kernel: str
    seconds: float
    nodes: tuple[int, ...] = ()  # numbers of the nodes of `CompiledNet.graph` that it helps to compute


class PlanReport(NamedTuple):
    """The plan for inputs of given shapes: sizes in bytes, times in seconds."""

    shapes: tuple[Shape, ...]
    operations: dict[str, int]  # how many of each kernel
    arena: int
    constants: int
    compile_time: float
    first_call_time: float | None  # None before the first call

    def __str__(self) -> str:
        first = "not called yet" if self.first_call_time is None else f"first call {1e3 * self.first_call_time:.2f} ms"
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.operations.items())
        shapes = ", ".join("x".join(map(str, shape)) for shape in self.shapes)
        return (f"{shapes}: {sum(self.operations.values())} operations ({kinds})\n"
                f"  arena {self.arena / 1e6:.2f} MB, constants {self.constants / 1e6:.2f} MB, "
                f"compiled in {1e3 * self.compile_time:.0f} ms, {first}")


class Report(NamedTuple):
    """What a compiled network is: its memory in bytes, and its plans, the one that was used last at the end."""

    isa: str
    threads: int
    arena: int  # that all plans share
    constants: int  # those that several plans share count once
    plans: tuple[PlanReport, ...]

    @property
    def operations(self) -> dict[str, int]:
        """How many of each kernel the plan has that was used last."""
        return self.plans[-1].operations

    @property
    def first_call_time(self) -> float | None:
        """Of the plan that was used last, in seconds; None before its first call."""
        return self.plans[-1].first_call_time

    def __str__(self) -> str:
        return "\n".join([f"{self.isa}, {self.threads} thread{'s' if self.threads > 1 else ''}; arena "
                          f"{self.arena / 1e6:.2f} MB, constants {self.constants / 1e6:.2f} MB", *map(str, self.plans)])
