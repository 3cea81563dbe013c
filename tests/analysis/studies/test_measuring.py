"""Studies measured: their documents, and what is said of given figures; no test depends on how long anything takes."""
import json

import numpy as np
import pytest

from tinycnn.analysis.studies import STUDIES, g4, measure, study_table, verdict
from tinycnn.analysis.studies.measuring import answer
from tinycnn.analysis.studies.timing import Interval, interleaved, interval_of

KEYS = {"variant", "engine", "input", "against", "params", "macs", "macs_ratio", "flops", "memory_access", "theory",
        "median_ms", "q25_ms", "q75_ms", "gigamacs_per_second", "rounds", "ratio", "ratio_low", "ratio_high", "equal",
        "expected"}


def row(low, high, expected="slower", rounds=10, name="b"):
    return {"variant": name, "ratio": (low + high) / 2, "ratio_low": low, "ratio_high": high, "expected": expected,
            "rounds": rounds}


@pytest.mark.parametrize("name", STUDIES)
def test_documents(name):
    found = measure(STUDIES[name](quick=True), threads=1, seconds=0, fewest=2)
    assert found["study"] == name
    assert found["rounds"] == 2
    assert found["machine"]["cpu"]
    assert all(set(own) == KEYS for own in found["rows"])
    assert json.loads(json.dumps(found)) == found
    for own in found["rows"]:
        assert own["flops"] == 2 * own["macs"]
        assert 0 < own["q25_ms"] <= own["median_ms"] <= own["q75_ms"]
        assert own["ratio_low"] <= own["ratio"] <= own["ratio_high"]
        if own["variant"] == own["against"]:
            assert (own["ratio"], own["macs_ratio"], own["expected"]) == (1, 1, None)
    assert set(found["verdicts"]) == {"compiled"}
    assert "too few rounds" in found["verdicts"]["compiled"]


def test_the_tape_beside_the_plan():
    found = measure(g4(quick=True), threads=1, eager=True, seconds=0, fewest=1)
    assert [own["engine"] for own in found["rows"]] == ["compiled"] * 4 + ["eager"] * 4
    text = study_table(found)
    for words in ("ReLU + shortcut", "multiply-adds", "memory access", "95 % interval", "2 blocks, maps of 7 x 7",
                  "compiled: ", "eager: ", "1 thread,"):
        assert words in text
    assert "B/(hw)" in study_table(measure(STUDIES["g1"](quick=True), threads=1, seconds=0, fewest=1))


# ---------------------------------------------------------------- what is said
def test_answers():
    assert answer(Interval(1.2, 1.1, 1.3), "slower") == "yes"
    assert answer(Interval(1.2, 1.1, 1.3), "quicker") == "no"
    assert answer(Interval(0.8, 0.7, 0.9), "quicker") == "yes"
    assert answer(Interval(0.8, 0.7, 0.9), "slower") == "no"
    assert answer(Interval(1.2, 0.9, 1.3), "slower") == answer(Interval(1.03, 1.01, 1.05), "slower") == "open"
    assert answer(Interval(1.01, 1.005, 1.015), "slower") == answer(Interval(1.01, 0.99, 1.015), "quicker") == "none"


@pytest.mark.parametrize(("rows", "said"), [
    ([row(1.1, 1.2), row(1.3, 1.4)], "agrees, 2 of 2"),
    ([row(1.1, 1.2), row(0.9, 1.4)], "agrees in part, 1 of 2"),
    ([row(0.7, 0.8), row(0.9, 1.4)], "disagrees, 0 of 2"),
    ([row(0.9, 1.1), row(1.0, 1.01)], "disagrees, 0 of 2"),
    ([row(0.9, 1.1), row(1.0, 1.3)], "Cannot tell, 0 of 2"),
    ([row(0.7, 0.8, "quicker"), row(1.0, 1.0, None)], "agrees, 1 of 1"),
    ([row(1.1, 1.2, rounds=5)], "No answer: too few rounds"),
    ([row(1.0, 1.0, None)], "No answer")])
def test_the_verdict_follows_from_the_figures(rows, said):
    assert said in verdict(rows)


def test_each_is_called_in_every_round():
    calls = []
    times = interleaved({name: lambda name=name: calls.append(name) for name in "abc"}, seconds=0, fewest=5)
    assert [len(own) for own in times.values()] == [5, 5, 5]
    for start in range(0, 30, 6):
        assert sorted(calls[start:start + 6]) == list("aabbcc")


def test_intervals_hold_the_median_as_often_as_they_say():
    rng = np.random.default_rng(0)
    for n in (6, 9, 20, 50):
        found = [interval_of(rng.exponential(size=n)) for _ in range(2000)]
        held = np.mean([one.low <= np.log(2) <= one.high for one in found])
        assert held > 0.94
        assert all(one.low <= one.median <= one.high for one in found)
    assert interval_of(np.array([3.0, 1.0, 2.0])) == (2.0, 1.0, 3.0)
