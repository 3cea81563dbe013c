"""Times of several functions that can be compared: measured in turn, round by round, and compared within each round."""
from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

FEWEST, MOST = 10, 400  # rounds
ENOUGH = 6  # from so many values on their median has an interval of 95 %
DOUBT = 0.025  # on each side of it


def interleaved(runs: Mapping[str, Callable[[], object]], seconds: float, fewest: int = FEWEST,
                seed: int = 0) -> dict[str, np.ndarray]:
    """Seconds that each takes, (rounds,): in each round each is called twice, in a new order, and the second counts.

    What else the machine does then meets all of them alike.  As many rounds as fit into so many seconds, from `fewest`
    to 400.
    """
    rng, times = np.random.default_rng(seed), {name: list[float]() for name in runs}
    end, names, rounds = time.perf_counter() + seconds, list(runs), 0
    while rounds < fewest or (time.perf_counter() < end and rounds < MOST):
        for name in map(str, rng.permutation(names)):
            runs[name]()  # brings its weights near
            began = time.perf_counter()
            runs[name]()
            times[name].append(time.perf_counter() - began)
        rounds += 1
    return {name: np.array(own) for name, own in times.items()}


class Interval(NamedTuple):
    """A median, and between what it lies with 95 % confidence."""

    median: float
    low: float
    high: float


def interval_of(values: np.ndarray) -> Interval:
    """Of values (n,), by their order alone; of fewer than 6, the least and the greatest.

    As many of n values lie below their true median as coins show heads; Conover, "Practical nonparametric statistics".

    >>> interval_of(np.arange(1.0, 11.0))
    Interval(median=5.5, low=2.0, high=9.0)
    """
    n, ordered = len(values), np.sort(values)
    rank, chance = 0, 0.5**n
    while chance <= DOUBT:
        rank += 1
        chance += math.comb(n, rank) * 0.5**n
    rank = max(rank, 1)
    return Interval(float(np.median(ordered)), float(ordered[rank - 1]), float(ordered[n - rank]))
