"""YOLO's anchors: counts and places, and clusters as they are defined."""
import numpy as np
import pytest

from tinycnn.detection import yolo_anchors as Y


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
