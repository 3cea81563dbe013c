"""COCO's metrics, held to pycocotools where it is installed, and to numbers worked out by hand."""
import numpy as np
import pytest
from coco_cases import pycoco, random_set, run_pycoco

from tinycnn.detection.metrics import CocoEvaluator, coco_map

CLASSES = (1, 2, 7, 90)
SIDE = 32.0  # a box of this side has the area at the limit of small and medium


def box(*numbers):
    return [float(n) for n in numbers]


def found(boxes, labels, scores):
    return {"boxes": np.reshape(boxes, (-1, 4)), "labels": np.array(labels, int), "scores": np.array(scores, float)}


def there(boxes, labels, crowd=None, area=None):
    given = {"boxes": np.reshape(boxes, (-1, 4)), "labels": np.array(labels, int)}
    return given | {name: np.array(v) for name, v in (("iscrowd", crowd), ("area", area)) if v is not None}


NOTHING_FOUND, NOTHING_THERE = found([], [], []), there([], [])
A, B = box(10, 10, 40, 40), box(12, 10, 40, 40)
HALF = box(10, 10, 40, 20)  # an IoU of exactly 0.5 with A
LEFT, BETWEEN, RIGHT = box(3, 0, 10, 10), box(5, 0, 10, 10), box(7, 0, 10, 10)  # IoU 2/3 of neighbours, else 3/7
LOTS = np.tile(A, (150, 1))
CASES = {
    "no images": ([], []),
    "nothing at all": ([NOTHING_FOUND], [NOTHING_THERE]),
    "no truth": ([found(A, [1], [0.5])], [NOTHING_THERE]),
    "no detection": ([NOTHING_FOUND], [there(A, [1])]),
    "an empty image between": ([found(A, [1], [0.5]), NOTHING_FOUND, found(B, [2], [0.5])],
                               [there(A, [1]), NOTHING_THERE, there(A, [2])]),
    "another class": ([found([A, A], [2, 4], [0.5, 0.9])], [there(A, [1])]),
    "an IoU at the threshold": ([found(HALF, [1], [0.5])], [there(A, [1])]),
    "two detections of one truth": ([found([A, B], [1, 1], [0.5, 0.9])], [there(A, [1])]),
    "two of one score": ([found([B, A], [1, 1], [0.5, 0.5])], [there([A, A], [1, 1])]),
    "scores tie across images": ([found([A, HALF], [1, 1], [0.5, 0.5]), found(A, [1], [0.5])],
                                 [there(B, [1]), there(A, [1])]),
    "two truths of one place": ([found([A, A, A], [1, 1, 1], [0.5, 0.4, 0.3])], [there([A, A], [1, 1])]),
    "equal IoU, different areas": ([found([A, A], [1, 1], [0.5, 0.4])],
                                   [there([A, A, A], [1, 1, 1], area=[500.0, 1600, 20000])]),
    "between two truths": ([found([BETWEEN, RIGHT], [1, 1], [0.9, 0.5]), found([BETWEEN, LEFT], [1, 1], [0.8, 0.4])],
                           [there([LEFT, RIGHT], [1, 1])] * 2),
    "crowd": ([found([A, B, HALF, box(200, 200, 9, 9)], [1] * 4, [0.9, 0.8, 0.7, 0.6])],
              [there([box(0, 0, 90, 90), A], [1, 1], crowd=[1, 0])]),
    "crowd alone": ([found([A], [1], [0.9])], [there(A, [1], crowd=[1])]),
    "areas at the limits": ([found([box(0, 0, SIDE, SIDE), box(60, 0, 96, 96)], [1, 1], [0.5, 0.4])],
                            [there([box(0, 0, SIDE, SIDE), box(60, 0, 96, 96)], [1, 1])]),
    "area by the truth, not by its box": ([found([A], [1], [0.5])], [there([A], [1], area=[100.0])]),
    "more than a hundred": ([found(np.concatenate([LOTS, [B]]), [1] * 151, np.r_[np.linspace(1, 0.5, 150), 0.1])],
                            [there([box(300, 300, 9, 9), B], [1, 1])]),
    "more than a hundred, ties": ([found(LOTS, [1] * 150, np.full(150, 0.5))], [there([A, B], [1, 1])]),
    "boxes without area": ([found([box(5, 5, 0, 0), box(5, 5, 0, 9)], [1, 1], [0.5, 0.4])],
                           [there([box(5, 5, 0, 0), box(5, 5, 0, 9)], [1, 1])]),
}


def check(detections, truths):
    pytest.importorskip("pycocotools", reason="pycocotools is not installed: its values are not compared")
    evaluation = pycoco(detections, truths, CLASSES)
    theirs, ours = run_pycoco(evaluation), coco_map(detections, truths, box_format="xywh")
    np.testing.assert_allclose(list(ours.stats.values()), theirs, rtol=0, atol=1e-9)
    known = np.searchsorted(CLASSES, ours.classes)
    for name, mine, full in (("precision", ours.precision, evaluation.eval["precision"][..., -1]),
                             ("recall", ours.recall, evaluation.eval["recall"])):
        axis = 2 if name == "precision" else 1
        np.testing.assert_allclose(mine, np.take(full, known, axis), rtol=0, atol=1e-9, err_msg=name)
        assert (np.delete(full, known, axis) == -1).all()


@pytest.mark.parametrize("name", CASES)
def test_adversarial_cases_agree(name):
    check(*CASES[name])


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_random_sets_agree(seed, ties):
    check(*random_set(seed, classes=CLASSES, ties=ties, crowds=(0, 0.1, 0.5)[seed % 3]))


def test_crowded_images_of_one_class_agree():
    check(*random_set(0, images=6, classes=(7,), most=40, ties=True, extra=30))


def test_integer_boxes_where_ious_tie_agree():
    rng = np.random.default_rng(3)
    images = [(found(rng.integers(0, 4, (20, 4)) * 8 + [0, 0, 8, 8], rng.choice(CLASSES, 20),
                     rng.integers(0, 4, 20) / 4),
               there(rng.integers(0, 4, (9, 4)) * 8 + [0, 0, 8, 8], rng.choice(CLASSES, 9), rng.random(9) < 0.2))
              for _ in range(40)]
    check([d for d, _ in images], [t for _, t in images])


def test_by_hand():
    """Of two truths one is found, by the second of two detections: precision 1/2 up to recall 1/2."""
    result = coco_map([found([box(90, 90, 99, 99), A], [1, 1], [0.9, 0.5])], [there([A, box(50, 50, 70, 70)], [1, 1])])
    assert result.ap50 == pytest.approx(51 / 101 / 2)
    assert result.ap == pytest.approx(result.ap50)
    assert result.per_class() == {1: result.ap}
    assert result.stats["AR1"] == 0
    assert result.stats["AR10"] == pytest.approx(0.5)
    assert str(result).splitlines()[1] == "AP50       0.252"


def test_corners_and_extents_are_the_same():
    detections, truths = random_set(1)
    corners = [[image | {"boxes": np.concatenate([image["boxes"][:, :2], image["boxes"][:, :2] + image["boxes"][:, 2:]],
                                                 axis=1)} for image in images] for images in (detections, truths)]
    for mine, same in zip(coco_map(*corners).stats.values(), coco_map(detections, truths, "xywh").stats.values()):
        assert mine == pytest.approx(same, abs=1e-9)


def test_fed_in_any_order():
    detections, truths = random_set(2, ties=True)
    evaluator = CocoEvaluator("xywh")
    for i in np.random.default_rng(0).permutation(len(truths)):
        evaluator.update(detections[i], truths[i], image_id=1000 * i)
    assert evaluator.evaluate().stats == coco_map(detections, truths, "xywh").stats


def test_what_is_given_is_left_as_it_is():
    boxes = np.array([A])
    coco_map([{"boxes": boxes, "labels": [1], "scores": [0.5]}], [{"boxes": boxes, "labels": [1]}])
    assert boxes.tolist() == [A]


@pytest.mark.parametrize(("change", "message"), [
    ({"boxes": [[1, 2, 3]]}, r"detections\['boxes'\] must be \(n, 4\), got the shape \(1, 3\)"),
    ({"boxes": [[1, 2, 3, np.nan]]}, r"detections\['boxes'\] must be finite, got nan"),
    ({"scores": [np.inf]}, r"detections\['scores'\] must be finite, got inf"),
    ({"scores": [0.5, 0.5]}, r"detections\['scores'\] must be \(1,\), one for each box, got the shape \(2,\)"),
    ({"labels": [0.5]}, r"detections\['labels'\] must be integers, got float64"),
])
def test_refusals(change, message):
    good = {"boxes": [A], "labels": [1], "scores": [0.5]}
    with pytest.raises(ValueError, match="CocoEvaluator.update: " + message):
        CocoEvaluator().update(good | change, there(A, [1]))


def test_other_refusals():
    with pytest.raises(ValueError, match="detections lack 'scores', they have"):
        coco_map([there(A, [1])], [there(A, [1])])
    with pytest.raises(ValueError, match=r"truths\['area'\] must be finite"):
        coco_map([NOTHING_FOUND], [there(A, [1], area=[np.nan])])
    with pytest.raises(ValueError, match="coco_map: detections of 1 images, truths of 0"):
        coco_map([NOTHING_FOUND], [])
    with pytest.raises(ValueError, match="box_format must be one of xyxy, xywh, got 'yxyx'"):
        CocoEvaluator("yxyx")
    evaluator = CocoEvaluator()
    evaluator.update(NOTHING_FOUND, NOTHING_THERE, image_id=5)
    with pytest.raises(ValueError, match="the image 5 has come before"):
        evaluator.update(NOTHING_FOUND, NOTHING_THERE, image_id=5)
