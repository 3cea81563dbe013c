"""Losses of pairs and triplets where distances are 0, and what they refuse."""
import numpy as np
import pytest

from tinycnn import Tensor
from tinycnn import functional as F

SAME = np.ones((3, 5))


def gradients(function, *arrays, **settings):
    """The loss, and the gradient of each floating array."""
    tensors = [Tensor(a, requires_grad=True) if np.asarray(a).dtype.kind == "f" else a for a in arrays]
    loss = function(*tensors, **settings)
    loss.backward()
    return loss.item(), [t.grad for t in tensors if isinstance(t, Tensor)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("label", [0, 1])
def test_a_pair_in_one_place_has_no_direction_to_part_in(dtype, label):
    x = SAME.astype(dtype)
    loss, (g1, g2) = gradients(F.contrastive_loss, x, x, np.full(3, label), margin=2.0)
    assert loss == (0 if label == 0 else 2)
    np.testing.assert_array_equal(g1, 0)
    np.testing.assert_array_equal(g2, 0)


def test_pairs_label_0_pulls_and_1_pushes():
    x1, x2 = np.array([[0.0], [0.0]]), np.array([[0.5], [0.5]])
    _, (g1, g2) = gradients(F.contrastive_loss, x1, x2, np.array([0, 1]), reduction="sum")
    np.testing.assert_allclose(g1, [[-0.5], [0.5]])
    np.testing.assert_allclose(g2, -g1)


@pytest.mark.parametrize("function", [F.triplet_margin_loss, F.squared_triplet_loss])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_triplets_in_one_place_lose_the_margin(function, dtype):
    x = SAME.astype(dtype)
    loss, grads = gradients(function, x, x, x, margin=0.5)
    assert loss == pytest.approx(0.5)
    assert all(np.isfinite(g).all() for g in grads)


def test_triplets_in_one_place_are_torchs(torch):
    ours, theirs = Tensor(SAME, requires_grad=True), torch.tensor(SAME, requires_grad=True)
    F.triplet_margin_loss(ours, SAME, SAME * 2).backward()
    torch.nn.functional.triplet_margin_loss(theirs, torch.tensor(SAME), torch.tensor(SAME * 2)).backward()
    np.testing.assert_allclose(ours.grad, theirs.grad.numpy(), atol=1e-12)


def test_sums_of_magnitudes(torch):
    """p = 1, whose kinks the rows of op_cases would meet."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((4, 19)) for _ in range(3)]
    loss, grads = gradients(F.triplet_margin_loss, *arrays, p=1, margin=20.0)
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    want = torch.nn.functional.triplet_margin_loss(*theirs, p=1, margin=20.0)
    want.backward()
    assert loss == pytest.approx(want.item(), rel=1e-12)
    for g, t in zip(grads, theirs, strict=True):
        np.testing.assert_allclose(g, t.grad.numpy(), atol=1e-12)


def test_rankings_that_are_tied_are_torchs(torch):
    x, y = np.array([1.0, 2.0]), np.array([1.0, -1.0])
    ours, theirs = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    F.margin_ranking_loss(ours, x, y).backward()
    torch.nn.functional.margin_ranking_loss(theirs, torch.tensor(x), torch.tensor(y)).backward()
    np.testing.assert_array_equal(ours.grad, theirs.grad.numpy())


def test_a_row_of_zeros_has_no_angle():
    loss, grads = gradients(F.cosine_embedding_loss, SAME * 0, SAME, np.array([1, 1, -1]))
    assert loss == pytest.approx(2 / 3)
    assert all(np.isfinite(g).all() for g in grads)


@pytest.mark.parametrize(("function", "arrays", "keywords", "message"), [
    (F.contrastive_loss, (SAME, SAME, np.array([0, 1, 2])), {}, r"label must be 0 \(the same\) or 1 .* got 2"),
    (F.contrastive_loss, (SAME, SAME[:2], np.array([0, 1, 1])), {}, r"x2 has shape \(2, 5\), expected \(3, 5\)"),
    (F.contrastive_loss, (SAME, SAME, np.array([0, 1])), {}, r"label has shape \(2,\), expected \(3,\)"),
    (F.contrastive_loss, (SAME, SAME, np.zeros(3, int)), {"margin": -1}, "margin must be"),
    (F.contrastive_loss, (SAME[:0], SAME[:0], np.zeros(0, int)), {}, "no elements"),
    (F.triplet_margin_loss, (SAME[0], SAME[0], SAME[0]), {}, r"anchor must be \(N, D\)"),
    (F.triplet_margin_loss, (SAME, SAME, SAME[:, :4]), {}, "negative has shape"),
    (F.triplet_margin_loss, (SAME, SAME, SAME), {"p": 0.5}, "p must be a number >= 1"),
    (F.triplet_margin_loss, (SAME, SAME, SAME), {"p": np.inf}, "p must be a number >= 1"),
    (F.triplet_margin_loss, (SAME, SAME, SAME), {"reduction": "all"}, "reduction must be"),
    (F.squared_triplet_loss, (SAME, SAME, SAME), {"reduction": "all"}, "reduction must be"),
    *[(function, (SAME, SAME, SAME), {"margin": np.nan}, "margin must be a finite number, got nan")
      for function in (F.triplet_margin_loss, F.squared_triplet_loss, F.margin_ranking_loss)],
    (F.cosine_embedding_loss, (SAME, SAME, SAME[:, 0] * 2), {}, "target must be -1 or 1, got 2.0"),
    (F.cosine_embedding_loss, (SAME, SAME, SAME), {}, r"target \(N,\), got the shapes"),
    (F.cosine_embedding_loss, (SAME[:0], SAME[:0], SAME[:0, 0]), {}, "no elements"),
    (F.margin_ranking_loss, (SAME, SAME[:1], SAME), {}, "input2 has shape"),
    (F.margin_ranking_loss, (SAME, SAME, SAME * 0), {}, "target must be -1 or 1, got 0.0"),
])
def test_refusals(function, arrays, keywords, message):
    with pytest.raises(ValueError, match=f"{function.__name__}: .*{message}"):
        function(*arrays, **keywords)
