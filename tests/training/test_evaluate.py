"""Measures of a classifier, held to a loop over images."""
from types import SimpleNamespace

import numpy as np
import pytest

from tinycnn.data import Loader
from tinycnn.training import evaluate
from tinycnn.training.evaluate import measure

RNG = np.random.default_rng(0)
SCORES = RNG.standard_normal((50, 8)).astype(np.float32)
LABELS = RNG.integers(0, 8, 50)


@pytest.mark.parametrize("batch_size", [1, 7])
def test_top_1_and_top_5(batch_size):
    found = measure(lambda x: x, Loader(SCORES, LABELS, batch_size))
    order = np.argsort(-SCORES, 1)
    assert found.images == 50
    assert found.top1 == np.mean(order[:, 0] == LABELS)
    assert found.top5 == np.mean([label in row for label, row in zip(LABELS, order[:, :5])])


def test_a_network_that_says_the_same_of_all_is_not_right():
    found = measure(lambda x: np.zeros((len(x), 8)), Loader(SCORES, LABELS, 5))
    assert found.top1 == np.mean(LABELS == 0)
    assert found.top5 == np.mean(LABELS < 5)


def test_only_the_network_is_timed_after_warming_up(monkeypatch):
    calls, clock = [], [0.0]
    monkeypatch.setattr(evaluate, "time", SimpleNamespace(perf_counter=lambda: clock[0]))

    def scores(x):
        calls.append(len(x))
        clock[0] += 0.5 if len(calls) < 4 else 0.004 if len(calls) < 7 else 0.012
        return x

    def load(x, rng):
        clock[0] += 0.25
        return x
    found = measure(scores, Loader(SCORES[:8], LABELS[:8], 2, transform=load))
    assert calls == [2] * 7  # three of them to warm up
    assert (found.ms_median, found.ms_mean) == (pytest.approx(2), pytest.approx(3))  # of two images a call
    assert found.images == 8


def test_refuses():
    with pytest.raises(ValueError, match="batches is empty"):
        measure(lambda x: x, [])
    with pytest.raises(ValueError, match="not numbers"):
        measure(lambda x: x * np.float32(np.nan), Loader(SCORES, LABELS, 5))
