"""train_classifier: real networks on small images: they learn, go on after a stop, and leave what they should."""
import json

import numpy as np
import pytest

import tinycnn
from tinycnn import load, models
from tinycnn.data import tasks
from tinycnn.serialize import CheckpointError
from tinycnn.training import read_log
from tinycnn.training.classifier import train_classifier
from tinycnn.training.engines import Engine
from tinycnn.training.recipe import Recipe

PLANNED = Engine(tinycnn.compile_training_step, tinycnn.compile)
ENGINES = pytest.mark.parametrize("engine", [Engine(), PLANNED], ids=["eager", "planned"])
FULL = Recipe(epochs=3, batch_size=12, lr=0.02, mixup=0.2, label_smoothing=0.1, ema=0.9, clip=5.0, augment="crop")
PLAIN = Recipe(epochs=3, batch_size=12, lr=0.02, augment="none")


def make_task(n=48):
    """Grey squares, bright on the left, on the right, or below; noise."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 3
    images = rng.integers(0, 90, (n, 28, 28))
    bright = [np.s_[:, :14], np.s_[:, 14:], np.s_[14:]]
    for image, label in zip(images, labels):
        image[bright[label]] += 160
    images, half = images.astype(np.uint8), n // 2
    view = tasks.View(32, 1, (0.4,), (0.3,))
    return tasks.Task((images[:half], labels[:half]), (images[half:], labels[half:]), ("left", "right", "below"), view)


def train(out, recipe=PLAIN, engine=PLANNED, name="mobilenet_v2", **options):
    tinycnn.manual_seed(recipe.seed)
    model = models.create_model(name, num_classes=3, in_chans=1, **({"width": 0.35} if name == "mobilenet_v2" else {}))
    result = train_classifier(model, make_task(), recipe, out, engine=engine, progress=False, **options)
    return model, result


def same_state(one, two):
    assert one.keys() == two.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(two[name], value, err_msg=name)


@ENGINES
def test_a_run_and_its_files(tmp_path, engine):
    model, result = train(tmp_path, FULL, engine, workers=2, about={"model": "mobilenet_v2"})
    rows = read_log(tmp_path / "log.csv")
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert result["accuracy"] == rows[-1]["accuracy"]
    (file,) = tmp_path.glob("result-*.json")
    assert json.loads(file.read_text()) == result
    assert file.stem == f"result-{result['date']}"
    assert result["steps"] == ("eager" if engine == Engine() else "planned")
    assert result["settings"]["mixup"] == 0.2
    described = json.loads((tmp_path / "network.json").read_text())
    assert described["classes"] == ["left", "right", "below"]
    assert described["model"] == "mobilenet_v2"
    weights = load(tmp_path / "weights.npz")
    assert weights.keys() == model.state_dict().keys()
    assert any((value != weights[name]).any() for name, value in model.state_dict().items())  # the averages are kept


def test_it_learns(tmp_path):
    train(tmp_path, Recipe(epochs=8, batch_size=12, lr=0.05, augment="none"), name="mobilenetv1_025")
    rows = read_log(tmp_path / "log.csv")
    assert rows[-1]["loss"] < 0.5 * rows[0]["loss"]


class Stop(Exception):
    pass


def stopping(engine, after):
    """An engine whose steps fail after so many."""
    def make(*arguments, **options):
        step, calls = engine.step(*arguments, **options), []

        def limited(x, y):
            calls.append(len(y))
            if len(calls) > after:
                raise Stop
            return step(x, y)
        return limited
    return Engine(make, engine.compile)


@pytest.mark.parametrize(("recipe", "options"), [
    (FULL, {"workers": 2}), pytest.param(PLAIN, {"freeze": True}, marks=pytest.mark.slow),
    (PLAIN, {"freeze": True, "cache": True})],
    ids=["full", "frozen", "cached"])
def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path, recipe, options):
    train(tmp_path / "whole", recipe, **options)
    with pytest.raises(Stop):
        train(tmp_path / "stopped", recipe, stopping(PLANNED, 3), **options)
    assert len(read_log(tmp_path / "stopped" / "log.csv")) == 1
    train(tmp_path / "stopped", recipe, resume=True, **{**options, "workers": 0})
    same_state(*(load(tmp_path / run / "weights.npz") for run in ("whole", "stopped")))
    curves = [[(row["loss"], row["accuracy"], row["lr"]) for row in read_log(tmp_path / run / "log.csv")]
              for run in ("whole", "stopped")]
    assert curves[0] == curves[1]


@pytest.mark.parametrize(("name", "engine"), [
    ("mobilenet_v2", Engine()), ("mobilenet_v2", PLANNED), ("mobilenet_v3_small", PLANNED)])
def test_cached_features_give_the_same_classifier(tmp_path, name, engine):
    """With dropout before the last layer, which draws alike, and MobileNet V3's, which is frozen."""
    cached, one = train(tmp_path / "cached", PLAIN, engine, name, freeze=True, cache=True)
    plain, two = train(tmp_path / "plain", PLAIN, engine, name, freeze=True)
    start = models.create_model(name, num_classes=3, in_chans=1, **({"width": 0.35} if "v2" in name else {}))
    assert any((value != start.state_dict()[key]).any() for key, value in cached.state_dict().items())
    for key, value in plain.state_dict().items():
        np.testing.assert_allclose(cached.state_dict()[key], value, rtol=0, atol=1e-5, err_msg=key)
    assert one["loss"] == pytest.approx(two["loss"], rel=1e-4)
    assert one["accuracy"] == two["accuracy"]


@pytest.mark.parametrize(("options", "recipe"), [
    ({"cache": True}, PLAIN), ({"cache": True, "freeze": True}, FULL),
    ({"cache": True, "freeze": True}, Recipe(augment="none", mixup=0.1))])
def test_what_cannot_be_cached_is_refused(tmp_path, options, recipe):
    with pytest.raises(ValueError, match="cached features need a frozen backbone, no augmentation and no MixUp"):
        train(tmp_path / "out", recipe, **options)
    assert not (tmp_path / "out").exists()


def test_runs_are_not_overwritten_unless_asked(tmp_path):
    short = Recipe(epochs=1, batch_size=24)
    train(tmp_path, short)
    before = (tmp_path / "weights.npz").read_bytes()
    with pytest.raises(FileExistsError, match=r"checkpoint\.npz exists"):
        train(tmp_path, short)
    with pytest.raises(CheckpointError, match=r"epochs=1 \(now 2\)"):
        train(tmp_path, Recipe(epochs=2, batch_size=24), resume=True)
    assert (tmp_path / "weights.npz").read_bytes() == before
    train(tmp_path, Recipe(epochs=1, batch_size=24, seed=1), overwrite=True)
    assert (tmp_path / "weights.npz").read_bytes() != before


@ENGINES
def test_a_loss_that_is_not_finite_ends_the_run_and_says_where(tmp_path, engine):
    train(tmp_path, PLAIN, engine)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    wild = Recipe(epochs=40, batch_size=12, lr=1e30, warmup=0, augment="none", schedule="constant")
    with pytest.raises(FloatingPointError, match=r"fit: .*epoch 1, step [2-9]"):
        train(tmp_path / "wild", wild, engine)
    assert not (tmp_path / "wild" / "weights.npz").exists()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == files
