"""`tinycnn train-detector`: what it writes and says, and that bad data and interruptions harm nothing."""
from __future__ import annotations

import json

import numpy as np
import pytest
from tiny_detector import write_set
from tiny_files import command, write_weights

import tinycnn
from tinycnn import models
from tinycnn.data.datasets import FASHION_MNIST_SYSTEM
from tinycnn.data.detection import write_coco, write_voc
from tinycnn.detection import read_detector
from tinycnn.training import detector_tester, read_log

pytest.importorskip("PIL", reason="pillow is not installed: no photo can be read")
QUICK = ("--model", "tiny_detector", "--epochs", 3, "--batch-size", 4, "--size", 32, "--threads", 1)


@pytest.fixture
def train(capsys):
    before = tinycnn.get_num_threads()
    yield lambda *arguments: command(capsys, "train-detector", *QUICK, *arguments)
    tinycnn.set_num_threads(before)


@pytest.fixture
def data(tmp_path):
    """COCO's file, with its images beside it."""
    write_coco(write_set(tmp_path / "data"), tmp_path / "data" / "all.json", tmp_path / "data")
    return tmp_path / "data" / "all.json"


def spoil(data):
    """One image that is none, one that is missing, an inverted box, one outside, an unknown category."""
    content = json.loads(data.read_text())
    (data.parent / "000.png").write_bytes(b"nothing")
    (data.parent / "001.png").unlink()
    boxes = content["annotations"]
    boxes[2]["bbox"][2] = -5
    boxes[3]["bbox"][0] = 400
    boxes[4]["category_id"] = 77
    data.write_text(json.dumps(content))


# ---- what it does
@pytest.mark.parametrize("form", ["coco", "voc"])
def test_a_run_of_each_form_of_data(train, data, tmp_path, capsys, form):
    where = data
    if form == "voc":
        where = tmp_path / "voc"
        write_voc(write_set(tmp_path / "voc" / "JPEGImages"), where / "Annotations")
    code, out, err = train("--data", where, "--val-split", 0.25, "--out", tmp_path / "run")
    assert code == 0, err
    assert "9 images to train on, 3 to test with, 2 classes, 0 images and entries left out" in err
    assert out.splitlines()[-1].startswith("tiny_detector: AP ")
    assert {path.name.split("-")[0] for path in (tmp_path / "run").iterdir()} == {
        "log.csv", "checkpoint.npz", "weights.npz", "best.npz", "result"}
    assert [row["epoch"] for row in read_log(tmp_path / "run" / "log.csv")] == [1, 2, 3]
    photo = data.parent / "000.png"
    code, _, err = command(capsys, "detect", photo, "--weights", tmp_path / "run" / "best.npz")
    assert code == 0, err


def test_a_set_to_test_with(train, data, tmp_path):
    code, _, err = train("--data", data, "--val", data, "--out", tmp_path / "run")
    assert code == 0
    assert "12 images to train on, 12 to test with" in err


@pytest.mark.skipif(not FASHION_MNIST_SYSTEM.is_dir(), reason="Fashion-MNIST is not installed")
def test_scenes(train, tmp_path):
    code, _, err = train("--data", "scenes", "--scene-size", 64, "--limit", 8, "--out", tmp_path / "run")
    assert code == 0, err
    assert "8 images to train on, 8 to test with, 10 classes" in err


def test_an_interrupted_run_goes_on_to_the_same_bits(train, data, tmp_path, monkeypatch):
    arguments = ("--data", data, "--ema", 0.5, "--sizes", 32, 40, "--workers", 2)
    assert train(*arguments, "--out", tmp_path / "whole")[0] == 0
    test, calls = detector_tester.DetectorTester.__call__, []

    def interrupted(self):
        calls.append(self)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return test(self)
    monkeypatch.setattr(detector_tester.DetectorTester, "__call__", interrupted)
    code, _, err = train(*arguments, "--out", tmp_path / "parts")
    assert code == 130
    assert "--resume goes on after the last finished epoch" in err
    assert len(read_log(tmp_path / "parts" / "log.csv")) == 1
    code, _, err = train(*arguments, "--out", tmp_path / "parts")
    assert (code, "--resume" in err) == (2, True)
    assert train(*arguments, "--out", tmp_path / "parts", "--resume")[0] == 0
    whole, parts = (read_detector(tmp_path / name / "weights.npz")[0] for name in ("whole", "parts"))
    for name, value in whole.items():
        np.testing.assert_array_equal(value, parts[name])


def test_weights_of_other_classes_are_a_start(train, data, tmp_path):
    write_weights(tmp_path / "start.npz")
    code, _, err = train("--data", data, "--weights", tmp_path / "start.npz", "--out", tmp_path / "run", "--epochs", 1)
    assert code == 0, err
    assert "begin anew" not in err


def test_a_backbone_that_has_learnt_to_classify_is_a_start(data, tmp_path, capsys):
    tinycnn.save(models.create_model("shufflenet_v2_x0_5", num_classes=7).state_dict(), tmp_path / "body.npz")
    code, _, err = command(capsys, "train-detector", "--model", "nanodet_m", "--backbone", "shufflenet_v2_x0_5",
                           "--backbone-weights", tmp_path / "body.npz", "--size", 64, "--data", data, "--limit", 4,
                           "--epochs", 1, "--batch-size", 2, "--keep", "--eager", "--out", tmp_path / "run")
    assert code == 0, err
    (result,) = (tmp_path / "run").glob("result-*.json")
    assert json.loads(result.read_text())["settings"]["backbone_weights"] == str(tmp_path / "body.npz")


# ---- what is wrong
def test_bad_data_is_listed_before_anything_is_trained(train, data, tmp_path):
    spoil(data)
    code, out, err = train("--data", data, "--out", tmp_path / "run")
    assert (code, out) == (2, "")
    lines = [line for line in err.splitlines() if line.startswith("tinycnn: ")]
    assert len(lines) == 6
    for line, said in zip(sorted(lines[:5]), ("000.png: cannot be read", "001.png: there is no such file",
                                              "annotation 2 (id 3): the box", "annotation 3 (id 4): the box",
                                              "annotation 4 (id 5): unknown category 77")):
        assert said in line, err
    assert "5 images and entries cannot be used; nothing was done (--skip-bad leaves them out)" in lines[-1]
    assert not (tmp_path / "run").exists()
    code, _, err = train("--data", data, "--skip-bad", "--out", tmp_path / "run")
    assert code == 0, err
    assert "9 images to train on, 1 to test with, 2 classes, 5 images and entries left out" in err


def test_an_empty_file_of_annotations(train, data, tmp_path):
    data.write_text("")
    code, _, err = train("--data", data, "--skip-bad", "--out", tmp_path / "run")
    assert code == 2
    assert "is empty" in err
    assert err.splitlines()[-1].endswith("1 entries cannot be used; nothing was done")


@pytest.mark.parametrize(("arguments", "says"), [
    (("--data", "nothing"), "nothing: no such file or folder; expected 'scenes'"),
    (("--data", "scenes", "--data-root", "nowhere"), "FashionMNIST: no "),
    (("--data", "all.json", "--backbone", "resnet18"), "unexpected keyword argument 'backbone'"),
    (("--data", "all.json", "--size", "30"), "multiples of 8"),
    (("--data", "all.json", "--sizes", "36"), "multiples of 8"),
    (("--data", "all.json", "--fit-anchors"), "has no anchors that are found by k-means"),
    (("--data", "all.json", "--option", "num_classes=3"), "num_classes cannot be chosen"),
    (("--data", "all.json", "--weights", "none.npz"), "none.npz: No such file"),
    (("--data", "all.json", "--weights", "a.npz", "--backbone-weights", "b.npz"), "got both"),
    (("--data", "all.json", "--backbone-weights", "b.npz"), "expected a detector with one backbone"),
    (("--data", "all.json", "--lr", "1e30", "--clip", "1e30", "--warmup", "0"), "fit: "),
    (("--data", "all.json", "--images", "elsewhere"), "12 images and entries"),
    (("--data", "all.json", "--epochs", "0"), "epochs is out of range: 0")])
def test_everything_wrong_is_said_with_code_2(train, data, monkeypatch, arguments, says):
    monkeypatch.chdir(data.parent)
    code, out, err = train(*arguments, "--out", "run")
    assert (code, out) == (2, ""), err
    assert says in err.splitlines()[-1], err
