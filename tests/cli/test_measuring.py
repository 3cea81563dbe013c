"""`summary`, `profile` and `compare`: what they print and write, and that everything wrong is one line."""
import csv
import json
from importlib.util import find_spec

import pytest

from tinycnn.analysis import Peaks, comparing, machine
from tinycnn.cli.compare import LIGHT
from tinycnn.models import list_models

SMALL = ("shufflenet_v2_x0_5", "--input", "1,3,64,64")


@pytest.fixture(autouse=True)
def unmeasured(tmp_path, monkeypatch):
    """Nothing is read from or kept in the user's directory, and the machine's peaks take no time."""
    monkeypatch.setenv("TINYCNN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(machine, "measure", lambda threads: Peaks(threads, 1e11, 1e10))


def refused(result, *words):
    code, out, err = result
    assert (code, out) == (2, "")
    lines = [line for line in err.splitlines() if "/" not in line.split(" ")[0]]  # progress of `compare`
    assert len(lines) == 1
    assert all(word in lines[0] for word in words), err


def test_summary(run):
    code, out, err = run("summary", *SMALL)
    assert (code, err) == (0, "")
    for words in ("shufflenet_v2_x0_5, 1x3x64x64", "stage2.0.branch1.0", "3x3 /2 g24", "multiply-adds", "FLOPs",
                  "backbone", "parameters      1,366,792"):
        assert words in out
    short = run("summary", *SMALL, "--depth", "1")[1]
    assert len(short) < len(out) / 3
    assert "parameters      1,366,792" in short


def test_summary_at_the_networks_own_size(run):
    document = json.loads(run("summary", "shufflenet_v2_x0_5", "--json")[1])
    assert document["input"] == [1, 3, 224, 224]
    assert round(document["totals"]["macs"] / 1e6, 1) == 40.5
    assert sum(row["macs"] for row in document["rows"]) == document["totals"]["macs"]
    assert all(row["flops"] == 2 * row["macs"] for row in document["rows"])


def test_options_of_the_network(run):
    document = json.loads(run("summary", *SMALL[:1], "--input", "1,1,28,28", "--option", "num_classes=10", "--option",
                              "in_chans=1", "--option", "stem_stride=1", "--json")[1])
    assert document["rows"][-1]["shape"] == [1, 10]
    refused(run("summary", *SMALL, "--option", "nonsense=1"), "shufflenet_v2_x0_5", "nonsense")


@pytest.mark.parametrize("text", ["224", "1,3,0,4", "1,3,-4,4", "a,b,c,d", "1,3,4,4,4", ""])
def test_bad_input(run, text):
    refused(run("summary", "mobilenet_v2", f"--input={text}"), "--input", "1,3,224,224")


@pytest.mark.parametrize("command", ["summary", "profile", "compare"])
def test_unknown_model_and_wrong_channels(run, command):
    refused(run(command, "mobilenet_v22"), "mobilenet_v22", "did you mean")
    refused(run(command, "mobilenet_v2", "--input", "1,4,64,64"), "(1, 4, 64, 64)")


def test_profile(run):
    code, out, err = run("profile", *SMALL, "--threads", "1", "--rounds", "2")
    assert (code, err) == (0, "")
    for words in ("% of peak", "bound", "its layers together", "100.0 GFLOP/s and 10.0 GB/s on 1 thread", "depthwise"):
        assert words in out


def test_profile_as_json_with_plots(run, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: no plot can be drawn")
    out = run("profile", *SMALL, "--rounds", "1", "--json", "--plot", tmp_path / "plots")[1]
    document = json.loads(out)
    assert document["model"] == "shufflenet_v2_x0_5"
    assert document["macs"] == json.loads(run("summary", *SMALL, "--json")[1])["totals"]["macs"]
    assert sorted(p.name for p in (tmp_path / "plots").iterdir()) == ["kinds.png", "roofline.png"]


def test_plots_without_matplotlib_are_refused_before_anything_is_measured(run, monkeypatch):
    import sys
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setattr(comparing, "latency", None)
    refused(run("profile", *SMALL, "--plot", "x"), "tinycnn[plot]")
    refused(run("compare", *SMALL, "--plot", "x"), "tinycnn[plot]")


def test_compare(run, tmp_path):
    plot = ("--plot", tmp_path / "plots") if find_spec("matplotlib") else ()
    code, out, err = run("compare", "squeezenet1_1", *SMALL, "--seconds", "0.01", "--threads", "1", "--target-ms", "5",
                         "--peak", "100", "--json", tmp_path / "a.json", "--csv", tmp_path / "a.csv", *plot)
    assert code == 0
    assert err.splitlines() == ["1/2 squeezenet1_1", "2/2 shufflenet_v2_x0_5"]
    for words in ("60.55 % (ImageNet, published)", "ACC (LAT / 5 ms)^w", "images a second at 100 GFLOP/s"):
        assert words in out
    assert len(list(csv.reader((tmp_path / "a.csv").open()))) == 3
    if plot:
        assert sorted(p.name for p in (tmp_path / "plots").iterdir()) == ["accuracy.png", "latency.png"]
    code, out, _ = run("compare", "--diff", tmp_path / "a.json", tmp_path / "a.json")
    assert code == 0
    assert out.count("1.00") == 2


def test_compare_prints_one_document(run):
    document = json.loads(run("compare", *SMALL, "--seconds", "0.01", "--threads", "1", "--json")[1])
    assert [row["model"] for row in document["rows"]] == ["shufflenet_v2_x0_5"]
    assert document["machine"]["cpu"]


def test_accuracies_from_a_file(run, tmp_path):
    results = tmp_path / "zoo.json"
    results.write_text('{"shufflenet_v2_x0_5": {"accuracy": 0.9125}}')
    out = run("compare", *SMALL, "--seconds", "0.01", "--threads", "1", "--results", results)[1]
    assert "91.25 % (zoo)" in out
    results.write_text(json.dumps({"shufflenet_v2_x0_5": {  # as training writes it
        "date": "2026-01-01", "commit": None, "settings": {"data": "fashion-mnist", "epochs": 5}, "accuracy": 0.9125,
        "parameters": 352042, "macs": 1, "ms": 1.0, "seconds_per_epoch": 2.0}}))
    document = json.loads(run("compare", *SMALL, "--seconds", "0.01", "--threads", "1", "--results", results,
                              "--json")[1])
    assert document["rows"][0]["accuracy"] == 91.25
    assert document["rows"][0]["accuracy_of"] == "fashion-mnist, zoo"
    for content in ("", "[1]", '{"a": 3}', '{"a": {"accuracy": "good"}}', '{"a": {"accuracy": 1, "settings": 3}}'):
        results.write_text(content)
        refused(run("compare", *SMALL, "--results", results), "zoo.json", "accuracy")


def test_files_that_cannot_be_compared(run, tmp_path):
    bad = tmp_path / "bad.json"
    refused(run("compare", "--diff", bad, bad), "bad.json: No such file")
    for content in ("", "{}", "[]", '{"schema": 7}'):
        bad.write_text(content)
        refused(run("compare", "--diff", bad, bad), "bad.json")


@pytest.mark.parametrize("option", ["--seconds=0", "--seconds=nan", "--target-ms=-1", "--peak=many", "--threads=0"])
def test_numbers_are_checked(run, option):
    refused(run("compare", *SMALL, option), option.partition("=")[0])


def test_the_light_networks_are_registered():
    assert len(set(LIGHT)) == 15
    assert set(LIGHT) <= set(list_models())
