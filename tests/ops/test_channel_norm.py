"""L2 and local response normalisation: zero vectors, ends of the range, what is refused."""
import numpy as np
import pytest

from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn._kernels import available, use

ISAS = pytest.mark.parametrize("isa", [*available(), "reference"])


@ISAS
@pytest.mark.parametrize("spatial", [(), (3, 3)], ids=str)
def test_a_vector_of_zeros_gives_zeros_and_a_finite_gradient(spatial, isa):
    array = np.random.default_rng(0).standard_normal((2, 5, *spatial)).astype("f")
    array[0] = 0
    x, weight = Tensor(array, requires_grad=True), Tensor(np.full(5, 20, "f"), requires_grad=True)
    with use(isa):
        y = F.l2_norm(x, weight)
        y.backward(np.ones(y.shape, "f"))
    assert not y.numpy()[0].any()
    np.testing.assert_allclose(np.square(y.numpy()[1]).sum(0), 400, rtol=1e-5)
    np.testing.assert_allclose(x.grad[0], 2e13, rtol=1e-6)  # weight gy / eps
    assert np.isfinite(weight.grad).all()
    assert np.isfinite(x.grad).all()


@ISAS
def test_strips_add_up_to_the_gradient_of_the_weight(torch, isa):
    """More pixels than a strip, in several images."""
    array = np.random.default_rng(1).standard_normal((3, 4, 600)).astype("f")
    weight = Tensor(np.ones(4, "f"), requires_grad=True)
    with use(isa):
        F.l2_norm(array, weight).backward(array)
    unit = torch.nn.functional.normalize(torch.tensor(array).double()).numpy()
    np.testing.assert_allclose(weight.grad, (array * unit).sum((0, 2)), rtol=1e-5)


@ISAS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_local_response_norm_over_a_wide_range(torch, dtype, isa):
    """Brackets from 1 to 1e12, and zeros: the power keeps its digits."""
    x = np.concatenate([np.logspace(-6, 6, 48), np.zeros(4)]).astype(dtype).reshape(1, 4, 13)
    with use(isa):
        y = F.local_response_norm(x, 3, 1.0, 0.75, 1.0).numpy()
    want = torch.nn.functional.local_response_norm(torch.tensor(x).double(), 3, 1.0, 0.75, 1.0).numpy()
    np.testing.assert_allclose(y, want, rtol=3e-6 if dtype is np.float32 else 1e-14)


def test_normalize_along_any_axis():
    x = np.random.default_rng(2).standard_normal((2, 3, 4, 5)).astype("f")
    for dim in range(-4, 4):
        want = x / np.sqrt(np.square(x).sum(dim, keepdims=True))
        np.testing.assert_allclose(F.normalize(x, dim=dim).numpy(), want, atol=1e-6)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: F.l2_norm(np.ones(3, "f")), r"l2_norm: x must be \(N, C, ...\), got the shape \(3,\)"),
    (lambda: F.l2_norm(np.ones((2, 0), "f")), r"l2_norm: x of shape \(2, 0\) has no elements"),
    (lambda: F.l2_norm(np.ones((2, 3), "f"), np.ones(2, "f")), r"l2_norm: weight has shape \(2,\), expected \(3,\)"),
    (lambda: F.normalize(np.ones((2, 3), "f"), p=1), "normalize: only the norm p=2 is there, got p=1"),
    (lambda: F.normalize(np.ones((2, 3), "f"), dim=2), "normalize: axis dim=2 is none of x"),
    (lambda: F.local_response_norm(np.ones((2, 3), "f"), 3), r"local_response_norm: x must be \(N, C, L\)"),
    (lambda: F.local_response_norm(np.ones((2, 0, 3), "f"), 3), "has no elements"),
    (lambda: F.local_response_norm(np.ones((2, 3, 3), "f"), 0), "size must be at least 1, got 0"),
])
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
