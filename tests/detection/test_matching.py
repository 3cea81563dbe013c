"""Matching by IoU: torchvision's matchers, the rules written out one truth at a time, and every build's own twin."""
from __future__ import annotations

import numpy as np
import pytest
from torchvision_oracle import import_torchvision

from tinycnn import functional as F
from tinycnn._kernels import use
from tinycnn.detection import matching as M
from tinycnn.detection.anchors import square_anchors
from tinycnn.detection.targets import BACKGROUND


def boxes(seed: int, n: int, dtype=np.float32, extent: float = 100) -> np.ndarray:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, extent, (n, 2))
    return np.concatenate([corner, corner + rng.uniform(5, 60, (n, 2))], 1).astype(dtype)


@pytest.mark.usefixtures("isa")
class TestOverlaps:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize(("p", "m"), [(1, 1), (5, 3), (16, 1), (17, 40), (300, 12)])
    def test_are_those_of_the_matrix_and_of_the_twin(self, p, m, dtype):
        anchors, truths = boxes(p, p, dtype), boxes(m + 1, m, dtype)
        anchors[p // 2] = anchors[0]  # two that are tied
        truths[0] = anchors[0]
        got = M.best_overlaps(truths, anchors)
        iou = F.box_iou(truths, anchors)
        np.testing.assert_array_equal(got.best, iou.max(0))
        np.testing.assert_array_equal(got.which, np.where(iou.max(0) > 0, iou.argmax(0), -1))
        np.testing.assert_array_equal(got.tops, iou.max(1))
        np.testing.assert_array_equal(got.firsts, np.where(iou.max(1) > 0, iou.argmax(1), -1))
        best = (iou == iou.max(1, keepdims=True)) & (iou > 0)
        np.testing.assert_array_equal(got.tied, best.any(0))
        with use("reference"):
            twin = M.best_overlaps(truths.astype(np.float64), anchors.astype(np.float64))
        for name in ("which", "firsts", "tied"):
            np.testing.assert_array_equal(getattr(got, name), getattr(twin, name), err_msg=name)
        np.testing.assert_allclose(got.best, twin.best, atol=1e-6)

    def test_nothing_to_match(self):
        assert M.match_boxes([], boxes(0, 5)).tolist() == [BACKGROUND] * 5
        assert M.match_boxes(boxes(0, 5), []).tolist() == []
        assert M.match_atss([], boxes(0, 5), [5]).tolist() == [BACKGROUND] * 5


@pytest.mark.parametrize(("high", "low"), [(0.5, 0.4), (0.7, 0.3), (0.5, 0.5)])
@pytest.mark.parametrize("seed", range(4))
class TestTorchvision:
    def test_two_thresholds(self, torch, high, low, seed):
        import_torchvision()
        from torchvision.models.detection._utils import Matcher
        truths, anchors = boxes(seed, 9, extent=60), boxes(seed + 50, 200)
        anchors[7] = anchors[3]
        truths = truths[F.box_iou(truths, anchors).max(1) > 0]  # there all anchors would be the best, at 0
        quality = torch.tensor(F.box_iou(truths, anchors))
        for best in ("none", "ties"):
            want = Matcher(high, low, allow_low_quality_matches=best == "ties")(quality)
            np.testing.assert_array_equal(M.match_boxes(truths, anchors, high, low, best), want.numpy())

    def test_ssd(self, torch, high, low, seed):
        """Where no two truths have the same best anchor, for then torchvision forgets one of them."""
        import_torchvision()
        from torchvision.models.detection._utils import SSDMatcher
        truths, anchors = boxes(seed, 6), boxes(seed + 50, 300)
        iou = F.box_iou(truths, anchors)
        assert len(set(iou.argmax(1))) == 6
        np.testing.assert_array_equal(M.match_boxes(truths, anchors, high, high, "own"),
                                      SSDMatcher(high)(torch.tensor(iou)).numpy())


@pytest.mark.parametrize("seed", range(6))
def test_every_truth_has_an_anchor_of_its_own(seed):
    """SSD's first rule by its definition: again and again the largest IoU of what is left."""
    truths, anchors = boxes(seed, 12, extent=20), boxes(seed + 30, 25, extent=20)
    iou = F.box_iou(truths, anchors)
    want = np.where(iou.max(0) >= 0.5, iou.argmax(0), BACKGROUND)
    left = iou.copy()
    while left.max() > 0:
        truth, anchor = np.unravel_index(left.argmax(), left.shape)
        want[anchor] = truth
        left[truth], left[:, anchor] = 0, 0
    got = M.match_boxes(truths, anchors, 0.5, 0.5, "own")
    np.testing.assert_array_equal(got, want)
    assert set(range(12)) <= set(got.tolist())


def test_more_truths_than_anchors():
    truths = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 8], [90, 90, 95, 95]], np.float32)
    assert M.match_boxes(truths, truths[:2], best="own").tolist() == [0, 1]


def atss_by_definition(truths, anchors, level_sizes, top_k):
    iou = F.box_iou(truths.astype(float), anchors.astype(float))
    centre = (anchors[:, :2] + anchors[:, 2:]) / 2.0
    match, quality = np.full(len(anchors), BACKGROUND), np.zeros(len(anchors))
    for i, box in enumerate(truths):
        middle, candidates, first = (box[:2] + box[2:]) / 2.0, [], 0
        for size in level_sizes:
            places = range(first, first + size)
            candidates += sorted(places, key=lambda j: (((centre[j] - middle)**2).sum(), j))[:top_k]
            first += size
        threshold = iou[i, candidates].mean() + iou[i, candidates].std(ddof=1)
        for j in candidates:
            inside = (centre[j] > box[:2]).all() and (centre[j] < box[2:]).all()
            if inside and iou[i, j] >= threshold and iou[i, j] > quality[j]:
                match[j], quality[j] = i, iou[i, j]
    return match


@pytest.mark.parametrize("top_k", [1, 3, 9, 200])
@pytest.mark.parametrize("scale", [5, 8])
def test_atss_is_its_definition(scale, top_k):
    grids, strides = [(16, 20), (8, 10), (4, 5)], (8, 16, 32)
    anchors, sizes = square_anchors(grids, strides, scale), [h * w for h, w in grids]
    for seed in range(4):
        truths = boxes(seed, 14)
        got = M.match_atss(truths, anchors, sizes, top_k)
        np.testing.assert_array_equal(got, atss_by_definition(truths, anchors, sizes, top_k))
        assert top_k == 1 or (got >= 0).sum() > 5


def test_atss_takes_the_first_of_centres_that_are_equally_near():
    """A truth in the middle of four cells: with one candidate only the first can answer."""
    anchors = square_anchors([(4, 4)], (8,), 4)
    assert np.flatnonzero(M.match_atss([[0, 0, 32, 32]], anchors, [16], top_k=1) >= 0).tolist() == [5]


@pytest.mark.parametrize(("call", "match"), [
    (lambda: M.match_boxes([[0, 0, 4, 0]], boxes(0, 3)), r"match_boxes: boxes\[0\] is .*expected x1 < x2 and y1 < y2"),
    (lambda: M.match_boxes([[0, 0, 4, np.nan]], boxes(0, 3)), r"boxes\[0\] is"),
    (lambda: M.match_boxes(boxes(0, 3), boxes(0, 3), 0.3, 0.5), "expected 0 <= low <= high"),
    (lambda: M.match_boxes(boxes(0, 3), boxes(0, 3), best="all"), "best must be one of none, ties, own"),
    (lambda: M.match_boxes(boxes(0, 3), boxes(0, 3)[None]), r"anchors must be \(P, 4\)"),
    (lambda: M.match_atss(boxes(0, 3), boxes(0, 3), [2]), "level_sizes add up to 2, but there are 3 anchors"),
])
def test_what_is_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
