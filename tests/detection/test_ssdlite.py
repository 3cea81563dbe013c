"""SSDLite on its two networks and on any other; torchvision's is compared in test_ssd.py."""
import numpy as np
import pytest
from ssd_trials import eager_and_planned, overfit
from zoo.counting import multiply_adds

import tinycnn
from tinycnn import models, nn


def light(**options):
    """SSDLite on a light trunk that keeps small images large."""
    trunk = models.shufflenet_v2_x0_5(features_only=True, stem_stride=1, out_indices=(2, 3))
    return models.create_model("ssdlite", backbone=trunk, num_classes=3, size=64, maps=3, smallest=0.3, **options)


def parameters(net):
    return sum(p.size for p in net.parameters())


def test_counts_on_mobilenet_v2():
    """Sandler et al., table 6: 4.3 M parameters and 0.8 G multiply-adds for the 80 classes of COCO at 320."""
    net = models.create_model("ssdlite320_mobilenet_v2", num_classes=80)
    assert parameters(net) / 1e6 == pytest.approx(4.3, abs=0.05)
    assert multiply_adds(net, 320) / 1e3 == pytest.approx(0.8, abs=0.05)
    assert net.default_boxes.shape == (3 * 20**2 + 6 * (10**2 + 5**2 + 3**2 + 2**2 + 1), 4)


def test_counts_on_mobilenet_v3():
    net = models.create_model("ssdlite320_mobilenet_v3_large")
    assert parameters(net) == 3_440_060  # what torchvision says of its weights
    assert net.default_boxes.shape == (6 * (20**2 + 10**2 + 5**2 + 3**2 + 2**2 + 1), 4)
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.03)}
    assert (net.score_threshold, net.iou_threshold, net.top_k, net.max_detections) == (0.001, 0.55, 300, 300)
    assert np.ptp(net.inputs([np.array([[[0] * 3, [255] * 3]], np.uint8)], (4, 64))) == pytest.approx(2)


@pytest.mark.parametrize("name", ["ssdlite320_mobilenet_v2", "ssdlite320_mobilenet_v3_large"])
def test_compiled_is_eager(name):
    net = models.create_model(name, num_classes=20).eval()
    x = np.random.default_rng(0).standard_normal((1, 3, 320, 320)).astype(np.float32)
    with tinycnn.no_grad():
        eager = net(x)
    for key, part in tinycnn.compile(net, x.shape)(x).items():
        np.testing.assert_allclose(part, eager[key].numpy(), rtol=0, atol=1e-4 * np.abs(part).max())


@pytest.mark.parametrize("backbone", ["ghostnet_100", "squeezenet1_1", "inception_v3"])
def test_on_any_network(backbone):
    strides = (8, 16) if backbone == "squeezenet1_1" else (16, 32)
    net = models.create_model("ssdlite", backbone=backbone, num_classes=3, size=(128, 96), strides=strides, maps=4)
    raw = net.eval()(np.zeros((1, 3, 128, 96), np.float32))
    assert raw["cls_logits"].shape == (1, len(net.default_boxes), 4)
    assert raw["bbox_regression"].shape == (1, len(net.default_boxes), 4)


def test_a_plan_is_the_tape():
    eager, planned, report = eager_and_planned(light)
    np.testing.assert_allclose(planned, eager, rtol=1e-4)
    assert set(report.host) == {"tape"}


def test_learns_and_finds():
    tinycnn.manual_seed(0)
    losses = overfit(light(), 60, 5e-3, count=4)
    assert losses[-1] < losses[0] / 5


@pytest.mark.parametrize(("options", "match"), [
    ({"backbone": "mobilenet_v2", "strides": (16, 64)}, r"has maps of the strides \[2, 4, 8, 16, 32\]"),
    ({"backbone": "mobilenet_v2", "maps": 7}, "up to 4 more"),
    ({"backbone": "mobilenet_v2", "maps": 1}, "up to 4 more"),
    ({"backbone": models.shufflenet_v2_x0_5()}, "features_only=True"),
    ({"backbone": "mobilenet_v9"}, "did you mean"),
])
def test_what_is_refused(options, match):
    with pytest.raises(ValueError, match=match):
        models.create_model("ssdlite", **options)
