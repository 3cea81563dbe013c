"""Losses of yes and no at the ends of the numbers."""
import numpy as np
import pytest
from torchvision_oracle import import_torchvision

from tinycnn import Tensor
from tinycnn import functional as F

LARGE = (1e4, -1e4, 1e30, -1e30, 100.0, -100.0, 0.0)


def both(function, x, t, **settings):
    """Each loss, and the gradient of their sum."""
    x = Tensor(x, requires_grad=True)
    losses = function(x, t, reduction="none", **settings)
    losses.sum().backward()
    return losses.numpy(), x.grad


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.usefixtures("isa")
class TestEnds:
    @pytest.mark.parametrize("target", [0.0, 1.0])
    def test_logits_of_any_size(self, dtype, target):
        x = np.array(LARGE, dtype)
        losses, gx = both(F.binary_cross_entropy_with_logits, x, np.full_like(x, target))
        want = np.maximum(x if target == 0 else -x, 0)
        want[-1] = np.log(2)
        np.testing.assert_allclose(losses, want, rtol=1e-6, atol=1e-30)
        np.testing.assert_allclose(gx, np.where(x > 0, 1, np.where(x < 0, 0, 0.5)) - target, atol=1e-30)

    @pytest.mark.parametrize("gamma", [0.0, 0.1, 0.5, 2.0])
    @pytest.mark.parametrize("alpha", [-1.0, 0.25])
    def test_focal_loss_of_large_logits_is_finite(self, dtype, gamma, alpha):
        x = np.array(LARGE[:-1] * 2, dtype)
        t = np.repeat(np.array([0, 1], dtype), 6)
        losses, gx = both(F.sigmoid_focal_loss, x, t, gamma=gamma, alpha=alpha)
        weight = 1 if alpha < 0 else np.where(t == 1, alpha, 1 - alpha)
        right = (x > 0) == (t == 1)
        np.testing.assert_allclose(losses, np.where(right, 0, weight * np.abs(x)), rtol=1e-6, atol=1e-30)
        np.testing.assert_allclose(gx, np.where(right, 0, weight * np.sign(x)), rtol=1e-6, atol=1e-30)

    def test_focal_loss_is_torchvisions(self, dtype, torch):
        x = np.array([-40, -20, -3, -0.1, 0, 0.1, 3, 20, 40] * 2, dtype)
        t = np.repeat(np.array([0, 1], dtype), 9)
        losses, gx = both(F.sigmoid_focal_loss, x, t)
        theirs = torch.tensor(x.astype(np.float64), requires_grad=True)
        want = import_torchvision().ops.sigmoid_focal_loss(theirs, torch.tensor(t))
        want.sum().backward()
        np.testing.assert_allclose(losses, want.detach().numpy(), rtol=1e-5, atol=1e-30)
        np.testing.assert_allclose(gx, theirs.grad.numpy(), rtol=1e-5, atol=1e-30)

    def test_probabilities_0_and_1_are_torchs(self, dtype, torch):
        x, t = np.array([0, 0, 1, 1, 1e-30, 0.5], dtype), np.array([0, 1, 0, 1, 1, 0.5], dtype)
        losses, gx = both(F.binary_cross_entropy, x, t)
        theirs = torch.tensor(x, requires_grad=True)
        want = torch.nn.functional.binary_cross_entropy(theirs, torch.tensor(t), reduction="none")
        want.sum().backward()
        np.testing.assert_allclose(losses, want.detach().numpy(), rtol=1e-6)
        np.testing.assert_allclose(gx, theirs.grad.numpy(), rtol=1e-6)
        assert losses.max() == 100

    def test_the_target_of_probabilities_0_and_1_has_a_finite_gradient(self, dtype):
        target = Tensor(np.array([0, 1], dtype), requires_grad=True)
        F.binary_cross_entropy(np.array([0, 1], dtype), target).backward()
        np.testing.assert_array_equal(target.grad, [50, -50])

    @pytest.mark.parametrize("function", [F.binary_cross_entropy, F.binary_cross_entropy_with_logits,
                                          F.sigmoid_focal_loss])
    def test_nan_gives_nan(self, dtype, function):
        x = np.full(20, 0.5, dtype)
        x[17] = np.nan
        losses, gx = both(function, x, np.ones(20, dtype))
        assert np.flatnonzero(np.isnan(losses)) == [17]
        assert np.flatnonzero(np.isnan(gx)) == [17]


def test_focal_loss_without_focus_is_half_the_cross_entropy():
    x, t = np.linspace(-5, 5, 11), np.tile([0.0, 1.0], 6)[:11]
    want = F.binary_cross_entropy_with_logits(x, t).item() / 2
    assert F.sigmoid_focal_loss(x, t, alpha=0.5, gamma=0, reduction="mean").item() == pytest.approx(want, rel=1e-12)


def test_pos_weight_counts_for_what_is_true():
    x, t = np.array([[0.0, 0.0], [0.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    losses = F.binary_cross_entropy_with_logits(x, t, pos_weight=[3.0, 5.0], reduction="none").numpy()
    np.testing.assert_allclose(losses / np.log(2), [[3, 1], [1, 5]])


def test_hinge_at_the_margin_has_the_gradient_of_its_slope():
    _, gx = both(F.hinge_loss, np.array([1.0, -1.0, 2.0]), np.array([1.0, -1.0, 1.0]))
    np.testing.assert_array_equal(gx, [-1, 1, 0])


HALF = np.full(2, 0.5)


@pytest.mark.parametrize(("function", "x", "t", "keywords", "message"), [
    (F.binary_cross_entropy, HALF * 3, HALF, {}, r"input must be probabilities, within \[0, 1\], got .* 1.5"),
    (F.binary_cross_entropy, -HALF, HALF, {}, "input must be probabilities"),
    (F.binary_cross_entropy, HALF, HALF, {"weight": [1, np.nan]}, r"weight\[1\] is nan"),
    (F.binary_cross_entropy, HALF, HALF[:1], {}, "target has shape"),
    (F.binary_cross_entropy, HALF[:0], HALF[:0], {}, "no elements"),
    (F.binary_cross_entropy_with_logits, HALF, HALF, {"pos_weight": [-1, 1]}, r"pos_weight\[0\] is -1"),
    (F.binary_cross_entropy_with_logits, HALF, HALF, {"pos_weight": [1, 1, 1]}, "pos_weight of shape .* broadcast"),
    (F.sigmoid_focal_loss, HALF, HALF, {"gamma": -1}, "gamma must be"),
    (F.sigmoid_focal_loss, HALF, HALF, {"alpha": 1.5}, "alpha must be"),
    (F.sigmoid_focal_loss, HALF, HALF, {"alpha": np.nan}, "alpha must be"),
    (F.sigmoid_focal_loss, HALF, HALF[:1], {}, "targets has shape .* expected that of inputs"),
    (F.hinge_loss, HALF, np.array([1, 0]), {}, "target must be -1 or 1, got 0.0"),
    (F.hinge_loss, HALF, HALF * 2, {"margin": np.nan}, "margin must be a finite number, got nan"),
    (F.hinge_loss, HALF, np.array([1.0]), {}, "target has shape"),
])
def test_refusals(function, x, t, keywords, message):
    with pytest.raises(ValueError, match=f"{function.__name__}: .*{message}"):
        function(x, t, **keywords)
