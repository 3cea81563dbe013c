"""Clipping, as torch's."""
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinycnn import Tensor
from tinycnn._kernels import available, kernels, parallel, set_num_threads, use
from tinycnn.optim import clip_grad_norm_, clip_grad_value_

SHAPES = ((3, 5), (37,), (), (2, 3, 4, 5), (20_011,))


def with_gradients(dtype, seed=0, scale=1.0):
    """Parameters, the second without a gradient."""
    rng = np.random.default_rng(seed)
    result = [Tensor(np.zeros(s, dtype), requires_grad=True) for s in SHAPES]
    for i, p in enumerate(result):
        p.grad = None if i == 1 else np.asarray(rng.standard_normal(p.shape) * scale, dtype)
    return result


def in_torch(torch, ours):
    theirs = [torch.zeros(p.shape, dtype=getattr(torch, str(p.dtype)), requires_grad=True) for p in ours]
    for p, q in zip(ours, theirs):
        q.grad = None if p.grad is None else torch.tensor(p.grad)
    return theirs


def assert_same_gradients(ours, theirs, tolerance):
    for p, q in zip(ours, theirs):
        assert (p.grad is None) == (q.grad is None)
        if p.grad is not None:
            assert p.grad.dtype == p.dtype
            np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(max_norm=st.sampled_from([0.0, 0.1, 10.0, 1e6]), norm_type=st.sampled_from([1, 2, 2.0, 3.5, math.inf]),
       seed=st.integers(0, 99))
def test_norm_is_torchs(torch, dtype, max_norm, norm_type, seed):
    ours = with_gradients(dtype, seed)
    theirs = in_torch(torch, ours)
    tolerance = 2e-5 if dtype == np.float32 else 1e-12  # torch sums float32 in float32
    want = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    assert clip_grad_norm_(ours, max_norm, norm_type) == pytest.approx(float(want), rel=tolerance)
    assert_same_gradients(ours, theirs, tolerance)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_norm_that_is_not_finite(torch, bad):
    ours = with_gradients(np.float32)
    ours[0].grad[1, 1] = bad
    theirs, before = in_torch(torch, ours), [None if p.grad is None else p.grad.copy() for p in ours]
    with pytest.raises(RuntimeError, match=f"the norm of the gradients is {bad}"):
        clip_grad_norm_(ours, 1.0, error_if_nonfinite=True)
    np.testing.assert_equal([p.grad for p in ours], before)
    torch.nn.utils.clip_grad_norm_(theirs, 1.0)
    np.testing.assert_equal(clip_grad_norm_(ours, 1.0), bad)
    assert_same_gradients(ours, theirs, 0)


def test_squares_beyond_float32_have_a_norm():
    p = Tensor(np.zeros(10, "f"), requires_grad=True)
    p.grad = np.full(10, 1e30, "f")
    assert clip_grad_norm_([p], 1.0) == pytest.approx(math.sqrt(10) * 1e30)
    np.testing.assert_allclose(p.grad, 1 / math.sqrt(10), rtol=1e-6)


def test_one_tensor_a_generator_and_nothing():
    p = Tensor([0.0, 0.0], requires_grad=True)
    p.grad = np.array([3.0, 4.0], "f")
    assert clip_grad_norm_(p, 100.0) == 5.0
    assert p.grad.tolist() == [3.0, 4.0]
    assert clip_grad_norm_(iter([p]), 100.0) == 5.0
    for norm_type in (2, 3, math.inf):
        assert clip_grad_norm_([], 1.0, norm_type) == 0.0
    p.grad = np.zeros((2, 0), "f")
    assert clip_grad_norm_(p, 1.0) == 0.0


@given(value=st.sampled_from([0.0, 0.5, 100.0]))
def test_value_is_torchs(torch, value):
    ours = with_gradients(np.float32)
    ours[0].grad[1, 1] = np.nan
    theirs = in_torch(torch, ours)
    clip_grad_value_(ours, value)
    torch.nn.utils.clip_grad_value_(theirs, value)
    assert_same_gradients(ours, theirs, 0)


@pytest.mark.parametrize("call", [lambda: clip_grad_norm_([], -1.0), lambda: clip_grad_norm_([], math.nan),
                                  lambda: clip_grad_norm_([], 1.0, 0), lambda: clip_grad_value_([], -1.0)])
def test_refusals(call):
    with pytest.raises(ValueError, match=r"clip_grad_\w+_: "):
        call()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 15, 8192, 8193, 50_000])
def test_the_sum_has_one_value_for_every_build_and_thread_count(n, dtype):
    x = np.random.default_rng(n).standard_normal(n).astype(dtype)
    before, sums = parallel.get_num_threads(), set()
    for isa in available():
        with use(isa):
            for threads in (1, 2, 3):
                set_num_threads(threads)
                sums.add(kernels(x.dtype).sum_of_squares(x, np.empty(7)))
    set_num_threads(before)
    with use("reference"):
        want = kernels(x.dtype).sum_of_squares(x, np.empty(7))
    assert len(sums) == 1
    assert sums.pop() == pytest.approx(want, rel=1e-13)


@pytest.mark.parametrize("isa", available())
def test_the_kernel_refuses(isa):
    with use(isa):
        kernel = kernels(np.dtype("f")).sum_of_squares
        with pytest.raises(ValueError, match="must not be empty"):
            kernel(np.zeros(0, "f"), np.empty(1))
        with pytest.raises(ValueError, match="a number for each chunk"):
            kernel(np.zeros(8193, "f"), np.empty(1))
