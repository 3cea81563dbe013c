"""FCOS: torchvision's names, losses and results; both versions of the paper; what every detector promises."""
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
from tinycnn.detection.detectors import FCOS
from tinycnn.detection.detectors.maps import feature_backbone
from tinycnn.models import create_model

CLASSES, SIZE = 4, (96, 160)  # whose smallest levels have strides of their own in torchvision


def light(**options):
    return create_model("fcos_fpn", backbone="shufflenet_v2_x0_5", num_classes=3,
                        **{"size": 64, "channels": 32, "num_convs": 1, **options})


@pytest.fixture(scope="module", params=["resnet18", pytest.param("resnet50", marks=pytest.mark.slow)])
def pair(request):
    torch = pytest.importorskip("torch")
    import_torchvision()
    from torchvision.models import detection
    if request.param == "resnet18":
        ours = FCOS(feature_backbone("resnet18"), CLASSES, SIZE, scale_levels=False, centred=False)
        return as_torchvision(torch, on_resnet18("FCOS", CLASSES), ours)
    theirs = detection.fcos_resnet50_fpn(weights=None, weights_backbone=None, num_classes=CLASSES)
    return as_torchvision(torch, theirs, create_model("fcos_resnet50_fpn", num_classes=CLASSES, size=SIZE))


def test_results_are_torchvisions(torch, pair, monkeypatch):
    same_results(torch, *pair, monkeypatch, threshold=0.3)


@pytest.mark.slow
def test_training_is_torchvisions(torch, pair):
    same_training(torch, *pair, CLASSES)


def test_versions_are_the_papers():
    """What the versions differ in, seen in what the networks say and ask for."""
    one, two = light(version="v1").eval(), light(version="v2").eval()
    assert "head.classification_head.bbox_ctrness.weight" in one.state_dict()
    assert "head.regression_head.bbox_ctrness.weight" in two.state_dict()
    for name in ("head.scales.0.scale", "head.scales.4.scale"):
        assert name in one.state_dict()
        assert name in two.state_dict()
    x = np.zeros((1, 3, 64, 64), np.float32)
    np.testing.assert_allclose(one(x)["bbox_regression"].numpy(), 1, atol=0.1)  # e^0 pixels
    distances = np.array([[1.0, 2.0, 3.0, 4.0]], np.float32)
    points = one.points[[70]]  # of stride 16
    np.testing.assert_allclose(one.boxes_of(distances, [70]), [[*(points[0] - [1, 2]), *(points[0] + [3, 4])]])
    np.testing.assert_allclose(two.boxes_of(distances, [70]), [[*(points[0] - [16, 32]), *(points[0] + [48, 64])]])
    box = [[[2, 2, 62, 62]]]
    everywhere, near = (net.encode(box, [[1]])[0][0] < 3 for net in (one, two))
    assert near.sum() < everywhere.sum()
    assert (everywhere | ~near).all()


def test_heads_of_their_own():
    shared, separate = light(), light(shared_heads=False)
    assert "head.4.classification_head.cls_logits.weight" in separate.state_dict()
    assert "head.4.scales.0.scale" in separate.state_dict()
    count, every = (sum(p.size for p in net.head.parameters()) for net in (shared, separate))
    assert every == 5 * (count - 5) + 5
    x = np.random.default_rng(0).standard_normal((1, 3, 64, 64)).astype(np.float32)
    state = {name: value for name, value in shared.state_dict().items() if not name.startswith("head")}
    for i in range(5):
        state |= {f"head.{i}.{name}": value for name, value in shared.head.state_dict().items() if "scales" not in name}
        state[f"head.{i}.scales.0.scale"] = shared.head.state_dict()[f"scales.{i}.scale"]
    separate.load_state_dict(state)
    for (name, a), b in zip(shared.eval()(x).items(), separate.eval()(x).values()):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-5, err_msg=name)


@pytest.mark.parametrize("options", [{"version": "v1"}, {"version": "v2"}, {"weigh_boxes": True}])
def test_gradients(options):
    detector = light(**options)
    raw = noisy(detector)
    raw["bbox_regression"] = np.abs(raw["bbox_regression"]) + 0.3
    criterion_gradients(detector, raw, batch(detector)[1])


@pytest.mark.parametrize("weigh_boxes", [False, True])
def test_nothing_to_find(weigh_boxes):
    survives_empty_images(light(weigh_boxes=weigh_boxes), ("bbox_regression", "bbox_ctrness"))


def test_keeps_what_it_promises():
    compiles(light())
    trains_by_plan(light)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"version": "v1"}, {"shared_heads": False}])
def test_variants_compiled_are_eager(options):
    compiles(light(**options))


def test_finds_what_it_was_shown():
    tinycnn.manual_seed(0)
    overfits(light(), 80, 5e-3, fall=0.5)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"version": "v1"}, {"shared_heads": False}, {"extra_levels": None}])
def test_variants_find_what_they_were_shown(options):
    tinycnn.manual_seed(0)
    overfits(light(**options), 250, 3e-3, fall=0.5)


def test_another_size():
    detector = light().eval()
    raw = detector(np.zeros((1, 3, 96, 64), np.float32))
    with pytest.raises(ValueError, match=r"FCOS.decode: raw heads have 129 places, expected 86"):
        detector.postprocess(raw)
    assert follows_size(detector)["cls_logits"].shape == raw["cls_logits"].shape


def test_refused():
    with pytest.raises(ValueError, match="version must be one of v1, v2, got 'v3'"):
        light(version="v3")
    with pytest.raises(ValueError, match="FCOSLoss: box_loss must be one of"):
        light(iou_loss_type="linear")
    with pytest.raises(ValueError, match=r"give maps at the reductions \[8, 16, 32\], got SqueezeNet"):
        create_model("fcos_fpn", backbone="squeezenet1_1")
    with pytest.raises(ValueError, match="features_only=True"):
        FCOS(create_model("shufflenet_v2_x0_5"), 3, 64)
