"""Files that `save` writes, and what NumPy and safetensors write."""

from __future__ import annotations

import os
import sys
import zipfile

import numpy as np
import pytest
import torch_writer as tw
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinycnn.serialize import CheckpointError, load, save

# .npz

NUMBERS = hnp.arrays(
    dtype=st.sampled_from(
        ["?", "i1", "<i2", "<i4", "<i8", "u1", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16", ">f4", ">i8"]
    ),
    shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@given(state=st.dictionaries(NAMES, NUMBERS, max_size=4))
def test_npz_round_trip(tmp_path_factory, state):
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    save(state, path)
    loaded = load(path)
    assert list(loaded) == list(state)
    for name, array in state.items():
        assert tw.same(loaded[name], array.astype(array.dtype.newbyteorder("=")))


@pytest.mark.parametrize(
    "key", ["conv.0.weight", "a/b/c", "/a", "../a", "file", "arr_0", "x.npy", "", "ключ", "a b", "a/"]
)
def test_npz_keeps_awkward_names(tmp_path, key):
    save({key: [1, 2]}, tmp_path / "a.npz")
    assert list(load(tmp_path / "a.npz")) == [key]
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        assert archive[key].tolist() == [1, 2]


@pytest.mark.parametrize("savez", [np.savez, np.savez_compressed])
def test_reads_what_numpy_writes(tmp_path, savez):
    arrays = {
        "fortran": np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)),
        "scalar": np.array(3, np.int16),
        "none": np.zeros((3, 0)),
        "mask": np.array([True, False]),
        "strided": np.arange(10)[::3],
    }
    savez(tmp_path / "a.npz", **arrays)
    loaded = load(tmp_path / "a.npz")
    for name, array in arrays.items():
        assert tw.same(loaded[name], np.array(array, order="C"))
        assert loaded[name].flags.c_contiguous
        assert loaded[name].flags.writeable


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_header_version(tmp_path, version):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive, archive.open("w.npy", "w") as member:
        np.lib.format.write_array(member, np.arange(3), version)
    assert load(path)["w"].tolist() == [0, 1, 2]


def test_save_takes_tensors_lists_and_numbers(tmp_path):
    class Tensor:
        def numpy(self):
            return np.ones((2, 2), np.float32)

    save({"tensor": Tensor(), "list": [1, 2], "number": 0.5}, tmp_path / "a.npz")
    loaded = load(tmp_path / "a.npz")
    assert loaded["tensor"].dtype == np.float32
    assert loaded["list"].tolist() == [1, 2]
    assert loaded["number"].shape == ()


def test_saving_twice_gives_the_same_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        save({"w": np.arange(5)}, tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize(
    ("state", "suffix", "message"),
    [
        ({"w": np.array([object()])}, ".npz", "'w' is an array of object"),
        ({"w": [[1], [2, 3]]}, ".npz", "'w' is not an array"),
        ({"w": "text"}, ".npz", "only numbers and bool"),
        ({"w": np.zeros(1, "M8[s]")}, ".npz", "datetime64"),
        ({"w": np.zeros(1, [("a", "f4")])}, ".npz", "only numbers and bool"),
        ({3: 1}, ".npz", "3 cannot name an array"),
        ({"a\0b": 1}, ".npz", "cannot name an array"),
        ({"\ud800": 1}, ".npz", "cannot name an array"),
        ({"x" * 70_000: 1}, ".npz", "cannot name an array"),
        ({"w": 1}, ".pth", "read but not written"),
        ({"w": 1}, ".pt", "read but not written"),
        ({"w": 1}, ".bin", "cannot tell the format from the suffix '.bin'"),
    ],
)
def test_a_refused_save_leaves_the_old_file(tmp_path, state, suffix, message):
    path = tmp_path / f"old{suffix}"
    path.write_bytes(b"old")
    with pytest.raises(CheckpointError, match=message):
        save(state, path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == [path.name]


def test_a_save_that_fails_half_way_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    save({"w": 1}, path)

    def fail(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(np.lib.format, "write_array", fail)
    with pytest.raises(KeyboardInterrupt):
        save({"w": 2}, path)
    assert load(path)["w"] == 1
    assert os.listdir(tmp_path) == ["a.npz"]


def test_save_follows_symbolic_links_and_keeps_usual_permissions(tmp_path):
    (tmp_path / "link.npz").symlink_to(tmp_path / "real")
    save({"w": 1}, tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink()
    assert load(tmp_path / "real")["w"] == 1
    (tmp_path / "plain").touch()
    assert (tmp_path / "real").stat().st_mode == (tmp_path / "plain").stat().st_mode


# .safetensors


def test_safetensors_round_trip(tmp_path):
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    path = tmp_path / "a.safetensors"
    state = {
        "b": np.arange(6.0).reshape(2, 3).T,
        "a.x": np.array([True, False]),
        "c": np.array(3, ">i4"),
        "d": np.zeros((0, 2)),
    }
    save(state, path)
    loaded = load(path.rename(tmp_path / "a.bin"))
    assert set(loaded) == set(state)
    for name, array in state.items():
        assert tw.same(loaded[name], np.array(array, array.dtype.newbyteorder("="), order="C"))


def test_safetensors_widens_bfloat16(tmp_path):
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    header = b'{"w":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    data = len(header).to_bytes(8, "little") + header + np.array([0x3F80, 0xC000], "<u2").tobytes()
    assert load(tw.put(tmp_path, data))["w"].tolist() == [1, -2]


@pytest.mark.parametrize(
    ("header", "data", "message"),
    [
        (b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', bytes(4), "damaged .safetensors"),
        (b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', b"", "damaged .safetensors"),
        (b'{"w":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}', bytes(1), "element type 'F8_E4M3'"),
        (b'{"w":', b"", "damaged .safetensors"),
    ],
)
def test_damaged_safetensors(tmp_path, header, data, message):
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    with pytest.raises(CheckpointError, match=message):
        load(tw.put(tmp_path, len(header).to_bytes(8, "little") + header + data))


def test_a_missing_safetensors_library_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    for action in (
        lambda: load(tw.put(tmp_path, len(header).to_bytes(8, "little") + header + bytes(4))),
        lambda: save({"w": 1}, tmp_path / "a.safetensors"),
    ):
        with pytest.raises(ImportError, match=r"tinycnn\[safetensors\]"):
            action()
    assert not (tmp_path / "a.safetensors").exists()
