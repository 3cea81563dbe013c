"""Batch normalisation: running statistics, accuracy, and what is refused."""
import numpy as np
import pytest

from tinycnn import Tensor, no_grad
from tinycnn import functional as F
from tinycnn._kernels import available, use

SHAPES = [(3, 5), (2, 5, 9), (3, 20, 2, 2), (2, 5, 6, 7), (1, 2, 40, 120)]


@pytest.mark.parametrize("isa", available())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_running_statistics_are_torchs(torch, shape, dtype, isa):
    rng = np.random.default_rng(1)
    mean, variance = rng.standard_normal(shape[1]).astype(dtype), rng.uniform(0.5, 2, shape[1]).astype(dtype)
    mean_t, variance_t = torch.tensor(mean), torch.tensor(variance)
    with use(isa):
        for _ in range(3):
            x = rng.normal(3, 2, shape).astype(dtype)
            F.batch_norm(x, mean, variance, training=True, momentum=0.3)
            torch.nn.functional.batch_norm(torch.tensor(x), mean_t, variance_t, training=True, momentum=0.3)
    tolerance = 1e-6 if dtype is np.float32 else 1e-13
    np.testing.assert_allclose(mean, mean_t.numpy(), rtol=tolerance)
    np.testing.assert_allclose(variance, variance_t.numpy(), rtol=tolerance)


@pytest.mark.parametrize("isa", available())
@pytest.mark.parametrize("shape", [(4, 3, 230, 230), (51, 3, 64, 64), (50_000, 5, 2, 2), (200_000, 3)], ids=str)
def test_statistics_are_accurate_where_the_mean_is_large(shape, isa):
    """A mean of a thousand deviations leaves float32 sums no digits, were they taken in the plain way."""
    x = np.random.default_rng(0).normal(1000, 1, shape).astype("f")
    axes = tuple(i for i in range(x.ndim) if i != 1)
    mean, variance = np.zeros(shape[1], "f"), np.zeros(shape[1], "f")
    with use(isa), no_grad():
        y = F.batch_norm(x, mean, variance, training=True, momentum=1.0, eps=0).numpy()
    exact = x.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean(axes), rtol=1e-7)
    np.testing.assert_allclose(variance, exact.var(axes, ddof=1), rtol=1e-6)
    np.testing.assert_allclose(y.std(axes, dtype=np.float64), 1, rtol=1e-6)


def test_gradient_sums_are_accurate():
    rng = np.random.default_rng(2)
    x, gy = rng.normal(3, 1, (13, 2, 128, 128)).astype("f"), rng.normal(1, 1, (13, 2, 128, 128)).astype("f")
    def gradients(dtype):
        weight, bias = Tensor(np.ones(2, dtype), requires_grad=True), Tensor(np.zeros(2, dtype), requires_grad=True)
        F.batch_norm(x.astype(dtype), None, None, weight, bias, training=True).backward(gy.astype(dtype))
        return weight.grad, bias.grad
    (gw, gb), (gw_exact, gb_exact) = gradients(np.float32), gradients(np.float64)
    np.testing.assert_allclose(gb, gb_exact, rtol=1e-6)
    np.testing.assert_allclose(gw, gw_exact, atol=1e-6 * np.abs(gy).sum())


def test_a_constant_channel_becomes_its_bias():
    x = np.full((4, 2, 3, 3), 1e3, "f")
    y = F.batch_norm(x, None, None, bias=np.array([2, 3], "f"), training=True).numpy()
    np.testing.assert_array_equal(y[:, 0], 2)
    np.testing.assert_array_equal(y[:, 1], 3)


@pytest.mark.parametrize("shape", [(4, 3, 2, 2), (4, 3, 8, 8)], ids=str)
def test_a_nan_stays_in_its_channel(shape):
    x = np.random.default_rng(0).standard_normal(shape).astype("f")
    x[1, 1, 0, 0] = np.nan
    y = F.batch_norm(x, None, None, training=True).numpy()
    assert np.isnan(y[:, 1]).all()
    assert np.isfinite(y[:, [0, 2]]).all()


def test_statistics_in_a_view_move_too():
    backing = np.zeros((2, 6), "f")
    mean, variance = backing[:, ::2]
    F.batch_norm(np.random.default_rng(0).normal(5, 1, (8, 3)).astype("f"), mean, variance, training=True, momentum=1)
    assert (backing[0, ::2] > 3).all()
    assert (backing[1, ::2] > 0).all()
    assert not backing[:, 1::2].any()


def test_evaluation_leaves_the_statistics_alone():
    mean, variance = np.full(3, 0.5, "f"), np.full(3, 2, "f")
    F.batch_norm(np.ones((2, 3, 2, 2), "f"), mean, variance)
    assert mean.tolist() == [0.5] * 3
    assert variance.tolist() == [2] * 3


def test_evaluation_remembers_the_statistics_of_its_time():
    rng = np.random.default_rng(3)
    x, w = rng.standard_normal((6, 2)).astype("f"), Tensor(np.ones(2, "f"), requires_grad=True)
    mean, variance = np.zeros(2, "f"), np.ones(2, "f")
    y = F.batch_norm(x, mean, variance, w)
    mean += 100
    y.backward(np.ones_like(x))
    np.testing.assert_allclose(w.grad, x.sum(0), rtol=1e-4, atol=1e-5)


ONE = np.ones(3, "f")


@pytest.mark.parametrize(("arguments", "keywords", "message"), [
    ((np.ones((0, 3, 2, 2), "f"), ONE, ONE), {}, r"x of shape \(0, 3, 2, 2\) has no elements"),
    ((np.ones((2, 3, 0, 2), "f"), ONE, ONE), {}, r"x of shape .* has no elements"),
    ((np.ones(3, "f"), ONE, ONE), {}, r"x must be .* got the shape \(3,\)"),
    ((np.ones((2, 4), "f"), ONE, ONE), {}, r"running_mean has shape \(3,\), expected \(4,\)"),
    ((np.ones((2, 3), "f"), ONE, ONE, np.ones(2, "f")), {}, r"weight has shape \(2,\), expected \(3,\)"),
    ((np.ones((2, 3), "f"), ONE, ONE, None, np.ones((3, 1), "f")), {}, r"bias has shape \(3, 1\)"),
    ((np.ones((2, 3), "f"), None, None), {}, "needed where training=False"),
    ((np.ones((2, 3), "f"), ONE, None), {}, "both be given"),
    ((np.ones((1, 3, 1, 1), "f"), ONE, ONE), {"training": True}, "more than 1 value per channel"),
])
def test_refusals(arguments, keywords, message):
    with pytest.raises(ValueError, match=f"batch_norm: .*{message}"):
        F.batch_norm(*arguments, **keywords)


def test_mixed_types_are_refused():
    with pytest.raises(TypeError, match="running_mean has the type float64, but x has float32"):
        F.batch_norm(np.ones((2, 3), "f"), np.ones(3), np.ones(3))
