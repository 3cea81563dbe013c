"""Questions: rows and readings of a quick run of each, on made-up garments; what is called clear."""
import gzip
import json
from functools import cache

import numpy as np
import pytest

from tinycnn.analysis.studies.questions import QUESTIONS, QUICK, document
from tinycnn.analysis.studies.questions.layers import Joined
from tinycnn.analysis.studies.questions.trial import Answer, reading_of
from tinycnn.analysis.summaries import summary
from tinycnn.data.datasets import _FILES

CLASSIFIERS = {"accuracy, %": ("parameters", "multiply_adds", "ms", "training_s")}
DETECTORS = {"AP50, %": ("AP_0_to_1", "test_loss", "parameters", "multiply_adds", "ms", "training_s")}


@pytest.fixture(scope="module")
def garments(tmp_path_factory):
    """Fashion-MNIST's files with bright rectangles in them."""
    directory, rng = tmp_path_factory.mktemp("garments"), np.random.default_rng(0)
    for split, files in _FILES.items():
        count = 200 if split == "train" else 80
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = np.zeros((count, 28, 28), np.uint8)
        for image, label in zip(images, labels):
            image[4:10 + label, 5:24 - label] = rng.integers(100, 255)
        for (name, _), array in zip(files, (images, labels)):
            head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
            (directory / name).write_bytes(gzip.compress(head + array.tobytes()))
    return directory


@pytest.fixture(scope="module")
def asked(garments):
    """A quick run of a question: its answer, and what was shown meanwhile; run once."""
    @cache
    def ask(name):
        lines = []
        return QUESTIONS[name](QUICK._replace(root=garments, seeds=1), lines.append), lines
    return ask


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_quick_run_of_each(name, garments, asked):
    budget = QUICK._replace(root=garments, seeds=1)
    found, lines = asked(name)
    assert found.name == name
    seeds = budget.scene_seeds if found.measure in DETECTORS else budget.seeds
    for row in found.rows:
        assert {"variant", "against", "scores", *(CLASSIFIERS | DETECTORS)[found.measure]} <= set(row)
        assert len(row["scores"]) == seeds
        assert all(0 <= score <= 100 for score in row["scores"])
    assert len(lines) == seeds * len(found.rows)
    assert all(line.startswith(f"{name} ") for line in lines)
    assert len(found.reading.splitlines()) == sum(row["variant"] != row["against"] for row in found.rows)
    text, kept = str(found), document([found], budget)
    assert all(row["variant"] in text for row in found.rows)
    assert json.loads(json.dumps(kept)) == kept
    assert str(garments) not in json.dumps(kept)


def test_sizes_have_columns_of_their_own(asked):
    found, _ = asked("variable-input")
    assert {f"at_{side}_px" for side in (20, 28, 36, 44)} <= set(found.rows[0])
    assert "at 44 px" in str(found)
    for row in found.rows:
        assert np.mean([row[f"at_{side}_px"] for side in (20, 28, 36, 44)]) == pytest.approx(np.mean(row["scores"]))


def test_group_norm_is_compared_at_the_same_batch(asked):
    found, _ = asked("group-norm")
    assert {row["against"].split(", ")[1] == row["variant"].split(", ")[1] for row in found.rows} == {True}


def test_runs_are_the_same_again(garments, asked):
    one, two = asked("norm-order")[0], QUESTIONS["norm-order"](QUICK._replace(root=garments, seeds=2), str)
    assert [row["scores"] for row in one.rows] == [row["scores"][:1] for row in two.rows]


def test_sums_and_concatenations_cost_the_same():
    add, concat = (summary(Joined(add), (1, 1, 28, 28)).macs for add in (True, False))
    assert concat == pytest.approx(add, rel=0.03)


def scores(*runs):
    return [{"variant": name, "scores": own} for name, own in zip("abc", runs)]


def test_what_is_called_clear():
    apart = reading_of(scores([1, 2, 3, 4], [5, 6, 7, 8]))
    assert apart == "b beside a: +4.00, clear: every run is above, which chance does once in 35 times"
    assert "clear: every run is below" in reading_of(scores([5, 6, 7, 8], [1, 2, 3, 4]))
    assert "not clear: every run is above, but chance does that once in 10 times" in reading_of(
        scores([1, 2, 3], [5, 6, 7]))
    assert "runs of both overlap" in reading_of(scores([1, 2, 3, 4], [4, 6, 7, 8]))
    assert "not clear" in reading_of(scores([1], [2]))
    assert len(reading_of(scores([1], [2], [3])).splitlines()) == 2


def test_answers_are_tables():
    rows = [{"variant": "a", "against": "a", "scores": [50.0, 60.0], "parameters": 12_345, "ms": 0.5},
            {"variant": "b", "against": "a", "scores": [70.0, 80.0], "parameters": 2_000_000}]
    text = str(Answer("n", "Which?", "accuracy, %", rows, "b"))
    assert text.splitlines()[2:5] == [
        "variant  accuracy, %  least  greatest  parameters   ms",
        "a              55.00  50.00     60.00      12.3 k  0.5",
        "b              75.00  70.00     80.00         2 M"]
