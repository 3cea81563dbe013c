"""Resizing beyond the table: torch's rounding, special cases, refusals."""
from __future__ import annotations

import numpy as np
import pytest

from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn._kernels import kernels

ROW = np.arange(40.0).reshape(1, 1, 1, 40)


def test_nearest_rounds_as_torch_for_every_pair_of_sizes(torch):
    """In float32 whatever the type: 82 from 2 are 42 and 40."""
    for size in range(1, 20):
        x = ROW[..., :size]
        for out in range(1, 100):
            want = torch.nn.functional.interpolate(torch.tensor(x), size=(1, out)).numpy()
            np.testing.assert_array_equal(F.interpolate(x, (1, out)).numpy(), want)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("factor", [0.3, 0.5, 1.04, 1.138, 2.0, 2.1, 2.25, 3.7, (1.5, 2), (2.006, 1.726)])
def test_factors_divide_coordinates_as_torchs_do(torch, mode, factor):
    x = np.random.default_rng(0).standard_normal((1, 2, 9, 16)).astype("f")
    want = torch.nn.functional.interpolate(torch.tensor(x), scale_factor=factor, mode=mode).numpy()
    np.testing.assert_allclose(F.interpolate(x, scale_factor=factor, mode=mode).numpy(), want, atol=1e-5)


def test_a_constant_map_stays_constant_and_its_gradient_counts_what_it_gave():
    for mode in ("nearest", "bilinear"):
        x = Tensor(np.ones((1, 1, 5, 3)), requires_grad=True)
        y = F.interpolate(x, (13, 40), mode=mode)
        np.testing.assert_allclose(y.numpy(), 1, rtol=1e-14)
        y.backward(np.ones(y.shape))
        assert x.grad.sum() == pytest.approx(13*40)


def test_elements_that_nothing_reads_get_no_gradient():
    x = Tensor(ROW.copy(), requires_grad=True)
    y = F.interpolate(x, (1, 4))
    y.backward(np.ones(y.shape))
    assert np.flatnonzero(x.grad).tolist() == [0, 10, 20, 30]


def test_what_is_not_finite_spreads_no_further_than_to_its_neighbours():
    x = Tensor(np.zeros((1, 1, 1, 5)), requires_grad=True)
    y = F.interpolate(x, (1, 10), mode="bilinear")
    gy = np.zeros(y.shape)
    gy[..., 0] = np.inf
    y.backward(gy)
    assert np.isfinite(x.grad).ravel().tolist() == [False, False, True, True, True]


def test_corners_meet_corners():
    x = np.random.default_rng(0).standard_normal((1, 1, 4, 5))
    y = F.interpolate(x, (7, 11), mode="bilinear", align_corners=True).numpy()
    np.testing.assert_allclose(y[..., ::6, ::10], x[..., ::3, ::4], rtol=1e-14)
    assert F.interpolate(x, 1, mode="bilinear", align_corners=True).item() == x[0, 0, 0, 0]


@pytest.mark.parametrize(("x", "keywords", "message"), [
    (np.ones((3, 4, 5), "f"), {"size": 2}, r"x must have the axes \(N, C, H, W\)"),
    (np.ones((0, 3, 4, 5), "f"), {"size": 2}, "none of extent 0"),
    (ROW, {}, "either size or scale_factor, got None and None"),
    (ROW, {"size": 2, "scale_factor": 2}, "either size or scale_factor, got 2 and 2"),
    (ROW, {"size": 0}, "size must be an integer >= 1"),
    (ROW, {"size": 2.5}, "size must be an integer >= 1"),
    (ROW, {"scale_factor": -1}, "scale_factor must be a positive number"),
    (ROW, {"scale_factor": float("nan")}, "scale_factor must be a positive number"),
    (ROW, {"scale_factor": (1, 2, 3)}, "scale_factor must be a positive number"),
    (ROW, {"scale_factor": 0.5}, r"scale_factor 0.5 makes the size \(0, 20\)"),
    (ROW, {"size": 2, "mode": "bicubic"}, "mode must be one of .*'bicubic'"),
    (ROW, {"size": 2, "align_corners": True}, "align_corners"),
])
def test_refusals(x, keywords, message):
    with pytest.raises(ValueError, match=f"interpolate: .*{message}"):
        F.interpolate(x, **keywords)


@pytest.mark.parametrize("place", [-1, 5])
def test_the_kernel_checks_every_place(place):
    x, y, weights = np.ones((1, 3, 5)), np.ones((1, 3, 2)), np.ones((1, 2))
    rows = np.arange(3).reshape(1, 3), np.ones((1, 3))
    with pytest.raises(ValueError, match="a place lies outside x"):
        kernels(x.dtype).resize(x, y, np.ones(64), *rows, np.array([[0, place]]), weights)
