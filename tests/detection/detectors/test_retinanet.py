"""RetinaNet: torchvision's names, losses and results; what every detector promises."""
from __future__ import annotations

import numpy as np
import pytest
from pyramid_tests import (
    as_torchvision,
    batch,
    compiled_is_eager,
    criterion_gradients,
    overfit,
    planned_is_eager,
    same_results,
    same_training,
)
from torchvision_oracle import import_torchvision

import tinycnn
from tinycnn.detection import anchor_boxes
from tinycnn.detection.detectors import RetinaNet
from tinycnn.detection.anchors import RETINANET_SIDES
from tinycnn.detection.detectors.retinanet import retinanet_anchors
from tinycnn.models import create_model, list_models

CLASSES, SIZE = 4, (96, 160)  # whose smallest levels have strides of their own in torchvision
BUILDERS = ("retinanet_resnet50_fpn", "retinanet_resnet50_fpn_v2")
FROZEN = 53120  # weights and biases of ResNet 50's batch norms, which do not train in torchvision's first version


def light(**options):
    return create_model("retinanet_fpn", backbone="shufflenet_v2_x0_5", num_classes=3,
                        **{"size": 64, "channels": 32, "num_convs": 1, **options})


@pytest.fixture(scope="module", params=[BUILDERS[0], pytest.param(BUILDERS[1], marks=pytest.mark.slow)])
def pair(request):
    torch = pytest.importorskip("torch")
    import_torchvision()
    from torchvision.models import detection
    theirs = getattr(detection, request.param)(weights=None, weights_backbone=None, num_classes=CLASSES)
    return as_torchvision(torch, theirs, create_model(request.param, num_classes=CLASSES, size=SIZE))


def test_results_are_torchvisions(torch, pair, monkeypatch):
    same_results(torch, *pair, monkeypatch, threshold=0.3)


@pytest.mark.slow
def test_training_is_torchvisions(torch, pair):
    same_training(torch, *pair, CLASSES)


@pytest.mark.parametrize(("name", "count"), [("retinanet_resnet50_fpn", 34014999 + FROZEN),
                                             ("retinanet_resnet50_fpn_v2", 38198935)])
def test_parameters_as_published(name, count):
    """The numbers that torchvision states beside its weights."""
    assert sum(p.size for p in create_model(name).parameters()) == count


def test_registered():
    assert {*BUILDERS, "retinanet_fpn"} <= set(list_models(task="detection"))


def test_anchors_are_the_papers():
    strides = (8, 16, 32, 64, 128)
    grids = [(64, 96), (32, 48), (16, 24), (8, 12), (4, 6)]
    np.testing.assert_array_equal(retinanet_anchors((512, 768), strides),
                                  anchor_boxes(grids, (512, 768), RETINANET_SIDES))


@pytest.mark.parametrize("box_loss", ["l1", "giou", "iou"])
def test_gradients(box_loss):
    detector = light(box_loss=box_loss)
    criterion_gradients(detector, batch(detector)[1], np.random.default_rng(0))


def test_nothing_to_find():
    detector = light()
    dense = detector.encode([[], []], [[], []])
    raw = detector(np.zeros((2, 3, 64, 64), np.float32))
    losses = detector.criterion(raw, dense)
    assert losses["bbox_regression"].item() == 0
    assert np.isfinite(losses["classification"].item())


def test_compiled_is_eager():
    compiled_is_eager(light())


def test_planned_is_eager():
    planned_is_eager(light())


def test_finds_what_it_was_shown():
    tinycnn.manual_seed(0)
    losses = overfit(light(), 120, lr=5e-3)
    assert losses[-1] < losses[0] / 4


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"box_loss": "giou"}, {"extra_levels": None}, {"norm": None}])
def test_variants_find_what_they_were_shown(options):
    tinycnn.manual_seed(0)
    losses = overfit(light(**options), 200, lr=3e-3)
    assert losses[-1] < losses[0] / 4


def test_another_size():
    detector = light().eval()
    raw = detector(np.zeros((1, 3, 96, 64), np.float32))
    with pytest.raises(ValueError, match=r"RetinaNet.decode: raw heads have 1161 places, expected 774"):
        detector.postprocess(raw)
    detector.size = (96, 64)
    assert len(detector.postprocess(raw)) == 1
    assert detector.encode([[]], [[]])[0].shape == raw["cls_logits"].shape[:2]


def test_refused():
    with pytest.raises(ValueError, match="RetinaNetLoss: box_loss must be one of"):
        light(box_loss="l2")
    with pytest.raises(ValueError, match="extra_levels must be"):
        light(extra_levels="c4")
    with pytest.raises(ValueError, match="features_only=True"):
        RetinaNet(create_model("shufflenet_v2_x0_5"), 3, 64)
    with pytest.raises(ValueError, match="size must be multiples of 32"):
        light(size=50)
