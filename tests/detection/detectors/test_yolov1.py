"""YOLO v1: its table, its head, its loss on it, and that it learns."""
import numpy as np
import pytest
import trials
from zoo.counting import multiply_adds

import tinycnn
from tinycnn import Tensor
from tinycnn.detection.detectors.yolov1 import YOLOv1, YOLOv1Trunk
from tinycnn.models import create_model

SIZE = 64


def small(drop_rate=0.0, **options):
    backbone = create_model("shufflenet_v2_x0_5", features_only=True, out_indices=(0, 1, 2))
    return YOLOv1(backbone, 3, SIZE, hidden=32, drop_rate=drop_rate, **options)


def of_paper(hidden):
    return create_model("yolov1", hidden=hidden)


def test_the_papers_layers(blank):
    """24 convolutions; behind them 7 x 7 x 1024, two linear layers, 7 x 7 x 30."""
    net = of_paper(hidden=1)
    convolutions = [w.shape for name, w in net.state_dict().items() if w.ndim == 4]
    assert len(convolutions) == 24
    assert [shape[0] for shape in convolutions] == [
        64, 192, 128, 256, 256, 512, *[256, 512] * 4, 512, 1024, *[512, 1024] * 2, 1024, 1024, 1024, 1024]
    assert [w.shape for w in net.state_dict().values() if w.ndim == 2] == [(1, 7 * 7 * 1024), (1470, 1)]
    graph = tinycnn.trace(net.eval(), (1, 3, 448, 448))
    assert graph.outputs[0].shape == (1, 7, 7, 30)
    assert (net.size, net.cells, net.cells**2 * net.boxes) == ((448, 448), 7, 98)


def test_parameters(blank):
    """They are linear in the width of the first linear layer, which alone makes 205 million."""
    one, two = (sum(p.size for p in of_paper(hidden).parameters()) for hidden in (1, 2))
    assert 4096 * 7 * 7 * 1024 == 205_520_896
    assert two - one == 7 * 7 * 1024 + 1 + 1470
    assert one + 4095 * (two - one) == 271_703_550


def test_the_trunk_is_a_classifier(blank):
    net = YOLOv1Trunk(num_classes=5).eval()
    assert net(np.zeros((1, 3, 64, 64), np.float32)).shape == (1, 5)
    assert len([w for w in net.state_dict().values() if w.ndim == 4]) == 20


@pytest.mark.parametrize("backbone", ["mobilenet_v2", "shufflenet_v2_x0_5"])
def test_on_a_light_backbone(blank, backbone):
    net = create_model("yolov1", backbone=backbone, num_classes=10, hidden=64)
    assert (net.size, net.cells) == ((224, 224), 7)
    assert tinycnn.trace(net.eval(), (1, 3, 224, 224)).outputs[0].shape == (1, 7, 7, 20)
    smaller = create_model("yolov1", backbone=backbone, size=96, hidden=64)
    assert multiply_adds(smaller, 96) < multiply_adds(net, 224)


def test_loss_by_hand():
    """One object, whose cell has one box that is right and one that is not; equation 3."""
    net = small()
    dense = net.encode([[[16, 16, 48, 32]]], [[2]])
    raw = np.zeros((1, net.cells, net.cells, 13))
    cell = raw[0, 3, 4]  # of 8 x 8 cells of 8 pixels: the centre, (32, 24), is its corner
    cell[:5] = 0, 0, 0.5**0.5, 0.5, 0.8
    cell[5:10] = 0.5, 0, 0.2, 0.1, 0.3
    cell[10:] = 0.1, 0.2, 0.6
    terms = net.criterion(Tensor(raw), tuple(a.astype(float) if a.dtype.kind == "f" else a for a in dense))
    assert {name: term.item() for name, term in terms.items()} == pytest.approx({
        "box": 0, "objectness": 0.2**2, "noobj": 0.5 * 0.3**2, "class": 0.01 + 0.04 + 0.16}, abs=1e-7)


def test_gradients():
    """Of the criterion; the IoU that it aims at counts as given, which is the term left out."""
    net, rng = small(), np.random.default_rng(0)
    dense = net.encode([[[8, 8, 40, 40]], []], [[1], []])
    trials.criterion_gradients(net, rng.uniform(0.2, 0.8, (2, 8, 8, 13)), dense, ("box", "noobj", "class"))


def test_targets_decode_to_the_truths():
    net = small()
    truths, classes = np.array([[8, 8, 40, 40], [40, 30, 62, 60]], np.float32), [2, 0]
    labels, codes = net.encode([truths], [classes])
    raw = np.zeros((1, 8, 8, 13), np.float32)
    raw[..., :2], raw[..., 2:4], raw[..., 4] = codes[..., :2], codes[..., 2:]**0.5, labels >= 0
    raw[..., 10:] = np.eye(4, 3)[labels] * 0.9
    found, = net.postprocess(raw)
    assert sorted(found.labels) == [0, 2]
    np.testing.assert_allclose(found.boxes[found.labels.argsort()], truths[::-1], atol=1e-4)
    np.testing.assert_allclose(found.scores, 0.9, rtol=1e-6)


def test_negative_outputs_are_no_detections():
    net = small()
    assert all(len(found.boxes) == 0 for found in net.postprocess(np.full((2, 8, 8, 13), -3, np.float32)))
    assert all(len(found.boxes) == 0 for found in net.postprocess(np.full((2, 8, 8, 13), np.nan, np.float32)))


def test_keeps_what_it_promises():
    trials.compiles(small())
    trials.survives_empty_images(small(), ("box", "class"))
    trials.trains_by_plan(small)


def test_it_learns():
    tinycnn.manual_seed(0)
    trials.overfits(small(), 50, fall=0.1)


@pytest.mark.parametrize(("options", "message"), [
    ({"size": (64, 96)}, r"YOLOv1: size must be that of squares, got \(64, 96\)"),
    ({"size": 60}, "size must be multiples of 32, got 60"),
    ({"boxes": 0}, "boxes must be an integer >= 1, got 0"),
    ({"num_classes": 0}, "num_classes must be an integer >= 1, got 0"),
])
def test_refusals(blank, options, message):
    with pytest.raises(ValueError, match=message):
        create_model("yolov1", backbone="shufflenet_v2_x0_5", **options)


def test_another_size_is_refused():
    with pytest.raises(ValueError, match=r"YOLOv1: x must be \(N, C, 64, 64\), got the shape \(1, 3, 96, 96\)"):
        small()(np.zeros((1, 3, 96, 96), np.float32))
