"""Weights from files and packages: found, renamed, checked, refused."""
import dataclasses
import logging

import numpy as np
import pytest
from model_oracles import oracle

from tinycnn import models, no_grad, serialize
from tinycnn.models import weights as module
from tinycnn.serialize import CheckpointError

KNOWN = sorted(models.WEIGHTS)


@pytest.fixture
def small():
    return models.create_model("shufflenet_v2_x0_5", num_classes=3)


def installed(name):
    """The file of the known weights, or a skip that says how to get it."""
    try:
        return models.WEIGHTS[name].path()
    except models.WeightsNotFound as error:
        pytest.skip(str(error))


def picture():
    """An image-like input (1, 3, 224, 224): patches with edges, a ramp, a little noise, as normalised pixels."""
    rng = np.random.default_rng(0)
    patches = np.kron(rng.uniform(-1, 1, (3, 7, 7)), np.ones((32, 32)))
    ramp = np.linspace(-1, 1, 224)
    return (patches + ramp + 0.1 * rng.standard_normal((3, 224, 224)))[None].astype(np.float32)


@pytest.fixture(params=KNOWN)
def name(request):
    return request.param


def test_real_weights_fill_every_value(name):
    installed(name)
    model, fresh = models.create_model(name, pretrained=True), models.create_model(name)
    before = fresh.state_dict()
    assert all((value != before[key]).any() for key, value in model.state_dict().items() if value.ndim)


def test_real_weights_give_the_oracles_logits(name, torch):
    installed(name)
    ours, theirs = models.create_model(name, pretrained=True).eval(), oracle(name).to_empty(device="cpu").eval()
    theirs.load_state_dict({key: torch.as_tensor(value) for key, value in ours.state_dict().items()})
    x = picture()
    with no_grad(), torch.no_grad():
        got, want = ours(x).numpy(), theirs(torch.tensor(x)).numpy()
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-4 * np.abs(want).max())
    assert got.argmax() == want.argmax()


def test_other_classes_keep_their_own_classifier(name):
    installed(name)
    ten = models.create_model(name, pretrained=True, num_classes=10).state_dict()
    full = models.create_model(name, pretrained=True).state_dict()
    differing = {key for key in full if full[key].shape != ten[key].shape or (full[key] != ten[key]).any()}
    assert {key.split(".")[0] for key in differing} == {"classifier"}


def test_feature_maps_are_of_the_real_weights(name):
    installed(name)
    trunk = models.create_model(name, pretrained=True, features_only=True).state_dict()
    full = models.create_model(name, pretrained=True).state_dict()
    assert all((full[key] == value).all() for key, value in trunk.items())


def test_licence_and_source_are_logged(name, caplog):
    installed(name)
    with caplog.at_level(logging.INFO, logger="tinycnn"):
        models.create_model(name, pretrained=True)
    assert models.WEIGHTS[name].licence in caplog.text
    assert models.WEIGHTS[name].source in caplog.text


def test_the_package_is_found_without_being_imported(name):
    import sys
    installed(name)
    assert models.WEIGHTS[name].package not in sys.modules


def test_a_missing_package_names_the_command(name, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda package: None)
    with pytest.raises(models.WeightsNotFound, match=models.WEIGHTS[name].install):
        models.create_model(name, pretrained=True)


def test_a_network_without_known_weights_says_which_have_some():
    with pytest.raises(models.WeightsNotFound, match=r"shufflenet_v2_x0_5; they are for efficientnet_lite0, mobile"):
        models.create_model("shufflenet_v2_x0_5", pretrained=True)


def test_a_changed_file_is_refused(name, tmp_path, monkeypatch):
    content = bytearray(installed(name).read_bytes())
    content[len(content) // 2] ^= 1
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    monkeypatch.setattr(module.Weights, "path", lambda self: path)
    with pytest.raises(CheckpointError, match="expected " + models.WEIGHTS[name].sha256):
        models.create_model(name, pretrained=True)


def test_another_image_depth_does_not_fit(name):
    installed(name)
    with pytest.raises(CheckpointError, match=r"has shape \(32, 3, 3, 3\), expected \(32, 1, 3, 3\)"):
        models.create_model(name, pretrained=True, in_chans=1)


# ---------------------------------------------------------------- files of one's own
def test_published_files_load_under_their_own_names(name):
    path, model = installed(name), models.create_model(name)
    models.load_weights(model, path)
    first, theirs = (next(iter(state.values())) for state in (model.state_dict(), serialize.load(path)))
    np.testing.assert_array_equal(first, theirs)


def test_own_names_round_trip(small, tmp_path):
    path = tmp_path / "weights.npz"
    serialize.save(small.state_dict(), path)
    other = models.create_model("shufflenet_v2_x0_5", num_classes=3)
    models.load_weights(other, path)
    for key, value in other.state_dict().items():
        np.testing.assert_array_equal(value, small.state_dict()[key])


def test_weights_of_another_network_are_refused_in_one_line(small, tmp_path):
    path = tmp_path / "weights.npz"
    serialize.save(models.create_model("mobilenet_v2", num_classes=3).state_dict(), path)
    before = small.state_dict()
    with pytest.raises(CheckpointError) as caught:
        models.load_weights(small, path)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    assert str(path) in message
    assert "missing (338): conv1.0.weight, conv1.1.weight, conv1.1.bias, and 335 more" in message
    assert all((value == before[key]).all() for key, value in small.state_dict().items())


def test_no_weights_file_at_all(small, tmp_path):
    path = tmp_path / "notes.npz"
    path.write_text("not weights")
    with pytest.raises(CheckpointError, match=r"notes.npz"):
        models.load_weights(small, path)
    with pytest.raises(FileNotFoundError):
        models.load_weights(small, tmp_path / "absent.npz")


def test_efficientnet_names_cover_the_network_once():
    model = models.create_model("efficientnet_lite0")
    ours = list(module._efficientnet_pytorch(model).values())
    assert len(ours) == len(set(ours))
    assert {key.rpartition(".")[0] for key in model.state_dict()} == set(ours)


# ---------------------------------------------------------------- preprocessing
def test_preprocessing_of_the_lite_networks_is_127_and_128():
    p = models.preprocessing("efficientnet_lite0")
    np.testing.assert_allclose((np.array([0, 127, 255]) / 255 - p.mean[0]) / p.std[0], [-127 / 128, 0, 1])


def test_preprocessing_of_an_unknown_network_is_imagenets():
    assert models.preprocessing("shufflenet_v2_x1_0") == models.Preprocessing()
    assert dataclasses.asdict(models.preprocessing("mobilenet_v2"))["mean"] == (0.485, 0.456, 0.406)
