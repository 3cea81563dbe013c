"""Targets of YOLO's cells: the rule, one truth at a time, and through coders and losses."""
from __future__ import annotations

import numpy as np
import pytest

from tinycnn import losses
from tinycnn.detection import targets as T
from tinycnn.detection.coders import encode_logistic
from tinycnn.detection.yolo_anchors import PUBLISHED, YOLOScale, sides_iou, yolo_priors
from tinycnn.detection.yolo_cells import yolo_targets, yolo_v1_targets


class TestYOLOv1:
    def test_cells(self):
        boxes = [[10, 10, 50, 30], [12, 12, 40, 30], [90, 60, 100, 100]]
        labels, codes = yolo_v1_targets([boxes, []], [[4, 5, 6], []], (100, 100), cells=5)
        assert np.argwhere(labels >= 0).tolist() == [[0, 1, 1], [0, 4, 4]]
        assert labels[0, 1, 1] == 4  # the first of two
        np.testing.assert_allclose(codes[0, 1, 1], [0.5, 0, 0.4, 0.2])
        np.testing.assert_allclose(codes[0, 4, 4], [0.75, 0, 0.1, 0.4], atol=1e-6)

    def test_a_prediction_that_is_the_target_costs_nothing(self):
        labels, codes = yolo_v1_targets([[[10, 10, 50, 30]]], [[1]], (100, 100))
        there = (labels >= 0).astype(np.float32)[..., None]
        pred = np.concatenate([codes, there], -1)[:, :, :, None]
        terms = losses.YOLOv1Loss()(pred, np.eye(3, dtype=np.float32)[labels] * there, labels, codes)
        assert all(term.item() < 1e-9 for term in terms.values())


GRIDS = [(13, 13), (26, 26), (52, 52)]


def random_truths(seed: int, n: int = 15) -> np.ndarray:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 330, (n, 2))
    return np.concatenate([corner, np.minimum(corner + rng.uniform(6, 300, (n, 2)), 416)], 1).astype(np.float32)


class TestYOLO:
    @pytest.mark.parametrize("threshold", [None, 0.213])
    def test_best_anchor_of_the_cell(self, threshold):
        boxes, scales = random_truths(0), PUBLISHED["yolov3"]
        dense = yolo_targets([boxes], [np.arange(15)], GRIDS, scales, threshold)
        want = [np.full(level.labels.shape, -1) for level in dense]
        every = [(s, a, sides) for s, scale in enumerate(scales) for a, sides in enumerate(scale.anchors)]
        passes = (True, False) if threshold is not None else (False,)
        for others in passes:
            for i, (x1, y1, x2, y2) in enumerate(boxes):
                iou = sides_iou(np.array([[x2 - x1, y2 - y1]]), np.array([sides for *_, sides in every]))[0]
                for k in np.flatnonzero(iou > threshold) if others else [iou.argmax()]:
                    s, a, _ = every[k]
                    stride = scales[s].stride
                    want[s][0, a, int((y1 + y2) / 2 // stride), int((x1 + x2) / 2 // stride)] = i
        for level, labels in zip(dense, want):
            np.testing.assert_array_equal(level.labels, labels)
            found = labels >= 0
            np.testing.assert_array_equal(level.boxes[found], boxes[labels[found]])
            assert not level.boxes[~found].any()

    def test_a_head_that_says_the_target_costs_no_box_loss(self):
        """Assigner, coder and criterion agree on cells, anchors and their order."""
        scales, boxes = PUBLISHED["yolov4"][1:2], random_truths(1)
        (labels, dense, _), = yolo_targets([boxes], [np.zeros(15, int)], [(26, 26)], scales)
        priors, _, _ = yolo_priors([(26, 26)], scales)
        there = labels.reshape(-1) >= 0
        codes = np.zeros((len(priors), 6), np.float32)
        codes[there, :4] = encode_logistic(dense.reshape(-1, 4)[there], priors[there], 16, scales[0].scale_xy)
        codes[there, 4:], codes[~there, 4:] = 30, -30
        raw = codes.reshape(1, 3, 26, 26, 6).transpose(0, 1, 4, 2, 3).reshape(1, 18, 26, 26)
        loss = losses.YOLOv4Loss(scales[0].anchors, 16, scale_xy=scales[0].scale_xy)
        terms = loss(raw, labels, dense, T.pad_truths([boxes]))
        assert all(term.item() < 1e-4 for term in terms.values()), terms

    def test_a_centre_on_the_border_or_beyond_falls_into_the_last_cell(self):
        (labels, _, _), = yolo_targets([[[32, 32, 96, 96]], [[-40, 0, 10, 10]]], [[1], [2]], [(2, 2)],
                                    [YOLOScale(32, ((50, 50),))])
        assert np.argwhere(labels >= 0).tolist() == [[0, 0, 1, 1], [1, 0, 0, 0]]

    @pytest.mark.parametrize(("boxes", "labels", "error", "match"), [
        ([[[0, 0, 4, 4]]], [], ValueError, "expected boxes and labels of as many images"),
        ([], [], ValueError, "at least one"),
        ([[[0, 0, 4, 4]]], [[1.5]], TypeError, "yolo_targets: labels must be integers"),
        ([[[0, 0, 4, 4]]], [[-1]], ValueError, "yolo_targets: labels must be 1 integers from 0"),
        ([[[4, 0, 0, 4]]], [[1]], ValueError, r"yolo_targets: boxes\[0\] is")])
    def test_what_is_refused(self, boxes, labels, error, match):
        with pytest.raises(error, match=match):
            yolo_targets(boxes, labels, GRIDS, PUBLISHED["yolov3"])
