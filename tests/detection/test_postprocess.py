"""Candidates and detections, by their definitions, written out in plain Python."""
import numpy as np
import pytest

from tinycnn.detection import postprocess as P
from tinycnn.detection.suppression import batched_nms, soft_nms

RNG = np.random.default_rng(3)


def scene(places: int = 60, classes: int = 4):
    corner = RNG.uniform(0, 40, (places, 2))
    boxes = np.concatenate([corner, corner + RNG.uniform(4, 30, (places, 2))], 1).astype(np.float32)
    return boxes, (RNG.integers(0, 20, (places, classes)) / 20).astype(np.float32)


def pairs(candidates: P.Candidates) -> list[tuple[int, int]]:
    return list(zip(candidates.places.tolist(), candidates.labels.tolist()))


@pytest.mark.parametrize("top_k", [None, 1, 7, 1000])
@pytest.mark.parametrize("threshold", [-1.0, 0.0, 0.4, 0.99])
def test_candidates_of_classes(threshold, top_k):
    _, scores = scene()
    got = P.class_candidates(scores, threshold, top_k, first_label=1)
    want = []
    for c in range(1, scores.shape[1]):
        rows = [p for p in range(len(scores)) if scores[p, c] > threshold]
        want += [(p, c) for p in sorted(sorted(rows, key=lambda p: (-scores[p, c], p))[:top_k])]
    assert pairs(got) == want
    np.testing.assert_array_equal(got.scores, scores[got.places, got.labels])


@pytest.mark.parametrize("top_k", [None, 1, 30, 1000])
def test_candidates_of_a_level(top_k):
    _, scores = scene()
    every = [(p, c) for p in range(60) for c in range(4) if scores[p, c] > 0.3]
    want = sorted(sorted(every, key=lambda pc: (-scores[pc], pc))[:top_k])
    assert pairs(P.level_candidates(scores, 0.3, top_k)) == want


def test_detections_are_candidates_that_stay():
    boxes, scores = scene()
    got = P.multiclass_nms(boxes, scores, 0.2, 0.4, top_k=20, max_detections=15)
    places, labels, chosen = P.class_candidates(scores, 0.2, 20)
    keep = batched_nms(boxes[places], chosen, labels, 0.4)[:15]
    np.testing.assert_array_equal(got.boxes, boxes[places[keep]])
    np.testing.assert_array_equal(got.labels, labels[keep])
    np.testing.assert_array_equal(got.scores, chosen[keep])
    assert (got.boxes.dtype, got.labels.dtype) == (np.float32, np.int64)


def test_boxes_of_each_class():
    boxes, scores = scene()
    moved = np.stack([boxes + 100 * c for c in range(4)], 1)
    got = P.multiclass_nms(moved, scores, 0.5)
    np.testing.assert_array_equal(got.boxes[:, 0] // 100, got.labels)


@pytest.mark.parametrize("method", P.METHODS)
def test_every_method(method):
    boxes, scores = scene()
    got = P.multiclass_nms(boxes, scores, 0.2, method=method, max_detections=30)
    assert 0 < len(got.boxes) <= 30
    assert (np.diff(got.scores) <= 0).all()
    if method == "gaussian":
        places, labels, chosen = P.class_candidates(scores, 0.2)
        np.testing.assert_array_equal(got.scores, soft_nms(boxes[places], chosen, labels=labels)[1][:30])


def test_nothing_found():
    boxes, scores = scene()
    for found in (P.multiclass_nms(boxes, scores, 1.0), P.multiclass_nms(boxes, scores * np.nan, 0.1, top_k=3),
                  P.multiclass_nms(np.zeros((0, 4)), np.zeros((0, 4)), 0.1)):
        assert [part.shape for part in found] == [(0, 4), (0,), (0,)]


def test_a_nan_takes_nobodys_place():
    scores = np.array([[np.nan], [0.5], [0.4], [np.nan], [0.3]])
    assert P.class_candidates(scores, 0.1, 2).places.tolist() == [1, 2]
    assert P.level_candidates(scores, 0.1, 2).places.tolist() == [1, 2]


@pytest.mark.parametrize(("call", "match"), [
    (lambda b, s: P.multiclass_nms(b[:5], s), r"boxes has shape \(5, 4\), expected \(60, 4\) or \(60, 4, 4\)"),
    (lambda b, s: P.multiclass_nms(b, s[:, 0]), r"multiclass_nms: scores must be \(P, C\)"),
    (lambda b, s: P.multiclass_nms(b, s, method="hard"), "suppress: method must be one of"),
    (lambda b, s: P.multiclass_nms(b, s, top_k=0), "class_candidates: top_k must be None or an integer above 0"),
    (lambda b, s: P.level_candidates(s, 0.1, -1), "level_candidates: top_k must be"),
    (lambda b, s: P.multiclass_nms(b, s, max_detections=0), "max_detections must be an integer above 0"),
])
def test_what_is_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call(*scene())


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.95, 1.0])
def test_candidates_of_logits_are_those_of_their_scores(threshold):
    logits = np.random.default_rng(0).normal(0, 3, (50, 4))
    scores = 1 / (1 + np.exp(-logits))
    want, got = P.level_candidates(scores, threshold, 20), P.logit_candidates(logits, threshold, 20)
    np.testing.assert_array_equal(got.places, want.places)
    np.testing.assert_array_equal(got.labels, want.labels)
    np.testing.assert_allclose(got.scores, want.scores)


@pytest.mark.parametrize("root", [True, False])
@pytest.mark.parametrize("quality", [True, False])
@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.5])
def test_candidates_of_levels_are_their_definition(root, quality, threshold):
    rng = np.random.default_rng(0)
    levels, logits = [30, 12, 5], rng.standard_normal((47, 4)) * 3
    said = rng.standard_normal((47, 1)) * 2 if quality else None
    scores = 1 / (1 + np.exp(-logits))
    if quality:
        scores = (scores / (1 + np.exp(-said)))**(0.5 if root else 1)
    want, begin = [], 0
    for size in levels:
        pairs = [(i, c) for i in range(begin, begin + size) for c in range(4) if scores[i, c] > threshold]
        want += sorted(sorted(pairs, key=lambda pair: -scores[pair])[:10])
        begin += size
    got = P.logit_candidates(logits, threshold, 10, levels, said, root)
    assert [*zip(got.places.tolist(), got.labels.tolist())] == want
    np.testing.assert_allclose(got.scores, [scores[pair] for pair in want])
