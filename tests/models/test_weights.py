"""Weights from files and packages: found, renamed, checked, refused."""
import dataclasses
import hashlib
import logging
import re

import numpy as np
import pytest
from model_oracles import oracle
from torchvision_oracle import import_torchvision

from tinycnn import models, no_grad, serialize
from tinycnn.models import published
from tinycnn.models import weights as module
from tinycnn.serialize import CheckpointError

REGISTERED = models.list_models()
KNOWN = sorted(name for name, weights in models.WEIGHTS.items() if weights.package and name in REGISTERED)
PUBLISHED = sorted(name for name in models.WEIGHTS if name in REGISTERED)
DETECTORS = models.list_models(task="detection")
OF_TORCHVISION = sorted(name for name, weights in models.WEIGHTS.items() if weights.url and name not in DETECTORS)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Nothing was downloaded before, and no mirror is named."""
    monkeypatch.setenv("TINYCNN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TINYCNN_MIRROR", raising=False)
    return tmp_path / "home"


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
    assert models.WEIGHTS[name].package.name not in sys.modules


def test_a_missing_package_names_the_command(name, monkeypatch):
    monkeypatch.setattr(published, "find_spec", lambda package: None)
    with pytest.raises(models.WeightsNotFound, match=models.WEIGHTS[name].package.install):
        models.create_model(name, pretrained=True)


def test_a_network_without_known_weights():
    assert "mobilenetv1_025" not in models.WEIGHTS
    with pytest.raises(models.WeightsNotFound, match="no weights are known for mobilenetv1_025"):
        models.create_model("mobilenetv1_025", pretrained=True)


def test_a_changed_file_is_refused(name, tmp_path, monkeypatch):
    content = bytearray(installed(name).read_bytes())
    content[len(content) // 2] ^= 1
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    monkeypatch.setattr(module.Weights, "path", lambda self, download: path)
    with pytest.raises(CheckpointError, match="expected " + models.WEIGHTS[name].sha256[:8]):
        models.create_model(name, pretrained=True)


def test_another_image_depth_does_not_fit(name):
    installed(name)
    with pytest.raises(CheckpointError, match=r"has shape \(32, 3, 3, 3\), expected \(32, 1, 3, 3\)"):
        models.create_model(name, pretrained=True, in_chans=1)


# ---------------------------------------------------------------- records
@pytest.mark.parametrize("name", sorted(models.WEIGHTS))
def test_records_say_what_is_needed(name):
    weights = models.WEIGHTS[name]
    assert re.fullmatch("[0-9a-f]{8,64}", weights.sha256)
    if name in DETECTORS:
        assert len(weights.sha256) == 64
        assert weights.num_classes == models.create_model(name).num_classes
    else:
        assert weights.file.endswith((f"-{weights.sha256[:8]}.pth", f"-{weights.sha256}.pth"))
        assert weights.num_classes == 1000
    assert weights.licence
    assert weights.source.startswith("https://")
    assert weights.preprocessing.crop <= weights.preprocessing.resize
    assert weights.url or weights.package
    assert weights.ways()


@pytest.mark.parametrize("name", OF_TORCHVISION)
def test_records_agree_with_torchvision(name):
    theirs = import_torchvision().models.get_model_weights(name)["IMAGENET1K_V1"]
    ours, view = models.WEIGHTS[name], theirs.transforms()
    assert ours.url == theirs.url
    p = ours.preprocessing
    assert (p.resize, p.crop, p.interpolation) == (*view.resize_size, *view.crop_size, view.interpolation.value)
    if p.mean != published.HALF:  # which torchvision's network does inside
        assert (p.mean, p.std) == (tuple(view.mean), tuple(view.std))


@pytest.mark.parametrize("name", PUBLISHED)
def test_missing_weights_say_how_to_get_them(name, monkeypatch):
    monkeypatch.setattr(published, "find_spec", lambda package: None)
    weights = models.WEIGHTS[name]
    with pytest.raises(models.WeightsNotFound) as caught:
        weights.path()
    assert all(way in str(caught.value) for way in weights.ways())


# ---------------------------------------------------------------- downloads
@pytest.fixture
def publisher(tmp_path, monkeypatch):
    """A record of the smallest network whose file a publisher on this disk has; the record, the file's values."""
    site = tmp_path / "site"
    site.mkdir()
    state = models.create_model("shufflenet_v2_x0_5").state_dict()
    serialize.save(state, site / "small.npz")
    digest = hashlib.sha256((site / "small.npz").read_bytes()).hexdigest()
    weights = models.Weights("small.npz", digest, "CC0", "https://publisher", url=(site / "small.npz").as_uri())
    monkeypatch.setitem(models.WEIGHTS, "shufflenet_v2_x0_5", weights)
    return weights, state


def same(model, state):
    return all((value == state[key]).all() for key, value in model.state_dict().items())


def test_a_download_is_only_made_when_asked_for_and_kept(publisher, home, tmp_path):
    _, state = publisher
    with pytest.raises(models.WeightsNotFound, match="download=True"):
        models.create_model("shufflenet_v2_x0_5", pretrained=True)
    assert not home.exists()
    assert same(models.create_model("shufflenet_v2_x0_5", pretrained=True, download=True), state)
    assert [path.name for path in (home / "weights").iterdir()] == ["small.npz"]
    (tmp_path / "site" / "small.npz").unlink()
    assert same(models.create_model("shufflenet_v2_x0_5", pretrained=True), state)


def test_a_mirror_takes_the_publishers_place(publisher, home, tmp_path, monkeypatch):
    weights, state = publisher
    monkeypatch.setitem(models.WEIGHTS, "shufflenet_v2_x0_5",
                        dataclasses.replace(weights, url="https://nowhere.invalid/models/small.npz"))
    monkeypatch.setenv("TINYCNN_MIRROR", (tmp_path / "site").as_uri() + "/")
    assert same(models.create_model("shufflenet_v2_x0_5", pretrained=True, download=True), state)


def test_offline_is_a_clear_error(publisher, home, tmp_path):
    (tmp_path / "site" / "small.npz").unlink()
    with pytest.raises(ConnectionError, match=r"small\.npz: cannot be downloaded"):
        models.create_model("shufflenet_v2_x0_5", pretrained=True, download=True)
    assert list((home / "weights").iterdir()) == []


def test_a_wrong_download_is_not_kept(publisher, home, tmp_path):
    (tmp_path / "site" / "small.npz").write_bytes(b"a login page")
    with pytest.raises(ValueError, match="SHA-256 checksum"):
        models.create_model("shufflenet_v2_x0_5", pretrained=True, download=True)
    assert list((home / "weights").iterdir()) == []


def test_auxiliary_heads_may_be_left_out(publisher, monkeypatch, tmp_path):
    """Of a file that has them and a network that has not; one that is of no record is refused."""
    weights, state = publisher
    path = tmp_path / "with.npz"
    serialize.save({**state, "aux1.fc.weight": np.ones(3)}, path)
    record = dataclasses.replace(weights, auxiliary=("aux1",), url=path.as_uri(), file="with.npz",
                                 sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setitem(models.WEIGHTS, "shufflenet_v2_x0_5", record)
    assert same(models.create_model("shufflenet_v2_x0_5", pretrained=True, download=True), state)
    monkeypatch.setitem(models.WEIGHTS, "shufflenet_v2_x0_5", dataclasses.replace(record, auxiliary=()))
    with pytest.raises(CheckpointError, match=r"unexpected \(1\): aux1.fc.weight"):
        models.create_model("shufflenet_v2_x0_5", pretrained=True)


# ---------------------------------------------------------------- detectors
SMALL_TINY = {"backbone": "mobilenetv1_025", "width": 0.0625}


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A YOLOv3-tiny of 80 classes, whose file takes the place of the known one."""
    net, path = models.create_model("yolov3_tiny", **SMALL_TINY), tmp_path / "tiny.weights"
    models.save_darknet(net, path)
    record = dataclasses.replace(models.WEIGHTS["yolov3_tiny"], url=path.as_uri(), file=path.name,
                                 sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setitem(models.WEIGHTS, "yolov3_tiny", record)
    models.create_model("yolov3_tiny", pretrained=True, download=True, **SMALL_TINY)
    return net


def test_a_detector_of_other_classes_keeps_its_own_heads(tiny, caplog):
    with caplog.at_level(logging.INFO, logger="tinycnn"):
        ten = models.create_model("yolov3_tiny", pretrained=True, num_classes=10, **SMALL_TINY)
    own, full = ten.state_dict(), tiny.state_dict()
    differing = {key for key in own if own[key].shape != full[key].shape or (own[key] != full[key]).any()}
    assert differing == {f"levels.{i}.out.{leaf}" for i in (0, 1) for leaf in ("weight", "bias")}
    assert own["levels.0.out.weight"].shape[0] == 3 * 15
    assert "of 80 classes, the network is of 10" in caplog.text
    assert "levels.1.out.bias" in caplog.text
    assert models.WEIGHTS["yolov3_tiny"].licence in caplog.text


def test_a_detector_whose_other_parts_differ_is_refused(tiny):
    with pytest.raises(CheckpointError, match="does not fit YOLOv3"):
        models.create_model("yolov3_tiny", pretrained=True, num_classes=10, **{**SMALL_TINY, "width": 0.125})
    with pytest.raises(CheckpointError, match="the weights are of 80 classes, the network is of 10"):
        module.load_pretrained(models.create_model("yolov3_tiny", num_classes=10, **SMALL_TINY), "yolov3_tiny")


# ---------------------------------------------------------------- files of one's own
def test_counters_that_old_files_lack_are_left(small, tmp_path):
    state = {key: value for key, value in small.state_dict().items() if "num_batches" not in key}
    serialize.save(state, tmp_path / "old.npz")
    models.load_weights(models.create_model("shufflenet_v2_x0_5", num_classes=3), tmp_path / "old.npz")
    state["conv1.1.num_batches_tracked"] = np.array(3)
    serialize.save(state, tmp_path / "partial.npz")
    with pytest.raises(CheckpointError, match="missing"):
        models.load_weights(small, tmp_path / "partial.npz")


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


def test_older_names_of_densenet_cover_what_they_should():
    if "densenet121" not in REGISTERED:
        pytest.skip("there is no densenet121")
    model = models.create_model("densenet121", num_classes=3)
    names = module._torchvision_densenet(model)
    assert names["features.denseblock1.denselayer2.norm.1"] == "features.denseblock1.denselayer2.norm1"
    assert len(names) == 4 * (6 + 12 + 24 + 16)  # two normalisations and two convolutions in each layer
    assert set(names.values()) <= {path for path, _ in model.named_modules()}


def test_feature_maps_of_a_part_of_the_trunk():
    installed("mobilenet_v2")
    part = models.create_model("mobilenet_v2", pretrained=True, features_only=True, out_indices=(0, 1)).state_dict()
    full = models.create_model("mobilenet_v2", pretrained=True).state_dict()
    assert part
    assert all((full[key] == value).all() for key, value in part.items())


def test_a_trunk_takes_a_classifiers_features(small, tmp_path):
    serialize.save(small.state_dict(), tmp_path / "small.npz")
    trunk = models.create_model("shufflenet_v2_x0_5", features_only=True, out_indices=(1, 3))
    module.load_features(trunk, tmp_path / "small.npz")
    x = picture()[..., :64, :64]
    whole = models.create_model("shufflenet_v2_x0_5", features_only=True)
    assert len(whole.state_dict()) > len(trunk.state_dict())
    taken = trunk.state_dict()
    assert all((taken[key] == value).all() for key, value in small.state_dict().items() if key in taken)
    assert [y.shape for y in trunk(x)] == [(1, 24, 16, 16), (1, 96, 4, 4)]
    other = models.create_model("shufflenet_v2_x1_0", features_only=True)
    before = {key: np.array(value) for key, value in other.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"small.npz: .*shape"):
        module.load_features(other, tmp_path / "small.npz")
    assert all((before[key] == value).all() for key, value in other.state_dict().items())


# ---------------------------------------------------------------- preprocessing
def test_preprocessing_of_the_lite_networks_is_127_and_128():
    p = models.preprocessing("efficientnet_lite0")
    np.testing.assert_allclose((np.array([0, 127, 255]) / 255 - p.mean[0]) / p.std[0], [-127 / 128, 0, 1])


def test_preprocessing_of_an_unknown_network_is_imagenets():
    assert models.preprocessing("shufflenet_v2_x1_0") == models.Preprocessing()
    assert dataclasses.asdict(models.preprocessing("mobilenet_v2"))["mean"] == (0.485, 0.456, 0.406)
