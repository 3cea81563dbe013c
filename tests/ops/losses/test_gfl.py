"""Quality and distribution focal loss at the ends of the numbers, against torch's gradients, and what is refused."""
import numpy as np
import pytest

from tinycnn import Tensor, losses
from tinycnn import functional as F


def run(function, x, y, **keywords):
    x = Tensor(x, requires_grad=True)
    loss = function(x, y, reduction="none", **keywords)
    loss.sum().backward()
    return loss.numpy(), x.grad


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("beta", [0, 1, 1.7, 2])
def test_quality_is_torchs_formula(torch, beta):
    """Value and gradient of equation 5 as torch differentiates it."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(101)*4, rng.random(101)
    tx, ty = torch.tensor(x, requires_grad=True), torch.tensor(y)
    bce = torch.nn.functional.binary_cross_entropy_with_logits(tx, ty, reduction="none")
    want = (ty - tx.sigmoid()).abs()**beta*bce
    want.sum().backward()
    loss, gx = run(F.quality_focal_loss, x, y, beta=beta)
    np.testing.assert_allclose(loss, want.detach().numpy(), rtol=1e-10)
    np.testing.assert_allclose(gx, tx.grad.numpy(), rtol=1e-9, atol=1e-14)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("beta", [0, 0.5, 1, 2, 2.5])
class TestQualityAtTheEnds:
    def test_large_logits(self, dtype, beta):
        x = np.array([1e4, 1e4, -1e4, -1e4, 1e4], dtype)
        y = np.array([1, 0, 1, 0, 0.25], dtype)
        loss, gx = run(F.quality_focal_loss, x, y, beta=beta)
        np.testing.assert_allclose(loss, [0, 1e4, 1e4, 0, 0.75**beta*7500], rtol=1e-5)
        np.testing.assert_allclose(gx, [0, 1, -1, 0, 0.75**(beta + 1)], rtol=1e-5)

    def test_small_errors_keep_their_digits(self, dtype, beta):
        """At x = 12, y = 1: p = 1 - 6e-6."""
        loss, _ = run(F.quality_focal_loss, np.array([12], dtype), np.array([1], dtype), beta=beta)
        p = 1/(1 + np.exp(12.0))
        np.testing.assert_allclose(loss, -p**beta*np.log1p(-p), rtol=1e-5)

    def test_where_the_prediction_is_right(self, dtype, beta):
        loss, gx = run(F.quality_focal_loss, np.zeros(1, dtype), np.full(1, 0.5, dtype), beta=beta)
        assert loss == pytest.approx(np.log(2) if beta == 0 else 0)
        assert gx == 0

    def test_nan_stays_where_it_is(self, dtype, beta):
        x = np.zeros(40, dtype)
        x[17] = np.nan
        loss, _ = run(F.quality_focal_loss, x, np.ones(40, dtype), beta=beta)
        assert np.flatnonzero(np.isnan(loss)).tolist() == [17]


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
class TestDistribution:
    def test_labels_on_a_bin_are_cross_entropy(self, dtype):
        """0 and n too."""
        x = np.random.default_rng(0).standard_normal((8, 8)).astype(dtype)
        loss, gx = run(F.distribution_focal_loss, x, np.arange(8, dtype=dtype))
        want, gw = run(F.cross_entropy, x, np.arange(8))
        np.testing.assert_allclose(loss, want, rtol=1e-5)
        np.testing.assert_allclose(gx, gw, atol=1e-6)

    def test_large_logits(self, dtype):
        loss, gx = run(F.distribution_focal_loss, np.array([[1e4, -1e4, 0]], dtype), np.array([0.25], dtype))
        assert loss == pytest.approx(0.25*2e4)
        assert gx[0] == pytest.approx([0.25, -0.25, 0])

    def test_its_minimum_says_the_label(self, dtype):
        """At the distribution that is learnt the gradient is 0, and the integral is the label."""
        x = np.array([[-50, np.log(0.3), np.log(0.7), -50]], dtype)
        _, gx = run(F.distribution_focal_loss, x, np.array([1.7], dtype))
        assert gx == pytest.approx(0, abs=1e-6)
        assert F.integral(x).numpy() == pytest.approx([1.7])


@pytest.mark.parametrize(("function", "module"), [(F.quality_focal_loss, losses.QualityFocalLoss),
                                                  (F.distribution_focal_loss, losses.DistributionFocalLoss)])
def test_weights_and_modules(function, module):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((4, 4)), rng.random(4)
    if function is F.quality_focal_loss:
        x = x[0]
    y = rng.random(4)
    each = function(x, y, reduction="none").numpy()
    assert module()(x, y).item() == pytest.approx(each.mean())
    assert module(reduction="sum")(x, y, w).item() == pytest.approx((each*w).sum())
    assert function(x, y, weight=w).item() == pytest.approx((each*w).mean())
    np.testing.assert_allclose(function(x, y, weight=list(w), reduction="none").numpy(), each*w)
    with pytest.raises(ValueError, match=rf"{function.__name__}: weight has shape \(1,\), expected \(4,\)"):
        function(x, y, weight=w[:1])
    with pytest.raises(ValueError, match=f"{function.__name__}: reduction must be"):
        function(x, y, reduction="average")


@pytest.mark.parametrize(("x", "y", "keywords", "message"), [
    (np.zeros((2, 3)), np.zeros(3), {}, r"target has shape \(3,\), expected \(2, 3\)"),
    (np.zeros(0), np.zeros(0), {}, "no elements"),
    (np.zeros((2, 2)), np.array([[0, 0], [1.5, 0]]), {}, r"target at \(1, 0\) is 1.5, expected a quality"),
    (np.zeros(2), np.array([0, np.nan]), {}, r"target at \(1,\) is nan"),
    (np.zeros(2), np.zeros(2), {"beta": -1}, "beta must be at least 0, got -1"),
])
def test_quality_refusals(x, y, keywords, message):
    with pytest.raises(ValueError, match=f"quality_focal_loss: .*{message}"):
        F.quality_focal_loss(x, y, **keywords)


@pytest.mark.parametrize(("x", "y", "message"), [
    (np.zeros((2, 3)), np.zeros(3), r"label has shape \(3,\), expected \(2,\)"),
    (np.zeros((0, 3)), np.zeros(0), "no elements"),
    (np.zeros(3), np.zeros(3), r"pred must be \(N, n \+ 1\).*got the shape \(3,\)"),
    (np.zeros((2, 1)), np.zeros(2), "at least 2 bins"),
    (np.zeros((2, 3)), np.array([0, 2.5]), r"label\[1\] is 2.5, expected 0 <= label <= 2"),
    (np.zeros((2, 3)), np.array([-0.1, 2]), r"label\[0\] is -0.1"),
    (np.zeros((2, 3)), np.array([0, np.nan]), r"label\[1\] is nan"),
])
def test_distribution_refusals(x, y, message):
    with pytest.raises(ValueError, match=f"distribution_focal_loss: .*{message}"):
        F.distribution_focal_loss(x, y)
