"""SSDLite on its two networks and on any other; torchvision's is compared in test_ssd.py."""
import numpy as np
import pytest
import trials

import tinycnn
from tinycnn import models, nn


def light(**options):
    """SSDLite on a light trunk that keeps small images large."""
    trunk = models.shufflenet_v2_x0_5(features_only=True, stem_stride=1, out_indices=(2, 3))
    return models.create_model("ssdlite", backbone=trunk, num_classes=3, size=64, maps=3, smallest=0.3, **options)


def test_counts_on_mobilenet_v2():
    """Sandler et al., table 6: 4.3 M parameters for the 80 classes of COCO at 320."""
    net = models.create_model("ssdlite320_mobilenet_v2", num_classes=80)
    assert trials.parameters(net) / 1e6 == pytest.approx(4.3, abs=0.05)
    assert net.default_boxes.shape == (3 * 20**2 + 6 * (10**2 + 5**2 + 3**2 + 2**2 + 1), 4)


def test_settings_on_mobilenet_v3():
    net = models.create_model("ssdlite320_mobilenet_v3_large")
    assert net.default_boxes.shape == (6 * (20**2 + 10**2 + 5**2 + 3**2 + 2**2 + 1), 4)
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.03)}
    assert (net.score_threshold, net.iou_threshold, net.top_k, net.max_detections) == (0.001, 0.55, 300, 300)
    assert np.ptp(net.inputs([np.array([[[0] * 3, [255] * 3]], np.uint8)], (4, 64))) == pytest.approx(2)


@pytest.mark.parametrize("name", ["ssdlite320_mobilenet_v3_large",
                                  pytest.param("ssdlite320_mobilenet_v2", marks=pytest.mark.slow)])
def test_compiled_is_eager(name):
    trials.compiles(models.create_model(name, num_classes=20))


@pytest.mark.parametrize("backbone", ["ghostnet_100", "squeezenet1_1",
                                      pytest.param("inception_v3", marks=pytest.mark.slow)])
def test_on_any_network(backbone):
    strides = (8, 16) if backbone == "squeezenet1_1" else (16, 32)
    net = models.create_model("ssdlite", backbone=backbone, num_classes=3, size=(128, 96), strides=strides, maps=4)
    raw = net.eval()(np.zeros((1, 3, 128, 96), np.float32))
    assert raw["cls_logits"].shape == (1, len(net.default_boxes), 4)
    assert raw["bbox_regression"].shape == (1, len(net.default_boxes), 4)


def test_keeps_what_it_promises():
    trials.survives_empty_images(light(), ("classification", "localization"))
    assert set(trials.trains_by_plan(light).host) == {"tape"}


def test_learns_and_finds():
    tinycnn.manual_seed(0)
    trials.overfits(light(), 90, 5e-3, fall=0.2)


@pytest.mark.parametrize(("options", "match"), [
    ({"backbone": "mobilenet_v2", "strides": (16, 64)}, r"\[16, 64\], got MobileNetV2 with maps at \[2, 4, 8"),
    ({"backbone": "mobilenet_v2", "maps": 7}, "up to 4 more"),
    ({"backbone": "mobilenet_v2", "maps": 1}, "up to 4 more"),
    ({"backbone": models.shufflenet_v2_x0_5()}, "features_only=True"),
    ({"backbone": "mobilenet_v9"}, "did you mean"),
])
def test_what_is_refused(options, match):
    with pytest.raises(ValueError, match=match):
        models.create_model("ssdlite", **options)
