"""What sound torch files hold must come out exactly, whether torch is installed or not: the files are made by hand."""

from __future__ import annotations

import collections
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch_writer as tw

from tinycnn import serialize
from tinycnn.serialize import CheckpointError, StateDict, load, load_object

STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
    "ComplexFloatStorage": "<c8",
    "ComplexDoubleStorage": "<c16",
}


@pytest.fixture(params=["zip", "stream"])
def write(request, tmp_path):
    """Writes an object's code and its storages {key: array or bytes} in one of torch's formats; returns the path."""

    def write(code: bytes, storages: dict[str, np.ndarray] | None = None) -> Path:
        path = tmp_path / "weights.bin"  # the suffix must not matter
        arrays = storages or {}
        if request.param == "zip":
            path.write_bytes(tw.zip_file(code, {key: array.tobytes() for key, array in arrays.items()}))
        else:
            path.write_bytes(tw.stream_file(code, [(key, a.size, a.tobytes()) for key, a in arrays.items()]))
        return path

    return write


@pytest.mark.parametrize("kind", STORAGES)
def test_every_storage_type_keeps_type_and_bits(write, kind):
    values = np.array([0, 1, 2, 100, 7, 0]).astype(STORAGES[kind])
    path = write(tw.ordered({"w": tw.tensor(tw.storage("0", 6, kind), (2, 3))}), {"0": values})
    array = load(path)["w"]
    assert tw.same(array, values.reshape(2, 3))
    assert array.flags.writeable
    assert array.flags.c_contiguous


def test_bfloat16_widens_exactly(write):
    # 1, -2, the smallest subnormal, the largest finite value, infinity, a NaN
    halves = np.array([0x3F80, 0xC000, 0x0001, 0x7F7F, 0x7F80, 0x7FC1], "<u2")
    array = load(write(tw.ordered({"w": tw.tensor(tw.storage("0", 6, "BFloat16Storage"), (6,))}), {"0": halves}))["w"]
    assert array.dtype == np.float32
    assert array.view(np.uint32).tolist() == [half << 16 for half in halves.tolist()]
    assert array[:2].tolist() == [1.0, -2.0]


def test_any_nonzero_byte_is_true(write):
    code = tw.ordered({"w": tw.tensor(tw.storage("0", 4, "BoolStorage"), (4,))})
    array = load(write(code, {"0": np.array([0, 1, 2, 255], np.uint8)}))["w"]
    assert array.view(np.uint8).tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [
        ((), (), 0),
        ((), (), 11),
        ((0,), (1,), 0),
        ((2, 0, 3), (3, 3, 1), 12),
        ((3, 4), (4, 1), 0),
        ((4, 3), (1, 4), 0),  # transposed
        ((2, 2), (8, 2), 1),  # every second column of every second row
        ((5, 3), (0, 1), 2),  # expanded
        ((1, 3), (10**9, 2), 0),  # torch leaves any stride on an axis of one element
    ],
)
def test_views_follow_offset_and_strides(write, size, stride, offset):
    flat = np.arange(12, dtype="<f4")
    array = load(write(tw.ordered({"w": tw.tensor(tw.storage("0", 12), size, stride, offset)}), {"0": flat}))["w"]
    expected = np.zeros(size, np.float32)
    for index in np.ndindex(*size):
        expected[index] = flat[offset + sum(i * s for i, s in zip(index, stride))]
    assert tw.same(array, expected)
    assert array.flags.c_contiguous


def test_tensors_sharing_a_storage_come_out_independent(write):
    shared = tw.storage("0", 6)
    code = tw.ordered({"a": tw.tensor(shared, (6,)), "b": tw.tensor(shared, (2, 2), offset=2)})
    state = load(write(code, {"0": np.arange(6, dtype="<f4")}))
    state["a"][:] = -1
    assert state["b"].tolist() == [[2, 3], [4, 5]]


def test_metadata_of_a_state_dict_is_kept(write):
    metadata = tw.ordered({"": tw.dict_of({"version": tw.number(1)}), "bn": tw.dict_of({"version": tw.number(2)})})
    state = load(write(tw.ordered({"w": tw.tensor(tw.storage("0", 1), (1,))}, metadata), {"0": np.ones(1, "<f4")}))
    assert state.metadata == {"": {"version": 1}, "bn": {"version": 2}}
    assert list(state) == ["w"]


def test_names_that_real_checkpoints_use(write):
    plain = tw.tensor(tw.storage("0", 2), (2,))
    hooks = tw.call(tw.name("collections", "OrderedDict"))
    typed = tw.call(
        tw.name("torch._tensor", "_rebuild_from_type_v2"),
        tw.name("torch._utils", "_rebuild_tensor_v2"),
        tw.name("torch.nn.parameter", "Buffer"),
        tw.tuple_of(
            tw.storage("0", 2), tw.number(0), tw.tuple_of(tw.number(2)), tw.tuple_of(tw.number(1)), tw.FALSE, hooks
        ),
        tw.dict_of({"persistent": tw.TRUE}),
    )
    code = tw.dict_of(
        {
            "parameter": tw.call(tw.name("torch._utils", "_rebuild_parameter"), plain, tw.TRUE, hooks),
            "buffer": typed,
            "old": tw.call(
                tw.name("torch._utils", "_rebuild_tensor"),
                *(tw.storage("0", 2), tw.number(1), tw.tuple_of(tw.number(1)), tw.tuple_of(tw.number(1))),
            ),
            "flags": tw.tensor(tw.storage("0", 2), (2,), None, 0, tw.EMPTY_DICT),
            "size": tw.call(tw.name("torch", "Size"), tw.tuple_of(tw.number(3), tw.number(4))),
            "device": tw.call(tw.name("torch", "device"), tw.text("cuda"), tw.number(1)),
            "type": tw.name("torch", "float16"),
            "milestones": tw.call(tw.name("collections", "Counter"), b"}" + tw.number(30) + tw.number(1) + b"s"),
        }
    )
    found = load_object(write(code, {"0": np.array([1, 2], "<f4")}))
    assert {key: value.tolist() for key, value in found.items() if isinstance(value, np.ndarray)} == {
        "parameter": [1, 2],
        "buffer": [1, 2],
        "old": [2],
        "flags": [1, 2],
    }
    rest = {key: value for key, value in found.items() if not isinstance(value, np.ndarray)}
    assert rest == {"size": (3, 4), "device": "cuda:1", "type": "torch.float16", "milestones": {30: 1}}


@pytest.mark.parametrize("name", ["uint16", "uint32", "uint64", "float64", "bfloat16"])
def test_untyped_storages_take_the_tensors_type(tmp_path, name):
    stored = np.dtype("<u2") if name == "bfloat16" else np.dtype(name)
    values = np.arange(1, 5).astype(stored)
    code = tw.call(
        tw.name("torch._utils", "_rebuild_tensor_v3"),
        tw.storage("0", values.nbytes, "UntypedStorage", module="torch.storage"),
        *(
            tw.number(1),
            tw.tuple_of(tw.number(3)),
            tw.tuple_of(tw.number(1)),
            tw.FALSE,
            tw.NONE,
            tw.name("torch", name),
        ),
    )
    array = load(tw.put(tmp_path, tw.zip_file(tw.ordered({"w": code}), {"0": values.tobytes()})))["w"]
    expected = (values[1:].astype(np.uint32) << 16).view(np.float32) if name == "bfloat16" else values[1:]
    assert tw.same(array, expected)


def test_a_python_2_checkpoint(tmp_path):
    def string(value: str) -> bytes:
        return b"U" + bytes([len(value)]) + value.encode()

    storage = tw.tuple_of(string("storage"), tw.name("torch", "FloatStorage"), string("7"), string("cpu"), tw.number(2))
    tensor = tw.tensor(storage[:-1] + tw.NONE + b"tQ", (2,))
    code = tw.call(tw.name("collections", "OrderedDict"), tw.list_of(tw.list_of(string("w"), tensor)))
    head = tw.stream_head(code) + tw.program(tw.list_of(string("7")))
    state = load(tw.put(tmp_path, head + (2).to_bytes(8, "little") + np.array([3, 4], "<f4").tobytes()))
    assert state["w"].tolist() == [3, 4]


def test_storage_views_of_the_oldest_files(tmp_path):
    view = tw.tuple_of(tw.text("view"), tw.number(2), tw.number(3))
    code = tw.ordered({"w": tw.tensor(tw.storage("0", 6, view=view), (2,), offset=1)})
    data = tw.stream_file(code, [("0", 6, np.arange(6, dtype="<f4").tobytes())])
    assert load(tw.put(tmp_path, data))["w"].tolist() == [3, 4]


def test_big_endian_archives(tmp_path):
    code = tw.ordered(
        {"w": tw.tensor(tw.storage("0", 2), (2,)), "h": tw.tensor(tw.storage("1", 1, "BFloat16Storage"), ())}
    )
    blocks = {"0": np.array([1, 2], ">f4").tobytes(), "1": np.array([0x3F80], ">u2").tobytes()}
    state = load(tw.put(tmp_path, tw.zip_file(code, blocks, byteorder=b"big")))
    assert tw.same(state["w"], np.array([1, 2], np.float32))
    assert state["h"] == 1


def test_deflated_archives(tmp_path):
    members = {
        "x/data.pkl": tw.program(tw.ordered({"w": tw.tensor(tw.storage("0", 3), (3,))})),
        "x/data/0": np.arange(3, dtype="<f4").tobytes(),
    }
    path = tw.put(tmp_path, tw.zip_of(members.items(), zipfile.ZIP_DEFLATED))
    assert load(path)["w"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_plain_values_under_every_protocol(tmp_path, protocol):
    value = {
        "epoch": 3,
        "negative": -70000,
        "large": 1 << 100,
        "loss": 0.25,
        "best": None,
        "flags": [True, False],
        "betas": (0.9, 0.999),
        "one": (1,),
        "three": (1, 2, 3),
        "name": "größe" * 100,
        "blob": b"\x00\xff" * 200,
        "state": {0: {"step": 2}, 140212345678901: []},
        "ordered": collections.OrderedDict(a=1),
        "array": np.arange(6, dtype=np.float32).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "big_endian": np.arange(3, dtype=">i4"),
        "empty": np.zeros((0, 3)),
        "mask": np.array([True, False]),
        "scalar": np.float64(0.5),
    }
    data = tw.zip_of([("a/data.pkl", pickle.dumps(value, protocol))])
    found = load_object(tw.put(tmp_path, data))
    for key in ("array", "fortran", "big_endian", "empty", "mask", "scalar"):
        expected = value.pop(key)
        array = found.pop(key)
        np.testing.assert_array_equal(array, expected)
        assert array.dtype == expected.dtype.newbyteorder("=")
        assert key == "scalar" or array.flags.writeable
    assert found == value
    assert type(found["ordered"]) is StateDict


def test_numpy_arrays_from_shared_bytes_do_not_alias(tmp_path):
    data = pickle.dumps([np.zeros(2, np.uint8), 0], 2)
    array_code = data[data.index(b"c") : data.rindex(b"K\x00")]
    both = b"](" + array_code + array_code + b"e"
    first, second = load_object(tw.put(tmp_path, tw.zip_file(both)))
    first[:] = 9
    assert second.tolist() == [0, 0]


WEIGHTS = tw.ordered({"w": tw.tensor(tw.storage("0", 1), (1,))})
ONE = {"0": np.ones(1, "<f4")}


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "net", "model_ema"])
def test_a_training_checkpoint_gives_its_only_state_dict(write, key):
    path = write(tw.dict_of({"epoch": tw.number(3), key: WEIGHTS, "optimizer": tw.EMPTY_LIST}), ONE)
    assert load(path)["w"] == 1
    assert load_object(path)["epoch"] == 3


def test_key_chooses_among_state_dicts(write):
    path = write(tw.dict_of({"model": WEIGHTS, "model_ema": WEIGHTS, "mine": WEIGHTS}), ONE)
    with pytest.raises(CheckpointError, match=r"several state dicts, under model, model_ema; choose one with key="):
        load(path)
    assert load(path, key="mine")["w"] == 1
    with pytest.raises(
        CheckpointError, match=r"under key 'other': its top-level keys are 'model', 'model_ema', 'mine'"
    ):
        load(path, key="other")


def test_other_checkpoints_are_refused_by_their_keys(write):
    path = write(tw.dict_of({"epoch": tw.number(3), "weights": WEIGHTS}), ONE)
    with pytest.raises(CheckpointError, match=r"weights\.bin: holds no state dict .* keys are 'epoch', 'weights'"):
        load(path)
    with pytest.raises(CheckpointError, match="its top object is a list"):
        load(write(tw.EMPTY_LIST))


def test_a_missing_file_is_reported_as_such(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing.npz")


def test_reading_imports_neither_torch_nor_anything_named_by_a_file(tmp_path):
    path = tw.put(tmp_path, tw.zip_file(WEIGHTS, {"0": bytes(4)}))
    script = (
        "import sys; from tinycnn.serialize import load; load(sys.argv[1]); "
        "print([name for name in ('torch', 'torch._utils', 'safetensors') if name in sys.modules])"
    )
    root = Path(serialize.__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, cwd=root, check=True, timeout=60
    )
    assert result.stdout.strip() == "[]"
