"""Checkpoint: everything comes back; what is broken, foreign or of another run is refused."""
import os

import numpy as np
import pytest

from tinycnn import random
from tinycnn.serialize import CheckpointError, load, save
from tinycnn.training import Checkpoint


class Part:
    def __init__(self, state=None):
        self.state = state

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        self.state = state


STATE = {"conv.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "scalar": np.array(2.5), "none": None,
         "empty": np.zeros((0, 3)), "groups": [{"lr": 0.1, "nesterov": True, "params": [0, 1]}], "name": "sgd",
         "labels": np.arange(3), "mask": np.array([True, False]), "numpy": np.float32(0.5), "large": 2**100}


def test_round_trip(tmp_path):
    Checkpoint(tmp_path / "new" / "c.npz", part=Part(STATE), other=Part({})).save(5)
    part, other = Part(), Part()
    assert Checkpoint(tmp_path / "new" / "c.npz", part=part, other=other).load() == 5
    assert other.state == {}
    assert part.state.keys() == STATE.keys()
    for name, value in STATE.items():
        if isinstance(value, np.ndarray):
            assert part.state[name].dtype == value.dtype
            np.testing.assert_array_equal(part.state[name], value)
        else:
            assert part.state[name] == value


def test_arrays_lie_under_their_names(tmp_path):
    Checkpoint(tmp_path / "c.npz", model=Part({"fc.weight": np.ones(2)})).save(1)
    np.testing.assert_array_equal(load(tmp_path / "c.npz")["model/fc.weight"], np.ones(2))


def test_integer_keys_become_text(tmp_path):
    Checkpoint(tmp_path / "c.npz", part=Part({"state": {0: {"v": np.ones(2)}}})).save(1)
    part = Part()
    Checkpoint(tmp_path / "c.npz", part=part).load()
    np.testing.assert_array_equal(part.state["state"]["0"]["v"], np.ones(2))


def test_randomness_comes_back(tmp_path):
    random.manual_seed(7)
    random.generator().random(3)
    random.next_draw()
    checkpoint = Checkpoint(tmp_path / "c.npz")
    checkpoint.save(1)
    expected = random.generator().random(), random.next_draw()
    random.manual_seed(8)
    checkpoint.load()
    assert (random.generator().random(), random.next_draw()) == expected


@pytest.mark.parametrize("value", [object(), b"bytes", {(1, 2): 3}, {"array": "path"}, np.array(["text"], object)],
                         ids=["object", "bytes", "tuple key", "reference", "object array"])
def test_what_cannot_be_saved(tmp_path, value):
    checkpoint = Checkpoint(tmp_path / "c.npz", part=Part({"good": 1}))
    checkpoint.save(1)
    before = checkpoint.path.read_bytes()
    with pytest.raises((TypeError, CheckpointError), match=r"part/wrong"):
        Checkpoint(tmp_path / "c.npz", part=Part({"wrong": value})).save(2)
    assert checkpoint.path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [checkpoint.path]


def test_a_failed_save_keeps_the_last_one(tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path / "c.npz", part=Part({"w": np.ones(3)}))
    checkpoint.save(1)

    def full(*_):
        raise OSError(28, "No space left on device")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="No space"):
            checkpoint.save(2)
    assert checkpoint.load() == 1
    assert list(tmp_path.iterdir()) == [checkpoint.path]


def test_broken_files(tmp_path):
    checkpoint = Checkpoint(tmp_path / "c.npz", part=Part({"w": np.ones(30)}))
    with pytest.raises(FileNotFoundError):
        checkpoint.load()
    checkpoint.save(1)
    data = checkpoint.path.read_bytes()
    for broken in (b"", b"junk", data[:100], data[:-30], data.replace(b"\xf0?", b"\xf1?", 1)):
        checkpoint.path.write_bytes(broken)
        with pytest.raises(CheckpointError, match=r"c\.npz"):
            checkpoint.load()


def text(value: bytes):
    return np.frombuffer(value, np.uint8)


@pytest.mark.parametrize("arrays", [
    {"fc.weight": np.ones(2)}, {"state": np.ones(2)}, {"state": text(b"{}")}, {"state": text(b"[1]")},
    {"state": text(b'{"format": "x", "version": 1, "parts": {}, "settings": {}}')},
    {"state": text(b'{"format": "tinycnn training checkpoint", "version": 2, "parts": {}, "settings": {}}')}])
def test_foreign_files(tmp_path, arrays):
    save(arrays, tmp_path / "c.npz")
    with pytest.raises(CheckpointError, match=r"c\.npz: not a training checkpoint"):
        Checkpoint(tmp_path / "c.npz").load()


def test_an_array_is_missing(tmp_path):
    checkpoint = Checkpoint(tmp_path / "c.npz", part=Part({"w": np.ones(2)}))
    checkpoint.save(1)
    arrays = load(checkpoint.path)
    del arrays["part/w"]
    save(arrays, checkpoint.path)
    with pytest.raises(CheckpointError, match=r"incomplete.*part/w"):
        checkpoint.load()


def test_other_parts_and_settings(tmp_path):
    path = tmp_path / "c.npz"
    Checkpoint(path, {"epochs": 5, "lr": 0.1, "shape": (1, 2)}, model=Part({})).save(1)
    assert Checkpoint(path, {"epochs": 5, "lr": 0.1, "shape": (1, 2)}, model=Part()).load() == 1
    with pytest.raises(CheckpointError, match=r"epochs=5 \(now 6\), seed=None \(now 1\)"):
        Checkpoint(path, {"epochs": 6, "lr": 0.1, "shape": (1, 2), "seed": 1}, model=Part()).load()
    with pytest.raises(CheckpointError, match=r"holds the state of \['model'\], expected \['model', 'optimizer'\]"):
        Checkpoint(path, model=Part(), optimizer=Part()).load()
