"""What a training step tells about itself."""
from __future__ import annotations

import resource
import sys
from dataclasses import dataclass, field

from ..plan import Plan
from ..report import Timed

REARRANGING = frozenset({"read_input", "write_output", "move", "gather", "pad", "frame", "pick"})  # and nothing else


@dataclass
class StepReport:
    """A plan of a training step. Sizes are bytes.

    operations: how many of each kind; host: steps that Python runs on the tape, for want of a rule; layout_changes: how
    many operations only rearrange; shares: of the time of the last `profile`, by kind; peak: of this process, so far.
    """

    inputs: tuple[tuple[int, ...], ...]
    operations: dict[str, int]
    host: dict[str, int]
    layout_changes: int
    arena: int
    parameters: int
    peak: int
    compile_time: float
    shares: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"training step for {', '.join('x'.join(map(str, shape)) or 'a number' for shape in self.inputs)}: "
                 f"{sum(self.operations.values())} operations, {sum(self.host.values())} steps of Python's, "
                 f"{self.layout_changes} changes of layout",
                 f"arena {self.arena / 2**20:.1f} MiB, parameters {self.parameters / 2**20:.1f} MiB, process at most "
                 f"{self.peak / 2**20:.0f} MiB, compiled in {1e3 * self.compile_time:.0f} ms"]
        if self.host:
            lines.append("on the tape: " + ", ".join(f"{count} {op}" for op, count in self.host.items()))
        if self.shares:
            lines.append("time: " + ", ".join(f"{kind} {share:.0%}" for kind, share in self.shares.items()
                                              if share >= 0.005))
        return "\n".join(lines)


def peak_memory() -> int:
    """The most bytes that this process has had in memory."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def layout_changes(plan: Plan) -> int:
    """How many operations of a plan only rearrange."""
    return sum(kind in REARRANGING for kind in plan.kinds)


def shares(times: list[Timed]) -> dict[str, float]:
    """The share of each kind in the time, the largest first."""
    total: dict[str, float] = {}
    for time in times:
        total[time.kernel] = total.get(time.kernel, 0.0) + time.seconds
    whole = sum(total.values()) or 1
    return {kind: total[kind] / whole for kind in sorted(total, key=lambda kind: -total[kind])}
