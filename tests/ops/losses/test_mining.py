"""Triplets of a batch: which are chosen, ties, and batches that have none."""
import numpy as np
import pytest

from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn._kernels import available, use

LINE = np.array([[0.0], [1.0], [2.0], [9.0]])
LOSSES = [F.batch_hard_triplet_loss, F.semi_hard_triplet_loss]


def gradient(function, x, labels, **settings):
    x = Tensor(x, requires_grad=True)
    loss = function(x, np.array(labels), **settings)
    loss.backward()
    return loss.item(), x.grad


@pytest.fixture(params=[*available(), "reference"])
def isa(request):
    with use(request.param):
        yield request.param


@pytest.mark.usefixtures("isa")
class TestChoice:
    def test_the_hardest(self):
        chosen = F.batch_hard_triplets(LINE, np.array([7, 7, 5, 7]))
        assert [rows.tolist() for rows in chosen] == [[0, 1, 3], [3, 3, 0], [2, 2, 2]]

    def test_of_equals_the_first(self):
        x = np.array([[0.0], [1.0], [-1.0], [2.0], [-2.0]])
        anchor, positive, negative = F.batch_hard_triplets(x, np.array([0, 0, 0, 1, 1]))
        assert (anchor[0], positive[0], negative[0]) == (0, 1, 3)

    def test_rows_in_one_place(self):
        chosen = F.batch_hard_triplets(np.zeros((4, 3)), np.array([0, 0, 1, 1]))
        assert [rows.tolist() for rows in chosen] == [[0, 1, 2, 3], [1, 0, 3, 2], [2, 2, 0, 0]]

    def test_the_semi_hard_lie_beyond_the_positive_and_within_the_margin(self):
        x = np.array([[0.0], [1.0], [0.9], [1.2], [1.1], [3.0]])
        chosen = F.semi_hard_triplets(x, np.array([0, 0, 1, 2, 3, 4]), margin=0.5)
        triplets = set(zip(*[rows.tolist() for rows in chosen], strict=True))
        assert triplets == {(0, 1, 4)}  # for anchor 1 every negative is nearer than the positive, or far beyond

    @pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 1, 2, 3]], ids=["no negative", "no positive"])
    def test_none(self, labels):
        for function in (F.batch_hard_triplets, F.semi_hard_triplets):
            assert [rows.size for rows in function(LINE, np.array(labels))] == [0, 0, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 1, 2, 3]], ids=["no negative", "no positive"])
@pytest.mark.parametrize("function", LOSSES)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_without_a_triplet_loss_and_gradient_are_0(function, labels, dtype, reduction):
    loss, gx = gradient(function, LINE.astype(dtype), labels, reduction=reduction)
    assert loss == 0
    np.testing.assert_array_equal(gx, 0)


@pytest.mark.parametrize("function", LOSSES)
def test_one_embedding_has_no_triplet(function):
    loss, gx = gradient(function, np.ones((1, 3)), [5])
    assert loss == 0
    np.testing.assert_array_equal(gx, 0)


@pytest.mark.parametrize("soft_margin", [False, True])
def test_rows_in_one_place_have_a_finite_gradient(soft_margin):
    loss, gx = gradient(F.batch_hard_triplet_loss, np.zeros((4, 3)), [0, 0, 1, 1], margin=0.3, soft_margin=soft_margin)
    assert loss == pytest.approx(np.log(2) if soft_margin else 0.3)
    np.testing.assert_array_equal(gx, 0)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_soft_margin_of_large_distances_is_finite(sign):
    x = np.array([[0.0], [1e4], [0.5e4 if sign > 0 else 1e8]])
    loss, gx = gradient(F.batch_hard_triplet_loss, x, [0, 0, 1], soft_margin=True)
    assert loss == (5e3 if sign > 0 else 0)
    assert np.isfinite(gx).all()


def test_losses_are_those_of_the_triplets_that_were_chosen():
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((20, 8)), rng.integers(0, 4, 20)
    a, p, n = F.batch_hard_triplets(x, labels)
    want = F.triplet_margin_loss(x[a], x[p], x[n], margin=0.2, eps=0).item()
    assert F.batch_hard_triplet_loss(x, labels).item() == pytest.approx(want)
    a, p, n = F.semi_hard_triplets(x, labels, margin=3.0)
    assert len(a) > 5
    want = F.squared_triplet_loss(x[a], x[p], x[n], margin=3.0).item()
    assert F.semi_hard_triplet_loss(x, labels, margin=3.0).item() == pytest.approx(want)


def test_near_embeddings_far_from_0_keep_their_distance():
    x = np.float32(100) + np.arange(3, dtype="f")[:, None] * np.float32(2**-10) * np.ones(64, "f")
    d = F.distance_matrix(x).numpy()
    np.testing.assert_allclose(d[0], np.arange(3) * 2**-10 * 8, rtol=1e-6)


@pytest.mark.parametrize("function", [*LOSSES, F.batch_hard_triplets, F.semi_hard_triplets])
def test_labels_that_are_refused(function):
    name = function.__name__
    with pytest.raises(ValueError, match=rf"{name}: labels have shape \(3,\), expected \(4,\), one for each embedding"):
        function(LINE, np.zeros(3, int))
    with pytest.raises(TypeError, match=f"{name}: labels must be integers, got float64"):
        function(LINE, np.zeros(4))


@pytest.mark.parametrize(("function", "x", "keywords", "message"), [
    (F.distance_matrix, np.zeros(3), {}, r"distance_matrix: embeddings must be \(N, D\)"),
    (F.distance_matrix, np.zeros((0, 3)), {}, "distance_matrix: .* no elements"),
    (F.batch_hard_triplet_loss, LINE, {"reduction": "all"}, "batch_hard_triplet_loss: reduction must be"),
    (F.semi_hard_triplet_loss, LINE, {"reduction": "none"}, "semi_hard_triplet_loss: reduction must be 'mean' or 's"),
    (F.semi_hard_triplet_loss, LINE, {"margin": 0.0}, "semi_hard_triplet_loss: margin must be a number > 0"),
])
def test_other_refusals(function, x, keywords, message):
    arguments = (x,) if function is F.distance_matrix else (x, np.zeros(len(x), int))
    with pytest.raises(ValueError, match=message):
        function(*arguments, **keywords)
