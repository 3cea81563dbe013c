"""Winograd's F(2x2, 3x3) on arrays: definition, gradient, twins, threads."""
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinycnn._kernels import available, kernels, use
from tinycnn.ops import winograd
from tinycnn.ops.geometry import Window

TYPES = (np.float32, np.float64)
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-12}
BUILDS = pytest.mark.parametrize(("isa", "dtype"), [(isa, dtype) for isa in available() for dtype in TYPES])


@st.composite
def problems(draw):
    """x, w, b, gy and a window: odd and even sizes, uneven padding, one tile and many."""
    pads = draw(st.sampled_from([(1, 1, 1, 1), (0, 0, 0, 0), (2, 2, 2, 2), (0, 1, 2, 1), (3, 0, 0, 4)]))
    h, w = (max(1, 3 - a - b) + draw(st.sampled_from([0, 1, 4, 6, 17, 40])) for a, b in zip(pads[:2], pads[2:]))
    n, c, o = draw(st.integers(1, 3)), draw(st.sampled_from([1, 3, 17])), draw(st.sampled_from([1, 2, 20]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    window = Window((3, 3), (1, 1), (1, 1), pads)
    bias = rng.standard_normal(o) if draw(st.booleans()) else None
    return (rng.standard_normal((n, c, h, w)), rng.standard_normal((o, c, 3, 3)), bias,
            rng.standard_normal((n, o, *window.output(h, w))), window)


def run(x, w, b, gy, window, dtype):
    """y and gx, from memory that held NaN."""
    x, w, gy = x.astype(dtype), w.astype(dtype), gy.astype(dtype)
    y, gx = np.full_like(gy, np.nan), np.full_like(x, np.nan)
    winograd.forward(x, w, None if b is None else b.astype(dtype), y, window)
    winograd.backward_input(gy, w, gx, window)
    return y, gx


def definition(x, w, b, window):
    """y by the sum over windows that it is."""
    top, left, bottom, right = window.pads
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    y = np.einsum("ncpqij,ocij->nopq", np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3)), w)
    return y if b is None else y + b[:, None, None]


def assert_close(got, want, dtype):
    np.testing.assert_allclose(got, want, rtol=0, atol=TOLERANCE[dtype]*max(1, np.abs(want).max()))


@BUILDS
@given(problem=problems())
def test_values_and_twins(isa, dtype, problem):
    x, w, b, _, window = problem
    with use(isa):
        got = run(*problem, dtype)
    assert_close(got[0], definition(x, w, b, window), dtype)
    with use("reference"):
        want = run(*problem, np.float64)
    for one, two in zip(got, want):
        assert_close(one, two, dtype)


@given(problem=problems(), data=st.data())
def test_gradient_is_the_adjoint(problem, data):
    """y is linear in x: the gradient is right where the inner products agree for any direction."""
    x, w, _, gy, window = problem
    _, gx = run(*problem, np.float64)
    dx = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))).standard_normal(x.shape)
    assert np.vdot(gx, dx) == pytest.approx(np.vdot(gy, definition(dx, w, None, window)), rel=1e-9, abs=1e-9)


@given(problem=problems())
def test_a_few_rows_at_a_time_are_the_same(problem):
    """Strips of tiles join without a seam: with room for one row of tiles only, and with room for all."""
    results = []
    for room in (1, winograd.ROOM):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(winograd, "ROOM", room)
            results.append(run(*problem, np.float64))
    for one, two in zip(*results):
        assert_close(one, two, np.float64)


@BUILDS
@given(problem=problems())
def test_same_bits_for_any_thread_count(isa, dtype, share_out_everything, problem):
    results = []
    with use(isa):
        for _ in share_out_everything():
            results.append(run(*problem, dtype))
    for other in results[1:]:
        for one, two in zip(results[0], other):
            np.testing.assert_array_equal(one, two)


def test_suits():
    same = Window((3, 3), (1, 1), (1, 1), (1, 1, 1, 1))
    assert winograd.suits((1, 64, 56, 56), (64, 64, 3, 3), same, 1)
    assert not winograd.suits((1, 64, 56, 56), (64, 32, 3, 3), same, 2)
    assert not winograd.suits((1, 64, 4, 4), (64, 64, 3, 3), same, 1)
    assert not winograd.suits((1, 3, 56, 56), (64, 3, 3, 3), same, 1)
    assert not winograd.suits((1, 64, 56, 56), (64, 64, 3, 3), same._replace(stride=(2, 2)), 1)
    assert not winograd.suits((1, 64, 56, 56), (64, 64, 3, 3), same._replace(dilation=(2, 2)), 1)


def test_kernels_refuse_what_does_not_fit():
    kernel, x = kernels(np.dtype("f")), np.zeros((1, 2, 4, 4), "f")
    v, room = np.zeros((16, 2, 4), "f"), np.zeros(1000, "f")
    for wrong in (np.zeros((16, 2, 3), "f"), np.zeros((16, 2, 6), "f"), np.zeros((16, 3, 4), "f")):
        with pytest.raises(ValueError, match="winograd_input"):
            kernel.winograd_input(x, wrong, room, 0, 2, 2, 1, 1)
        with pytest.raises(ValueError, match="winograd_output"):
            kernel.winograd_output(wrong, None, x, 0)
    with pytest.raises(ValueError, match="scratch"):
        kernel.winograd_input(x, v, room[:5], 0, 2, 2, 1, 1)
    with pytest.raises(ValueError, match="b do not fit"):
        kernel.winograd_output(v, np.zeros(3, "f"), x, 0)
