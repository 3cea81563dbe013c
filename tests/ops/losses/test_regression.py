"""Losses of differences: sums of many, kinks, what they refuse."""
import numpy as np
import pytest

from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn._kernels import parallel, set_num_threads

LOSSES = [F.l1_loss, F.mse_loss, F.smooth_l1_loss, F.huber_loss, F.wing_loss, F.sse_loss]
MEANS = LOSSES[:-1]


def name(function):
    return function.__name__


def gradient(function, d, **settings):
    x = Tensor(np.asarray(d, float), requires_grad=True)
    function(x, np.zeros_like(x.numpy()), **settings).backward()
    return x.grad


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("function", MEANS, ids=name)
@pytest.mark.parametrize("n", [1, 1023, 1024, 1025, 100_003])
def test_a_mean_of_many_keeps_its_digits_on_any_number_of_threads(function, n):
    rng = np.random.default_rng(0)
    x, t = rng.uniform(2, 3, n), rng.uniform(0, 1, n)
    exact = function(x, t).item()
    results = set()
    for threads in (1, 2, 3):
        set_num_threads(threads)
        results.add(function(x.astype("f"), t.astype("f")).item())
    set_num_threads(parallel.usable_cpus())
    assert len(results) == 1
    assert results.pop() == pytest.approx(exact, rel=5e-7)


@pytest.mark.parametrize("function", LOSSES, ids=name)
def test_no_difference_is_no_loss_and_no_gradient(function):
    x = Tensor([[1.0, -2.0]], requires_grad=True)
    loss = function(x, x.numpy())
    loss.backward()
    assert loss.item() == 0
    np.testing.assert_array_equal(x.grad, 0)


@pytest.mark.parametrize("function", MEANS, ids=name)
def test_nan_gives_nan(function):
    x = np.zeros(20)
    x[17] = np.nan
    assert np.isnan(function(x, np.zeros(20)).item())
    assert np.flatnonzero(np.isnan(gradient(function, x))) == [17]


@pytest.mark.parametrize("function", LOSSES, ids=name)
def test_a_number_alone_and_an_array_that_is_not_contiguous(function):
    assert function(np.float64(3.0), np.float64(3.5)).shape == ()
    x = np.arange(12.0).reshape(3, 4).T
    assert function(x, x[::-1]).item() == pytest.approx(function(x.copy(), x[::-1].copy()).item())


def test_wing_is_joined_and_flatter_for_a_larger_epsilon():
    inside, outside = F.wing_loss(np.array([10 - 1e-9, 10 + 1e-9]), np.zeros(2), reduction="none").numpy()
    assert inside == pytest.approx(outside, abs=1e-7)
    assert gradient(F.wing_loss, [0.1], epsilon=1.0) > gradient(F.wing_loss, [0.1], epsilon=4.0)


def test_smooth_l1_without_a_parabola_is_l1():
    x, t = np.array([1.0, -2.0]), np.array([0.5, 3.0])
    assert F.smooth_l1_loss(x, t, beta=0).item() == F.l1_loss(x, t).item()


def test_weights_of_a_sum_of_squares_broadcast():
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    loss = F.sse_loss(x, np.zeros((2, 3)), weight=[[5.0], [0.5]])
    loss.backward()
    assert loss.item() == 16.5
    np.testing.assert_array_equal(x.grad, [[10] * 3, [1] * 3])


@pytest.mark.parametrize("function", LOSSES, ids=name)
def test_shapes_and_types_that_are_refused(function):
    op = "mse_loss" if function is F.sse_loss else function.__name__
    with pytest.raises(ValueError, match=rf"{op}: target has shape \(3,\), expected that of input, \(2,\)"):
        function(np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match=rf"{op}: input of shape \(0, 2\) has no elements"):
        function(np.zeros((0, 2)), np.zeros((0, 2)))
    with pytest.raises(TypeError, match=f"{op}: target has the type int64, but input has float64"):
        function(np.zeros(2), np.zeros(2, np.int64))


@pytest.mark.parametrize(("function", "keywords", "message"), [
    (F.l1_loss, {"reduction": "batchmean"}, "l1_loss: reduction must be"),
    (F.smooth_l1_loss, {"beta": -1}, "smooth_l1_loss: beta must be a number >= 0, got -1"),
    (F.huber_loss, {"delta": 0}, "huber_loss: delta must be a number > 0, got 0"),
    (F.wing_loss, {"w": np.nan}, "wing_loss: w must be a number > 0, got nan"),
    (F.wing_loss, {"epsilon": np.inf}, "wing_loss: epsilon must be a number > 0, got inf"),
    (F.sse_loss, {"weight": [1, np.nan]}, r"sse_loss: weight\[1\] is nan, expected a finite number >= 0"),
    (F.sse_loss, {"weight": [-1, 1]}, r"sse_loss: weight\[0\] is -1"),
    (F.sse_loss, {"weight": [1, 1, 1]}, r"sse_loss: weight of shape \(3,\) does not broadcast to input's, \(2,\)"),
])
def test_settings_that_are_refused(function, keywords, message):
    with pytest.raises(ValueError, match=message):
        function(np.zeros(2), np.zeros(2), **keywords)
