"""MixUp: what it mixes, how repeatably, and that both forms are one loss."""
import numpy as np
import pytest

from tinycnn import Tensor, data, manual_seed
from tinycnn import functional as F

A, B, LAM = np.array([0, 2, 1, 2]), np.array([2, 2, 0, 1]), 0.3
LOGITS = np.random.default_rng(0).standard_normal((4, 3)) * 3


def one_hot_loss(z, targets, weight=None):
    """-sum q log softmax(z), over classes, times their weights; the mean over the batch."""
    losses = F.log_softmax(z, 1) * targets
    return -(losses if weight is None else losses * weight).sum() / len(targets)


def index_loss(z, classes, weight=None):
    """-log softmax(z)[class]; the mean weighted by class, as cross-entropy takes it."""
    each = F.log_softmax(z, 1)[np.arange(len(classes)), classes]
    weights = np.ones(len(classes)) if weight is None else weight[classes]
    return -(each * weights).sum() / weights.sum()


def test_both_forms_are_the_same_cross_entropy():
    z, z2 = (Tensor(LOGITS, requires_grad=True) for _ in range(2))
    index = data.mixed_loss(index_loss, z, A, B, LAM)
    one_hot = one_hot_loss(z2, data.mixed_one_hot(A, B, LAM, 3, np.float64))
    assert index.item() == pytest.approx(one_hot.item(), rel=1e-14)
    index.backward()
    one_hot.backward()
    np.testing.assert_allclose(z.grad, z2.grad, atol=1e-15)
    assert data.mixed_loss(F.cross_entropy, Tensor(LOGITS), A, B, LAM).item() == pytest.approx(index.item(), rel=1e-14)


def test_a_mean_weighted_by_class_tells_the_forms_apart():
    weight = np.array([1.0, 5.0, 0.2])
    index = data.mixed_loss(lambda z, c: index_loss(z, c, weight), Tensor(LOGITS), A, B, LAM)
    one_hot = one_hot_loss(Tensor(LOGITS), data.mixed_one_hot(A, B, LAM, 3, np.float64), weight)
    assert abs(index.item() - one_hot.item()) > 0.05


def test_pairs_are_a_permutation_and_images_their_mixture():
    x = np.random.default_rng(1).standard_normal((6, 2, 3)).astype("f")
    y = np.arange(6)
    mixed = data.mixup(x, y, 0.4, np.random.default_rng(2))
    assert sorted(mixed.b) == list(y)
    assert 0 <= mixed.lam <= 1
    np.testing.assert_array_equal(mixed.a, y)
    np.testing.assert_allclose(mixed.x, mixed.lam * x + (1 - mixed.lam) * x[mixed.b], atol=1e-6)
    assert mixed.x.dtype == np.float32


def test_shares_follow_the_beta_distribution():
    generator, x, y = np.random.default_rng(3), np.zeros((1, 1), "f"), np.zeros(1, int)
    for alpha in (0.2, 1.0):
        lam = np.array([data.mixup(x, y, alpha, generator).lam for _ in range(4000)])
        deviation = 0.5 / np.sqrt(2 * alpha + 1)  # of Beta(alpha, alpha)
        assert lam.mean() == pytest.approx(0.5, abs=5 * deviation / np.sqrt(4000))
        assert lam.std() == pytest.approx(deviation, rel=0.05)


def test_the_seed_repeats_it_and_alpha_0_mixes_nothing():
    x, y = np.arange(8, dtype="f")[:, None], np.arange(8)
    manual_seed(4)
    first = data.mixup(x, y)
    manual_seed(4)
    again = data.mixup(x, y)
    np.testing.assert_array_equal(first.x, again.x)
    assert first.lam == again.lam
    plain = data.mixup(x, y, 0)
    assert plain.lam == 1
    np.testing.assert_array_equal(plain.x, x)


def test_refusals():
    with pytest.raises(ValueError, match="mixup: alpha must be at least 0, got -1"):
        data.mixup(np.ones((2, 3)), np.zeros(2), -1)
    with pytest.raises(ValueError, match=r"mixup: y must be \(N,\), .* got the shapes \(3,\) and \(2, 3\)"):
        data.mixup(np.ones((2, 3)), np.zeros(3))
    with pytest.raises(ValueError, match="mixup: y must be"):
        data.mixup(np.ones((0, 3)), np.zeros(0))
    with pytest.raises(ValueError, match="mixed_one_hot: b must hold classes from 0 to 2, got -1 to 1"):
        data.mixed_one_hot(np.array([0, 1]), np.array([-1, 1]), 0.5, 3)
