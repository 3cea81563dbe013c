"""How every benchmark here measures: engines take turns within a round, the result is a ratio within rounds.

These machines drift, so no time stands alone: in each round every engine runs a block of calls, and a ratio compares
the blocks of one round.  Between blocks the machine rests: threads that wait awake for their next call (those of
onnxruntime do for 50 ms) would take a core from whoever comes next.  Then each engine is called until its own threads
and caches are awake.
"""
from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinycnn._kernels import kernels

STEADY, FEWEST, MOST_TRIES = 0.85, 3, 5
MOST_STOLEN = 0.02  # of the CPU time of a round, by other guests of the same host
PROBE_STEPS = 60_000  # a fifth of a millisecond
REST, WARM_UP = 0.1, 0.03  # seconds


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


def interleave(engines: Mapping[str, Callable[[], object]], rounds: int = 7, calls: int = 5,
               probe: Callable[[], float] | None = None) -> dict[str, Timing]:
    """Time engines in turns: A B C A B C ...; `calls` timed calls each time, after a rest and some that are not timed.

    probe: how fast the machine is at the moment, asked after each engine.  Rounds in which it was ever below 0.85 of
    its best (somebody else computes on the same core), or in which the host took a CPU away for long, are left out, and
    up to four times as many are run in their stead.  Where fewer than three are left all count.
    """
    blocks: dict[str, list[float]] = {name: [] for name in engines}
    speeds: list[float] = []  # of each round; 0 where CPU time was stolen
    while len(speeds) < rounds or (probe and len(_steady(speeds)) < rounds and len(speeds) < MOST_TRIES * rounds):
        speed, stolen, began = float("inf"), stolen_seconds(), time.perf_counter()
        for name, run in engines.items():
            _warm_up(run)
            blocks[name].append(statistics.median(_time(run) for _ in range(calls)))
            speed = min(speed, probe() if probe else 1.0)
        stolen = (stolen_seconds() - stolen) / (time.perf_counter() - began) / (os.cpu_count() or 1)
        speeds.append(speed if stolen <= MOST_STOLEN else 0.0)
    kept = _steady(speeds)
    kept = kept if len(kept) >= FEWEST else list(range(len(speeds)))
    return {name: Timing(tuple(times[i] for i in kept)) for name, times in blocks.items()}


def _steady(speeds: list[float]) -> list[int]:
    """The rounds in which the machine was about as fast as it ever was."""
    return [i for i, speed in enumerate(speeds) if speed > 0 and speed >= STEADY * max(speeds)]


def stolen_seconds() -> float:
    """CPU time that this machine wanted and its host gave to others, since it was started; 0 where none says."""
    try:
        with open("/proc/stat", encoding="ascii") as file:
            return int(file.readline().split()[8]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return 0.0


def fma_probe(threads: int) -> Callable[[], float]:
    """Multiply-adds that so many threads do now, in operations a second: as many times the slowest thread's."""
    module = kernels(np.dtype(np.float32))
    pool = ThreadPoolExecutor(threads)
    return lambda: threads * min(pool.map(module.probe_fma, [PROBE_STEPS] * threads))


def _warm_up(run: Callable[[], object]) -> None:
    """Rest, then call it at least once, until the time is up."""
    time.sleep(REST)
    until = time.perf_counter() + WARM_UP
    run()
    while time.perf_counter() < until:
        run()


def _time(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def geometric_mean(values: list[float]) -> float:
    """The mean for ratios."""
    return statistics.geometric_mean(values)


def write_between(page: Path, begin: str, end: str, text: str) -> None:
    """Put a table into a document, in place of what stands between two marks."""
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    page.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}", encoding="utf-8")


def median_seconds(run: Callable[[], object], calls: int) -> float:
    """Of so many calls, after one that does not count."""
    run()
    return statistics.median(_time(run) for _ in range(calls))
