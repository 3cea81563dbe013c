"""How every benchmark here measures: engines take turns within a round, the result is a ratio within rounds.

These machines drift, so no time stands alone: in each round every engine runs a block of calls (the first of a block is
thrown away: it pays for waking threads and cold caches), and a ratio compares the blocks of one round.
"""
from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds per call of one engine: its median in each round."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def best(self) -> float:
        return min(self.rounds)

    def ratio(self, ours: Timing) -> float:
        """How many times as fast `ours` is: the median over rounds of (this / ours)."""
        return statistics.median(a / b for a, b in zip(self.rounds, ours.rounds, strict=True))


def interleave(engines: Mapping[str, Callable[[], object]], rounds: int = 7, calls: int = 5) -> dict[str, Timing]:
    """Time engines in turns: A B C A B C ...; `calls` timed calls each time, after one that is not."""
    blocks: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(rounds):
        for name, run in engines.items():
            run()
            blocks[name].append(statistics.median(_time(run) for _ in range(calls)))
    return {name: Timing(tuple(times)) for name, times in blocks.items()}


def _time(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def geometric_mean(values: list[float]) -> float:
    """The mean for ratios."""
    return statistics.geometric_mean(values)
