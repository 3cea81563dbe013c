"""Sums and products of arrays large enough for the kernels, and those beside them that are not."""
import numpy as np
import pytest

from tinycnn import Tensor
from tinycnn._kernels import available, kernels, use
from tinycnn.ops.arithmetic import LARGE

ROWS = LARGE // 8


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.fixture(params=["reference", *available()])
def isa(request):
    with use(request.param):
        yield request.param


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("shapes", [((ROWS, 8), (ROWS, 8)), ((ROWS + 1, 9), (ROWS + 1, 9)), ((ROWS, 8), (1, 8)),
                                    ((ROWS, 1), (ROWS, 8)), ((LARGE - 1,), (LARGE - 1,))])
def test_values_and_gradients(shapes):
    a, b = (Tensor(normal(i, *shape), requires_grad=True) for i, shape in enumerate(shapes))
    x, y = a.numpy(), b.numpy()
    np.testing.assert_array_equal((a + b).numpy(), x + y)
    product = a * b
    np.testing.assert_array_equal(product.numpy(), x * y)
    gy = normal(2, *product.shape)
    product.backward(gy)
    for leaf, full in ((a, gy * y), (b, gy * x)):
        axes = tuple(i for i, n in enumerate(leaf.shape) if n != full.shape[i])
        np.testing.assert_allclose(leaf.grad, full.sum(axes, dtype=np.float64, keepdims=True), rtol=1e-5, atol=1e-5)


def test_other_layouts_and_types():
    a, b = normal(0, 256, 256), normal(1, 256, 256)
    np.testing.assert_array_equal((Tensor(a.T) + b).numpy(), a.T + b)
    np.testing.assert_array_equal((Tensor(a.astype("f2")) * b.astype("f2")).numpy(), a.astype("f2") * b.astype("f2"))
    numbers = np.arange(LARGE)
    np.testing.assert_array_equal((Tensor(numbers) * numbers).numpy(), numbers * numbers)


@pytest.mark.parametrize("isa", available())
@pytest.mark.parametrize("name", ["add_forward", "mul_forward"])
def test_kernels_refuse_other_lengths(isa, name):
    with use(isa):
        kernel = getattr(kernels(np.dtype("f")), name)
        for lengths in ((5, 4, 5), (5, 5, 4), (4, 5, 5), (0, 0, 0)):
            with pytest.raises(ValueError, match="length"):
                kernel(*[np.zeros(n, "f") for n in lengths])
