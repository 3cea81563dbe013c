"""Latencies for NetAdapt: a table of blocks, measured with the engine when they are first asked for, and kept.

Yang et al., "NetAdapt", ECCV 2018, section 3.3, "fast resource consumption estimation": a network takes as long as its
layers together, and of these a few tables hold all that a search meets.
"""
from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numpy as np

from ...autograd import Shape
from ...download import home
from ...engine.compiled import CompiledNet, compile
from ...serialize.atomic import write_atomically
from ..comparing import latency
from ..machine import description
from ..summaries import evaluating
from .netadapt_networks import Part

ROUNDS = 30
COPIED = frozenset({"read_input", "write_output"})  # what a block does only because it runs by itself
PUSHED = 1 << 22  # bytes written before each round, more than a core's own caches hold: in a network, other blocks run


class LatencyTable:
    """Milliseconds of blocks by their `Part.key`, on so many threads; all that was measured on this machine before.

    They are kept in netadapt.json of `tinycnn.download.home()`, under the machine's description.
    """

    def __init__(self, threads: int = 1) -> None:
        self.threads, self.path = threads, home() / "netadapt.json"
        self.machine = {**description(), "threads": threads}
        self.kept = self._read().get(self._key, {})
        self.known = len(self.kept)

    def __call__(self, part: Part) -> float:
        """The time of a block."""
        if part.key not in self.kept:
            self.kept[part.key] = measure_part(part, self.threads)
        return self.kept[part.key]

    def network(self, model: Any, shape: Shape) -> float:
        """The time of a whole network for images of a shape, median of a second; it is not kept."""
        x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        with evaluating(model):
            net = compile(model, x, threads=self.threads)
        return latency(lambda: net(x))["median_ms"]

    def save(self) -> None:
        """Keep what was measured since; where that cannot be written, it is measured again next time."""
        if len(self.kept) == self.known:
            return
        text = json.dumps({**self._read(), self._key: self.kept}, indent=1) + "\n"
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, lambda file: file.write(text.encode()))
        self.known = len(self.kept)

    @property
    def _key(self) -> str:
        return json.dumps(self.machine, sort_keys=True)

    def _read(self) -> dict[str, dict[str, float]]:
        """What the file holds; nothing where it is damaged."""
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            return {machine: {key: float(ms) for key, ms in rows.items()} for machine, rows in found.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}


def measure_part(part: Part, threads: int) -> float:
    """Milliseconds of a compiled block: the least of some rounds, the copies of its input and output left out."""
    block = part.make().eval()
    x = np.random.default_rng(0).standard_normal(part.shape).astype(np.float32)
    net, others = compile(block, x, threads=threads), np.empty(PUSHED, np.uint8)
    return min(_rounds(net, x, others))


def _rounds(net: CompiledNet, x: np.ndarray, others: np.ndarray) -> Iterable[float]:
    for number in range(ROUNDS):
        others.fill(number)
        yield 1e3 * sum(timed.seconds for timed in net.profile(x, rounds=1) if timed.kernel not in COPIED)
