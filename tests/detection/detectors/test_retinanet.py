"""RetinaNet: torchvision's names, losses and results; what every detector promises."""
from __future__ import annotations

import numpy as np
import pytest
from torchvision_oracle import import_torchvision
from trials import (
    batch,
    compiles,
    criterion_gradients,
    follows_size,
    noisy,
    overfits,
    survives_empty_images,
    trains_by_plan,
)
from twins import as_torchvision, on_resnet18, same_results, same_training

import tinycnn
from tinycnn.detection import anchor_boxes
from tinycnn.detection.anchors import RETINANET_SIDES
from tinycnn.detection.detectors import RetinaNet
from tinycnn.detection.detectors.maps import feature_backbone
from tinycnn.detection.detectors.retinanet import retinanet_anchors
from tinycnn.models import create_model

CLASSES, SIZE = 4, (96, 160)  # whose smallest levels have strides of their own in torchvision
BUILDERS = ("retinanet_resnet50_fpn", "retinanet_resnet50_fpn_v2")


def anchors_of_torchvision():
    """Those of its function for ResNet 50."""
    from torchvision.models.detection.retinanet import _default_anchorgen
    return _default_anchorgen()


def light(**options):
    return create_model("retinanet_fpn", backbone="shufflenet_v2_x0_5", num_classes=3,
                        **{"size": 64, "channels": 32, "num_convs": 1, **options})


@pytest.fixture(scope="module", params=["resnet18", *[pytest.param(name, marks=pytest.mark.slow) for name in BUILDERS]])
def pair(request):
    torch = pytest.importorskip("torch")
    import_torchvision()
    from torchvision.models import detection
    if request.param == "resnet18":
        ours = RetinaNet(feature_backbone("resnet18"), CLASSES, SIZE, extra_levels="p5", max_detections=300)
        return as_torchvision(torch, on_resnet18("RetinaNet", CLASSES, anchor_generator=anchors_of_torchvision()), ours)
    theirs = getattr(detection, request.param)(weights=None, weights_backbone=None, num_classes=CLASSES)
    return as_torchvision(torch, theirs, create_model(request.param, num_classes=CLASSES, size=SIZE))


def test_results_are_torchvisions(torch, pair, monkeypatch):
    same_results(torch, *pair, monkeypatch, threshold=0.3)


@pytest.mark.slow
def test_training_is_torchvisions(torch, pair):
    same_training(torch, *pair, CLASSES)


def test_anchors_are_the_papers():
    strides = (8, 16, 32, 64, 128)
    grids = [(64, 96), (32, 48), (16, 24), (8, 12), (4, 6)]
    np.testing.assert_array_equal(retinanet_anchors((512, 768), strides),
                                  anchor_boxes(grids, (512, 768), RETINANET_SIDES))


@pytest.mark.parametrize("box_loss", ["l1", "giou", "iou"])
def test_gradients(box_loss):
    detector = light(box_loss=box_loss)
    criterion_gradients(detector, noisy(detector), batch(detector)[1])


def test_keeps_what_it_promises():
    compiles(light())
    survives_empty_images(light(), ("bbox_regression",))
    trains_by_plan(light)


def test_finds_what_it_was_shown():
    tinycnn.manual_seed(0)
    overfits(light(), 100, 5e-3)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"box_loss": "giou"}, {"extra_levels": None}, {"norm": None}])
def test_variants_find_what_they_were_shown(options):
    tinycnn.manual_seed(0)
    overfits(light(**options), 200, 3e-3)


def test_another_size():
    detector = light().eval()
    raw = detector(np.zeros((1, 3, 96, 64), np.float32))
    with pytest.raises(ValueError, match=r"RetinaNet.decode: raw heads have 1161 places, expected 774"):
        detector.postprocess(raw)
    assert follows_size(detector)["cls_logits"].shape == raw["cls_logits"].shape


def test_refused():
    with pytest.raises(ValueError, match="RetinaNetLoss: box_loss must be one of"):
        light(box_loss="l2")
    with pytest.raises(ValueError, match="extra_levels must be"):
        light(extra_levels="c4")
    with pytest.raises(ValueError, match="features_only=True"):
        RetinaNet(create_model("shufflenet_v2_x0_5"), 3, 64)
    with pytest.raises(ValueError, match="size must be multiples of 32"):
        light(size=50)
