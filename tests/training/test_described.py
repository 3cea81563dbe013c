"""Files that say what network they are of."""
import json

import numpy as np
import pytest

import tinycnn
from tinycnn.data.tasks import View
from tinycnn.models import create_model, load_weights
from tinycnn.serialize import CheckpointError
from tinycnn.training.described import Described, save_described

ABOUT = Described("mobilenetv1_025", {"stem_stride": 1}, ["a", "b"], View(28, 3, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)))


@pytest.fixture
def model():
    return create_model("mobilenetv1_025", num_classes=2)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_what_is_written_is_read(model, tmp_path, suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed: its files are not written")
    path = tmp_path / f"net{suffix}"
    save_described(path, model.state_dict(), ABOUT, {"more": [1]})
    assert Described.of(path) == ABOUT
    other = create_model("mobilenetv1_025", num_classes=2)
    load_weights(other, path)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], value)


def test_the_file_goes_before_what_lies_beside(model, tmp_path):
    tinycnn.save(model.state_dict(), tmp_path / "net.npz")
    assert Described.of(tmp_path / "net.npz") is None
    (tmp_path / "network.json").write_text(json.dumps({**ABOUT.document(), "model": "beside"}))
    assert Described.of(tmp_path / "net.npz").model == "beside"
    save_described(tmp_path / "net.npz", model.state_dict(), ABOUT, {})
    assert Described.of(tmp_path / "net.npz") == ABOUT


@pytest.mark.parametrize("text", [b"", b"\xff", b"[]", b"{}", b'{"model": "a", "options": {}, "view": 3}'])
def test_other_texts_are_refused(tmp_path, text):
    with pytest.raises(CheckpointError, match=r"net\.npz: not a description of a network"):
        Described.read(text, tmp_path / "net.npz")
