"""The three steps of the per-class metrics, held to loops over single detections."""
import numpy as np
import pytest

from tinycnn.detection.metrics import ap_per_class, average_precision, compute_ap, get_batch_statistics

CLASSES = (0, 3, 4)


def iou(a, b):
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(w, 0) * max(h, 0)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def naive(output, annotations, threshold, class_aware):
    """Each detection in turn, until every truth is taken."""
    right, taken = [0] * len(output), set()
    for i, row in enumerate(output):
        wanted = [j for j, a in enumerate(annotations) if a[0] == row[-1]]
        if len(taken) == len(annotations):
            break
        if not wanted:
            continue
        among = wanted if class_aware else range(len(annotations))
        best = max(among, key=lambda j: iou(row[:4], annotations[j][1:]))
        if iou(row[:4], annotations[best][1:]) >= threshold and best not in taken:
            right[i] = 1
            taken.add(best)
    return right


def random_batch(seed):
    rng = np.random.default_rng(seed)
    outputs, targets = [], []
    for image in range(6):
        m, n = rng.integers(0, 6), rng.integers(0, 15)
        low = rng.uniform(0, 30, (m, 2))
        there = np.concatenate([rng.choice(CLASSES, m)[:, None], low, low + rng.uniform(10, 30, (m, 2))], axis=1)
        targets += [[image, *row] for row in there]
        low = rng.uniform(0, 30, (n, 2))
        found = np.concatenate([low, low + rng.uniform(10, 30, (n, 2))], axis=1)
        outputs.append(np.concatenate([found, np.sort(rng.random((n, 1)), axis=0)[::-1], np.ones((n, 1)),
                                       rng.choice(CLASSES, n)[:, None]], axis=1))
    return outputs, np.array(targets)


@pytest.mark.parametrize("class_aware", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_statistics_agree_with_the_loop(seed, class_aware):
    outputs, targets = random_batch(seed)
    statistics = get_batch_statistics(outputs, targets, 0.3, class_aware)
    assert len(statistics) == len(outputs)
    for i, (output, (right, scores, labels)) in enumerate(zip(outputs, statistics)):
        assert right.tolist() == naive(output, targets[targets[:, 0] == i, 1:].tolist(), 0.3, class_aware)
        assert scores.tolist() == output[:, 4].tolist()
        assert labels.tolist() == output[:, -1].tolist()


def test_the_whole_pipeline_is_average_precision():
    """Its matching within a class is VOC's, so the areas under the curves agree."""
    outputs, targets = random_batch(11)
    right, scores, labels = (np.concatenate(column) for column in zip(*get_batch_statistics(outputs, targets, 0.3)))
    metrics = ap_per_class(right, scores, labels, targets[:, 1])
    expected = average_precision(
        [{"boxes": o[:, :4], "scores": o[:, 4], "labels": o[:, -1].astype(int)} for o in outputs],
        [{"boxes": t[:, 2:], "labels": t[:, 1].astype(int)} for t in (targets[targets[:, 0] == i] for i in range(6))],
        iou_threshold=0.3).per_class
    assert dict(zip(metrics.classes.tolist(), metrics.ap)) == pytest.approx(expected)
    assert right.sum() > 0


def test_metrics_by_hand():
    metrics = ap_per_class([0, 1, 1], [0.2, 0.9, 0.5], [1, 1, 2], [1, 1, 2, 9])
    assert metrics.classes.tolist() == [1, 2, 9]
    assert metrics.precision.tolist() == [0.5, 1, 0]
    assert metrics.recall.tolist() == [0.5, 1, 0]
    assert metrics.ap.tolist() == [0.5, 1, 0]
    np.testing.assert_allclose(metrics.f1, [0.5, 1, 0])


def test_the_area_takes_the_best_precision_beyond():
    recall, precision = np.array([0.2, 0.2, 0.4, 0.4, 0.6]), np.array([1, 0.5, 2 / 3, 0.5, 0.6])
    assert compute_ap(recall, precision) == pytest.approx(0.2 * 1 + 0.2 * 2 / 3 + 0.2 * 0.6)


def test_no_truths_and_no_detections():
    found = [[0, 0, 1, 1, 0.5, 1, 3]]
    assert get_batch_statistics([None], [], 0.5) == []
    assert [len(column) for column in get_batch_statistics([[]], [[0, 1, 0, 0, 1, 1]], 0.5)[0]] == [0, 0, 0]
    assert get_batch_statistics([found], [], 0.5)[0][0].tolist() == [0]
    assert all(len(column) == 0 for column in ap_per_class([0], [0.5], [3], []))


@pytest.mark.parametrize(("outputs", "targets", "threshold", "message"), [
    ([], [[0, 1, 2]], 0.5, r"targets must have rows of 6 numbers or more, got the shape \(1, 3\)"),
    ([], [[0] * 7], 0.5, r"targets must be \(m, 6\), got the shape \(1, 7\)"),
    ([[[1, 2, 3, 4, 5]]], [], 0.5, r"outputs\[0\] must have rows of 6 numbers"),
    ([], [], 0, r"iou_threshold must be within \(0, 1\], got 0"),
])
def test_refusals(outputs, targets, threshold, message):
    with pytest.raises(ValueError, match=message):
        get_batch_statistics(outputs, targets, threshold)


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="1 of right, 2 scores and 1 labels"):
        ap_per_class([1], [0.5, 0.5], [1], [1])
