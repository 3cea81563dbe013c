"""Transposed convolution beyond the table: the adjoint of conv2d by every algorithm, and what it refuses."""
from __future__ import annotations

import numpy as np
import pytest

from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn.ops import conv, depthwise, im2col, pointwise, winograd
from tinycnn.ops.geometry import Window


def normal(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape)


@pytest.mark.parametrize(("how", "y", "w", "keywords"), [
    (pointwise, (2, 5, 6, 7), (4, 5, 1, 1), {"stride": 1}),
    (depthwise, (2, 16, 9, 7), (16, 1, 3, 3), {"stride": 2, "padding": 1, "groups": 16}),
    (winograd, (2, 16, 12, 13), (17, 16, 3, 3), {"padding": 1}),
    (im2col, (2, 4, 9, 11), (6, 2, 3, 2), {"stride": (2, 3), "padding": (1, 0), "groups": 2}),
])
def test_it_is_the_adjoint_of_conv2d(how, y, w, keywords):
    """<conv2d(y), x> = <y, conv_transpose2d(x)> for any x and y, and so for the gradients, by each algorithm."""
    y, w = normal(*y), normal(*w)
    stride, padding = (np.broadcast_to(keywords.get(k, d), 2).tolist() for k, d in (("stride", 1), ("padding", 0)))
    window = Window(w.shape[2:], tuple(stride), (1, 1), (*padding, *padding))
    assert conv.algorithm(y.shape, w.shape, window, keywords.get("groups", 1)) is how
    forward = F.conv2d(y, w, **keywords).numpy()
    x = Tensor(normal(*forward.shape), requires_grad=True)
    weight = Tensor(w, requires_grad=True)
    extra = [n - ((m - 1)*s - 2*p + k) for n, m, s, p, k in
             zip(y.shape[2:], x.shape[2:], stride, padding, w.shape[2:])]
    back = F.conv_transpose2d(x, weight, output_padding=tuple(extra), **keywords)
    assert back.shape == y.shape
    assert (back.numpy()*y).sum() == pytest.approx((forward*x.numpy()).sum(), rel=1e-10)
    back.backward(y)
    np.testing.assert_allclose(x.grad, forward, atol=1e-10)
    assert (weight.grad*w).sum() == pytest.approx((forward*x.numpy()).sum(), rel=1e-10)


def test_output_padding_of_a_dilated_pixel_is_met_by_nothing(torch):
    """More than the stride: the only case in which the convolution of the output has more pixels than x."""
    x, w = normal(1, 2, 3, 4), normal(2, 3, 1, 1)
    keywords = {"stride": 1, "dilation": 3, "output_padding": (2, 1)}
    want = torch.nn.functional.conv_transpose2d(torch.tensor(x), torch.tensor(w), **keywords).numpy()
    np.testing.assert_allclose(F.conv_transpose2d(x, w, **keywords).numpy(), want, atol=1e-12)


@pytest.mark.parametrize(("x", "w", "keywords", "message"), [
    ((2, 4, 5), (4, 3, 2, 2), {}, r"x must have the axes \(N, C, H, W\)"),
    ((0, 4, 5, 5), (4, 3, 2, 2), {}, "none of extent 0"),
    ((2, 4, 5, 5), (4, 3, 2), {}, r"w must have the axes \(C, O/groups, kh, kw\)"),
    ((2, 4, 5, 5), (5, 3, 2, 2), {}, r"w must have the shape \(4, O/groups, kh, kw\)"),
    ((2, 4, 5, 5), (4, 3, 2, 2), {"groups": 3}, "groups must be an integer that divides the 4 channels"),
    ((2, 4, 5, 5), (4, 3, 2, 2), {"groups": 0}, "groups must be an integer"),
    ((2, 4, 5, 5), (4, 3, 2, 2), {"b": np.zeros(4)}, r"b must have the shape \(3,\)"),
    ((2, 4, 5, 5), (4, 3, 2, 2), {"padding": 3}, r"padding \(3, 3\) leaves the output \(0, 0\)"),
    ((2, 4, 5, 5), (4, 3, 2, 2), {"padding": "same"}, "padding must be an integer"),
    ((2, 4, 5, 5), (4, 3, 2, 2), {"stride": 0}, "stride must be an integer"),
    ((2, 4, 5, 5), (4, 3, 2, 2), {"output_padding": 1}, "output_padding must be less than stride or dilation"),
    ((2, 4, 5, 5), (4, 3, 2, 2), {"output_padding": -1}, "output_padding must be an integer"),
])
def test_refusals(x, w, keywords, message):
    with pytest.raises(ValueError, match=f"conv_transpose2d: .*{message}"):
        F.conv_transpose2d(np.zeros(x), np.zeros(w), **keywords)
