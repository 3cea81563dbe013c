"""YOLO v4: its layers in the order of the authors' configuration, its loss and suppression, and that it learns."""
import numpy as np
import pytest
import trials
from zoo.counting import multiply_adds

import tinycnn
from tinycnn import Tensor
from tinycnn.detection import PUBLISHED, YOLOScale
from tinycnn.detection.coders import encode_logistic
from tinycnn.detection.detectors.yolov4 import YOLOv4
from tinycnn.detection.yolo_anchors import yolo_priors
from tinycnn.models import create_model
from tinycnn.models.darknet import PlainDarknet
from tinycnn.nn import LeakyReLU, Mish

SIZE = 64
SMALL = tuple(YOLOScale(s, tuple((w * s, h * s) for w, h in ((2, 2), (3, 2), (2, 3))), xy)
              for s, xy in ((8, 1.2), (16, 1.1)))
# The part of yolov4.cfg behind the backbone: filters and size of each convolution
POOLING = [(512, 1), (1024, 3), (512, 1)] * 2
DOWN = [[(c, 1)] * 2 + [(c, 1), (2 * c, 3)] * 2 + [(c, 1)] for c in (256, 128)]
UP = [[(256, 3), (255, 1)], *[[(c, 3), (c, 1), (2 * c, 3), (c, 1), (2 * c, 3), (c, 1), (2 * c, 3), (255, 1)]
                              for c in (256, 512)]]


def small(size=SIZE, **options):
    backbone = PlainDarknet((0,) * 5, width=0.25, features_only=True, out_indices=(2, 3))
    return YOLOv4(backbone, 3, size, SMALL, width=0.0625, **options)


class TestThePaper:
    def test_layers_come_in_the_order_of_the_file(self, blank):
        net = create_model("yolov4")
        shapes = [(w.shape[0], w.shape[2]) for name, w in net.state_dict().items()
                  if w.ndim == 4 and not name.startswith("backbone.")]
        assert shapes == [*POOLING, *DOWN[0], *DOWN[1], *UP[0], *UP[1], *UP[2]]
        assert next(iter(net.state_dict())).startswith("backbone.")
        backbone = [m for m in net.backbone.modules() if isinstance(m, (Mish, LeakyReLU))]
        neck = [m for part in (net.neck, net.up) for m in part.modules()
                if isinstance(m, (Mish, LeakyReLU))]
        assert {type(m) for m in backbone} == {Mish}
        assert {m.negative_slope for m in neck} == {0.1}

    def test_numbers_in_the_file(self, blank):
        """yolov4.weights: a header of 20 bytes, then parameters and running statistics; "245 MB" in the authors' list.
        """
        net = create_model("yolov4")
        numbers = sum(v.size for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked"))
        assert sum(p.size for p in net.parameters()) == 64_363_101
        assert numbers == 64_429_405
        assert (20 + 4 * numbers) // 2**20 == 245

    def test_operations(self, blank):
        """2 for each multiply-add of a convolution; published with pooling and additions: 35.5 60.1 91.1 128.5 G."""
        net = create_model("yolov4")
        counted = {size: 2 * multiply_adds(net, size) / 1e3 for size in (320, 416, 512, 608)}
        assert counted == pytest.approx({320: 35.56, 416: 60.10, 512: 91.05, 608: 128.39}, abs=0.01)
        assert list(counted.values()) == pytest.approx([35.5, 60.1, 91.1, 128.5], rel=2e-3)

    def test_boxes(self, blank):
        net = create_model("yolov4")
        shapes = [value.shape for value in tinycnn.trace(net.eval(), (1, 3, 416, 416)).outputs]
        assert shapes == [(1, 255, 52, 52), (1, 255, 26, 26), (1, 255, 13, 13)]
        assert sum(3 * h * w for _, _, h, w in shapes) == 10_647
        assert [(s.stride, s.scale_xy) for s in net.scales] == [(8, 1.2), (16, 1.1), (32, 1.05)]
        assert [loss.scale_xy for loss in net.losses] == [1.2, 1.1, 1.05]


@pytest.mark.parametrize("backbone", ["mobilenet_v2", "mobilenetv1_025"])
def test_on_a_light_backbone(blank, backbone):
    net = create_model("yolov4", backbone=backbone, width=0.125, num_classes=10, size=(96, 160))
    shapes = [value.shape for value in tinycnn.trace(net.eval(), (1, 3, 96, 160)).outputs]
    assert shapes == [(1, 45, 12, 20), (1, 45, 6, 10), (1, 45, 3, 5)]


class TestLoss:
    def test_by_hand(self):
        """A head that says 0, one object exactly on one cell and anchor."""
        net = small()
        x1, y1 = 24 - 12, 24 - 8  # centre (24, 24) of the anchor 24 x 16 of the first map, which ends a cell
        dense = net.encode([[[x1, y1, x1 + 24, y1 + 16]]], [[1]])
        answering = [np.argwhere(labels >= 0).tolist() for labels in dense[:-1:3]]
        assert [0, 1, 3, 3] in answering[0]
        raw = [Tensor(np.zeros((1, 24, n, n))) for n in (8, 4)]
        terms = net.criterion(raw, tuple(d.astype(float) if d.dtype == np.float32 else d for d in dense))
        count = sum(map(len, answering))
        assert terms["objectness"].item() == pytest.approx(count * np.log(2))
        assert terms["class"].item() == pytest.approx(count * 3 * np.log(2))
        assert 0 < terms["noobj"].item() <= (3 * (64 + 16) - count) * np.log(2) + 1e-9
        assert 0 < terms["box"].item() < 5 * 2 * count

    def test_gradients(self):
        """CIoU holds a factor constant: tests of `losses` have the whole."""
        net, rng = small(), np.random.default_rng(0)
        dense = net.encode([[[8, 8, 40, 40], [30, 30, 60, 50]], []], [[1, 2], []])
        raw = tuple(rng.normal(0, 0.3, (2, 24, n, n)) for n in (8, 4))
        assert sum((labels >= 0).sum() for labels in dense[:-1:3]) >= 2
        trials.criterion_gradients(net, raw, dense, ("objectness", "noobj", "class"))

    def test_weight_of_the_box(self):
        dense, raw = small().encode([[[8, 8, 40, 40]]], [[1]]), small()(np.zeros((1, 3, SIZE, SIZE), np.float32))
        one, three = (small(box_weight=w).criterion(raw, dense)["box"].item() for w in (1.0, 3.0))
        assert three == pytest.approx(3 * one, rel=1e-6)


class TestDetections:
    def head(self, net, boxes, scores):
        """What a head says that sees boxes, each at the first map's first anchor of its cell, with class 0."""
        raw = [np.full((1, 3, 8, n, n), -20, np.float32) for n in (8, 4)]
        priors = yolo_priors([(8, 8), (4, 4)], net.scales)[0]
        for box, score in zip(boxes, scores):
            column, row = ((np.array(box[:2]) + box[2:]) / 2 // 8).astype(int)
            place = priors[row * 8 + column]
            raw[0][0, 0, :4, row, column] = encode_logistic(np.array(box, np.float32), place, 8, 1.2)
            raw[0][0, 0, 4:6, row, column] = np.log(score / (1 - score)), 20
        return [part.reshape(1, 24, *part.shape[3:]) for part in raw]

    def test_decoding_is_the_coders_inverse(self):
        net, boxes = small(), [[4, 10, 22, 30], [33, 37, 60, 55]]
        found, = net.postprocess(self.head(net, boxes, [0.9, 0.7]))
        np.testing.assert_allclose(found.boxes, boxes, atol=1e-3)
        np.testing.assert_allclose(found.scores, [0.9, 0.7], rtol=1e-5)
        assert found.labels.tolist() == [0, 0]

    def test_suppression_is_by_distance(self):
        """Two boxes whose IoU exceeds the threshold, but not less the distance of their centres."""
        net = small(iou_threshold=0.52)
        boxes = [[10, 20, 40, 50], [19, 20, 49, 50]]  # IoU 21/39 = 0.538; (9² / (39² + 30²)) = 0.033
        assert len(net.postprocess(self.head(net, boxes, [0.9, 0.8]))[0].boxes) == 2
        net.iou_threshold = 0.5
        assert len(net.postprocess(self.head(net, boxes, [0.9, 0.8]))[0].boxes) == 1


def test_it_learns():
    tinycnn.manual_seed(0)
    trials.overfits(small(), 100, fall=0.2)


@pytest.mark.slow
def test_all_three_maps_learn():
    tinycnn.manual_seed(0)
    net = YOLOv4(create_model("mobilenetv1_025", features_only=True), 3, 128, width=0.125)
    trials.overfits(net, 150, count=5, fall=0.2)


def test_keeps_what_it_promises():
    trials.compiles(small())
    trials.survives_empty_images(small(), ("box", "objectness", "class"))
    trials.trains_by_plan(small)


def test_another_size():
    """Multi-scale training: the same network, another size from one step to the next."""
    net = small()
    net.size = (96, 64)
    dense = net.encode([[[40, 50, 60, 90]]], [[2]])
    assert [d.shape for d in dense[:-1:3]] == [(1, 3, 12, 8), (1, 3, 6, 4)]
    trials.follows_size(net)


@pytest.mark.parametrize(("scales", "message"), [
    ((), r"YOLOv4: scales must have strides that double, got \[\]"),
    (PUBLISHED["yolov3"], r"YOLOv4: scales must have strides that double, got \[32, 16, 8\]"),
    ((YOLOScale(64, ((9, 9),)),), r"give maps at the reductions \[64\]"),
])
def test_refusals(blank, scales, message):
    with pytest.raises(ValueError, match=message):
        YOLOv4(create_model("shufflenet_v2_x0_5", features_only=True), 3, 64, scales)
