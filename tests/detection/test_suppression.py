"""Suppression against its definition in plain Python, torchvision's algorithm in torch, and what must not crash."""
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinycnn import functional as F
from tinycnn._kernels import use
from tinycnn.detection import suppression as S

THRESHOLDS = (0.0, 0.3, 0.45, 0.5, 0.7, 1.0)


def scene(seed: int, n: int, dtype=np.float32, whole: bool = False, classes: int = 3):
    """Boxes that overlap a good deal, scores of which some are equal, labels."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 60, (n, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 40, (n, 2))], 1)
    scores = rng.integers(0, max(2, n // 2), n) / max(2, n // 2)
    return (np.round(boxes) if whole else boxes).astype(dtype), scores.astype(dtype), rng.integers(0, classes, n)


def by_definition(boxes, scores, threshold, labels=None, agreement=F.box_iou) -> list[int]:
    labels = np.zeros(len(boxes), int) if labels is None else labels
    stayed: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        rivals = [j for j in stayed if labels[j] == labels[i]]
        if not rivals or not (agreement(boxes[i:i + 1], boxes[rivals])[0].astype(float) > threshold).any():
            stayed.append(i)
    return stayed


def in_torch(torch, boxes, scores, threshold) -> list[int]:
    """torchvision's loop, on tensors."""
    boxes, order, kept = torch.tensor(boxes), torch.sort(torch.tensor(scores), descending=True, stable=True)[1], []
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    while len(order):
        i, order = order[0], order[1:]
        kept.append(int(i))
        sides = (torch.minimum(boxes[i, 2:], boxes[order, 2:]) - torch.maximum(boxes[i, :2], boxes[order, :2])).clamp(0)
        common = sides.prod(1)
        order = order[~((common / (area[i] + area[order] - common)).double() > threshold)]
    return kept


@pytest.mark.usefixtures("isa")
class TestGreedy:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 63, 64, 65, 200])
    def test_is_its_definition(self, n, dtype):
        boxes, scores, labels = scene(n, n, dtype)
        for threshold in THRESHOLDS:
            assert S.nms(boxes, scores, threshold).tolist() == by_definition(boxes, scores, threshold)
            assert (S.batched_nms(boxes, scores, labels, threshold).tolist()
                    == by_definition(boxes, scores, threshold, labels))
            assert (S.diou_nms(boxes, scores, threshold, labels).tolist()
                    == by_definition(boxes, scores, threshold, labels, F.distance_box_iou))

    @given(st.integers(0, 10**6), st.integers(1, 120), st.sampled_from(THRESHOLDS))
    def test_whole_boxes_are_torchvisions(self, torch, seed, n, threshold):
        """Areas and IoUs of whole numbers leave nothing to rounding, and often lie on the threshold itself."""
        boxes, scores, _ = scene(seed, n, whole=True)
        assert S.nms(boxes, scores, threshold).tolist() == in_torch(torch, boxes, scores, threshold)

    def test_is_its_twins(self):
        boxes, scores, labels = scene(0, 150)
        for call in (lambda: S.batched_nms(boxes, scores, labels, 0.4), lambda: S.diou_nms(boxes, scores, 0.4, labels)):
            got = call()
            with use("reference"):
                want = call()
            np.testing.assert_array_equal(got, want)

    def test_any_threads_give_the_same(self, share_out_everything):
        boxes, scores, labels = scene(1, 600, classes=20)
        one, *others = [S.batched_nms(boxes, scores, labels, 0.5) for _ in share_out_everything()]
        for other in others:
            np.testing.assert_array_equal(other, one)

    def test_the_most_are_the_best(self):
        boxes, scores, labels = scene(2, 300)
        every = S.batched_nms(boxes, scores, labels, 0.5)
        for most in (0, 1, 7, len(every), 1000):
            np.testing.assert_array_equal(S.batched_nms(boxes, scores, labels, 0.5, most), every[:most])


def test_an_iou_of_three_tenths_exceeds_a_threshold_of_0_3_as_in_torchvision():
    """The float32 next to 3/10 is larger than the float64 next to it."""
    boxes = np.array([[0, 0, 10, 1], [0, 0, 3, 1]], np.float32)
    assert S.nms(boxes, [0.9, 0.8], 0.3).tolist() == [0]
    assert S.nms(boxes.astype(float), [0.9, 0.8], 0.3).tolist() == [0, 1]


@pytest.mark.parametrize("labels", [[-5, -5, 3], [10**12, 10**12, 0], np.array([7, 7, 1], np.uint8)], ids=str)
def test_labels_may_be_any_integers(labels):
    boxes = np.array([[0, 0, 4, 4], [0, 0, 4, 4], [0, 0, 4, 4]], np.float32)
    assert S.batched_nms(boxes, [0.5, 0.6, 0.1], labels, 0.5).tolist() == [1, 2]


class TestWhatIsOdd:
    def test_what_has_a_nan_is_dropped(self):
        boxes = np.array([[0, 0, 4, 4], [np.nan, 0, 4, 4], [9, 9, 12, 12], [20, 20, 30, 30]], np.float32)
        scores = np.array([0.5, 0.9, np.nan, 0.2])
        assert S.nms(boxes, scores, 0.5).tolist() == [0, 3]
        assert S.soft_nms(boxes, scores)[0].tolist() == [0, 3]
        assert S.nms(boxes * np.nan, scores, 0.5).tolist() == []

    def test_infinities_and_boxes_turned_round_do_no_harm(self):
        boxes = np.array([[-np.inf, 0, np.inf, 4], [0, 0, np.inf, np.inf], [5, 5, 1, 1], [2, 2, 2, 2], [2, 2, 2, 2]])
        for dtype in (np.float32, np.float64):
            kept = S.nms(boxes.astype(dtype), [np.inf, 0.5, -np.inf, 0.1, 0.1], 0.5)
            assert kept[0] == 0
            assert set(kept) <= set(range(5))
            S.soft_nms(boxes.astype(dtype), [np.inf, 0.5, -np.inf, 0.1, 0.1])
            S.diou_nms(boxes.astype(dtype), [np.inf, 0.5, -np.inf, 0.1, 0.1], 0.5)

    @given(st.integers(0, 10**6), st.integers(1, 70), st.sampled_from([np.float32, np.float64]))
    def test_any_bits_at_all(self, seed, n, dtype):
        """Numbers of every sort, infinite, tiny, huge or none: what is left are some of the boxes, none twice."""
        rng = np.random.default_rng(seed)
        bits = rng.integers(0, 256, 5 * n * np.dtype(dtype).itemsize, dtype=np.uint8).view(dtype).reshape(5, n)
        boxes, scores = bits[:4].T, np.where(rng.random(n) < 0.5, bits[4], rng.random(n))
        with np.errstate(all="ignore"):
            found = [S.nms(boxes, scores, 0.5), S.diou_nms(boxes, scores, 0.5), S.soft_nms(boxes, scores)[0],
                     S.soft_nms(boxes, scores, "linear")[0]]
        for keep in found:
            assert len(set(keep)) == len(keep)
            assert set(keep) <= set(range(n))

    def test_no_boxes(self):
        assert S.nms([], [], 0.5).tolist() == []
        assert S.batched_nms(np.zeros((0, 4)), [], [], 0.5).dtype == np.int64
        assert [part.tolist() for part in S.soft_nms([], [])] == [[], []]

    @pytest.mark.parametrize(("call", "error", "match"), [
        (lambda: S.nms(np.zeros((2, 4)), [1], 0.5), ValueError, r"nms: scores has shape \(1,\), expected \(2,\)"),
        (lambda: S.nms(np.zeros((2, 4)), ["a", "b"], 0.5), TypeError, "nms: scores must be numbers"),
        (lambda: S.nms(np.zeros((2, 5)), [1, 2], 0.5), ValueError, "nms: boxes must be"),
        (lambda: S.nms(np.zeros((2, 1, 4)), [1, 2], 0.5), ValueError, r"nms: boxes must be \(N, 4\)"),
        (lambda: S.nms(np.zeros((2, 4)), [1, 2], 1.5), ValueError, r"nms: iou_threshold must be within \[0, 1\]"),
        (lambda: S.nms(np.zeros((2, 4)), [1, 2], np.nan), ValueError, "iou_threshold"),
        (lambda: S.batched_nms(np.zeros((2, 4)), [1, 2], [0.5, 1], 0.5), TypeError, "labels must be integers"),
        (lambda: S.batched_nms(np.zeros((2, 4)), [1, 2], [0], 0.5), ValueError, "batched_nms: labels has shape"),
        (lambda: S.batched_nms(np.zeros((2, 4)), [1, 2], [0, 1], 0.5, -1), ValueError, "most must be None or"),
        (lambda: S.soft_nms(np.zeros((2, 4)), [1, 2], "hard"), ValueError, "method must be 'linear' or 'gaussian'"),
        (lambda: S.soft_nms(np.zeros((2, 4)), [1, 2], sigma=0), ValueError, "sigma must be positive"),
        (lambda: S.soft_nms(np.zeros((2, 4)), [1, 2], score_threshold=-1), ValueError, "score_threshold"),
    ])
    def test_what_is_refused(self, call, error, match):
        with pytest.raises(error, match=match):
            call()


def soft_by_definition(boxes, scores, method, threshold, sigma, least):
    left, scores, taken = list(range(len(boxes))), scores.astype(float), []
    while left:
        best = max(left, key=lambda i: (scores[i], -i))
        left.remove(best)
        if scores[best] <= least:
            break
        taken.append(best)
        for i in left:
            iou = float(F.box_iou(boxes[best:best + 1], boxes[i:i + 1])[0, 0])
            if method == "gaussian":
                scores[i] *= np.exp(-iou**2 / sigma)
            elif iou >= threshold:
                scores[i] *= 1 - iou
    return taken, scores[taken]


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("method", ["linear", "gaussian"])
class TestSoft:
    @pytest.mark.parametrize("n", [1, 5, 16, 33, 120])
    def test_is_its_definition(self, method, n):
        boxes, scores, _ = scene(n + 1, n, np.float64)
        scores = np.random.default_rng(n).uniform(0, 1, n)  # no two alike
        keep, fallen = S.soft_nms(boxes, scores, method, 0.3, 0.5, 0.01)
        want, want_scores = soft_by_definition(boxes, scores, method, 0.3, 0.5, 0.01)
        assert keep.tolist() == want
        np.testing.assert_allclose(fallen, want_scores, rtol=1e-12)
        assert (fallen[:-1] >= fallen[1:]).all()

    def test_classes_do_not_know_of_each_other_and_twins_agree(self, method):
        boxes, scores, labels = scene(4, 90, np.float64)
        keep, fallen = S.soft_nms(boxes, scores, method, labels=labels)
        for label in set(labels.tolist()):
            own = np.flatnonzero(labels == label)
            alone, alone_scores = S.soft_nms(boxes[own], scores[own], method)
            mine = labels[keep] == label
            assert sorted(keep[mine]) == sorted(own[alone])
            np.testing.assert_allclose(fallen[mine], alone_scores)
        with use("reference"):
            twin, twin_scores = S.soft_nms(boxes, scores, method, labels=labels)
        np.testing.assert_array_equal(keep, twin)
        np.testing.assert_allclose(fallen, twin_scores, rtol=1e-12)
