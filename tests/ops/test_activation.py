"""Activations where the table of op cases does not go: odd values, and what is refused."""
import numpy as np
import pytest

from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn._kernels import available, use

NAMES = ("relu", "relu6", "hardsigmoid", "hardswish", "sigmoid", "silu", "tanh")


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
                                                   ("tanh", -1, 1)])
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


def test_a_transposed_array_is_taken():
    x = np.arange(-6, 6, dtype="f").reshape(3, 4).T
    np.testing.assert_array_equal(F.relu(x).numpy(), np.maximum(x, 0))


@pytest.mark.parametrize("name", NAMES)
def test_refusals(name):
    with pytest.raises(ValueError, match=rf"{name}: x of shape \(0, 3\)"):
        getattr(F, name)(np.zeros((0, 3), "f"))
    with pytest.raises(TypeError, match="float32 and float64, got int64"):
        getattr(F, name)(np.arange(3))
    with pytest.raises(TypeError, match="float32 and float64, got float16"):
        getattr(F, name)(np.zeros(3, np.float16))
