"""NanoDet-m: its published names and size, ATSS with anchors of 5 strides, and what detectors promise."""
from __future__ import annotations

import numpy as np
import pytest
import trials

import tinycnn
from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn.detection.detectors.nanodet import NanoDet, nanodet_m
from tinycnn.models import create_model


def small(size: int = 64, **options) -> NanoDet:
    tinycnn.manual_seed(0)
    return nanodet_m(trials.CLASSES, size, **options)


def test_published_names():
    """As in the repository's checkpoints, in which `head.distribution_project.project` stands besides."""
    names = list(nanodet_m().state_dict())
    assert names[0] == "backbone.conv1.0.weight"
    assert "backbone.stage2.0.branch1.0.weight" in names
    assert [name for name in names if name.startswith("fpn")] == [
        f"fpn.lateral_convs.{i}.conv.{what}" for i in range(3) for what in ("weight", "bias")]
    of_one = [f"head.cls_convs.0.0.{what}" for what in ("depthwise.weight", "pointwise.weight", "dwnorm.weight")]
    head = [name for name in names if name.startswith("head")]
    assert head[:3] == of_one
    assert len([name for name in head if name.endswith("depthwise.weight")]) == 6
    assert head[-6:] == [f"head.gfl_cls.{i}.{what}" for i in range(3) for what in ("weight", "bias")]
    shapes = {name: value.shape for name, value in nanodet_m().state_dict().items()}
    assert shapes["head.gfl_cls.2.weight"] == (80 + 32, 96, 1, 1)
    assert not any("conv5" in name or "fc" in name for name in names)


def noise():
    return np.random.default_rng(0).standard_normal((1, 3, 64, 64)).astype(np.float32)


def test_is_its_authors_network(torch):
    """The forward pass of the published description, written with torch's functions."""
    detector = trials.shaken(small()).eval()
    state = {name: torch.tensor(value) for name, value in detector.state_dict().items()}
    maps = [torch.tensor(y.numpy()) for y in detector.backbone(Tensor(noise()))]
    conv, resize = torch.nn.functional.conv2d, torch.nn.functional.interpolate

    def norm(x, name):
        mean, var, weight, bias = (state[f"{name}.{what}"] for what in ("running_mean", "running_var", "weight",
                                                                        "bias"))
        return torch.nn.functional.leaky_relu(
            torch.nn.functional.batch_norm(x, mean, var, weight, bias), 0.1)

    laterals = [conv(x, state[f"fpn.lateral_convs.{i}.conv.weight"], state[f"fpn.lateral_convs.{i}.conv.bias"])
                for i, x in enumerate(maps)]
    for i in (1, 0):
        laterals[i] = laterals[i] + resize(laterals[i + 1], scale_factor=2, mode="bilinear")
    for i in (1, 2):
        laterals[i] = laterals[i] + resize(laterals[i - 1], scale_factor=0.5, mode="bilinear")
    rows = []
    for i, x in enumerate(laterals):
        for k in (0, 1):
            name = f"head.cls_convs.{i}.{k}"
            x = norm(conv(x, state[f"{name}.depthwise.weight"], padding=1, groups=96), f"{name}.dwnorm")
            x = norm(conv(x, state[f"{name}.pointwise.weight"]), f"{name}.pwnorm")
        x = conv(x, state[f"head.gfl_cls.{i}.weight"], state[f"head.gfl_cls.{i}.bias"])
        rows.append(x.permute(0, 2, 3, 1).reshape(1, -1, x.shape[1]))
    want = torch.cat(rows, 1).numpy()
    logits, distributions = detector(Tensor(noise()))
    np.testing.assert_allclose(logits.numpy(), want[..., :3], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(distributions.numpy(), want[..., 3:], rtol=1e-4, atol=1e-4)


def test_leaky_relu_stands_in_the_backbone_too():
    detector = small().eval()
    stem = detector.backbone.conv1
    x = Tensor(noise())
    want = F.leaky_relu(stem[1](stem[0](x)), 0.1)
    assert want.numpy().min() < 0
    np.testing.assert_array_equal(stem(x).numpy(), want.numpy())


def test_its_anchors_and_its_inputs():
    detector = nanodet_m(size=416)
    assert detector.size == (416, 416)
    np.testing.assert_array_equal(detector.priors().anchors[0], [4 - 20, 4 - 20, 4 + 20, 4 + 20])
    assert detector.priors().strides[-1] == 32
    assert detector.inputs.fit == "centre"
    logits, distributions = detector.eval()(np.zeros((1, 3, 416, 416), np.float32))
    assert logits.shape == (1, 52 * 52 + 26 * 26 + 13 * 13, 80)
    assert distributions.shape == (*logits.shape[:2], 4 * 8)


@pytest.mark.parametrize("backbone", ["mobilenet_v3_small", "shufflenet_v2_x0_5"])
def test_other_backbones(backbone):
    detector = small(backbone=backbone)
    assert detector(np.zeros((1, 3, 64, 64), np.float32))[0].shape == (1, 84, trials.CLASSES)
    with pytest.raises(ValueError, match="NanoDet: backbone must be built with features_only"):
        NanoDet(create_model(backbone))


def test_keeps_what_it_promises():
    trials.compiles(small())
    trials.survives_empty_images(small())
    trials.trains_by_plan(small)


def test_finds_what_it_has_seen():
    trials.overfits(small(96), 80, count=2)


def test_detects_in_images_of_any_size():
    detector = small(score_threshold=0.0).eval()
    images = [np.full((40, 80, 3), 90, np.uint8), np.full((64, 50, 3), 200, np.uint8)]
    for found, image in zip(detector.detect(images), images, strict=True):
        assert len(found.boxes)
        assert (found.boxes[:, 2:] <= np.array(image.shape[1::-1]) + 1e-3).all()
        assert (found.scores <= 1).all()
