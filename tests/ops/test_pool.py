"""Pooling beyond the table: refusals, ties, NaN, infinities, planes of several strips."""
from __future__ import annotations

import numpy as np
import pytest

from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn._kernels import kernels
from tinycnn.autograd import OPS

MAPS = [F.max_pool2d, F.avg_pool2d]


def ones(*shape):
    return np.ones(shape, "f")


@pytest.mark.parametrize("pool", MAPS)
@pytest.mark.parametrize(("x", "keywords", "words"), [
    (ones(3, 4, 4), {}, ["x", "(N, C, H, W)", "(3, 4, 4)"]),
    (ones(0, 3, 4, 4), {}, ["x", "(0, 3, 4, 4)"]),
    (ones(1, 3, 4, 4), {"kernel_size": 5}, ["kernel_size", "(5, 5)", "(1, 3, 4, 4)"]),
    (ones(1, 3, 4, 4), {"kernel_size": 0}, ["kernel_size", "0"]),
    (ones(1, 3, 4, 4), {"kernel_size": 2.0}, ["kernel_size", "2.0"]),
    (ones(1, 3, 4, 4), {"kernel_size": (1, 2, 3)}, ["kernel_size", "(1, 2, 3)"]),
    (ones(1, 3, 4, 4), {"stride": 0}, ["stride", "0"]),
    (ones(1, 3, 4, 4), {"padding": -1}, ["padding", "-1"]),
    (ones(1, 3, 4, 4), {"padding": 2}, ["padding", "(2, 2, 2, 2)", "half"]),
    (ones(1, 3, 4, 4), {"kernel_size": 3, "padding": (0, 0, 2, 0)}, ["padding", "(0, 0, 2, 0)", "half"]),
    (ones(1, 3, 4, 4), {"padding": "valid"}, ["padding", "valid"]),
])
def test_what_does_not_fit_is_refused(pool, x, keywords, words):
    with pytest.raises(ValueError, match=pool.__name__) as caught:
        pool(x, **{"kernel_size": 2, **keywords})
    for word in words:
        assert word in str(caught.value)


def test_a_dilated_kernel_must_fit():
    with pytest.raises(ValueError, match="dilation"):
        F.max_pool2d(ones(1, 1, 4, 4), 3, dilation=2)


@pytest.mark.parametrize("pool", [F.adaptive_avg_pool2d, F.adaptive_max_pool2d])
@pytest.mark.parametrize("size", [0, (2, 0), (1, 2, 3), 1.5])
def test_adaptive_sizes_are_refused(size, pool):
    with pytest.raises(ValueError, match=f"{pool.__name__}: output_size"):
        pool(ones(1, 1, 4, 4), size)


def test_adaptive_maxima_of_equals_go_to_the_first_and_those_of_nan_nowhere():
    x = ones(1, 1, 2, 4)
    x[0, 0, 1, 3] = np.nan
    x = Tensor(x, requires_grad=True)
    y = F.adaptive_max_pool2d(x, (None, 2))
    assert np.isnan(y.numpy()).ravel().tolist() == [False, False, False, True]
    y.backward(np.full(y.shape, 3.0, "f"))
    assert x.grad.tolist() == [[[[3, 0, 3, 0], [3, 0, 0, 0]]]]


@pytest.mark.parametrize("rows", [[[0, 5]], [[-1, 2]], [[3, 2]], [[2, 4], [0, 1]]])
def test_the_kernel_checks_every_bound(rows):
    x, columns = np.ones((1, 4, 4)), np.array([[0, 4]], np.intp)
    y = np.zeros((1, len(rows), 1))
    with pytest.raises(ValueError, match="bin_max: rows do not fit"):
        kernels(x.dtype).bin_max_forward(x, y, np.zeros(64), np.array(rows, np.intp), columns)


@pytest.mark.parametrize("pool", [lambda x: F.adaptive_avg_pool2d(x, 1), lambda x: F.adaptive_max_pool2d(x, 1),
                                  F.global_avg_pool2d])
@pytest.mark.parametrize("shape", [(4, 4), (0, 1, 4, 4), (1, 1, 4, 0)])
def test_maps_of_other_ranks_and_empty_ones_are_refused(pool, shape):
    with pytest.raises(ValueError, match="x must have the shape"):
        pool(ones(*shape))


def test_integers_are_refused():
    with pytest.raises(TypeError, match="int64"):
        F.max_pool2d(np.ones((1, 1, 4, 4), "int64"), 2)


def gradient(x, *arguments, **keywords):
    """y and the gradient of its sum."""
    x = Tensor(x, requires_grad=True)
    y = F.max_pool2d(x, *arguments, **keywords)
    y.sum().backward()
    return y.numpy(), x.grad


def test_the_first_of_equals_takes_the_gradient():
    _, gx = gradient(ones(1, 1, 4, 4), 3, stride=1)
    np.testing.assert_array_equal(gx[0, 0], [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])


def test_padding_never_wins():
    y, gx = gradient(np.full((1, 1, 3, 3), -np.inf, "f"), 3, stride=2, padding=1)
    np.testing.assert_array_equal(y, np.full((1, 1, 2, 2), -np.inf))
    np.testing.assert_array_equal(gx[0, 0], [[1, 1, 0], [1, 1, 0], [0, 0, 0]])


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_nan_wins_and_spreads_no_further(torch, stride):
    x = np.random.default_rng(0).standard_normal((2, 3, 40, 37)).astype("f")
    x[0, 1, 5, 6] = x[1, 2, 39, 36] = np.nan
    x[1, 0, 0, 0] = np.inf
    y, gx = gradient(x, 3, stride, 1)
    np.testing.assert_array_equal(y, torch.nn.functional.max_pool2d(torch.from_numpy(x), 3, stride, 1).numpy())
    assert np.isnan(y).any()
    assert np.isfinite(gx).all()
    assert gx.sum() == (~np.isnan(y)).sum()


def test_adaptive_takes_the_map_s_own_extent():
    assert F.adaptive_avg_pool2d(ones(1, 2, 5, 7), (None, 3)).shape == (1, 2, 5, 3)


def test_attributes_are_plain_values():
    y = F.max_pool2d(Tensor(ones(1, 1, 5, 5), requires_grad=True), 3, 2, "tf_same", ceil_mode=True)
    assert y.node.window == ((3, 3), (2, 2), (1, 1), (1, 1, 1, 1))
    assert y.node.ceil_mode is True
    assert OPS["avg_pool2d"].attributes == ("window", "ceil_mode", "count_include_pad")


def test_kernels_refuse_what_does_not_fit():
    kernel, x, y, room = kernels(np.dtype("f")), ones(2, 4, 4), ones(2, 2, 2), np.zeros(1000, "f")
    one, window = np.array([[0, 4]]), (2, 2, 2, 2, 1, 1, 0, 0)
    for call in (lambda: kernel.max_pool_forward(x, y[:1], room, *window),
                 lambda: kernel.max_pool_forward(x, y, room[:3], *window),
                 lambda: kernel.max_pool_forward(x, y, room, 2, 2, 0, 2, 1, 1, 0, 0),
                 lambda: kernel.max_pool_backward(x, y, y[:1], x.copy(), room, *window),
                 lambda: kernel.max_pool_backward(x, y, y, x[:1].copy(), room, *window),
                 lambda: kernel.mean_pool_forward(x, ones(2, 1, 1), room, one, one + 1, ones(1), ones(1)),
                 lambda: kernel.mean_pool_forward(x, ones(2, 1, 1), room[:1], one, one, ones(1), ones(1)),
                 lambda: kernel.mean_pool_backward(ones(2, 1, 1), x.copy(), room, one - 1, one, ones(1), ones(1))):
        with pytest.raises(ValueError, match="pool"):
            call()
