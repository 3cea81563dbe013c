"""Anchors: torchvision's, number by number, the counts of the papers, and clusters that a search agrees with."""
from types import SimpleNamespace

import numpy as np
import pytest
from torchvision_oracle import import_torchvision

from tinycnn.detection import anchors as A
from tinycnn.detection import yolo_anchors as Y

SSD_GRIDS = [(38, 38), (19, 19), (10, 10), (5, 5), (3, 3), (1, 1)]
LITE_GRIDS = [(20, 20), (10, 10), (5, 5), (3, 3), (2, 2), (1, 1)]


def theirs(torch, generator, grids, size) -> np.ndarray:
    """What a generator of torchvision gives for an image of that size."""
    images = SimpleNamespace(tensors=torch.zeros(1, 3, *size), image_sizes=[size])
    return generator(images, [torch.zeros(1, 1, *grid) for grid in grids])[0].numpy()


def utils():
    import_torchvision()
    from torchvision.models.detection import anchor_utils
    return anchor_utils


def test_ssd300(torch):
    got = A.default_boxes(SSD_GRIDS, (300, 300), A.SSD300_RATIOS, A.SSD300_SCALES, A.SSD300_STEPS)
    generator = utils().DefaultBoxGenerator([list(r) for r in A.SSD300_RATIOS], scales=list(A.SSD300_SCALES),
                                            steps=list(A.SSD300_STEPS))
    assert got.shape == (8732, 4)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, theirs(torch, generator, SSD_GRIDS, (300, 300)), atol=1e-4)


@pytest.mark.parametrize("size", [(320, 320), (320, 256)], ids=str)
def test_ssdlite(torch, size):
    grids = [(h, max(1, w * size[1] // 320)) for h, w in LITE_GRIDS]
    got = A.default_boxes(grids, size, [(2, 3)] * 6, A.ssd_scales(6))
    generator = utils().DefaultBoxGenerator([[2, 3]] * 6, min_ratio=0.2, max_ratio=0.95)
    np.testing.assert_allclose(got, theirs(torch, generator, grids, size), atol=1e-4)
    assert size != (320, 320) or len(got) == 3234


@pytest.mark.parametrize(("sides", "ratios"), [(A.RETINANET_SIDES, A.RATIOS), (A.RPN_SIDES, A.RATIOS),
                                               ([(s,) for s in (8, 16, 32, 64, 128)], (1.0,))])
def test_anchor_boxes(torch, sides, ratios):
    size, grids = (256, 320), [(32, 40), (16, 20), (8, 10), (4, 5), (2, 3)]
    generator = utils().AnchorGenerator(tuple(tuple(s) for s in sides), (tuple(ratios),) * len(sides))
    np.testing.assert_array_equal(A.anchor_boxes(grids, size, sides, ratios), theirs(torch, generator, grids, size))


def test_points_and_squares():
    points, strides = A.grid_points([(2, 3), (1, 2)], (8, 16))
    assert points.tolist() == [[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12], [8, 8], [24, 8]]
    assert strides.tolist() == [8] * 6 + [16] * 2
    squares = A.square_anchors([(2, 3), (1, 2)], (8, 16))
    np.testing.assert_array_equal((squares[:, :2] + squares[:, 2:]) / 2, points)
    np.testing.assert_array_equal(squares[:, 2:] - squares[:, :2], np.stack([strides * 8] * 2, 1))


@pytest.mark.parametrize(("name", "count"), [("yolov2_voc", 845), ("yolov2_coco", 845), ("yolov3", 10647),
                                             ("yolov4", 10647), ("yolov3_tiny", 2535)])
def test_yolo_priors(name, count):
    scales = Y.PUBLISHED[name]
    grids = [(416 // s.stride,) * 2 for s in scales]
    priors, strides, scale_xy = Y.yolo_priors(grids, scales)
    assert (len(priors), strides.shape, scale_xy.shape) == (count, (count, 1), (count, 1))
    at = 0
    for (h, w), scale in zip(grids, scales):
        table = priors[at:at + h * w * len(scale.anchors)].reshape(-1, h, w, 4)
        anchor, row, column = len(table) - 1, h - 2, w - 1
        np.testing.assert_allclose(table[anchor, row, column],
                                   [column * scale.stride, row * scale.stride, *scale.anchors[anchor]], rtol=1e-6)
        at += table[..., 0].size


class TestKMeans:
    def test_clusters_that_are_there_are_found(self):
        rng = np.random.default_rng(1)
        centres = np.array([[10, 30], [60, 20], [80, 90]])
        sides = np.concatenate([c * rng.uniform(0.95, 1.05, (50, 2)) for c in centres])
        anchors, mean_iou = Y.kmeans_anchors(rng.permutation(sides), 3)
        np.testing.assert_allclose(anchors, centres, rtol=0.05)
        assert mean_iou > 0.93

    def test_no_box_would_rather_be_elsewhere_and_every_centre_is_a_mean(self):
        sides = np.random.default_rng(2).lognormal(3, 0.6, (200, 2))
        anchors, mean_iou = Y.kmeans_anchors(sides, 5)
        iou = Y.sides_iou(sides, anchors)
        nearest = iou.argmax(1)
        for i, anchor in enumerate(anchors):
            np.testing.assert_allclose(anchor, sides[nearest == i].mean(0))
        assert mean_iou == pytest.approx(iou.max(1).mean())

    def test_the_same_seed_gives_the_same_anchors(self):
        sides = np.random.default_rng(3).uniform(1, 9, (60, 2))
        np.testing.assert_array_equal(Y.kmeans_anchors(sides, 4, seed=7)[0], Y.kmeans_anchors(sides, 4, seed=7)[0])

    def test_equal_boxes_are_no_trouble(self):
        anchors, mean_iou = Y.kmeans_anchors(np.full((5, 2), 4.0), 3)
        assert anchors.tolist() == [[4, 4]] * 3
        assert mean_iou == 1

    @pytest.mark.parametrize(("sides", "k", "match"), [
        ([[1, 2]], 2, "k must be from 1 to the number of boxes, 1"), ([[1, 0]], 1, "widths and heights above 0"),
        ([[1, np.nan]], 1, "widths and heights above 0"), ([1, 2], 1, r"sides must be \(N, 2\)"),
        ([[1, 2]], 0, "k must be from 1")])
    def test_what_is_refused(self, sides, k, match):
        with pytest.raises(ValueError, match=match):
            Y.kmeans_anchors(sides, k)


@pytest.mark.parametrize(("call", "match"), [
    (lambda: A.grid_points([(2, 2)], (8, 16)), "grid_points: strides has 2 entries for 1 maps"),
    (lambda: A.grid_points([(2, 0)], (8,)), "grid_points: grid_sizes must be .height, width."),
    (lambda: A.grid_points([], ()), "grid_sizes"),
    (lambda: A.default_boxes([(2, 2)], (9, 9), [(2,)], [0.5]), "default_boxes: scales has 1 entries, expected 2"),
    (lambda: A.ssd_scales(0), "ssd_scales: expected a positive number"),
])
def test_what_is_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
