"""This machine: what it is, and the most that it computes and moves, measured.

Peaks are kept in machine.json of `tinycnn.download.home()` under the machine's description, one pair for each number of
threads; together, two pairs take about two seconds.
"""
from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from pathlib import Path
from threading import Barrier
from typing import Any, NamedTuple

import numpy as np

from .._kernels import ISA, kernels, parallel
from ..download import home
from ..serialize.atomic import write_atomically
from ..versions import __version__

PROBING = 0.45  # seconds for each of the two
PROBE_STEPS = 2_000_000  # some milliseconds of multiply-adds
COPIED = 1 << 28  # bytes that all threads together read and write in a round: more than caches of their own hold


class Peaks(NamedTuple):
    """The most that so many threads were seen to do."""

    threads: int
    flops: float  # a second, float32, by fused multiply-adds: two each
    bandwidth: float  # bytes a second, read and written by copies

    @property
    def ridge(self) -> float:
        """FLOPs for a byte from which computing takes longer than moving; Williams et al., "Roofline", 2009."""
        return self.flops / self.bandwidth


def description() -> dict[str, Any]:
    """What a figure means nothing without: processor, cores, instruction set, memory, versions; no names, no paths."""
    return {"cpu": _cpu_name(), "cores": parallel.usable_cpus(), "isa": ISA, "memory_gb": _memory(),
            "system": f"{platform.system()} {platform.machine()}", "tinycnn": __version__, "numpy": np.__version__,
            "python": platform.python_version()}


def machine_line(machine: dict[str, Any]) -> str:
    """A description on one line.

    >>> machine_line({"cpu": "A", "cores": 2, "isa": "avx2", "tinycnn": "0.1.0"})
    'A, 2 cores, avx2, tinycnn 0.1.0'
    """
    return f"{machine['cpu']}, {machine['cores']} cores, {machine['isa']}, tinycnn {machine['tinycnn']}"


def peaks(threads: int = 1, again: bool = False) -> Peaks:
    """What so many threads can do at most: measured for a second, or as it was kept.

    again: measure whatever is kept.  Raises ValueError for fewer threads than one.  What cannot be read or written
    there is measured each time.
    """
    if not isinstance(threads, int) or threads < 1:
        raise ValueError(f"peaks: threads must be an integer >= 1, got {threads!r}")
    machine, path = description(), home() / "machine.json"
    key = json.dumps(machine, sort_keys=True)
    kept = _read(path)
    own = kept.setdefault(key, {})
    with suppress(KeyError, TypeError, ValueError):
        found = Peaks(threads, float(own[str(threads)]["flops"]), float(own[str(threads)]["bandwidth"]))
        if not again and min(found) > 0:
            return found
    found = measure(threads)
    kept[key] = {**(own if isinstance(own, dict) else {}), str(threads): {
        "flops": found.flops, "bandwidth": found.bandwidth, "date": date.today().isoformat()}}
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(kept, indent=2) + "\n"
        write_atomically(path, lambda file: file.write(text.encode()))
    return found


def measure(threads: int, seconds: float = PROBING) -> Peaks:
    """The best of as many rounds as fit into so many seconds, of multiply-adds in registers and then of copies."""
    with ThreadPoolExecutor(threads) as pool:
        together = Barrier(threads)
        return Peaks(threads, _best(_compute(pool, together, threads), seconds),
                     _best(_copies(pool, together, threads), seconds))


def _best(probe: Callable[[], float], seconds: float) -> float:
    end, best = time.perf_counter() + seconds, probe()
    while time.perf_counter() < end:
        best = max(best, probe())
    return best


def _compute(pool: ThreadPoolExecutor, together: Barrier, threads: int) -> Callable[[], float]:
    """FLOPs a second: as many times the slowest thread's."""
    probe = kernels(np.dtype(np.float32)).probe_fma
    def one(_: int) -> float:
        together.wait()
        return probe(PROBE_STEPS)
    return lambda: threads * min(pool.map(one, range(threads)))


def _copies(pool: ThreadPoolExecutor, together: Barrier, threads: int) -> Callable[[], float]:
    """Bytes a second; McCalpin, "Memory bandwidth and machine balance", 1995: his STREAM's first loop."""
    size = COPIED // 2 // threads
    arrays = [(np.ones(size, np.uint8), np.ones(size, np.uint8)) for _ in range(threads)]
    def one(number: int) -> float:
        x, y = arrays[number]
        together.wait()
        began = time.perf_counter()
        np.copyto(y, x)  # lets other threads run
        return 2 * size / (time.perf_counter() - began)
    return lambda: threads * min(pool.map(one, range(threads)))


def _read(path: Path) -> dict[str, Any]:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _cpu_name() -> str:
    if platform.system() == "Darwin":
        with suppress(OSError, subprocess.CalledProcessError):
            return subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True,
                                  check=True).stdout.strip()
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            title, _, text = line.partition(":")
            if title.strip() == "model name":
                return " ".join(text.split())
    return platform.processor() or platform.machine()


def _memory() -> int | None:
    """Gigabytes, or None where the system does not say."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)
    except (AttributeError, OSError, ValueError):
        return None
