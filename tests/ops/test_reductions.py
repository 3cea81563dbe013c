"""Reductions: every layout, long sums, NaN, ties, what NumPy does in place of a kernel, refusals."""
import numpy as np
import pytest

from tinycnn import Tensor
from tinycnn._kernels import kernels

LAYOUTS = (  # shape, axis: rows, columns of every width, both one after the other, everything
    ((3, 50), 1), ((2, 3, 7), (1, 2)), ((50, 3), 0), ((40, 16), 0), ((9, 64), 0), ((2, 9, 101), 1), ((2, 5, 3, 9), 1),
    ((2, 5, 3, 9), (0, 2, 3)), ((2, 5, 3, 9), (1, 3)), ((2, 5, 3, 9), (0, 2)), ((4, 5), None), ((1, 1), 0),
)


def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape)


@pytest.mark.usefixtures("isa")
class TestValues:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("keepdims", [False, True])
    @pytest.mark.parametrize("op", ["sum", "mean", "max", "min", "var"])
    @pytest.mark.parametrize(("shape", "axis"), LAYOUTS)
    def test_layouts(self, shape, axis, op, keepdims, dtype):
        x = normal(*shape).astype(dtype)
        y = getattr(Tensor(x), op)(axis, keepdims).numpy()
        want = getattr(x.astype(np.float64), op)(axis, keepdims=keepdims)
        assert y.dtype == dtype
        np.testing.assert_allclose(y, want, rtol=0, atol=2e-5 if dtype is np.float32 else 1e-13)

    @pytest.mark.parametrize(("shape", "axis"), [((1_000_003,), 0), ((3, 100_001), 1), ((100_001, 3), 0),
                                                 ((50_001, 64), 0)])
    def test_long_float32_sums_keep_their_digits(self, shape, axis):
        x = np.random.default_rng(0).uniform(0.5, 1, shape).astype(np.float32)
        exact = x.sum(axis, dtype=np.float64)
        ours = np.abs(Tensor(x).sum(axis).numpy() / exact - 1).max()
        assert ours < 2e-7
        assert ours <= max(6e-8, np.abs(x.sum(axis) / exact - 1).max())
        assert np.abs(Tensor(x).mean(axis).numpy() / (exact / shape[axis]) - 1).max() < 2e-7

    @pytest.mark.parametrize("at", [0, 15, 16, 31, 63, 64, 100, 140])
    @pytest.mark.parametrize("op", ["max", "min"])
    def test_nan_goes_where_it_belongs(self, op, at):
        for axis in (0, 1):
            x = normal(141, 141).astype(np.float32)
            x[at, at] = np.nan
            y = getattr(Tensor(x), op)(axis).numpy()
            np.testing.assert_array_equal(y, getattr(x, op)(axis))
            assert np.isnan(y).sum() == 1
        assert np.isnan(getattr(Tensor(x), op)().item())

    def test_infinities(self):
        x = np.array([[-np.inf] * 20, [np.inf] * 20], np.float32)
        for axis in (0, 1):
            np.testing.assert_array_equal(Tensor(x).max(axis).numpy(), x.max(axis))
            np.testing.assert_array_equal(Tensor(x).min(axis).numpy(), x.min(axis))
        x = np.ones((500, 20), np.float32)
        x[3, 4], x[200, 5], x[3, 6], x[200, 6] = np.inf, -np.inf, np.inf, -np.inf
        np.testing.assert_array_equal(Tensor(x).sum(0).numpy()[3:8], [500, np.inf, -np.inf, np.nan, 500])

    @pytest.mark.parametrize("op", ["sum", "max", "min"])
    @pytest.mark.parametrize("shape", [(2 * 10**5,), (2, 7 * 10**4), (20, 3, 50)])
    def test_any_number_of_threads_gives_the_same_bits(self, op, shape, share_out_everything):
        x = normal(*shape).astype(np.float32)
        results = [[getattr(Tensor(x), op)(axis).numpy() for axis in (None, 0, -1)] for _ in share_out_everything()]
        for other in results[1:]:
            for a, b in zip(results[0], other, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.usefixtures("isa")
class TestGradientOfExtremes:
    @pytest.mark.parametrize("axis", [0, 1, (0, 2), None])
    def test_equal_elements_share(self, axis):
        values = np.random.default_rng(0).integers(0, 3, (3, 20, 19)).astype(np.float32)
        for op in ("max", "min"):
            x = Tensor(values, requires_grad=True)
            y = getattr(x, op)(axis, keepdims=True)
            gy = normal(*y.shape).astype(np.float32)
            y.backward(gy)
            hits = values == y.numpy()
            np.testing.assert_allclose(x.grad, hits * gy / hits.sum(axis, keepdims=True), rtol=1e-6)

    @pytest.mark.parametrize("axis", [0, 1])
    def test_nan_gives_nan_to_those_it_was_chosen_among(self, axis):
        values = np.arange(6, dtype=np.float32).reshape(2, 3)
        values[1, 1] = np.nan
        x = Tensor(values, requires_grad=True)
        x.max(axis).backward(np.ones(values.shape[1 - axis], np.float32))
        np.testing.assert_array_equal(np.isnan(x.grad), np.isnan(values).any(axis, keepdims=True) | (values != values))


class TestWithoutKernels:
    @pytest.mark.parametrize("op", ["sum", "mean", "max", "min"])
    @pytest.mark.parametrize("x", [np.arange(12).reshape(3, 4), normal(3, 4).astype(np.float16), normal(4, 3).T,
                                   normal(6, 8)[::2, ::2]], ids=["int", "float16", "transposed", "strided"])
    def test_numpy_answers(self, op, x):
        for axis in (None, 0, 1, (0, 1)):
            y = getattr(Tensor(x), op)(axis).numpy()
            want = getattr(x, op)(axis)
            assert y.dtype == want.dtype
            np.testing.assert_array_equal(y, want)

    def test_nothing_to_sum(self):
        assert Tensor(np.zeros((0, 3), np.float32)).sum().item() == 0
        assert Tensor(np.zeros((0, 3), np.float32)).sum(0).tolist() == [0, 0, 0]
        assert Tensor(np.float32(3)).sum().item() == 3

    def test_nothing_is_largest(self):
        with pytest.raises(ValueError, match="zero-size"):
            Tensor(np.zeros((0, 3), np.float32)).max()

    def test_a_gradient_that_is_not_contiguous(self):
        x = Tensor(normal(3, 4, 5), requires_grad=True)
        x.max(1).backward(normal(5, 3).T)
        hits = x.numpy() == x.numpy().max(1, keepdims=True)
        np.testing.assert_array_equal(x.grad, hits * normal(5, 3).T[:, None])


@pytest.mark.parametrize("axis", [2, -3, (0, 5), (0, 0), (1, -1)])
@pytest.mark.parametrize("op", ["sum", "mean", "max", "min", "var"])
def test_axes_that_are_none_are_refused(op, axis):
    with pytest.raises(ValueError, match=f"{op}: axis .* is none of an array with 2 axes"):
        getattr(Tensor(np.zeros((2, 3), np.float32)), op)(axis)


@pytest.mark.usefixtures("isa")
class TestKernelsRefuse:
    x = np.zeros((2, 3, 4), np.float32)

    @pytest.mark.parametrize("name", ["sum_forward", "mean_forward", "max_forward", "min_forward"])
    def test_forward(self, name):
        kernel = getattr(kernels(self.x.dtype), name)
        with pytest.raises(ValueError, match="outer and the inner"):
            kernel(self.x, np.zeros((2, 3), np.float32))
        with pytest.raises(ValueError, match="no elements"):
            kernel(self.x[:, :0].copy(), np.zeros((2, 4), np.float32))

    @pytest.mark.parametrize("wrong", range(1, 4))
    def test_backward(self, wrong):
        arrays = [self.x, np.zeros((2, 4), np.float32), np.zeros((2, 4), np.float32), np.zeros_like(self.x)]
        arrays[wrong] = arrays[wrong][:1].copy()
        with pytest.raises(ValueError, match="extreme_backward"):
            kernels(self.x.dtype).extreme_backward(*arrays)
