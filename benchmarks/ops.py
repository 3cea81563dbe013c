"""Every group of operations against torch eager: forward alone, and a step of forward and backward.

    python benchmarks/ops.py --threads 1 2
    python benchmarks/ops.py --only "pool|norm" --quick

Through the public calls, so that what Python costs is in it; both engines in turns, see harness.py; results compared
before anything is timed.  Ratio: torch's time over ours within a round, the median over rounds; above 1 tinycnn is
faster.  A task is small below 100,000 elements.  What tinycnn lacks is reported as missing, and skipped.
"""
from __future__ import annotations

import argparse
import re
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from harness import Timing, interleave
from op_tasks import GROUPS, Missing
from op_tasks.frame import SMALL, Engines

import tinycnn

BLOCK = 0.01       # seconds that a block of calls should take
FEWEST, MOST = 3, 100


@dataclass(frozen=True)
class Measured:
    """One line of the table."""

    title: str
    small: bool
    ratio: float


def calls(engines: Engines) -> int:
    """Calls to a block, by the slowest engine's time."""
    slowest = 0.0
    for run in engines.values():
        start = time.perf_counter()
        run()
        slowest = max(slowest, time.perf_counter() - start)
    return min(MOST, max(FEWEST, int(BLOCK / slowest)))


def measure(engines: Engines, quick: bool, rounds: int) -> dict[str, Timing]:
    return interleave(engines, 3, FEWEST) if quick else interleave(engines, rounds, calls(engines))


def tasks(pattern: str) -> Iterator[tuple[str, object]]:
    """Tasks whose "group: name" the pattern is found in, with the name of their group."""
    for name, make in GROUPS.items():
        for task in make():
            if re.search(pattern, f"{name}: {task.name}"):
                yield name, task


def run(arguments: argparse.Namespace, threads: int, trouble: dict[str, str]) -> list[Measured]:
    """Time all tasks with a number of threads; what could not be timed goes to `trouble`."""
    tinycnn.set_num_threads(threads)
    torch.set_num_threads(threads)
    lines = []
    for group, task in tasks(arguments.only):
        size = "small" if task.elements < SMALL else "large"
        for mode in task.modes:
            try:
                times = measure(task.engines(mode), arguments.quick, arguments.rounds)
            except Missing as missing:
                trouble[f"{group}: {task.name}"] = f"missing: {missing}"
                continue
            except Exception as error:  # the others are still to be timed
                trouble[f"{group}: {task.name} {task.size} {mode}"] = f"{type(error).__name__}: {error}".strip()
                continue
            ours, theirs = times["tinycnn"], times.get("torch")
            left = f"{group:20} {task.name:28} {task.size:26} {size:5} {mode:8}{threads:3d}"
            if theirs is None:
                print(f"{left} {1e6 * ours.median:11.1f}         -       -", flush=True)
                continue
            lines.append(Measured(f"{group}: {task.name} {task.size} {mode}", size == "small", theirs.ratio(ours)))
            print(f"{left} {1e6 * ours.median:11.1f} {1e6 * theirs.median:9.1f} {lines[-1].ratio:7.2f} "
                  f"{theirs.best / ours.best:7.2f}", flush=True)
    return lines


def summarise(lines: list[Measured], threads: int) -> None:
    """Medians of small and large, the minimum, the worst five."""
    print(f"\nthreads {threads}")
    for name, kept in (("small", [line for line in lines if line.small]),
                       ("large", [line for line in lines if not line.small])):
        if kept:
            ratios = [line.ratio for line in kept]
            print(f"  {name}: {len(ratios)} rows, median ratio {statistics.median(ratios):.2f}, "
                  f"minimum {min(ratios):.2f}")
    for line in sorted(lines, key=lambda line: line.ratio)[:5]:
        print(f"  {line.ratio:7.2f}  {line.title}")


def main() -> None:
    """Time what was asked for, and print a table and what it comes to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", metavar="PATTERN", help="a regular expression found in 'group: name'")
    parser.add_argument("--quick", action="store_true", help="few calls: whether it runs, not how fast")
    arguments = parser.parse_args()
    print(f"{'group':20} {'operation':28} {'size':26} class mode    thr  tinycnn us  torch us   ratio of best rounds")
    trouble: dict[str, str] = {}
    results = {threads: run(arguments, threads, trouble) for threads in arguments.threads}
    for threads, lines in results.items():
        summarise(lines, threads)
    if trouble:
        print("\nnot timed")
        for title, why in trouble.items():
            print(f"  {title}: {' '.join(why.split())[:200]}")


if __name__ == "__main__":
    main()
