"""`tinycnn evaluate` of several networks: one table, in three forms; each file with its network."""
import csv
import json

import numpy as np
import pytest
from test_datasets import write_few
from tiny_files import command

import tinycnn
from tinycnn import models
from tinycnn.cli import evaluate
from tinycnn.data.tasks import View
from tinycnn.training.described import Described, save_described

VIEW = View(16, 1, (0.3,), (0.4,))
CLASSES = [str(i) for i in range(10)]


@pytest.fixture
def files(tmp_path):
    """Two files of weights: one says what it is of, the other does not."""
    widths = [8] * 14
    model = models.mobilenetv1_100(num_classes=10, in_chans=1, widths=widths)
    save_described(tmp_path / "says.npz", model.state_dict(),
                   Described("mobilenetv1_100", {"widths": widths}, CLASSES, VIEW), {"more": 3})
    small = models.create_model("mobilenetv1_025", num_classes=10, in_chans=1)
    tinycnn.save(small.state_dict(), tmp_path / "silent.npz")
    return tmp_path / "says.npz", tmp_path / "silent.npz"


@pytest.fixture
def run(tmp_path, capsys):
    """Run the command on a few images."""
    write_few(tmp_path / "fashion", test=20)
    before = tinycnn.get_num_threads()
    yield lambda *arguments: command(capsys, "evaluate", "--data", "fashion-mnist", "--data-root",
                                     tmp_path / "fashion", "--threads", "1", *arguments)
    tinycnn.set_num_threads(before)


def test_several_networks_are_one_table(run, files):
    code, out, err = run("--model", "mobilenetv1_100", "mobilenetv1_025", "--weights", *files)
    assert code == 0, err
    assert err.splitlines()[1:] == ["1/2 mobilenetv1_100", "2/2 mobilenetv1_025"]
    titles, first, second, _, where = out.splitlines()
    assert titles.split("  ")[0] == "network"
    assert "top-1 %" in titles
    assert "ms an image" in titles
    assert first.split()[:3] == ["mobilenetv1_100", str(files[0]), "20"]
    assert second.split()[:3] == ["mobilenetv1_025", str(files[1]), "20"]
    assert "batch size 1, threads: 1; " in where


def test_a_file_that_says_what_it_is_of_needs_no_name(run, files):
    code, out, err = run("--weights", files[0])
    assert code == 0, err
    assert out.startswith("mobilenetv1_100: 20 images, top-1 ")
    code, out, err = run("--weights", files[0], files[1])
    assert (code, out) == (2, "")
    assert "silent.npz: neither the file nor a network.json beside it says" in err
    code, out, err = run("--model", "mobilenetv1_025", "--weights", files[0])
    assert (code, out) == (2, "")
    assert "says.npz: the weights are of mobilenetv1_100, not of mobilenetv1_025" in err


def test_one_name_for_several_files(run, files):
    code, out, err = run("--model", "mobilenetv1_025", "--weights", files[1], files[1], "--json")
    assert code == 0, err
    document = json.loads(out)
    assert [row["model"] for row in document["rows"]] == ["mobilenetv1_025"] * 2
    assert document["rows"][0]["top1"] == document["rows"][1]["top1"]
    assert (document["schema"], document["batch_size"], document["threads"]) == (1, 1, 1)


def test_json_and_csv_go_to_files(run, files, tmp_path):
    code, out, err = run("--weights", files[0], files[0], "--json", tmp_path / "a.json", "--csv", tmp_path / "a.csv",
                         "--batch-size", "4")
    assert code == 0, err
    assert out.startswith("network")
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    document = json.loads((tmp_path / "a.json").read_text())
    assert [float(row["top5"]) for row in rows] == [row["top5"] for row in document["rows"]]
    assert {row["batch_size"] for row in rows} == {"4"}


def test_so_many_images_of_fashion_mnist(run, files, monkeypatch):
    assert evaluate.IMAGES == 5000
    monkeypatch.setattr(evaluate, "IMAGES", 7)
    assert ": 7 images" in run("--weights", files[0])[1]
    assert ": 12 images" in run("--weights", files[0], "--limit", "12")[1]


@pytest.mark.parametrize(("arguments", "words"), [
    ([], "expected names (--model), or files that say what they are of (--weights), got neither"),
    (["--model", "mobilenetv1_025", "mobilenet_v2"], "expected a file (--weights) or the known ones"),
    (["--model", "a", "b", "--weights", "c", "d", "e"], "expected one name, or one for each of 3 files, got 2"),
    (["--weights", "nowhere.npz"], "nowhere.npz: No such file")])
def test_mistakes_are_one_line(run, arguments, words):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert words in err


def test_what_is_wrong_with_the_last_is_said_before_the_first_runs(run, files, tmp_path):
    tinycnn.save({"a": np.ones(2)}, tmp_path / "wrong.npz")
    code, out, err = run("--model", "mobilenetv1_100", "mobilenetv1_025", "--weights", files[0], tmp_path / "wrong.npz")
    assert (code, out) == (2, "")
    assert "wrong.npz" in err
    assert "1/2" not in err
    tinycnn.save({"network": np.frombuffer(b"{}", np.uint8)}, tmp_path / "wrong.npz")
    code, out, err = run("--weights", tmp_path / "wrong.npz")
    assert code == 2
    assert "wrong.npz: not a description of a network" in err
