"""VOC's average precision, held to the definition written as a loop."""
import numpy as np
import pytest
from coco_cases import random_set

from tinycnn.detection.metrics import average_precision, compute_ap, eleven_point_ap

A, B, FAR = [0, 0, 40, 40], [2, 0, 42, 40], [100, 100, 140, 140]


def iou(a, b, last):
    w = min(a[2], b[2]) - max(a[0], b[0]) + last
    h = min(a[3], b[3]) - max(a[1], b[1]) + last
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / (sum((box[2] - box[0] + last) * (box[3] - box[1] + last) for box in (a, b)) - w * h)


def naive(detections, truths, label, threshold, eleven, last):
    """As the challenge's program goes about it: one detection after the other."""
    rows = [(s, i, b) for i, d in enumerate(detections) for s, b, c in zip(d["scores"], d["boxes"], d["labels"])
            if c == label]
    rows.sort(key=lambda row: -row[0])
    taken, hits, misses, recall, precision = set(), 0, 0, [], []
    count = sum(1 for t in truths for c, hard in zip(t["labels"], t["difficult"]) if c == label and not hard)
    for _, image, box in rows:
        best, chosen = -1.0, None
        for j, (other, c) in enumerate(zip(truths[image]["boxes"], truths[image]["labels"])):
            if c == label and iou(box, other, last) > best:
                best, chosen = iou(box, other, last), j
        if best >= threshold:
            if not truths[image]["difficult"][chosen]:
                hits, misses = (hits, misses + 1) if (image, chosen) in taken else (hits + 1, misses)
                taken.add((image, chosen))
        else:
            misses += 1
        recall.append(hits / count)
        precision.append(hits / max(hits + misses, 1))
    if eleven:
        return sum(max([p for r, p in zip(recall, precision) if r >= t / 10], default=0) for t in range(11)) / 11
    return sum((r - before) * max(precision[i:]) for i, (r, before) in enumerate(zip(recall, [0, *recall])))


def corners(image, rng, whole):
    boxes = np.concatenate([image["boxes"][:, :2], image["boxes"][:, :2] + image["boxes"][:, 2:]], axis=1)
    return image | {"boxes": np.round(boxes) if whole else boxes, "difficult": rng.random(len(boxes)) < 0.2}


@pytest.mark.parametrize("eleven", [False, True])
@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_random_sets_agree_with_the_loop(seed, inclusive, eleven):
    rng = np.random.default_rng(seed)
    detections, truths = ([corners(image, rng, inclusive) for image in images]
                          for images in random_set(seed, images=12, ties=seed % 2 == 1))
    result = average_precision(detections, truths, 0.6, eleven, inclusive)
    assert result.per_class
    for label, ap in result.per_class.items():
        assert ap == pytest.approx(naive(detections, truths, label, 0.6, eleven, inclusive), abs=1e-12), label
    assert result.mean == pytest.approx(np.mean(list(result.per_class.values())))


def one(boxes, scores, there, difficult=None):
    n, m = len(boxes), len(there)
    return average_precision([{"boxes": boxes, "labels": [1] * n, "scores": scores}],
                             [{"boxes": there, "labels": [1] * m, "difficult": difficult}]).mean


def test_by_hand():
    assert one([A, FAR], [0.9, 0.5], [A]) == 1.0
    assert one([A, FAR], [0.5, 0.9], [A]) == 0.5
    assert one([A, B], [0.5, 0.9], [A]) == 1.0
    assert one([A, B], [0.9, 0.5], [A, FAR]) == 0.5
    assert one([], [], [A]) == 0.0


def test_between_two_truths_the_first_is_taken():
    left, between, right = [3, 0, 13, 10], [5, 0, 15, 10], [7, 0, 17, 10]
    assert one([between, right], [0.9, 0.5], [left, right]) == 1.0
    assert one([between, left], [0.9, 0.5], [left, right]) == 0.5


def test_difficult_objects_do_not_count():
    assert one([FAR, A], [0.9, 0.5], [A, FAR], [False, True]) == 1.0
    assert np.isnan(one([A], [0.5], [A], [True]))


def test_last_pixels_belong_to_a_box_where_they_do():
    small, half = [[0, 0, 3, 3]], [[0, 0, 3, 1]]  # 4x4 and 4x2 pixels
    detections, truths = [{"boxes": half, "labels": [1], "scores": [0.5]}], [{"boxes": small, "labels": [1]}]
    assert average_precision(detections, truths, inclusive=True).mean == 1.0
    assert average_precision(detections, truths).mean == 0.0


def test_eleven_points_reach_round_recalls():
    recall = np.arange(1, 11) / 10
    assert eleven_point_ap(recall, np.ones(10)) == 1.0
    assert eleven_point_ap(np.array([3 / 10]), np.ones(1)) == pytest.approx(4 / 11)
    assert eleven_point_ap(np.zeros(0), np.zeros(0)) == 0.0
    assert compute_ap(np.zeros(0), np.zeros(0)) == 0.0


@pytest.mark.parametrize("threshold", [0, -1, 1.5, float("nan")])
def test_a_threshold_that_is_none_is_refused(threshold):
    with pytest.raises(ValueError, match=r"iou_threshold must be within \(0, 1\]"):
        average_precision([], [], threshold)
