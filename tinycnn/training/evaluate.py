"""Measures of a classifier over a data set."""
from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np

from ..autograd import no_grad

WARM_UP = 3  # calls of a network before it is timed
FEW = 5  # classes among which the right one counts for top-5
Batches = Iterable[tuple[np.ndarray, np.ndarray]]


@contextmanager
def evaluation(model: Any) -> Iterator[Any]:
    """The model in evaluation mode, recording nothing; afterwards each of its parts is in the mode it was in."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with no_grad():
            yield model
    finally:
        for module, training in before:
            module.training = training


def accuracy(model: Any, batches: Batches) -> float:
    """Share of images whose largest score is that of their label (top-1), between 0 and 1.

    model: scores (N, classes) for images.  batches: pairs (images, labels), a Loader for instance.
    Raises ValueError where there are none.
    """
    with evaluation(model):
        return share_right(model, batches)


def share_right(scores: Callable[[np.ndarray], Any], batches: Batches) -> float:
    """The same of any function of images, such as a compiled network."""
    right = seen = 0
    for x, y in batches:
        right += int((np.asarray(scores(x)).argmax(1) == y).sum())
        seen += len(y)
    if not seen:
        raise ValueError("accuracy: batches is empty")
    return right / seen


@dataclass(frozen=True)
class Measures:
    """What a classifier came to on a number of images.

    top1, top5: the share of them whose label has the largest score, one of the five largest.  ms_median, ms_mean:
    milliseconds an image, of the network alone: loading, decoding and the first calls are not counted.
    """

    images: int
    top1: float
    top5: float
    ms_median: float
    ms_mean: float


def measure(scores: Callable[[np.ndarray], Any], batches: Batches) -> Measures:
    """Run a classifier over images, timed; scores: (N, classes) for images (N, ...).

    Raises ValueError where there are no images, or a score is not a number, which damaged weights bring about.
    """
    ranks: list[np.ndarray] = []
    times: list[np.ndarray] = []  # milliseconds of each image
    for x, y in _warmed(scores, batches):
        began = time.perf_counter()
        s = np.asarray(scores(x))
        times.append(np.full(len(y), 1e3 * (time.perf_counter() - began) / len(y)))
        if not np.isfinite(s).all():
            raise ValueError("measure: the network's scores are not numbers: its weights are damaged, or another "
                             "network's")
        ranks.append(_ranks(s, y))
    if not ranks:
        raise ValueError("measure: batches is empty")
    rank, ms = np.concatenate(ranks), np.concatenate(times)
    return Measures(len(rank), float((rank < 1).mean()), float((rank < FEW).mean()), float(np.median(ms)),
                    float(ms.mean()))


def _ranks(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many classes come before that of the label; of equal scores the first counts as larger, as for argmax."""
    own = scores[np.arange(len(labels)), labels][:, None]
    earlier = np.arange(scores.shape[1]) < labels[:, None]
    return ((scores > own) | ((scores == own) & earlier)).sum(1)


def _warmed(scores: Callable[[np.ndarray], Any], batches: Batches) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The batches, of which the first has been through the network some times before."""
    rest = iter(batches)
    first = list(islice(rest, 1))
    for x, _ in first * WARM_UP:
        scores(x)
    return chain(first, rest)
