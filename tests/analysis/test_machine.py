"""What the machine is and can do: measured once, kept, described without names and paths."""
import json
import socket
import time
from pathlib import Path

import pytest

from tinycnn._kernels import ISA
from tinycnn.analysis import Peaks, machine


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYCNN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def counted(monkeypatch):
    """Measurements take no time, and each is another one."""
    calls = []
    def measure(threads):
        calls.append(threads)
        return Peaks(threads, 1e9 * len(calls), 1e8)
    monkeypatch.setattr(machine, "measure", measure)
    return calls


def test_it_measures_something():
    began = time.perf_counter()
    found = machine.measure(1, seconds=0.02)
    assert time.perf_counter() - began < 10  # a loaded machine's; 0.3 s is usual
    assert found.threads == 1
    assert 1e8 < found.flops < 1e13
    assert 1e7 < found.bandwidth < 1e13
    assert found.ridge == found.flops / found.bandwidth


def test_two_threads_measure_together():
    assert machine.measure(2, seconds=0.01).flops > 0


def test_a_measurement_is_kept_for_each_number_of_threads(counted, home):
    assert machine.peaks(1) == machine.peaks(1)
    assert machine.peaks(2) == machine.peaks(2)
    assert counted == [1, 2]
    assert machine.peaks(1, again=True).flops == 3e9
    assert machine.peaks(1).flops == 3e9
    assert [p.name for p in home.iterdir()] == ["machine.json"]


def test_another_machine_measures_for_itself(counted, monkeypatch):
    machine.peaks(1)
    monkeypatch.setattr(machine, "description", lambda: {"cpu": "another"})
    machine.peaks(1)
    assert counted == [1, 1]


@pytest.mark.parametrize("content", ["", "nonsense", "[]", '{"x": 1}', '{KEY: {"1": {"flops": "many"}}}',
                                     '{KEY: {"1": {"flops": -1, "bandwidth": 2}}}', "{KEY: []}"])
def test_a_damaged_file_is_measured_anew(content, counted, home):
    home.mkdir()
    key = json.dumps(json.dumps(machine.description(), sort_keys=True))
    (home / "machine.json").write_text(content.replace("KEY", key))
    assert machine.peaks(1).flops == 1e9
    assert machine.peaks(1).flops == 1e9
    assert counted == [1]


def test_where_nothing_can_be_kept_it_is_measured_each_time(counted, home):
    home.write_text("a file where the directory should be")
    assert machine.peaks(1).flops == 1e9
    assert machine.peaks(1).flops == 2e9


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2"])
def test_threads_are_checked(threads):
    with pytest.raises(ValueError, match="threads must be an integer >= 1"):
        machine.peaks(threads)


def test_the_description_names_no_host_and_no_path():
    found = machine.description()
    assert found["isa"] == ISA
    assert found["cpu"]
    assert found["cores"] >= 1
    text = json.dumps(found)
    assert str(Path.home()) not in text
    assert "/" not in text.replace("@", "")
    if len(socket.gethostname()) > 3:
        assert socket.gethostname() not in text
    assert found["cpu"] in machine.machine_line(found)
