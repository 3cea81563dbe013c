"""`study`: what it prints and writes, and that everything wrong is one line."""
import json
from importlib.util import find_spec

import pytest

import tinycnn
from tinycnn import cli
from tinycnn.analysis.studies import STUDIES, timing
from tinycnn.analysis.studies.questions import QUESTIONS
from tinycnn.cli.study import GUIDELINES, NAMES


@pytest.fixture
def run(capsys):
    """Run the command in this process: its exit code, and what it printed on stdout and stderr."""
    def command(*arguments):
        try:
            code = cli.main(["study", *map(str, arguments)])
        except SystemExit as left:  # how argparse ends
            code = left.code
        return code, *capsys.readouterr()
    return command


def refused(result, *words):
    code, out, err = result
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert all(word in err for word in words), err


def test_every_study_has_its_command():
    assert set(GUIDELINES) == set(STUDIES)
    assert set(NAMES) == set(QUESTIONS)


@pytest.mark.parametrize("name", GUIDELINES)
def test_a_quick_study(run, name, tmp_path):
    plot = ("--plot", tmp_path / "plots") if find_spec("matplotlib") else ()
    threads = tinycnn.get_num_threads()
    code, out, err = run(name, "--quick", "--threads", "1", "--json", tmp_path / "found.json", *plot)
    assert (code, err) == (0, "")
    for words in ("multiply-adds", "memory access", "95 % interval", "compiled: "):
        assert words in out
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["study"], found["threads"]) == (name, 1)
    assert tinycnn.get_num_threads() == threads
    if plot:
        assert [file.name for file in (tmp_path / "plots").iterdir()] == [f"{name}.png"]


def test_the_tape_and_whole_registers(run):
    out = run("g4", "--quick", "--eager")[1]
    assert "eager: " in out
    assert "384:384" in run("g1", "--quick", "--aligned")[1]


def test_questions_without_garments(run, tmp_path):
    refused(run("questions", "--quick", "--only", "joining", "--data-root", tmp_path), "fashion-mnist")


def test_questions(run, tmp_path, monkeypatch):
    from tinycnn.analysis.studies import questions
    rows = [{"variant": "a", "against": "a", "scores": [1.0]}]
    answer = questions.Answer("joining", "Add?", "accuracy, %", rows, "x")

    def asked(budget, say):
        say(f"{budget.images} images")
        return answer
    monkeypatch.setitem(questions.QUESTIONS, "joining", asked)
    code, out, err = run("questions", "--quick", "--only", "joining", "--json", tmp_path / "found.json")
    assert (code, err) == (0, "64 images\n")
    assert out == f"{answer}\n\n"
    assert [own["name"] for own in json.loads((tmp_path / "found.json").read_text())["questions"]] == ["joining"]
    assert run("questions", "--only", "joining")[2] == "4000 images\n"


def test_what_is_wrong_is_said_before_anything_is_measured(run, monkeypatch, tmp_path):
    import sys
    monkeypatch.setattr(timing, "interleaved", None)
    refused(run("g9"), "g9")
    refused(run("g1", "--threads", "0"), "--threads")
    refused(run("questions", "--only", "nothing"), "nothing")
    refused(run("questions", "--plot", tmp_path), "--plot")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    refused(run("g1", "--plot", tmp_path), "tinycnn[plot]")


def test_a_file_that_cannot_be_written(run, tmp_path):
    (tmp_path / "file").write_text("")
    code, out, err = run("g2", "--quick", "--json", tmp_path / "file" / "found.json")
    assert code == 2
    assert "2 groups" in out
    assert len(err.splitlines()) == 1
