"""`tinycnn detect`: what it prints, draws and writes, and that everything wrong is a line and exit code 2."""
from __future__ import annotations

import json
import re

import numpy as np
import pytest
from tiny_detector import CLASSES, write_set
from tiny_files import command, write_weights

import tinycnn
from tinycnn.data import load_image
from tinycnn.detection import Finder, finder

pytest.importorskip("PIL", reason="pillow is not installed: no photo can be read")


@pytest.fixture
def weights(tmp_path):
    return write_weights(tmp_path / "tiny.npz")


@pytest.fixture
def photos(tmp_path):
    write_set(tmp_path / "photos", 3)
    return tmp_path / "photos"


@pytest.fixture
def detect(capsys, weights):
    before = tinycnn.get_num_threads()
    yield lambda *arguments: command(capsys, "detect", *arguments, "--weights", weights, "--threads", 1)
    tinycnn.set_num_threads(before)


@pytest.mark.parametrize("way", [(), ("--eager",)])
def test_a_line_for_each_object(detect, photos, weights, way):
    code, out, err = detect(photos / "000.png", "--threshold", 0.4, *way)
    expected = Finder(weights=weights, threshold=0.4)([photos / "000.png"])[0]
    lines = out.splitlines()
    assert code == 0
    assert err == f"tiny_detector: weights from {weights}\n"
    assert len(lines) == len(expected.boxes) > 3
    pattern = r"(.*): (red|green) ([0-9.]+)  " + " ".join(["([0-9.]+)"] * 4)
    for line, box, score, label in zip(lines, *expected):
        found = re.fullmatch(pattern, line)
        assert found, line
        assert (found[1], found[2]) == (str(photos / "000.png"), CLASSES[label])
        np.testing.assert_allclose([float(found[i]) for i in range(3, 8)], [score, *box], atol=0.06)


def test_an_object_is_named_once_if_classes_do_not_count(detect, photos, weights):
    state = dict(tinycnn.load(weights))
    state["sides.bias"] = np.full_like(state["sides.bias"], 2)  # boxes that are large enough to overlap
    tinycnn.save(state, weights)
    every, once = (detect(photos / "000.png", "--threshold", 0.2, *way)[1].splitlines()
                   for way in ((), ("--class-agnostic",)))
    assert 0 < len(once) < len(every)
    assert set(once) < set(every)
    assert once[0] == every[0]


def test_pictures_and_results(detect, photos, tmp_path):
    (photos / "more").mkdir()
    (photos / "more" / "000.png").write_bytes((photos / "000.png").read_bytes())
    before = {path: path.read_bytes() for path in photos.glob("*.png")}
    code, out, _ = detect(photos, photos / "more", "--threshold", 0.4, "--out", photos, "--json", tmp_path / "r.json")
    assert code == 0
    assert {path.name for path in photos.glob("*-detected.png")} == {
        "000-detected.png", "000-2-detected.png", "001-detected.png", "002-detected.png"}
    assert all(path.read_bytes() == held for path, held in before.items())
    drawn, plain = load_image(photos / "000-detected.png"), load_image(photos / "000.png")
    assert drawn.shape == plain.shape
    assert (drawn != plain).any()
    results = json.loads((tmp_path / "r.json").read_text())
    assert len(results) == len(out.splitlines())
    assert {r["category_id"] for r in results} <= {5, 9}
    assert {r["image_id"] for r in results} == {1, 2, 3, 4}  # two photos have the same number for a name
    assert {r["category"] for r in results} <= set(CLASSES)
    assert all(r["file_name"].endswith(".png") and len(r["bbox"]) == 4 for r in results)


def test_photos_named_by_numbers_keep_them(detect, photos, tmp_path):
    assert detect(photos, "--threshold", 0.4, "--json", tmp_path / "r.json")[0] == 0
    assert {r["image_id"] for r in json.loads((tmp_path / "r.json").read_text())} == {0, 1, 2}


def test_photos_that_cannot_be_read_are_said_and_the_others_looked_at(detect, photos, tmp_path):
    (photos / "001.png").write_bytes(b"nothing")
    (tmp_path / "empty").mkdir()
    code, out, err = detect(photos, tmp_path / "none.png", tmp_path / "empty", "--threshold", 0.4, "--json",
                            tmp_path / "r.json")
    assert code == 2
    said = [line for line in err.splitlines() if line.startswith("tinycnn: ")]
    assert len(said) == 3
    assert all(any(name in line for line in said) for name in ("001.png: cannot be read", "none.png", "no photos in"))
    assert {line.split(":")[0] for line in out.splitlines()} == {str(photos / "000.png"), str(photos / "002.png")}
    assert len(json.loads((tmp_path / "r.json").read_text())) == len(out.splitlines())


@pytest.mark.parametrize(("arguments", "says"), [
    (("--weights", "none.npz"), "none.npz: No such file"),
    (("--model", "tiny_detector"), "no weights are known"),
    (("--model", "tiny_dettector"), "tiny_dettector is no detector; there are .*tiny_detector"),
    (("--threshold", "2", "--weights", "tiny.npz"), r"threshold must be within \[0, 1\]"),
    (("--threshold", "much", "--weights", "tiny.npz"), "invalid float"),
    (("--model", "yolov2", "--weights", "tiny.npz"), "weights of tiny_detector, not of yolov2"),
    (("--option", "colour=3", "--weights", "tiny.npz"), "unexpected keyword argument 'colour'"),
    (("--size", "33", "--weights", "tiny.npz"), "multiples of 8"),
    (("--classes", "none.txt", "--weights", "tiny.npz"), "none.txt: No such file"),
    (("--weights", "broken.npz"), "broken.npz"),
    (("--weights", "tiny.npz", "--out", "tiny.npz"), "tiny.npz: File exists")])
def test_everything_wrong_is_one_line_and_code_2(capsys, weights, photos, monkeypatch, arguments, says):
    monkeypatch.chdir(weights.parent)
    (weights.parent / "broken.npz").write_bytes(weights.read_bytes()[:500])
    code, out, err = command(capsys, "detect", photos, *arguments)
    assert (code, out) == (2, "")
    assert re.search(says, err)
    assert len(err.splitlines()) == 1


def test_results_that_cannot_be_written_are_said(detect, photos, tmp_path):
    code, _, err = detect(photos, "--json", tmp_path)
    assert code == 2
    assert str(tmp_path) in err


def test_without_weights_the_detector_of_the_package_is_used(capsys, photos, weights, monkeypatch):
    monkeypatch.setattr(finder, "SHIPPED", weights.parent / "none.npz")
    code, _, err = command(capsys, "detect", photos)
    assert (code, err.count("\n")) == (2, 1)
    assert "comes without a trained detector" in err
    monkeypatch.setattr(finder, "SHIPPED", weights)
    assert command(capsys, "detect", photos)[0] == 0


def test_detectors_are_listed(capsys):
    code, out, _ = command(capsys, "models", "--task", "detection")
    assert code == 0
    assert "tiny_detector" in out.split()
