"""Dense targets that criteria take, and drawn samples."""
from __future__ import annotations

import numpy as np
import pytest

from tinycnn.detection import targets as T
from tinycnn.detection.matching import match_boxes

MATCH = np.array([T.BACKGROUND, 2, T.IGNORED, 0, 0, T.BACKGROUND])
BOXES = np.array([[0, 0, 4, 4], [1, 1, 5, 5], [2, 2, 6, 6]], np.float32)


def test_dense_targets():
    labels, boxes = T.dense_targets(MATCH, BOXES, [7, 8, 9], background=20)
    assert labels.tolist() == [20, 9, -1, 7, 7, 20]
    np.testing.assert_array_equal(boxes, [[0] * 4, BOXES[2], [0] * 4, BOXES[0], BOXES[0], [0] * 4])


def test_a_batch_is_its_images():
    anchors = np.concatenate([BOXES + 1, BOXES + 40])
    images, labels = [BOXES, BOXES[:0], BOXES[1:]], [[7, 8, 9], [], [8, 9]]
    found, where = T.batch_targets(images, labels, lambda truths: match_boxes(truths, anchors, 0.3, 0.2), 20)
    assert (found.shape, where.shape, where.dtype) == ((3, 6), (3, 6, 4), np.float32)
    for i in range(3):
        one = T.dense_targets(match_boxes(images[i], anchors, 0.3, 0.2), images[i], labels[i], 20)
        np.testing.assert_array_equal(found[i], one[0])
        np.testing.assert_array_equal(where[i], one[1])
    with pytest.raises(ValueError, match="batch_targets: expected boxes and labels of as many images"):
        T.batch_targets([BOXES], [], lambda truths: truths, 20)
    with pytest.raises(ValueError, match=r"batch_targets: boxes\[0\] is"):
        T.batch_targets([BOXES[:, ::-1]], [[1, 2, 3]], lambda truths: truths, 20)


def test_padded_truths():
    padded = T.pad_truths([BOXES, [], BOXES[:1]])
    assert padded.shape == (3, 3, 4)
    assert padded[1].tolist() == [[0] * 4] * 3
    assert T.pad_truths([[], []]).shape == (2, 1, 4)
    with pytest.raises(ValueError, match="pad_truths: an image has 3 boxes, more than most=2"):
        T.pad_truths([BOXES], most=2)


class TestSampling:
    match = np.concatenate([np.full(100, 3), np.full(400, T.BACKGROUND), np.full(50, T.IGNORED)])

    @pytest.mark.parametrize(("count", "fraction", "positive", "negative"), [
        (128, 0.25, 32, 96), (256, 0.5, 100, 156), (1000, 0.5, 100, 400), (0, 0.5, 0, 0), (10, 0.0, 0, 10)])
    def test_counts(self, count, fraction, positive, negative):
        sampled = T.sample_matches(self.match, count, fraction, np.random.default_rng(0))
        assert ((sampled >= 0).sum(), (sampled == T.BACKGROUND).sum()) == (positive, negative)
        changed = sampled != self.match
        assert (sampled[changed] == T.IGNORED).all()

    def test_every_anchor_has_its_chance(self):
        rng = np.random.default_rng(1)
        hits = sum((T.sample_matches(self.match, 128, 0.25, rng) != T.IGNORED).astype(int) for _ in range(300))
        assert hits[:100].min() > 60  # of 96 expected
        assert hits[100:500].min() > 40  # of 72
        assert hits[500:].max() == 0

    def test_what_is_refused(self):
        with pytest.raises(ValueError, match="positive_fraction within"):
            T.sample_matches(self.match, 5, 2.0, np.random.default_rng(0))
