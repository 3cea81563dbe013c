"""The search, with latencies that are made up: what a step may do, how a stopped one goes on, what is refused."""
import csv
import json
from itertools import pairwise

import numpy as np
import pytest
from test_datasets import write_few

from tinycnn import load, models, save
from tinycnn.analysis.studies import netadapt_tuning
from tinycnn.analysis.studies.netadapt import Settings, netadapt
from tinycnn.data import Loader
from tinycnn.serialize import CheckpointError
from tinycnn.training.choices import DataChoice, NetworkChoice
from tinycnn.training.described import Described
from tinycnn.training.jobs import run_evaluation

WIDTHS = [16 + 8 * (i % 2) for i in range(14)]
NETWORK = NetworkChoice("mobilenetv1_100", options={"widths": WIDTHS})
SETTINGS = Settings(0.85, steps=2, short_steps=1, start_epochs=1, long_epochs=1)


class MadeUp:
    """A block takes as long as it has products of channels, in thousands; a network a millisecond."""

    def __call__(self, part):
        return sum(a * b for a, b in pairwise(part.channels)) / 1e3

    def network(self, model, shape):
        return 1.0

    def save(self):
        pass


@pytest.fixture
def data(tmp_path):
    """A few images in the files of Fashion-MNIST."""
    return DataChoice("fashion-mnist", str(write_few(tmp_path / "fashion")), size=8)


@pytest.fixture
def adapt(data, tmp_path):
    def run(out="out", network=NETWORK, settings=SETTINGS, latency=None, **more):
        return netadapt(network, data, settings, tmp_path / out, latency=latency or MadeUp(), progress=False, **more)
    return run


def predicted(widths):
    return sum(a * b for a, b in zip([1, *widths], [*widths, 10])) / 1e3


def test_a_search(adapt, data, tmp_path):
    found = adapt()
    rows, out = found["rows"], tmp_path / "out"
    assert rows[0]["widths"] == WIDTHS
    assert rows[-1]["predicted_ms"] <= 0.85 * rows[0]["predicted_ms"] < rows[-2]["predicted_ms"]
    reduction = 0.15 * rows[0]["predicted_ms"] / 2
    for before, row in pairwise(rows):
        assert sum(a != b for a, b in zip(before["widths"], row["widths"])) == 1
        assert all(width % 8 == 0 for width in row["widths"])
        assert row["predicted_ms"] == pytest.approx(predicted(row["widths"]))
        assert row["predicted_ms"] <= row["target_ms"] < before["predicted_ms"]
        assert row["target_ms"] >= before["predicted_ms"] - reduction - 1e-9
        best = max(row["proposals"], key=lambda p: (p["accuracy"], -p["predicted_ms"]))
        assert (best["layer"], best["width"], best["accuracy"]) == (row["layer"], row["width"], row["accuracy"])
    assert {path.name for path in out.iterdir()} == {"adapted.npz", "steps.csv", "steps.json", "start", "long"}
    assert json.loads((out / "steps.json").read_text())["rows"] == rows
    table = list(csv.DictReader((out / "steps.csv").open()))
    assert [int(row["width"]) for row in table] == [row["width"] for row in rows]
    described = Described.of(out / "adapted.npz")
    assert described.options == {"widths": rows[-1]["widths"]}
    measures = run_evaluation(NetworkChoice("mobilenetv1_100", str(out / "adapted.npz")), data)
    assert (measures.images, measures.top1) == (10, pytest.approx(found["accuracy"]))


def test_the_widest_that_is_fast_enough_is_proposed(adapt):
    for row in (rows := adapt()["rows"])[1:]:
        before = rows[row["step"] - 1]["widths"]
        names = ["conv_stem", *[f"blocks.{i}.{k}.conv_pw" for i, n in enumerate((1, 2, 2, 6, 2)) for k in range(n)]]
        for proposal in row["proposals"]:
            number = names.index(proposal["layer"])
            wider = [*before[:number], proposal["width"] + 8, *before[number + 1:]]
            assert predicted(wider) > row["target_ms"] or wider == before


def test_a_stopped_search_goes_on_to_the_same_bits(adapt, tmp_path):
    whole, shown = adapt("whole"), []
    for steps in range(len(whole["rows"])):  # stopped after each of them
        shown.clear()

        def stop(row, last=steps):
            shown.append(row.step)
            if row.step == last:
                raise KeyboardInterrupt
        with pytest.raises(KeyboardInterrupt):
            adapt("stopped", show=stop, resume=steps > 0)
    shown.clear()
    found = adapt("stopped", show=lambda row: shown.append(row.step), resume=True)
    assert (found["rows"], found["accuracy"]) == (whole["rows"], whole["accuracy"])
    assert shown == [row["step"] for row in whole["rows"]]
    a, b = (load(tmp_path / name / "adapted.npz") for name in ("whole", "stopped"))
    for name, value in a.items():
        if name != "network":
            np.testing.assert_array_equal(b[name], value, err_msg=name)
    before = (tmp_path / "stopped" / "adapted.npz").read_bytes()
    adapt("stopped", resume=True)  # it has ended: nothing is left to do
    assert (tmp_path / "stopped" / "adapted.npz").read_bytes() == before
    (tmp_path / "stopped" / "adapted.npz").unlink()  # as if the first network had been trained, no more
    assert adapt("stopped", resume=True)["rows"] == whole["rows"]


def test_it_begins_with_weights_of_a_file(adapt, tmp_path):
    model = models.mobilenet_v2(num_classes=10, in_chans=1, widths=[8] * 16)
    path = tmp_path / "weights.npz"
    save(model.state_dict(), path)
    network = NetworkChoice("mobilenet_v2", str(path), options={"widths": [8] * 16})
    found = adapt(network=network, settings=Settings(0.99, 1, 1, long_epochs=1, divisor=4))
    assert not (tmp_path / "out" / "start").exists()
    assert set(found["rows"][-1]["widths"]) == {4, 8}
    assert found["rows"][-1]["layer"].startswith("features.")


def test_images_to_test_with_choose_nothing(adapt, monkeypatch):
    """Until the search has ended only images to train on are shown."""
    seen = []
    usual = Loader.__init__
    monkeypatch.setattr(Loader, "__init__", lambda self, images, *a, **k: (seen.append(len(images)),
                                                                          usual(self, images, *a, **k))[1])
    monkeypatch.setattr(netadapt_tuning, "BATCH", 8)
    adapt(show=lambda row: seen.append("step"))
    last = len(seen) - seen[::-1].index("step")
    assert set(seen[:last]) == {"step", 36, 4, 8}  # of 40: 4 held out, a batch of 8 for a step
    assert seen[last:] == [40, 10]


# ---- what goes wrong
def test_a_budget_that_cannot_be_reached(adapt, tmp_path):
    class Constant(MadeUp):
        def __call__(self, part):
            return 1.0
    with pytest.raises(ValueError, match="after 0 steps and 15 ms no layer by itself brings"):
        adapt(latency=Constant())
    assert Described.of(tmp_path / "out" / "adapted.npz").options == {"widths": WIDTHS}


def test_another_search_is_in_the_way(adapt, tmp_path):
    adapt(settings=Settings(0.95, 1, 1, 1, 1))
    before = (tmp_path / "out" / "adapted.npz").read_bytes()
    with pytest.raises(FileExistsError, match=r"adapted.npz exists: go on with that search \(--resume\)"):
        adapt()
    with pytest.raises(CheckpointError, match=r"begun with budget=0.95 \(now 0.85\), steps=1 \(now 2\)"):
        adapt(resume=True)
    assert (tmp_path / "out" / "adapted.npz").read_bytes() == before


def test_a_file_of_something_else(adapt, tmp_path):
    (tmp_path / "out").mkdir()
    for content in ({"a": np.zeros(2)}, {"network": np.zeros(2)}, {"network": np.frombuffer(b"{}", np.uint8)}):
        save(content, tmp_path / "out" / "adapted.npz")
        with pytest.raises(CheckpointError, match="not a network of a search by netadapt"):
            adapt(resume=True)


def test_other_networks_are_refused(adapt, tmp_path):
    with pytest.raises(ValueError, match="squeezenet1_1 cannot be shrunk"):
        adapt(network=NetworkChoice("squeezenet1_1"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("wrong", "words"), [
    ({"budget": 1.0}, "budget must be above 0 and below 1, got 1.0"), ({"budget": 0}, "budget"),
    ({"budget": float("nan")}, "budget"), ({"steps": 0}, "steps must be at least 1, got 0"),
    ({"divisor": 0}, "divisor must be"), ({"short_steps": 0}, "short_steps must be")])
def test_settings_are_checked(wrong, words):
    with pytest.raises(ValueError, match=words):
        Settings(**{"budget": 0.5, **wrong})
