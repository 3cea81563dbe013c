"""Activations where the table of op cases does not go: odd values, and what is refused."""
import numpy as np
import pytest

from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn._kernels import available, use

NAMES = ("relu", "relu6", "hardsigmoid", "hardswish", "sigmoid", "silu", "tanh", "mish", "leaky_relu")


@pytest.mark.parametrize("isa", available())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_nan_goes_through_and_stays_where_it_is(name, dtype, isa):
    x = np.linspace(-4, 4, 37).astype(dtype)
    x[[0, 20, 36]] = np.nan
    with use(isa):
        y = getattr(F, name)(x).numpy()
    np.testing.assert_array_equal(np.isnan(y), np.isnan(x))


@pytest.mark.parametrize(("name", "low", "high"), [("relu", 0, 1e4), ("relu6", 0, 6), ("hardsigmoid", 0, 1),
                                                   ("hardswish", 0, 1e4), ("sigmoid", 0, 1), ("silu", 0, 1e4),
                                                   ("tanh", -1, 1), ("mish", 0, 1e4)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_far_from_zero_nothing_overflows(name, low, high, dtype):
    x = Tensor(np.array([-1e4, 1e4], dtype), requires_grad=True)
    y = getattr(F, name)(x)
    y.sum().backward()
    assert y.numpy() == pytest.approx([low, high], rel=1e-6)
    assert x.grad == pytest.approx([0, 1 if high == 1e4 else 0], abs=1e-6)


def test_gradient_at_the_kinks():
    def at(name, *points):
        x = Tensor(np.array(points, "f"), requires_grad=True)
        getattr(F, name)(x).sum().backward()
        return x.grad.tolist()
    assert at("relu", 0) == [0]
    assert at("relu6", 0, 6) == [0, 0]
    assert at("hardsigmoid", -3, 3) == [0, 0]
    assert at("hardswish", -3, 3) == [0, 1]
    assert at("leaky_relu", 0) == [np.float32(0.01)]


def test_a_transposed_array_is_taken():
    x = np.arange(-6, 6, dtype="f").reshape(3, 4).T
    np.testing.assert_array_equal(F.relu(x).numpy(), np.maximum(x, 0))


@pytest.mark.parametrize("name", NAMES)
def test_refusals(name):
    with pytest.raises(ValueError, match=rf"{name}: x of shape \(0, 3\)"):
        getattr(F, name)(np.zeros((0, 3), "f"))
    with pytest.raises(TypeError, match="x must be float32 or float64, got int64"):
        getattr(F, name)(np.arange(3))
    with pytest.raises(TypeError, match="x must be float32 or float64, got float16"):
        getattr(F, name)(np.zeros(3, np.float16))


@pytest.mark.parametrize("isa", available())
@pytest.mark.parametrize(("dtype", "lowest", "digits"), [(np.float32, -80, 2e-6), (np.float64, -700, 1e-14)])
def test_mish_keeps_its_digits_far_below_zero(dtype, lowest, digits, isa):
    """tanh(log(1 + e^x)) is e^x to the last digit there; e^x is what 1 + e^x would lose."""
    x = Tensor(np.linspace(lowest, -40, 101).astype(dtype), requires_grad=True)
    with use(isa):
        y = F.mish(x)
        y.sum().backward()
    exact = x.numpy().astype(np.longdouble)
    np.testing.assert_allclose(y.numpy(), exact * np.exp(exact), rtol=digits)
    np.testing.assert_allclose(x.grad, (1 + exact) * np.exp(exact), rtol=digits)


@pytest.mark.parametrize("isa", available())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mish_against_its_definition(dtype, isa):
    x = np.linspace(-60, 60, 20_001).astype(dtype)
    exact = x.astype(np.longdouble)
    with use(isa):
        y = F.mish(x).numpy()
    np.testing.assert_allclose(y, exact * np.tanh(np.log1p(np.exp(exact))), rtol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("isa", available())
@pytest.mark.parametrize("shape", [(2, 3, 4100), (5000, 3), (1, 1, 70, 70)], ids=str)
def test_prelu_sums_the_gradient_of_its_slopes_over_all_pieces(shape, isa):
    """Planes of several pieces, and so many rows that sums are flushed."""
    x = np.random.default_rng(0).standard_normal(shape).astype("f")
    gy = np.random.default_rng(1).standard_normal(shape).astype("f")
    weight = Tensor(np.full(shape[1], 0.25, "f"), requires_grad=True)
    with use(isa):
        F.prelu(x, weight).backward(gy)
    axes = tuple(i for i in range(len(shape)) if i != 1)
    np.testing.assert_allclose(weight.grad, np.where(x > 0, 0, gy.astype(float) * x).sum(axes), rtol=1e-4, atol=1e-3)


def test_prelu_lets_nan_through_and_takes_any_slope():
    x = np.array([[np.nan, -1.0, 2.0]], "f")
    np.testing.assert_array_equal(F.prelu(x, np.array([1, -3, 5], "f")).numpy(), [[np.nan, 3, 2]])
    np.testing.assert_array_equal(F.prelu(x[0], np.array([0.5], "f")).numpy(), [np.nan, -0.5, 2])


@pytest.mark.parametrize(("shape", "slopes"), [((2, 3), (2,)), ((3,), (3,)), ((2, 3), ()), ((2, 3), (3, 1))])
def test_prelu_refuses_slopes_that_do_not_fit(shape, slopes):
    with pytest.raises(ValueError, match=r"prelu: weight must have the shape \(1,\)"):
        F.prelu(np.ones(shape, "f"), np.ones(slopes, "f"))
    with pytest.raises(ValueError, match=r"prelu: x of shape \(0, 3\)"):
        F.prelu(np.ones((0, 3), "f"), np.ones(3, "f"))
