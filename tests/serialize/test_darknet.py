"""Darknet's files: networks there and back, what Darknet computes from them, and what is refused."""
import contextlib
import struct

import darknet_nets as D
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinycnn
from tinycnn import models, nn
from tinycnn.models.darknet_files import darknet_state
from tinycnn.serialize import CheckpointError
from tinycnn.serialize.darknet import DarknetHeader, read_darknet, write_darknet
from tinycnn.serialize.darknet_cfg import parse_cfg, read_cfg, stored_layers

CLASSES, C = 3, 8  # channels of the first convolution
NETWORKS = {  # ours, and the same as a configuration
    "darknet19": (lambda: models.darknet19(num_classes=CLASSES, width=C / 32),
                  D.net(*D.darknet19_trunk(C), D.linear_conv(CLASSES), D.MEANS, "[softmax]\n")),
    "darknet53": (lambda: models.darknet53(num_classes=CLASSES, width=C / 32),
                  D.net(*D.darknet53_trunk(C), D.MEANS, D.linear_conv(CLASSES))),
    "cspdarknet53": (lambda: models.cspdarknet53(num_classes=CLASSES, width=C / 32),
                     D.net(*D.cspdarknet53_trunk(C), D.MEANS, D.linear_conv(CLASSES))),
    "yolov2": (lambda: models.create_model("yolov2", num_classes=CLASSES, size=64, width=32 * C,
                                           backbone=models.darknet19(features_only=True, width=C / 32)),
               D.yolov2(C, 5 * (5 + CLASSES))),
    "yolov3": (lambda: models.create_model("yolov3", num_classes=CLASSES, size=64, width=C / 32,
                                           backbone=models.darknet53(features_only=True, width=C / 32)),
               D.yolov3(C, 3 * (5 + CLASSES))),
    "yolov3_tiny": (lambda: models.create_model("yolov3_tiny", num_classes=CLASSES, size=64),
                    D.yolov3_tiny(3 * (5 + CLASSES))),
    "yolov4": (lambda: models.create_model("yolov4", num_classes=CLASSES, size=64, width=C / 32,
                                           backbone=models.cspdarknet53(features_only=True, width=C / 32)),
               D.yolov4(C, 3 * (5 + CLASSES))),
}
by_name = pytest.mark.parametrize("name", NETWORKS)


def shaken(model):
    """Every value moved off its start, running statistics too."""
    rng = np.random.default_rng(0)
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        if value.dtype.kind == "f":
            value.data[...] += 0.1 * (rng.uniform(0, 1, value.shape) if name.endswith("var") else
                                      rng.standard_normal(value.shape))
    return model.eval()


@pytest.fixture(scope="module", params=NETWORKS)
def stored(request, tmp_path_factory):
    """A network, its configuration, and the .weights file that was written of it; the configuration beside it."""
    build, text = NETWORKS[request.param]
    model, path = shaken(build()), tmp_path_factory.mktemp(request.param) / "net.weights"
    path.with_suffix(".cfg").write_text(text)
    models.save_darknet(model, path, seen=7)
    return model, build, text, path


def test_there_and_back(stored):
    model, build, _, path = stored
    other = build()
    models.load_weights(other, path)
    before, after = model.state_dict(), other.state_dict()
    assert all((before[key] == after[key]).all() for key in before if not key.endswith("num_batches_tracked"))
    assert path.read_bytes()[:20] == struct.pack("<3iQ", 0, 2, 0, 7)


def test_it_computes_what_darknet_does(stored):
    """By its configuration and the file alone; so the order of all layers and of the channels is Darknet's."""
    model, _, text, path = stored
    x = np.random.default_rng(1).uniform(0, 1, (2, 3, 64, 64)).astype(np.float32)
    ours = model(x)
    theirs = D.run(text, tinycnn.load(path), x)
    for a, b in zip(ours if isinstance(ours, tuple) else [ours], theirs, strict=True):
        b = b.numpy().reshape(a.shape)
        np.testing.assert_allclose(a.numpy(), b, rtol=0, atol=2e-5 * np.abs(b).max())


def test_the_configuration_fits(stored, tmp_path):
    model, _, text, path = stored
    darknet_state(model, path, path.with_suffix(".cfg"))
    wrong = tmp_path / "wrong.cfg"
    head, last, rest = text.rpartition("filters=")
    wrong.write_text(f"{head}{last}9{rest}")
    with pytest.raises(CheckpointError, match=r"wrong.cfg is of another network than \w+: layers.\d+ has weights \(9"):
        darknet_state(model, path, wrong)
    wrong.write_text(text + D.linear_conv(3))
    with pytest.raises(CheckpointError, match=r"it has \d+ layers with weights, expected \d+"):
        darknet_state(model, path, wrong)


def test_the_backbone_alone_is_the_beginning_of_a_file(tmp_path):
    """As in Darknet's files of the first layers, darknet53.conv.74 and its like."""
    detector, other = (shaken(NETWORKS["yolov3_tiny"][0]()) for _ in range(2))
    models.save_darknet(detector.backbone, tmp_path / "trunk.weights")
    other.backbone.apply(lambda m: [p.data.fill(0) for p in m.parameters()])
    models.load_weights(other.backbone, tmp_path / "trunk.weights")
    key = "backbone.stages.3.1.conv.weight"
    assert (other.state_dict()[key] == detector.state_dict()[key]).all()


# ---------------------------------------------------------------- files
@pytest.fixture
def plain(tmp_path):
    """A convolution of 5 numbers, and a file that fits it."""
    model, path = nn.Sequential(nn.Conv2d(4, 1, 1)), tmp_path / "net.weights"
    models.save_darknet(model, path)
    return model, path


@pytest.mark.parametrize(("minor", "seen", "layout"), [(1, 2**32 - 1, "<3iI"), (2, 2**40, "<3iQ")])
def test_versions_of_the_header(tmp_path, minor, seen, layout):
    header, path = DarknetHeader(0, minor, 5, seen), tmp_path / "x.weights"
    write_darknet(path, [np.arange(3.0), np.ones((1, 2), "f2")], header)
    assert path.read_bytes() == struct.pack(layout, 0, minor, 5, seen) + np.array([0, 1, 2, 1, 1], "<f4").tobytes()
    got, numbers = read_darknet(path)
    assert (got, numbers.tolist(), numbers.dtype) == (header, [0, 1, 2, 1, 1], np.float32)


@pytest.mark.parametrize(("change", "match"), [
    (lambda b: b[:7], "not a weights file"),
    (lambda b: b[:10], "the header takes 20 bytes, the file has 10"),
    (lambda b: b[:16], "the header takes 20 bytes, the file has 16"),
    (lambda b: b[:-2], "the 18 bytes behind the header are no whole float32 numbers"),
    (lambda b: b[:-4], r"4 numbers stand behind the header, expected are 5: they end within 0 .0. with weights \(1, 4"),
    (lambda b: b[:20], "0 numbers stand behind the header, expected are 5"),
    (lambda b: b + bytes(8), "7 numbers stand behind the header, expected are 5: 2 are left over"),
    (lambda b: b"\1" + b[1:], "not a weights file"),
    (lambda b: b[:4] + b"\3" + b[5:], "not a weights file")])
def test_a_file_that_does_not_fit_changes_nothing(plain, change, match):
    model, path = plain
    before = model.state_dict()
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(CheckpointError, match=match) as caught:
        models.load_weights(model, path)
    assert str(caught.value).count(str(path)) == 1
    assert all((before[key] == value).all() for key, value in model.state_dict().items())


@given(data=st.binary(max_size=64), known=st.booleans())
def test_any_bytes_are_numbers_or_refused(data, known, tmp_path_factory):
    path = tmp_path_factory.mktemp("any") / "any.weights"
    path.write_bytes(struct.pack("<2i", 0, 2) * known + data)
    with contextlib.suppress(CheckpointError):
        header, numbers = read_darknet(path)
        assert header.nbytes + 4 * len(numbers) == len(path.read_bytes())


def test_a_directory_is_no_file(tmp_path):
    with pytest.raises(CheckpointError, match="a directory or device"):
        read_darknet(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_darknet(tmp_path / "none.weights")


@pytest.mark.parametrize("header", [DarknetHeader(1, 0), DarknetHeader(seen=-1), DarknetHeader(minor=1, seen=2**32)])
def test_a_header_that_cannot_be_written_leaves_the_file(plain, header):
    _, path = plain
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match="write_darknet"):
        write_darknet(path, [], header)
    assert path.read_bytes() == before


@pytest.mark.parametrize(("model", "match"), [
    (nn.Sequential(nn.BatchNorm2d(3)), "no normalisation but behind a convolution"),
    (nn.Sequential(nn.Conv2d(3, 3, 1, bias=False)), "cannot hold Sequential.*see 0.bias"),
    (nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)), "see 0.bias"),
    (nn.Sequential(nn.Conv2d(3, 3, 1), nn.PReLU(3)), "see 1.weight")])
def test_networks_that_such_a_file_cannot_hold(model, match, tmp_path):
    with pytest.raises(CheckpointError, match=match):
        models.save_darknet(model, tmp_path / "x.weights")
    assert not list(tmp_path.iterdir())


def test_load_needs_the_configuration(plain):
    _, path = plain
    with pytest.raises(CheckpointError, match=r"models.load_weights.*net.cfg lie beside"):
        tinycnn.load(path)
    path.with_suffix(".cfg").write_text("[net]\nchannels=4\n[convolutional]\nfilters=1\n")
    assert {name: array.shape for name, array in tinycnn.load(path).items()} == {
        "layers.0.conv.bias": (1,), "layers.0.conv.weight": (1, 4, 1, 1)}
    path.with_suffix(".cfg").write_text("[net]\nchannels=5\n[convolutional]\nfilters=1\n")
    with pytest.raises(CheckpointError, match="5 numbers stand behind the header, expected are 6"):
        tinycnn.load(path)


def test_save_names_what_writes_such_files(tmp_path):
    with pytest.raises(CheckpointError, match=r"models\.save_darknet"):
        tinycnn.save({}, tmp_path / "x.weights")


# ---------------------------------------------------------------- configurations
def test_shapes_of_all_kinds():
    text = D.net(D.conv(8, 3, 2), D.section("convolutional", filters=4, size=3, stride=1, pad=1, groups=2),
                 D.section("reorg", stride=2), D.route(-1, 2), D.section("maxpool", stride=2, size=3), D.UP,
                 D.section("dropout", probability=0.5),
                 D.section("connected", output=5, batch_normalize=1, activation="leaky"), "[softmax]\n")
    layers = stored_layers(parse_cfg(text))
    assert [layer[1:] for layer in layers] == [((8, 3, 3, 3), True), ((4, 4, 3, 3), False), ((5, 32 * 16 * 16), True)]
    assert [leaf for _, leaf, _ in layers[-1].arrays()] == ["bias", "weight", "weight", "running_mean", "running_var"]
    assert layers[1].size == 4 + 4 * 4 * 9


@pytest.mark.parametrize(("text", "match"), [
    ("", "begins with \\[net\\], this one with nothing"),
    ("[yolo]\n", "this one with 'yolo'"),
    ("width=3\n", "line 1 is 'width=3', expected"),
    ("[net]\nwidth\n", "line 2 is 'width'"),
    ("[net]\nwidth=many\n", r"line 1: \[net\] has width='many', expected integers"),
    ("[net]\nwidth=99999999999\n", "expected integers up to 65536"),
    ("[net]\n[crnn]\n", r"line 2: \[crnn\] is not known"),
    ("[net]\n[convolutional]\nfilters=0\n", "filters=0, expected an integer >= 1"),
    ("[net]\n[convolutional]\nfilters=4\ngroups=2\n", "groups=2 must divide 3 channels"),
    ("[net]\n[route]\nlayers=-1\n", "layers=-1, expected one of the 0 layers before it"),
    ("[net]\n[route]\n", r"\[route\] has layers='', expected integers"),
    ("[net]\n[upsample]\n[avgpool]\n[route]\nlayers=0,1\n", "joins maps of the sizes"),
    ("[net]\nheight=2\n[convolutional]\nsize=5\n", "makes a map"),
    ("[net]\n" + "[upsample]\n" * 40, "expected extents from 1 to 65536")])
def test_configurations_that_are_refused(text, match, tmp_path):
    path = tmp_path / "x.cfg"
    path.write_text(text)
    with pytest.raises(CheckpointError, match=match):
        stored_layers(read_cfg(path))


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_configuration_or_refused(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("any") / "any.cfg"
    path.write_bytes(b"[net]\n" + data)
    with contextlib.suppress(CheckpointError):
        stored_layers(read_cfg(path))


def test_a_configuration_that_is_too_large(tmp_path):
    path = tmp_path / "x.cfg"
    path.write_bytes(b"[net]\n" + b"#" * (1 << 20))
    with pytest.raises(CheckpointError, match="larger than 1,048,576 bytes"):
        read_cfg(path)
