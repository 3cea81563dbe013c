"""fit: what it calls, measures and writes; that a stopped run goes on as if it had not been stopped."""
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import toy

from tinycnn import nn, optim
from tinycnn.training import Checkpoint, CSVLog, fit, read_log

STEPS = 7  # of the toy, per epoch


def whole(tmp_path, epochs=4):
    return toy.run(tmp_path / "whole", epochs)[0]


def same(one, two):
    np.testing.assert_array_equal(one.w, two.w)
    np.testing.assert_array_equal(one.v, two.v)


def test_rows_and_log(tmp_path):
    losses = iter([1.0, 2.0, 6.0, 3.0])
    rows = fit(lambda x, y: next(losses), [(0, [0, 0]), (0, [0])], 2, evaluate=lambda: {"accuracy": 0.5},
               schedule=toy.Schedule(), log=tmp_path / "new" / "log.csv", progress=False)
    assert [row["loss"] for row in rows] == [4 / 3, 5.0]  # weighted by the size of the batch
    assert [list(row) for row in rows] == [["epoch", "loss", "lr", "accuracy", "seconds"]] * 2
    assert [row["lr"] for row in rows] == [1 / 2, 1 / 4]
    assert read_log(tmp_path / "new" / "log.csv") == rows


def test_averages_follow_each_step_and_are_evaluated(tmp_path):
    model = nn.Linear(1, 1, bias=False)
    model.weight.data[...] = 0.0
    ema = optim.ExponentialMovingAverage(model, decay=0.5)

    def step(x, y):
        model.weight.data[...] += 1.0
        return 0.0
    rows = fit(step, [(0, [0]), (0, [0])], 2, ema=ema, evaluate=lambda: {"weight": model.weight.item()}, progress=False)
    assert [row["weight"] for row in rows] == [1.25, 3.0625]  # ((0 + 1) / 2 + 2) / 2, and so on
    assert model.weight.item() == 4.0
    assert ema.updates == 4


def test_loader_is_told_the_epoch():
    epochs = []

    class Told:
        epoch = 17

        def __iter__(self):
            epochs.append(self.epoch)
            return iter([(0, [0])])
    fit(lambda x, y: 0.0, Told(), 3, progress=False)
    assert epochs == [0, 1, 2]


class Stop(Exception):
    pass


def stop_at(number, value=None):
    """A step that fails at its call of that number (from 1), or gives a value there."""
    def make(toy):
        calls = 0

        def step(x, y):
            nonlocal calls
            calls += 1
            if calls == number:
                if value is None:
                    raise Stop
                return value
            return toy.step(x, y)
        return step
    return make


@pytest.mark.parametrize("calls", [3, STEPS, STEPS + 1, 2 * STEPS + 4])
def test_resumed_after_an_exception_same_bits(tmp_path, calls):
    with pytest.raises(Stop):
        toy.run(tmp_path / "stopped", 4, stop_at(calls))
    resumed, rows = toy.run(tmp_path / "stopped", 4)
    assert [row["epoch"] for row in rows] == list(range(1 + (calls - 1) // STEPS, 5))
    same(resumed, whole(tmp_path))
    logs = [[(row["epoch"], row["loss"], row["lr"]) for row in read_log(tmp_path / run / "log.csv")]
            for run in ("stopped", "whole")]
    assert logs[0] == logs[1]


@pytest.mark.parametrize("moment", ["in the log", "after the log", "in the checkpoint"])
def test_resumed_after_a_stop_between_epochs_same_bits(tmp_path, monkeypatch, moment):
    """The moments at which the files are half written: the second epoch's log row, then its checkpoint."""
    def torn_write(self, row, write=CSVLog.write):
        if row["epoch"] == 2:
            with open(self.path, "a") as file:
                file.write("2,0.12")
            raise Stop
        write(self, row)

    def no_save(self, epoch, save=Checkpoint.save):
        if epoch == 2:
            raise Stop
        save(self, epoch)

    def torn_replace(source, target, replace=os.replace):
        if Path(target).exists():
            raise Stop
        replace(source, target)
    with monkeypatch.context() as patch:
        patch.setattr(*{"in the log": (CSVLog, "write", torn_write), "after the log": (Checkpoint, "save", no_save),
                        "in the checkpoint": (os, "replace", torn_replace)}[moment])
        with pytest.raises(Stop):
            toy.run(tmp_path / "stopped", 4)
    resumed, _ = toy.run(tmp_path / "stopped", 4)
    same(resumed, whole(tmp_path))
    assert [row["epoch"] for row in read_log(tmp_path / "stopped" / "log.csv")] == [1, 2, 3, 4]


@pytest.mark.parametrize("steps", [2 * STEPS + 3, STEPS])
def test_resumed_after_kill_same_bits(tmp_path, steps):
    """SIGKILL in the third epoch, and about the end of the first."""
    victim = subprocess.Popen([sys.executable, toy.__file__, str(tmp_path / "killed"), "4", "0.005"], text=True,
                              stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    for _ in range(steps):
        assert victim.stdout.readline() == "step\n"
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    victim.stdout.close()
    resumed, rows = toy.run(tmp_path / "killed", 4)
    assert 1 <= len(rows) <= 4
    same(resumed, whole(tmp_path))


def test_resuming_a_finished_run_runs_nothing(tmp_path):
    finished = whole(tmp_path)
    again, rows = toy.run(tmp_path / "whole", 4)
    assert rows == []
    same(again, finished)


def test_a_run_that_exists_is_not_overwritten(tmp_path):
    model = toy.Toy()
    checkpoint, log = Checkpoint(tmp_path / "checkpoint.npz", toy=model), tmp_path / "log.csv"
    fit(model.step, toy.make_loader(), 1, checkpoint=checkpoint, log=log, progress=False)
    before = checkpoint.path.read_bytes(), log.read_bytes()
    with pytest.raises(FileExistsError, match=r"checkpoint\.npz exists; resume=True"):
        fit(model.step, toy.make_loader(), 1, checkpoint=checkpoint, progress=False)
    with pytest.raises(FileExistsError, match=r"log\.csv exists"):
        fit(model.step, toy.make_loader(), 1, log=log, progress=False)
    assert (checkpoint.path.read_bytes(), log.read_bytes()) == before


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite(tmp_path, bad):
    toy.run(tmp_path, 1)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(FloatingPointError, match=rf"the loss is {bad} in epoch 2, step 3"):
        toy.run(tmp_path, 4, stop_at(3, bad))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_refuses():
    with pytest.raises(ValueError, match="resume=True needs a checkpoint"):
        fit(lambda x, y: 0.0, [(0, [0])], 1, resume=True)
    with pytest.raises(ValueError, match="no batches"):
        fit(lambda x, y: 0.0, [], 1, progress=False)
    with pytest.raises(ValueError, match="progress must be True, False or 'auto', got 'always'"):
        fit(lambda x, y: 0.0, [(0, [0])], 1, progress="always")


def test_bar_and_line(capsys):
    pytest.importorskip("tqdm", reason="tqdm is not installed: there is no bar to draw")
    fit(lambda x, y: 0.5, [(0, [0])] * 3, 2, progress=True)
    out, err = capsys.readouterr()
    assert "epoch 2/2" in err
    assert "0/3" in err
    assert [line.split()[:4] for line in out.splitlines()] == [
        ["epoch", f"{n}/2", "loss", "0.5"] for n in (1, 2)]


def test_without_a_terminal_only_lines(capsys):
    fit(lambda x, y: 0.5, [(0, [0])], 2)
    out, err = capsys.readouterr()
    assert (len(out.splitlines()), err) == (2, "")


def test_silent(capsys):
    fit(lambda x, y: 0.5, [(0, [0])], 2, progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_missing_tqdm_names_the_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ImportError, match=r'pip install "tinycnn\[train\]"'):
        fit(lambda x, y: 0.5, [(0, [0])], 1, progress=True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert fit(lambda x, y: 0.5, [(0, [0])], 1, progress="auto")[0]["loss"] == 0.5
    out, err = capsys.readouterr()
    assert "epoch 1/1" in out
    assert "tinycnn[train]" in err
