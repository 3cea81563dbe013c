"""Experiments measured on this machine, and what the figures say of what was expected."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from ..._kernels import get_num_threads
from ...autograd import no_grad
from ...engine.compiled import compile
from ..machine import description
from ..summaries import summary
from .experiment import SLOWER, Experiment, Variant
from .timing import ENOUGH, FEWEST, Interval, interleaved, interval_of

SCHEMA = 1  # of the document; a number that changes when its keys do
SECONDS = 20.0  # of measuring, for each experiment
COMPILED, EAGER = "compiled", "eager"
SLIGHT = 0.02  # less than that, either way, is no difference


def measure(experiment: Experiment, threads: int | None = None, eager: bool = False, seconds: float = SECONDS,
            fewest: int = FEWEST) -> dict[str, Any]:
    """A document of plain values: what each variant costs, how long it takes, and what that says.

    threads: of the compiled networks; the tape runs on those that `set_num_threads` gave.  eager: measure the tape's
    kernels as well.  seconds, fewest: see `interleaved`.  Raises what `compile` raises.

    rows: for each network and engine multiply-adds, elements read and written, the quartiles of the time, and the ratio
    of the time to that of the variant that it is `against`, for each multiply-add where these are meant to be equal,
    with an interval of 95 %.
    """
    threads = get_num_threads() if threads is None else threads
    engines = (COMPILED, EAGER) if eager else (COMPILED,)
    runs = {f"{engine} {variant.name}": _run(variant, engine, threads)
            for engine in engines for variant in experiment.variants}
    times = interleaved(runs, seconds, fewest)
    rows = [row for engine in engines for row in _rows(experiment, engine, times)]
    return {"schema": SCHEMA, "study": experiment.name, "title": experiment.title, "source": experiment.source,
            "formula": experiment.formula, **experiment.size._asdict(), "date": date.today().isoformat(),
            "machine": description(), "threads": threads, "rounds": len(next(iter(times.values()))), "rows": rows,
            "verdicts": {engine: verdict([row for row in rows if row["engine"] == engine]) for engine in engines}}


def _run(variant: Variant, engine: str, threads: int) -> Callable[[], object]:
    x = np.random.default_rng(0).standard_normal(variant.shape).astype(np.float32)
    model = variant.model.eval()
    net: Any = compile(model, x, threads=threads) if engine == COMPILED else model

    def run() -> None:
        with no_grad():
            net(x)
    return run


def _rows(experiment: Experiment, engine: str, times: Mapping[str, np.ndarray]) -> Iterable[dict[str, Any]]:
    costs = {variant.name: summary(variant.model, variant.shape) for variant in experiment.variants}
    for variant in experiment.variants:
        against, cost = experiment.against(variant), costs[variant.name]
        own, other = times[f"{engine} {variant.name}"], times[f"{engine} {against}"]
        scale = costs[against].macs / cost.macs
        low, median, high = (1e3 * float(q) for q in np.percentile(own, (25, 50, 75)))
        ratio = interval_of(own / other * (scale if variant.equal else 1.0))
        yield {"variant": variant.name, "engine": engine, "input": list(variant.shape), "against": against,
               "params": cost.params, "macs": cost.macs, "macs_ratio": 1 / scale, "flops": cost.flops,
               "memory_access": cost.memory_access, "theory": variant.theory, "median_ms": median, "q25_ms": low,
               "q75_ms": high, "gigamacs_per_second": cost.macs / median / 1e6, "rounds": len(own),
               "ratio": ratio.median, "ratio_low": ratio.low, "ratio_high": ratio.high, "equal": variant.equal,
               "expected": None if variant.name == against else variant.expected}


# ---------------------------------------------------------------- what the figures say
WORDS = {"yes": "as expected", "no": "the other way round", "none": "no difference", "open": "cannot tell"}


def answer(ratio: Interval, expected: str) -> str:
    """Whether a ratio of times is as expected, by its whole interval: "yes", "no", "none" (no difference), or "open".

    >>> answer(Interval(1.3, 1.2, 1.4), "slower"), answer(Interval(1.3, 1.01, 1.4), "slower")
    ('yes', 'open')
    """
    if ratio.low > 1 + SLIGHT or ratio.high < 1 - SLIGHT:
        return "yes" if (ratio.median > 1) == (expected == SLOWER) else "no"
    return "none" if ratio.low >= 1 - SLIGHT and ratio.high <= 1 + SLIGHT else "open"


def verdict(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line on whether times are as expected: a difference is what leaves 1 by 2 % with its whole interval."""
    asked = [row for row in rows if row["expected"]]
    if not asked or min(row["rounds"] for row in asked) < ENOUGH:
        return "No answer: too few rounds to tell a difference from chance."
    answers = [answer(Interval(row["ratio"], row["ratio_low"], row["ratio_high"]), row["expected"]) for row in asked]
    found = "; ".join(f"{row['variant']} {row['ratio']:.2f} x ({WORDS[said]})" for row, said in zip(asked, answers))
    return f"{_judged(answers)}, {answers.count('yes')} of {len(asked)}: {found}."


def _judged(answers: Sequence[str]) -> str:
    if "yes" in answers:
        return "This machine agrees" + (" in part" if set(answers) != {"yes"} else "")
    return "Cannot tell" if set(answers) == {"open"} else "This machine disagrees"
