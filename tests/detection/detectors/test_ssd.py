"""SSD: sizes and counts, torchvision's results, targets, losses, training, refusals."""
import numpy as np
import pytest
import trials
from trials import batch, criterion_gradients, noisy, pictures
from twins import Twins, doubled

import tinycnn
from tinycnn import functional as F
from tinycnn import models, nn
from tinycnn.detection.detectors import SSD
from tinycnn.detection.detectors.ssd import DefaultBoxes, VGGMaps, extra_block, probabilities, promising, ssd_targets

NAMES = ["ssd300_vgg16", "ssdlite320_mobilenet_v3_large"]
BOXES = DefaultBoxes(((2,), (2,), (2,)), (0.25, 0.4, 0.6, 0.9))
heavy = pytest.mark.slow


def small(size=64, channels=16):
    """SSD with its own layers on a trunk of four convolutions."""
    class Maps(nn.Module):
        channels = (16, 32, 32)

        def __init__(self):
            self.stem = nn.Sequential(nn.ConvBNAct(3, 16, 3, 2), nn.ConvBNAct(16, 16, 3, 2))
            self.body = nn.ConvBNAct(16, 32, 3, 2)
            self.extra = extra_block(32, 16, 32, 2)
            self.scale_weight = nn.Parameter(np.full(16, 20.0))

        def forward(self, x):
            x = self.stem(x)
            y = self.body(x)
            return [F.l2_norm(x, self.scale_weight), y, self.extra(y)]
    return SSD(Maps(), 3, size, BOXES)


@pytest.fixture(scope="module", params=[pytest.param(NAMES[0], marks=heavy), NAMES[1]])
def twins(request):
    return Twins(request.param)


@pytest.fixture(scope="module")
def answers(twins):
    """Raw heads of both for two images, and their default boxes."""
    x = twins.images(2)
    with twins.torch.no_grad():
        raw, anchors = twins.raw(x)
        return twins.ours(x), {name: part.numpy() for name, part in raw.items()}, anchors


class TestTorchvision:
    def test_parameters(self, twins):
        theirs = {name: tuple(value.shape) for name, value in twins.theirs.state_dict().items()}
        ours = {name: value.shape for name, value in twins.ours.state_dict().items()}
        assert list(ours.items()) == list(theirs.items())

    def test_raw_heads_and_default_boxes(self, twins, answers):
        ours, theirs, anchors = answers
        assert list(ours) == ["cls_logits", "bbox_regression"]
        for name, part in ours.items():
            np.testing.assert_allclose(part.numpy(), theirs[name], rtol=0, atol=1e-4 * np.abs(theirs[name]).max())
        np.testing.assert_allclose(twins.ours.default_boxes, anchors[0].numpy(), atol=1e-4)

    def test_detections(self, twins, answers, monkeypatch):
        """The same raw heads: boxes before suppression, and what is left after it."""
        torch, model, (_, raw, anchors) = twins.torch, twins.theirs, answers
        seen = []
        def suppression(boxes, scores, labels, iou_threshold):
            seen.append((boxes, scores, labels))
            return torch.tensor(greedy(boxes.numpy(), scores.numpy(), labels.numpy(), iou_threshold))
        monkeypatch.setattr(twins.vision.ops.boxes, "batched_nms", suppression)
        sizes = [twins.ours.size] * 2
        for detector, name in ((model, "score_thresh"), (twins.ours, "score_threshold")):
            monkeypatch.setattr(detector, name, 0.2)
        theirs = model.postprocess_detections({name: torch.tensor(x) for name, x in raw.items()}, anchors, sizes)
        ours = twins.ours.decode(raw)
        for a, b, candidates in zip(ours, theirs, seen, strict=True):
            assert len(a.scores) == len(b["scores"]) > 50
            assert len(candidates[0]) > 2 * len(a.scores)
            np.testing.assert_allclose(a.scores, b["scores"].numpy(), rtol=1e-4)
            np.testing.assert_array_equal(a.labels + 1, b["labels"].numpy())
            np.testing.assert_allclose(a.boxes, b["boxes"].numpy(), atol=2e-2)  # offsets of thousands are cut off

    def test_targets(self, twins):
        """Where no two truths want the same default box, which torchvision gives to the later one."""
        torch, utils = twins.torch, twins.vision.models.detection._utils
        _, boxes, labels = pictures(3, 300)
        anchors = torch.tensor(twins.ours.default_boxes)
        found, encoded = twins.ours.encode(boxes, labels)
        for i in (0, 1):
            truths = torch.tensor(boxes[i])
            match = utils.SSDMatcher(0.5)(twins.vision.ops.box_iou(truths, anchors)).numpy()
            np.testing.assert_array_equal(found[i], np.where(match >= 0, labels[i][match] + 1, 0))
            there = match >= 0
            want = twins.theirs.box_coder.encode_single(truths[match[there]], anchors[there])
            np.testing.assert_allclose(encoded[i][there], want.numpy(), atol=1e-4)
        assert not found[2].any()

    @pytest.mark.parametrize("name", [pytest.param(NAMES[0], marks=heavy), NAMES[1]])
    def test_losses_and_gradients(self, name):
        twins = Twins(name, np.float64)
        torch, x = twins.torch, twins.images(1, np.float64)
        _, boxes, labels = pictures(2, twins.ours.size[0])
        dense = found, encoded = [part[:1] for part in twins.ours.encode(boxes, labels)]
        ours = twins.ours.criterion(twins.ours(x), (found, encoded.astype(np.float64)))
        sum(ours.values()).backward()
        raw, anchors = twins.raw(x)
        there = dense[0][0] > 0
        twins.theirs.box_coder.encode_single = lambda *_: torch.tensor(encoded[0][there]).double()
        match = torch.tensor(np.where(there, np.cumsum(there) - 1, -1))  # each has a truth of its own
        targets = [{"boxes": torch.zeros(int(there.sum()), 4), "labels": torch.tensor(found[0][there])}]
        theirs = twins.theirs.compute_loss(targets, raw, anchors, [match])
        assert ours["classification"].item() == pytest.approx(theirs["classification"].item(), rel=1e-9)
        assert ours["localization"].item() == pytest.approx(theirs["bbox_regression"].item(), rel=1e-9)
        sum(theirs.values()).backward()
        gradients = {name: p.grad.numpy() for name, p in twins.theirs.named_parameters() if p.grad is not None}
        assert len(gradients) > 60
        for name, p in twins.ours.named_parameters():
            np.testing.assert_allclose(p.grad, gradients[name], rtol=0, atol=1e-7 * np.abs(gradients[name]).max(),
                                       err_msg=name)


def greedy(boxes, scores, labels, iou_threshold):
    """Suppression label by label, the best box first."""
    kept = []
    for label in np.unique(labels):
        left = np.flatnonzero(labels == label)
        left = left[np.argsort(-scores[left], kind="stable")]
        while len(left):
            kept.append(left[0])
            left = left[1:][F.box_iou(boxes[left[:1]], boxes[left[1:]])[0] <= iou_threshold]
    return np.array(kept)[np.argsort(-scores[kept], kind="stable")]


class TestSSD300:
    def test_as_published(self):
        net = models.create_model("ssd300_vgg16", num_classes=20)
        assert trials.parameters(net) / 1e6 == pytest.approx(26.3, abs=0.05)
        assert (net.score_threshold, net.iou_threshold, net.top_k, net.max_detections) == (0.01, 0.45, 400, 200)
        assert net.inputs([np.full((9, 9, 3), 255, np.uint8)], (300, 300)).max() == pytest.approx(255 * (1 - 0.40784))

    @heavy
    def test_compiled_is_eager(self):
        trials.compiles(models.create_model("ssd300_vgg16", num_classes=20))

    @heavy
    def test_another_size(self):
        net = models.create_model("ssd300_vgg16", num_classes=2)
        net.size = 332, 300
        assert len(net.default_boxes) == net(np.zeros((1, 3, 332, 300), np.float32))["cls_logits"].shape[1]

    def test_a_cut_trunk_is_refused(self):
        with pytest.raises(ValueError, match="VGG: expected all five blocks of a trunk, got one with 3"):
            VGGMaps(models.vgg16(features_only=True, out_indices=(2, 3)))


class TestOnAnyNetwork:
    @pytest.mark.parametrize(("backbone", "strides"), [("ghostnet_100", (8, 16, 32)), ("squeezenet1_1", (4, 8, 16))])
    def test_default_boxes(self, backbone, strides):
        net = models.create_model("ssd", backbone=backbone, num_classes=3, size=(128, 96), strides=strides, maps=4)
        raw = net.eval()(np.zeros((1, 3, 128, 96), np.float32))
        assert raw["cls_logits"].shape == (1, len(net.default_boxes), 4)
        assert raw["bbox_regression"].shape == (1, len(net.default_boxes), 4)
        first = net.default_boxes[0]
        assert first[2] - first[0] == pytest.approx(0.2 * 96)

    @heavy
    def test_learns_and_finds(self):
        tinycnn.manual_seed(0)
        trunk = models.shufflenet_v2_x0_5(features_only=True, stem_stride=1, out_indices=(2, 3))
        net = models.create_model("ssd", backbone=trunk, num_classes=3, size=64, maps=3, smallest=0.3)
        trials.overfits(net, 90, 5e-3, fall=0.2)

    @pytest.mark.parametrize(("options", "match"), [
        ({"strides": (16, 64)}, r"\[16, 64\], got MobileNetV2 with maps at \[2, 4, 8"),
        ({"maps": 8}, "up to 4 more; got 3 maps of MobileNetV2 and maps=8"),
        ({"maps": 2}, "up to 4 more"),
        ({"backbone": models.shufflenet_v2_x0_5()}, "ssd: backbone must be built with features_only=True"),
    ])
    def test_what_is_refused(self, options, match):
        with pytest.raises(ValueError, match=match):
            models.create_model("ssd", **options)


def test_boxes_of_the_lowest_map():
    """TensorFlow's: a square of 0.1, and two oblongs of 0.2; all other maps as without."""
    boxes = DefaultBoxes(((2,), (2, 3)), (0.2, 0.95, 1.0), lowest=0.1)
    assert boxes.per_cell == [3, 6]
    made = boxes([(2, 1), (1, 1)], (100, 100))
    sides = made[:, 2:] - made[:, :2]
    root = np.sqrt(2)
    np.testing.assert_allclose(sides[:3], [[10, 10], [20 * root, 20 / root], [20 / root, 20 * root]], rtol=1e-5)
    np.testing.assert_allclose(sides[3:6], sides[:3])
    np.testing.assert_array_equal(made[6:], DefaultBoxes(((2,), (2, 3)), (0.2, 0.95, 1.0))([(2, 1), (1, 1)],
                                                                                         (100, 100))[8:])


def test_targets_by_both_rules():
    anchors = np.array([[0, 0, 10, 10], [0, 0, 10, 20], [50, 50, 60, 60], [80, 80, 90, 90]], np.float32)
    labels, boxes = ssd_targets([[[0, 0, 10, 12], [52, 52, 55, 55]]], [[1, 0]], anchors, 2)
    assert labels.tolist() == [[2, 2, 1, 0]]  # IoU 0.83, 0.6; the best that there is; nothing
    np.testing.assert_allclose(boxes[0, 0], [0, 1, 0, np.log(1.2) / 0.2], atol=1e-5)
    np.testing.assert_allclose(boxes[0, 2], [-1.5, -1.5, *[np.log(0.3) / 0.2] * 2], atol=1e-5)
    assert np.isfinite(boxes).all()


def test_loss_by_hand():
    net = small()
    p = len(net.default_boxes)
    labels, boxes = np.zeros((1, p), np.int64), np.zeros((1, p, 4))
    labels[0, 7] = 2
    raw = {"cls_logits": np.zeros((1, p, 4)), "bbox_regression": np.full((1, p, 4), 0.5)}
    terms = net.criterion(doubled(raw), (labels, boxes))
    assert terms["classification"].item() == pytest.approx(4 * np.log(4))  # one positive, three negatives
    assert terms["localization"].item() == pytest.approx(4 * 0.125)


def test_gradients():
    net = small()
    criterion_gradients(net, noisy(net), batch(net)[1])


def test_keeps_what_it_promises():
    trials.compiles(small())
    trials.survives_empty_images(small(), ("classification", "localization"))
    report = trials.trains_by_plan(small)
    assert set(report.host) == {"tape"}  # which looks at labels


def test_learns_and_finds():
    tinycnn.manual_seed(0)
    trials.overfits(small(), 80, 1e-2, fall=0.2)


def test_decoding_shows_what_was_encoded():
    """Heads that say their own targets: each object is found where it is, and nothing else."""
    net = small()
    _, boxes, labels = pictures(3, 64)
    classes, offsets = net.encode(boxes, labels)
    raw = {"cls_logits": 9.0 * np.eye(4, dtype=np.float32)[classes], "bbox_regression": offsets}
    for found, truths, of_image in zip(net.postprocess(raw, [(128, 64)] * 3), boxes, labels, strict=True):
        assert len(found.boxes) == len(truths)
        for truth, label in zip(truths, of_image):
            near = np.abs(found.boxes - truth * [1, 2, 1, 2]).max(1) < 1e-3
            assert found.labels[near].tolist() == [label]


def test_unlikely_places_alone_are_left_out():
    logits = np.random.default_rng(0).normal(0, 3, (500, 6)).astype(np.float32)
    scores = probabilities(logits)
    np.testing.assert_allclose(scores.sum(1), 1, rtol=1e-5)
    for threshold in (0.0, 0.01, 0.3, 0.9):
        likely = np.flatnonzero((scores[:, 1:] > threshold).any(1))
        assert set(likely) <= set(promising(logits, threshold))
    assert len(promising(logits, 0.3)) < 450


def test_another_size_moves_the_boxes():
    net = small()
    before = net.default_boxes
    net.size = 96, 64
    assert len(net.default_boxes) == 1.5 * len(before)
    x, dense = np.zeros((1, 3, 96, 64), np.float32), net.encode([[[4, 4, 40, 80]]], [[1]])
    raw = net.eval()(x)
    assert all(np.isfinite(term.item()) for term in net.criterion(raw, dense).values())
    assert np.all(net.postprocess(raw)[0].boxes <= [64, 96, 64, 96])
    net.size = 64, 64
    with pytest.raises(ValueError, match="SSD: raw heads of 2016 default boxes, but a network of size"):
        net.postprocess(raw)


@pytest.mark.parametrize(("call", "match"), [
    (lambda net: net.encode([[[0, 0, 9, 9]]], [[3]]), "labels has 3, but there are 3 classes"),
    (lambda net: net.encode([[[0, 0, 9, 9]]], [[-1]]), "integers from 0"),
    (lambda net: net.encode([[[9, 0, 0, 9]]], [[0]]), r"boxes\[0\]"),
    (lambda net: net.encode([], []), "at least one"),
    (lambda net: SSD(net.backbone, 0, 64, BOXES), "num_classes must be"),
    (lambda net: SSD(net.backbone, 3, 64, DefaultBoxes(((2,),), (0.3, 0.6))), "zip"),
])
def test_what_is_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call(small())
