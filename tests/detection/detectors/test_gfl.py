"""GFL: losses and gradients as written out point by point, boxes there and back, and what detectors promise."""
from __future__ import annotations

import math

import numpy as np
import pytest
import trials

import tinycnn
from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn.detection import match_atss
from tinycnn.detection.detectors.gfl import gfl, gfl_fpn
from tinycnn.detection.detectors.maps import feature_backbone
from tinycnn.models import create_model

SIZE, CLASSES = 64, trials.CLASSES
TRUTHS = [np.array([[3, 4, 30, 40], [20, 20, 60, 62]], np.float32)], [np.array([2, 0])]


def small(**options):
    tinycnn.manual_seed(0)
    return gfl_fpn("mobilenet_v3_small", **{"num_classes": CLASSES, "size": SIZE, "channels": 32, "num_convs": 1,
                                            **options})


def raw_heads(detector, seed: int = 0, images: int = 1):
    rng = np.random.default_rng(seed)
    places = len(detector.priors().points)
    return (rng.normal(-1, 1, (images, places, detector.num_classes)),
            rng.normal(0, 1, (images, places, 4 * (detector.reg_max + 1))))


def box_of(detector, row: np.ndarray, place: int) -> np.ndarray:
    """The box of one distribution (4 bins,)."""
    priors = detector.priors()
    bins = row.reshape(4, -1)
    weights = np.exp(bins - bins.max(1, keepdims=True))
    left, top, right, bottom = (weights * np.arange(bins.shape[1])).sum(1) / weights.sum(1) * priors.strides[place]
    x, y = priors.points[place].astype(np.float64)
    return np.array([x - left, y - top, x + right, y + bottom])


def giou(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """IoU and GIoU of two boxes."""
    def area(box):
        return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])
    common = area([*np.maximum(a[:2], b[:2]), *np.minimum(a[2:], b[2:])])
    union = area(a) + area(b) - common
    hull = area([*np.minimum(a[:2], b[:2]), *np.maximum(a[2:], b[2:])])
    return common / union, common / union - (hull - union) / hull


def frozen_parts(detector, raw, dense):
    """What no gradient flows to: (image, place, label, IoU, weight) of each positive."""
    (logits, said), (classes, boxes, _) = raw, dense
    parts = []
    for n, place in zip(*np.nonzero(classes < detector.num_classes)):
        fit = giou(box_of(detector, said[n, place], place), boxes[n, place].astype(np.float64))[0]
        parts.append((n, place, classes[n, place], fit, 1 / (1 + math.exp(-logits[n, place].max()))))
    return parts


def written_out(detector, raw, dense, parts) -> dict[str, float]:
    """Equations 5, 6 and 8, one number at a time."""
    (logits, said), (_, boxes, sides) = raw, dense
    quality = np.zeros_like(logits)
    for n, place, label, fit, _ in parts:
        quality[n, place, label] = fit
    p = 1 / (1 + np.exp(-logits))
    of_score = np.abs(quality - p)**2 * -(quality * np.log(p) + (1 - quality) * np.log(1 - p))
    weights = sum(weight for *_, weight in parts)
    of_box = of_side = 0.0
    for n, place, _, _, weight in parts:
        of_box += weight * (1 - giou(box_of(detector, said[n, place], place), boxes[n, place].astype(np.float64))[1])
        for bins, side in zip(said[n, place].reshape(4, -1), sides[n, place].astype(np.float64)):
            low = min(int(side), len(bins) - 2)
            log = bins - np.log(np.exp(bins).sum())
            of_side -= weight / 4 * ((low + 1 - side) * log[low] + (side - low) * log[low + 1])
    return {"quality": of_score.sum() / len(parts), "box": 2 * of_box / weights,
            "distribution": 0.25 * of_side / weights}


class TestCriterion:
    def test_is_the_papers_written_out(self):
        detector = small(reg_max=7)
        dense, raw = detector.encode(*TRUTHS), raw_heads(detector)
        want = written_out(detector, raw, dense, frozen_parts(detector, raw, dense))
        got = detector.criterion(raw, [dense[0], *(a.astype(np.float64) for a in dense[1:])])
        assert list(got) == list(want)
        for name, value in got.items():
            assert value.item() == pytest.approx(want[name], rel=1e-7), name

    def test_gradients_are_differences(self):
        """With the qualities and weights, which no gradient flows to, held still."""
        detector = small(reg_max=3)
        dense, raw = detector.encode(*TRUTHS), raw_heads(detector)
        tensors = [Tensor(array, requires_grad=True) for array in raw]
        trials.total(detector.criterion(tensors, [dense[0], *(a.astype(np.float64) for a in dense[1:])])).backward()
        parts, rng = frozen_parts(detector, raw, dense), np.random.default_rng(1)
        for array, tensor in zip(raw, tensors):
            rows = [place for _, place, *_ in parts]
            for place, column in [(rows[i % len(rows)], rng.integers(array.shape[2])) for i in range(12)] + [(0, 0)]:
                ends = []
                for shift in (1e-5, -1e-5):
                    array[0, place, column] += shift
                    ends.append(sum(written_out(detector, raw, dense, parts).values()))
                    array[0, place, column] -= shift
                numeric = (ends[0] - ends[1]) / 2e-5
                assert tensor.grad[0, place, column] == pytest.approx(numeric, rel=1e-5, abs=1e-8)

    def test_a_value_worked_by_hand(self):
        """All logits 0: σ = 1/2, bins even, so each side is reg_max / 2 strides; the truth is just that box."""
        detector = small(reg_max=7, num_classes=1)
        points, strides = detector.priors().points, detector.priors().strides
        place = 27  # of 8 x 8 cells of 8 pixels
        half = 3.5 * strides[place]
        truth = np.concatenate([points[place] - half, points[place] + half])
        dense = tuple(a.copy() for a in detector.encode([truth[None]], [[0]]))
        dense[0][...] = 1
        dense[0][0, place] = 0
        dense[1][0, place], dense[2][0, place] = truth, 3.5
        raw = tuple(np.zeros(a.shape, np.float32) for a in raw_heads(detector))
        got = {name: value.item() for name, value in detector.criterion(raw, dense).items()}
        ln2, places = math.log(2), dense[0].size
        assert got["quality"] == pytest.approx(places * 0.25 * ln2, rel=1e-6)  # the quality is 1 here, 0 elsewhere
        assert got["box"] == pytest.approx(0, abs=1e-6)
        assert got["distribution"] == pytest.approx(0.25 * math.log(8), rel=1e-6)

    def test_labels_of_another_canvas_are_refused(self):
        detector = small()
        with pytest.raises(ValueError, match=r"GFL.criterion: labels has shape \(1, 86\)"):
            detector.criterion([a[:, :-1] for a in raw_heads(detector)], detector.encode(*TRUTHS))


class TestEncode:
    def test_is_atss_of_anchors_of_eight_strides(self):
        detector = small()
        classes, boxes, sides = detector.encode(*TRUTHS)
        priors = detector.priors()
        np.testing.assert_array_equal(priors.anchors[0], [4 - 32, 4 - 32, 4 + 32, 4 + 32])
        match = match_atss(TRUTHS[0][0], priors.anchors, [64, 16, 4, 1, 1])
        assert (match >= 0).sum() >= 2
        np.testing.assert_array_equal(classes[0], np.where(match >= 0, TRUTHS[1][0][match], CLASSES))
        positive = match >= 0
        np.testing.assert_array_equal(boxes[0, positive], TRUTHS[0][0][match[positive]])
        np.testing.assert_array_equal(boxes[0, ~positive], priors.anchors[~positive])
        x1y1 = priors.points[positive] - sides[0, positive, :2] * priors.strides[positive]
        np.testing.assert_allclose(x1y1, boxes[0, positive, :2], atol=1e-4)
        assert sides.min() >= 0
        assert sides.max() <= 16

    def test_follows_the_size(self):
        detector = small()
        assert detector.encode(*TRUTHS)[0].shape == (1, 86)
        detector.size = (96, 64)
        assert detector.encode(*TRUTHS)[0].shape == (1, 96 + 24 + 6 + 2 + 1)
        assert detector(np.zeros((1, 3, 96, 64), np.float32))[0].shape == (1, 129, CLASSES)


def certain(detector, dense):
    """Raw heads that say the truth: logits, and distributions whose means are the sides."""
    classes, _, sides = dense
    low = np.minimum(sides.astype(int), detector.reg_max - 1)
    bins = np.full((*sides.shape, detector.reg_max + 1), -50.0, np.float32)
    with np.errstate(divide="ignore"):
        np.put_along_axis(bins, low[..., None], np.log(low + 1 - sides)[..., None], -1)
        np.put_along_axis(bins, low[..., None] + 1, np.maximum(np.log(sides - low), -50)[..., None], -1)
    logits = np.where(classes[..., None] == np.arange(detector.num_classes), 4.0, -6.0).astype(np.float32)
    return logits, bins.reshape(*classes.shape, -1)


class TestDecode:
    def test_gives_the_truths_back(self):
        detector = small()
        found, = detector.decode(certain(detector, detector.encode(*TRUTHS)))
        np.testing.assert_allclose(found.scores, 1 / (1 + math.exp(-4)), rtol=1e-6)
        order = np.argsort(found.boxes[:, 0])
        np.testing.assert_allclose(found.boxes[order], TRUTHS[0][0], atol=1e-2)
        np.testing.assert_array_equal(found.labels[order], TRUTHS[1][0])

    def test_thresholds_and_numbers_are_obeyed(self):
        detector = small(score_threshold=0.3, max_detections=7, reg_max=2)
        raw = [a.astype(np.float32) for a in raw_heads(detector, images=2)]
        for found in detector.postprocess(raw):
            assert len(found.scores) == 7
            assert found.scores.min() > 0.3
            assert (np.diff(found.scores) <= 0).all()
            assert found.boxes.min() >= 0
            assert found.boxes.max() <= SIZE
        detector.score_threshold = 0.999
        assert [len(found.scores) for found in detector.postprocess(raw)] == [0, 0]


def test_keeps_what_it_promises():
    trials.compiles(small())
    trials.survives_empty_images(small())
    trials.trains_by_plan(small)


@pytest.mark.slow
def test_finds_what_it_has_seen():
    trials.overfits(small(size=96, num_convs=2), 250, count=2)


@pytest.mark.slow
def test_the_papers_network():
    detector = create_model("gfl_resnet50_fpn")
    names = list(detector.head.state_dict())
    assert len(detector.head.cls_convs) == len(detector.head.reg_convs) == 4
    assert names[:3] == ["cls_convs.0.conv.weight", "cls_convs.0.gn.weight", "cls_convs.0.gn.bias"]
    assert names[-6:] == ["gfl_reg.bias", *(f"scales.{i}.scale" for i in range(5))]
    assert detector.head.gfl_reg.weight.shape == (68, 256, 3, 3)
    assert len(detector.priors().points) == sum(-(-800 // s) * -(-1344 // s) for s in (8, 16, 32, 64, 128))
    p = F.sigmoid(detector.head.gfl_cls.bias).numpy()
    np.testing.assert_allclose(p, 0.01, rtol=1e-5)


def test_other_backbones_are_refused():
    with pytest.raises(ValueError, match=r"GFL: backbone must be built with features_only.* got ResNet with logits"):
        gfl(create_model("resnet18"), 3, 64, 32)
    with pytest.raises(ValueError, match=r"feature_backbone: .* reductions \[8, 16, 32\], got"):
        feature_backbone("mobilenet_v3_small", stem_stride=1)
