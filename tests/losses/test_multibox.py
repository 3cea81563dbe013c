"""SSD's loss against the formula written out in loops, with ties, ignored boxes, images without positives, refusals."""
import numpy as np
import pytest

from tinycnn import Tensor, gradcheck, losses
from tinycnn import functional as F


def formula(scores, offsets, labels, boxes, ratio):
    """Equations 1 to 3 of the paper, default box by default box."""
    positives, classification, localization = 0, 0.0, 0.0
    for image in range(len(scores)):
        negatives, here = [], 0
        for a, label in enumerate(labels[image]):
            x = scores[image, a]
            entropy = np.log(np.exp(x - x.max()).sum()) + x.max() - x[max(label, 0)]
            if label > 0:
                here += 1
                classification += entropy
                for d in offsets[image, a] - boxes[image, a]:
                    localization += 0.5*d*d if abs(d) < 1 else abs(d) - 0.5
            elif label == 0:
                negatives.append(entropy)
        classification += sum(sorted(negatives, reverse=True)[:int(ratio*here)])
        positives += here
    return (0, 0) if positives == 0 else (classification/positives, localization/positives)


def example(seed, n=3, a=23, c=4):
    rng = np.random.default_rng(seed)
    labels = rng.choice([-1, 0, 0, 0, 0, 0, 1, 3], (n, a))
    return (rng.standard_normal((n, a, c))*2, rng.standard_normal((n, a, 4)), labels,
            rng.standard_normal((n, a, 4))*2)


def run(loss, scores, offsets, labels, boxes):
    """Both terms, and the gradients of their sum."""
    scores, offsets = Tensor(scores, requires_grad=True), Tensor(offsets, requires_grad=True)
    terms = loss(scores, offsets, labels, boxes)
    assert list(terms) == ["classification", "localization"]
    assert all(term.shape == () for term in terms.values())
    (terms["classification"] + terms["localization"]).backward()
    return terms["classification"].item(), terms["localization"].item(), scores.grad, offsets.grad


@pytest.mark.parametrize("ratio", [0, 1, 2.5, 3, 100])
@pytest.mark.parametrize("seed", range(3))
def test_is_the_papers_formula(seed, ratio):
    arguments = example(seed)
    got = run(losses.MultiBoxLoss(ratio), *arguments)[:2]
    assert got == pytest.approx(formula(*arguments, ratio), rel=1e-12)


def test_ties_take_exactly_as_many_and_the_first():
    """Untrained scores: all negatives are equally hard."""
    _, offsets, labels, boxes = example(5)
    scores = np.zeros((3, 23, 4))
    classification, _, gx, _ = run(losses.MultiBoxLoss(), scores, offsets, labels, boxes)
    assert classification == pytest.approx(formula(scores, offsets, labels, boxes, 3)[0])
    for row, label in zip(gx, labels):
        positives, negatives = np.count_nonzero(label > 0), np.flatnonzero(label == 0)
        counted = np.flatnonzero(row.any(1) & (label == 0))
        np.testing.assert_array_equal(counted, negatives[:3*positives])


def test_gradients_are_those_of_differences():
    scores, offsets, labels, boxes = example(7, n=2, a=9)
    loss = losses.MultiBoxLoss(2)
    for name in ("classification", "localization"):
        assert gradcheck(lambda s, o, name=name: loss(s, o, labels, boxes)[name],
                         [Tensor(scores, requires_grad=True), Tensor(offsets, requires_grad=True)])


def test_without_positives_both_are_0():
    scores, offsets, labels, boxes = example(8)
    classification, localization, gs, go = run(losses.MultiBoxLoss(), scores, offsets, np.minimum(labels, 0), boxes)
    assert classification == localization == 0
    assert not gs.any()
    assert not go.any()


def test_an_image_without_positives_counts_no_negatives():
    scores, offsets, labels, boxes = example(9)
    labels[1] = np.minimum(labels[1], 0)
    gs, go = run(losses.MultiBoxLoss(), scores, offsets, labels, boxes)[2:]
    assert not gs[1].any()
    assert not go[1].any()
    assert gs[0].any()


def test_ignored_boxes_have_no_gradient_and_no_target():
    scores, offsets, labels, boxes = example(10)
    before = run(losses.MultiBoxLoss(100), scores, offsets, labels, boxes)
    boxes[labels <= 0] = np.nan  # what an encoder leaves where it matched nothing
    after = run(losses.MultiBoxLoss(100), scores, offsets, labels, boxes)
    for one, two in zip(before, after):
        np.testing.assert_array_equal(one, two)
    assert not after[2][labels == -1].any()
    assert after[2][labels >= 0].any(1).all()


def test_alpha_and_float32():
    arguments = [x.astype(np.float32) if x.dtype.kind == "f" else x for x in example(11)]
    one, two = (run(losses.MultiBoxLoss(alpha=alpha), *arguments) for alpha in (1, 0.5))
    assert one[0] == two[0]
    assert one[1] == pytest.approx(2*two[1])
    assert one[2].dtype == one[3].dtype == np.float32


def test_only_background_as_a_class():
    """C = 1: there is nothing to find."""
    terms = losses.MultiBoxLoss()(np.zeros((1, 5, 1)), np.zeros((1, 5, 4)), np.zeros((1, 5), int), np.zeros((1, 5, 4)))
    assert terms["classification"].item() == 0


class TestHardNegatives:
    def test_a_nan_is_the_hardest(self):
        assert F.hard_negatives(np.array([[1, 5.0, np.nan, 2]]), np.array([[1, 0, 0, 0]]), 1).tolist() == [[0, 0, 1, 0]]

    def test_has_no_gradient(self):
        assert not F.hard_negatives(Tensor(np.ones((1, 2)), requires_grad=True), np.array([[1, 0]])).requires_grad

    def test_refusals(self):
        with pytest.raises(ValueError, match=r"hard_negatives: losses must be \(N, A\), got the shape \(3,\)"):
            F.hard_negatives(np.zeros(3), np.zeros(3, int))
        with pytest.raises(ValueError, match=r"hard_negatives: labels has shape \(1, 2\), expected \(1, 3\)"):
            F.hard_negatives(np.zeros((1, 3)), np.zeros((1, 2), int))
        with pytest.raises(ValueError, match="hard_negatives: neg_pos_ratio must be at least 0, got -1"):
            F.hard_negatives(np.zeros((1, 3)), np.zeros((1, 3), int), -1)


def changed(at, value):
    return [value if i == at else x for i, x in enumerate(example(0))]


@pytest.mark.parametrize(("at", "value", "error", "message"), [
    (0, np.zeros((3, 23)), ValueError, r"scores must be \(N, A, C\), got the shape \(3, 23\)"),
    (0, np.zeros((0, 23, 4)), ValueError, r"scores of shape \(0, 23, 4\) has no elements"),
    (1, np.zeros((3, 23, 5)), ValueError, r"offsets has shape \(3, 23, 5\), expected \(3, 23, 4\)"),
    (1, np.zeros((3, 23, 4), "f"), TypeError, "offsets has the type float32, expected float64"),
    (2, np.zeros((3, 22), int), ValueError, r"labels has shape \(3, 22\), expected \(3, 23\)"),
    (2, np.zeros((3, 23)), TypeError, "labels must be integers.*float64"),
    (2, np.full((3, 23), 4), ValueError, r"label at \(0, 0\) is 4, expected -1 <= label < 4"),
    (2, np.full((3, 23), -2), ValueError, r"label at \(0, 0\) is -2"),
    (3, np.zeros((3, 1, 4)), ValueError, r"boxes has shape \(3, 1, 4\), expected \(3, 23, 4\)"),
    (3, np.zeros((3, 23, 4), int), TypeError, "boxes has the type int64, expected float64"),
])
def test_refusals(at, value, error, message):
    with pytest.raises(error, match=f"MultiBoxLoss: {message}"):
        losses.MultiBoxLoss()(*changed(at, value))
