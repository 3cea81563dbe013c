"""`tinycnn netadapt`: what it prints and writes, with latencies that are made up, and that what is wrong is a line."""
import re
from itertools import pairwise
from pathlib import Path

import pytest
from test_datasets import write_few
from tiny_files import command

import tinycnn
from tinycnn import cli
from tinycnn.analysis.studies import netadapt_latency

WIDTHS = "widths=[" + ", ".join(["16"] * 14) + "]"
QUICK = ("--steps", "1", "--short-steps", "1", "--start-epochs", "1", "--long-epochs", "1", "--threads", "1")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command; nothing is measured or kept in the user's directory."""
    monkeypatch.setenv("TINYCNN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(netadapt_latency, "measure_part", lambda part, threads: threads * sum(
        a * b for a, b in pairwise(part.channels)) / 1e3)
    monkeypatch.setattr(netadapt_latency.LatencyTable, "network", lambda self, model, shape: 2.5)
    write_few(tmp_path / "fashion")
    before = tinycnn.get_num_threads()
    yield lambda *arguments: command(capsys, "netadapt", "--data-root", tmp_path / "fashion", "--size", "8", *arguments)
    tinycnn.set_num_threads(before)


def test_a_search_by_the_papers_name(run, tmp_path, capsys):
    out = tmp_path / "out"
    search = ("--model", "mobilenet_v1", "--option", WIDTHS, "--budget", "0.97", *QUICK, "--out", out)
    code, printed, err = run(*search)
    assert code == 0, err
    assert "40 images to train on" in err
    lines = printed.splitlines()
    assert any(line.startswith("step  0  as it was") for line in lines)
    assert any(line.startswith("step  1  ") and "  16 to    8" in line for line in lines)
    assert lines[-1].startswith("mobilenetv1_100: 2.500 ms to 2.500 ms measured (3.504 to ")
    code, printed, err = run(*search)
    assert (code, printed) == (2, "")
    assert "adapted.npz exists" in err
    assert run(*search, "--resume")[0] == 0
    code, printed, err = command(capsys, "evaluate", "--weights", out / "adapted.npz", out / "long" / "weights.npz",
                                 "--data", "fashion-mnist", "--data-root", tmp_path / "fashion")
    assert code == 0, err
    assert printed.count("mobilenetv1_100") == 2  # options and model: of the file, and of what lies beside


@pytest.mark.parametrize(("arguments", "words"), [
    (["--model", "squeezenet1_1", "--budget", "0.7"], "squeezenet1_1 cannot be shrunk layer by layer"),
    (["--model", "mobilenet_v22", "--budget", "0.7"], "did you mean"),
    (["--model", "mobilenet_v2"], "--budget"),
    (["--model", "mobilenet_v2", "--budget", "1.5"], "budget must be above 0 and below 1, got 1.5"),
    (["--model", "mobilenet_v2", "--budget", "0.5", "--steps", "0"], "--steps"),
    (["--model", "mobilenet_v2", "--budget", "0.5", "--data", "nowhere"], "nowhere: No such file"),
    (["--model", "mobilenet_v2", "--budget", "0.5", "--weights", "nowhere.npz"], "nowhere.npz: No such file")])
def test_mistakes_are_one_line(run, tmp_path, arguments, words):
    code, out, err = run(*arguments, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith("tinycnn")
    assert words in err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_commands_of_the_guide_can_be_parsed():
    guide = (Path(__file__).parents[2] / "docs" / "measuring.md").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = re.findall(r"^ *tinycnn ((?:netadapt|evaluate|compare) .*)$", guide, re.MULTILINE)
    assert len(lines) >= 4
    for line in lines:
        assert callable(cli._parser().parse_args(line.split()).run)
