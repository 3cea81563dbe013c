"""EfficientDet: effdet's names, outputs, anchors, targets and losses; the paper's table; what detectors promise."""
from __future__ import annotations

import numpy as np
import pytest
import trials
from torchvision_oracle import import_timm

import tinycnn
from tinycnn import Tensor, nn
from tinycnn.detection.detectors.efficientdet import EfficientDet, efficientdet, octave_anchors
from tinycnn.models import create_model

SIZE, CLASSES = 64, trials.CLASSES
TRUTHS = [np.array([[3, 4, 30, 40], [20, 20, 60, 62]], np.float32)], [np.array([2, 0])]


def small(**options) -> EfficientDet:
    tinycnn.manual_seed(0)
    return efficientdet(backbone="mobilenet_v3_small",
                        **{"num_classes": CLASSES, "size": SIZE, "channels": 32, "cells": 1, "head_depth": 1,
                           **options})


@pytest.fixture(scope="module")
def effdet():
    import_timm()
    return pytest.importorskip("effdet", reason="effdet is not installed: EfficientDet is not compared")


@pytest.fixture(scope="module")
def theirs(effdet):
    """effdet's D0 for small images, with a few classes."""
    config = effdet.get_efficientdet_config("efficientdet_d0")
    config.image_size, config.num_classes = (128, 128), CLASSES
    return effdet.EfficientDet(config, pretrained_backbone=False)


def ours(theirs) -> EfficientDet:
    """The same network, by names outside the backbone, by order within it."""
    detector = efficientdet(num_classes=CLASSES, size=128)
    state, names = theirs.state_dict(), list(detector.state_dict())
    assert {n for n in names if not n.startswith("backbone")} == {n for n in state if not n.startswith("backbone")}
    backbones = [[n for n in some if n.startswith("backbone")] for some in (names, state)]
    assert len(backbones[0]) == len(backbones[1])
    same = {name: name for name in names} | dict(zip(*backbones))
    detector.load_state_dict({name: state[same[name]].numpy() for name in names})
    return detector


@pytest.mark.slow
def test_is_effdets_network(torch, theirs):
    with torch.no_grad():
        for name, value in theirs.state_dict().items():
            if value.dtype.is_floating_point:
                value += 0.05 * torch.rand(value.shape) * (1 if name.endswith("var") else value.abs().mean() + 0.1)
        x = np.random.default_rng(0).standard_normal((1, 3, 128, 128)).astype(np.float32)
        want = theirs.eval()(torch.tensor(x))
    got = ours(theirs).eval()(Tensor(x))
    for rows, maps, outputs in zip(got, want, (CLASSES, 4), strict=True):
        flat = [m.permute(0, 2, 3, 1).reshape(1, -1, outputs).numpy() for m in maps]
        flat = np.concatenate(flat, 1)
        np.testing.assert_allclose(rows.numpy(), flat, rtol=1e-4, atol=1e-4 * np.abs(flat).max())


@pytest.mark.parametrize("size", [(128, 128), (160, 224)])
def test_anchors_are_effdets(effdet, size):
    want = effdet.anchors.Anchors(3, 7, 3, [(1.0, 1.0), (1.4, 0.7), (0.7, 1.4)], 4.0, size).boxes.numpy()
    np.testing.assert_allclose(octave_anchors(size, 4.0), want[:, [1, 0, 3, 2]], atol=1e-4)


def test_targets_and_losses_are_effdets(torch, effdet):
    """float32, for effdet computes in nothing else; gradients in float64 are in another test."""
    anchors = effdet.anchors.Anchors(3, 7, 3, [(1.0, 1.0), (1.4, 0.7), (0.7, 1.4)], 4.0, (128, 128))
    labeler = effdet.anchors.AnchorLabeler(anchors, CLASSES)
    detector = efficientdet(num_classes=CLASSES, size=128, backbone="mobilenet_v3_small", channels=8, cells=1)
    _, boxes, labels = trials.pictures(3, 128)
    boxes, labels = boxes[:2], labels[:2]
    boxes = [b + np.float32([0.1, 0.2, 0.4, 0.7]) for b in boxes]  # effdet leaves codes out that are exactly 0
    classes, codes, count = labeler.batch_label_anchors(
        [torch.tensor(b[:, [1, 0, 3, 2]]) for b in boxes], [torch.tensor(c + 1) for c in labels])
    dense = detector.encode(boxes, labels)
    flat = np.concatenate([c.reshape(2, -1).numpy() for c in classes], 1)
    np.testing.assert_array_equal(dense[0], np.where(flat < 0, CLASSES, flat))
    np.testing.assert_allclose(dense[1], np.concatenate([c.reshape(2, -1, 4).numpy() for c in codes], 1), atol=1e-5)

    rng = np.random.default_rng(0)
    maps = [[torch.tensor(rng.normal(-2 if k == CLASSES else 0, 1, (2, 9 * k, 128 >> level, 128 >> level)),
                          dtype=torch.float32, requires_grad=True) for level in range(3, 8)] for k in (CLASSES, 4)]
    config = effdet.get_efficientdet_config("efficientdet_d0")
    config.num_classes = CLASSES
    _, *want = effdet.loss.DetectionLoss(config)(*maps, classes, codes, count)
    (want[0] + 50 * want[1]).backward()
    raw = [Tensor(np.concatenate([m.detach().permute(0, 2, 3, 1).reshape(2, -1, k).numpy() for m in of_head], 1),
                  requires_grad=True) for of_head, k in zip(maps, (CLASSES, 4))]
    got = detector.criterion(raw, dense)
    trials.total(got).backward()
    np.testing.assert_allclose([got["class"].item(), got["box"].item() / 50], [w.item() for w in want], rtol=1e-5)
    for tensor, of_head, k in zip(raw, maps, (CLASSES, 4)):
        grad = np.concatenate([m.grad.permute(0, 2, 3, 1).reshape(2, -1, k).numpy() for m in of_head], 1)
        np.testing.assert_allclose(tensor.grad, grad, rtol=1e-4, atol=1e-7)


def test_gradients_are_differences():
    detector = small(size=32)
    classes, codes = detector.encode([TRUTHS[0][0] / 2], TRUTHS[1])
    positive = np.flatnonzero(classes[0] < CLASSES)
    assert len(positive) >= 2
    some = np.r_[positive[:3], np.flatnonzero(classes[0] == CLASSES)[:3]]  # a few anchors are enough for differences
    rng = np.random.default_rng(0)
    raw = [Tensor(rng.normal(0, 1, (1, len(some), k)), requires_grad=True) for k in (CLASSES, 4)]
    dense = classes[:, some], codes[:, some].astype(np.float64)
    assert tinycnn.gradcheck(lambda *heads: trials.total(detector.criterion(heads, dense)), raw)


class TestDecode:
    def test_gives_the_truths_back(self):
        detector = small()
        classes, codes = detector.encode(*TRUTHS)
        logits = np.where(classes[..., None] == np.arange(CLASSES), 3.0, -6.0).astype(np.float32)
        found, = detector.decode((logits, codes))
        order = np.argsort(found.boxes[:, 0])
        np.testing.assert_allclose(found.boxes[order], TRUTHS[0][0], atol=1e-3)
        np.testing.assert_array_equal(found.labels[order], TRUTHS[1][0])
        np.testing.assert_allclose(found.scores, 1 / (1 + np.exp(-3)), rtol=1e-6)

    def test_boxes_are_effdets(self, torch, effdet):
        detector = small(size=128)
        codes = np.random.default_rng(0).normal(0, 0.3, (1, len(detector.anchors()), 4)).astype(np.float32)
        detector.score_threshold, detector.iou_threshold, detector.max_detections = 0.5, 1.0, 100
        chosen = np.arange(0, codes.shape[1], 40)[:70]
        logits = np.full((1, codes.shape[1], CLASSES), -9.0, np.float32)
        logits[0, chosen, 1] = np.linspace(5, 1, len(chosen))
        anchors = torch.tensor(detector.anchors()[chosen][:, [1, 0, 3, 2]])
        want = effdet.anchors.decode_box_outputs(torch.tensor(codes[0, chosen]), anchors, output_xyxy=True).numpy()
        np.testing.assert_allclose(detector.decode((logits, codes))[0].boxes, want.clip(0, 128), atol=1e-3)


@pytest.mark.parametrize("fusion", ["fast", "softmax"])
def test_keeps_what_it_promises(fusion):
    trials.compiles(small(fusion=fusion))


def test_trains():
    trials.survives_empty_images(small())
    trials.trains_by_plan(small)


@pytest.mark.slow
def test_finds_what_it_has_seen():
    detector = small(size=96, cells=2)
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1  # the published 0.01 needs hundreds of steps before evaluation mode knows anything
    trials.overfits(detector, 160, count=6)  # P7 has one pixel: of two images its statistics would say nothing


def test_follows_the_size():
    detector = small()
    detector.size = (64, 96)
    raw = detector.eval()(np.zeros((1, 3, 64, 96), np.float32))
    dense = detector.encode(*TRUTHS)
    assert raw[0].shape[:2] == raw[1].shape[:2] == dense[0].shape == (1, 9 * (96 + 24 + 6 + 2 + 1))
    assert set(detector.criterion(raw, dense)) == {"class", "box"}


@pytest.mark.parametrize(("call", "match"), [
    (lambda: efficientdet(8), "efficientdet: scale must be from 0 to 7, got 8"),
    (lambda: small(fusion="sum"), "fusion must be one of"),
    (lambda: EfficientDet(create_model("mobilenet_v3_small")), "EfficientDet: backbone must be built with"),
    (lambda: small(size=100), "size must be multiples of 32"),
])
def test_what_is_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
