"""Networks side by side: complexity, latency on this machine, accuracy where it is known; and rankings of them.

A comparison is a document of plain values, so that a file of one machine can be read beside that of another.
"""
from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import numpy as np

from ..autograd import Shape
from ..engine.compiled import compile
from .cost import PRODUCTS
from .machine import description, peaks
from .summaries import Summary, evaluating, summary

SCHEMA = 1  # of the document; a number that changes when its keys do
SECONDS, FEWEST, WARMING = 1.0, 10, 3  # of a measurement of latency: seconds, calls, calls that do not count
SHOWN = ("add", "mul", "scale_channels", "concat", "channel_shuffle", "concat_shuffle_split", "max_pool2d",
         "avg_pool2d", "interpolate")  # operations that say how a network is connected
SOFT = -0.07  # exponent of MnasNet's objective: half as long is worth 5 % of accuracy


class Known(NamedTuple):
    """An accuracy that somebody measured."""

    percent: float
    source: str  # what of: "ImageNet, published"


def latency(run: Callable[[], object], seconds: float = SECONDS) -> dict[str, float]:
    """Median and 95th percentile, in milliseconds, of as many calls as fit into so many seconds, at least 10."""
    for _ in range(WARMING):
        run()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < FEWEST or time.perf_counter() < end:
        began = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - began))
    return {"median_ms": statistics.median(times), "p95_ms": float(np.percentile(times, 95)), "calls": len(times)}


def structure(found: Summary) -> str:
    """A network on a line: how many convolutions of which kind, other products, and what connects them.

    >>> import tinycnn
    >>> structure(summary(tinycnn.nn.Conv2d(3, 8, 3), (1, 3, 9, 9)))
    '1 conv (1 dense)'
    """
    kinds = Counter(row.kind for row in found.rows if row.kind in PRODUCTS)
    ops = Counter(row.op for row in found.rows)
    convolutions = {kind: kinds.pop(kind) for kind in PRODUCTS[:5] if kind in kinds}
    each = ", ".join(f"{count} {kind}" for kind, count in convolutions.items())
    parts = [f"{sum(convolutions.values())} conv ({each})"] if convolutions else []
    parts += [f"{count} {kind}" for kind, count in kinds.items()]
    return "; ".join([*parts, *[f"{ops[op]} {op}" for op in SHOWN if op in ops]])


def measured(name: str, model: Any, shape: Shape, threads: Sequence[int], seconds: float = SECONDS,
             known: Known | None = None) -> dict[str, Any]:
    """The row of a network for images of a shape: what it costs, and how long it takes on so many threads each.

    Raises what `summary` and `compile` raise.
    """
    found = summary(model, shape)
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    timed = []
    with evaluating(model):
        for count in threads:
            net = compile(model, x, threads=count)
            timed.append({"threads": count, **latency(lambda net=net: net(x), seconds)})  # type: ignore[misc]
    return {"model": name, "structure": structure(found), "input": list(shape), "params": found.params,
            "macs": found.macs, "flops": found.flops, "memory_access": found.memory_access, "bytes": found.size(),
            "latency": timed, "accuracy": known and known.percent, "accuracy_of": known and known.source}


def document(rows: Sequence[Mapping[str, Any]], threads: Sequence[int]) -> dict[str, Any]:
    """Rows with what they were measured on."""
    return {"schema": SCHEMA, "date": date.today().isoformat(), "machine": description(),
            "peaks": [peaks(count)._asdict() for count in threads], "rows": list(rows)}


def checked(found: Any, name: str) -> dict[str, Any]:
    """A document that was read from a file. Raises ValueError, naming the file, for anything else."""
    try:
        if found["schema"] != SCHEMA:
            raise ValueError(f"{name}: schema {found['schema']!r}, expected {SCHEMA}")
        for row in found["rows"]:
            numbers = [row["params"], row["macs"], *[t[key] for t in row["latency"]
                                                     for key in ("threads", "median_ms", "p95_ms")]]
            if not isinstance(row["model"], str) or not all(isinstance(n, (int, float)) for n in numbers):
                raise TypeError
        if not {"cpu", "cores", "isa", "tinycnn"} <= found["machine"].keys():
            raise KeyError
    except (KeyError, TypeError, AttributeError):
        raise ValueError(f"{name}: this is no file that `tinycnn compare --json` wrote") from None
    return found


# ---------------------------------------------------------------- rankings
def objective(accuracy: float, milliseconds: float, target: float, hard: bool) -> float:
    """ACC (LAT / T)^w: the reward of Tan et al., "MnasNet", CVPR 2019, equations 2 and 3.

    w is -0.07 (soft: half the time is worth 5 % of the accuracy), or, hard, 0 within the target and -1 above.

    >>> round(objective(70.0, 20.0, 10.0, hard=False), 2), objective(70.0, 20.0, 10.0, hard=True)
    (66.68, 35.0)
    """
    exponent = (0 if milliseconds <= target else -1) if hard else SOFT
    return accuracy * (milliseconds / target)**exponent


class Ranked(NamedTuple):
    """A network's place by the objective."""

    model: str
    accuracy: float
    milliseconds: float
    soft: float
    hard: float


def ranking(found: Mapping[str, Any], target: float) -> dict[str, list[Ranked]]:
    """Networks with an accuracy by MnasNet's objective for a latency (ms, on the fewest threads), best first; soft
    decides. Accuracies of different sources are not compared: there is a list for each.

    Raises ValueError for a target that is not above 0.
    """
    if not target > 0:
        raise ValueError(f"ranking: target must be above 0 ms, got {target!r}")
    lists: dict[str, list[Ranked]] = {}
    for row in found["rows"]:
        if row.get("accuracy") is not None and row["latency"]:
            accuracy, ms = row["accuracy"], row["latency"][0]["median_ms"]
            lists.setdefault(row["accuracy_of"], []).append(Ranked(
                row["model"], accuracy, ms, objective(accuracy, ms, target, False),
                objective(accuracy, ms, target, True)))
    return {source: sorted(ranked, key=lambda r: -r.soft) for source, ranked in lists.items()}


def fps_bound(found: Mapping[str, Any], row: Mapping[str, Any], peak: float) -> float:
    """Images a second on a machine of another peak (FLOPs a second), if it reached the share of it that this one does.

    peak x achieved fraction / FLOPs, with the measurement of most threads.
    """
    timed = max(row["latency"], key=lambda t: t["threads"])
    own = next(p["flops"] for p in found["peaks"] if p["threads"] == timed["threads"])
    images = row["input"][0]
    fraction = row["flops"] / (1e-3 * timed["median_ms"]) / own
    return peak * fraction / (row["flops"] / images)
