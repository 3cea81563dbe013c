"""exp, log, and what is built from them, over the whole range of both element types."""
import numpy as np
import pytest

from tinycnn._kernels import kernels

RANGE = {np.float32: (-104, 89), np.float64: (-746, 710)}  # from where e^x is 0 to where it is infinite


def exp(x: np.ndarray) -> np.ndarray:
    """e^x as the gradient of log-softmax computes it: gy - e^y sum gy, where gy is -1 at one place and 0 at others."""
    y = np.concatenate([[0], x]).astype(x.dtype)[None]
    gy, gx = np.zeros_like(y), np.empty_like(y)
    gy[0, 0] = -1
    kernels(x.dtype).log_softmax_backward(y, gy, gx)
    return gx[0, 1:]


def units_in_last_place(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    return np.abs(got - want) / np.spacing(np.abs(want.astype(got.dtype)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.usefixtures("isa")
class TestExp:
    def test_over_the_whole_range(self, dtype):
        x = np.linspace(*RANGE[dtype], 200_003).astype(dtype)
        with np.errstate(over="ignore"):
            want = np.exp(x.astype(np.longdouble))
            finite = np.isfinite(want.astype(dtype))
        got = exp(x)
        np.testing.assert_array_equal(np.isfinite(got), finite)
        assert finite[:-1].any()
        assert not finite[-1]
        assert units_in_last_place(got[finite], want[finite]).max() <= 2

    def test_ends_of_the_range(self, dtype):
        x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, -1e30], dtype)
        np.testing.assert_array_equal(exp(x), [np.nan, np.inf, 0, 1, 1, np.inf, 0])

    @pytest.mark.parametrize(("name", "function"), [("tanh", np.tanh), ("sigmoid", lambda x: 1 / (1 + np.exp(-x)))])
    def test_tanh_and_sigmoid_keep_their_digits(self, dtype, name, function):
        x = np.concatenate([np.linspace(-30, 30, 100_003), np.logspace(-30, 1, 5_001)]).astype(dtype)
        y = np.empty_like(x)
        getattr(kernels(x.dtype), f"{name}_forward")(x, y)
        assert units_in_last_place(y, function(x.astype(np.longdouble))).max() <= 3


def loss(kind: str, x: np.ndarray, target: np.ndarray, a: float = 0, b: float = 0) -> np.ndarray:
    each = np.empty_like(x)
    kernels(x.dtype, "losses").elementwise_loss_forward(x, target, None, None, kind, a, b, 0, each)
    return each


def log(x: np.ndarray) -> np.ndarray:
    """ln x as the target's gradient of the divergence has it, ln target - input + 1 for the input 1."""
    y = np.empty_like(x)
    kernels(x.dtype, "losses").elementwise_loss_backward(np.ones_like(x), x, None, None, "kl", 0, 0, 0,
                                                         np.ones(1, x.dtype), True, y)
    return y


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.usefixtures("isa")
class TestLog:
    def test_over_the_whole_range(self, dtype):
        limits = np.finfo(dtype)
        x = np.concatenate([np.geomspace(limits.tiny, limits.max / 2, 200_003), np.linspace(0.5, 2, 20_003)])
        x = x.astype(dtype)
        want = np.log(x.astype(np.longdouble))
        assert (np.abs(log(x) - want) <= 4 * np.spacing(np.maximum(1, np.abs(want)).astype(dtype))).all()

    def test_keeps_its_digits_near_1(self, dtype):
        x = (1 + np.concatenate([-np.geomspace(1e-6, 0.3, 1001), np.geomspace(1e-6, 0.4, 1001)])).astype(dtype)
        want = x * np.log(x.astype(np.longdouble))
        assert units_in_last_place(loss("kl", np.zeros_like(x), x), want).max() <= 3

    def test_ends_of_the_range(self, dtype):
        limits = np.finfo(dtype)
        x = np.array([np.nan, np.inf, -1.0, 1.0, limits.smallest_subnormal, limits.tiny / 4], dtype)
        np.testing.assert_allclose(log(x), [np.nan, np.inf, np.nan, 0, *np.log(x[4:])], rtol=1e-6)

    def test_log1p_keeps_its_digits(self, dtype):
        x = np.geomspace(1e-30, 1e30, 100_003).astype(dtype)
        got = loss("wing", x, np.zeros_like(x), 2.0**120, 1) / dtype(2.0**120)
        assert units_in_last_place(got, np.log1p(x.astype(np.longdouble))).max() <= 4

    def test_log1p_of_minus_1(self, dtype):
        assert loss("bce", np.ones(1, dtype), np.zeros(1, dtype)) == 100


def power(d: np.ndarray, beta: float) -> np.ndarray:
    """d^-beta as local response normalisation computes it, e^(-beta log d)."""
    x, y = np.ones((1, 1, 1), d.dtype), np.empty((1, 1, 1), d.dtype)
    results = np.empty_like(d)
    for i, k in enumerate(d):
        kernels(d.dtype).local_response_norm_forward(x, y, y.copy(), 1, 0.0, beta, float(k))
        results[i] = y[0, 0, 0]
    return results


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.usefixtures("isa")
class TestPower:
    def test_over_the_whole_range(self, dtype):
        """By its share in a power near 1, where e^x has the error of x: |beta log d| times the unit roundoff."""
        tiny, eps = np.finfo(dtype).tiny, np.finfo(dtype).eps
        denormal = tiny * np.geomspace(eps, 1, 9)
        d = np.concatenate([np.geomspace(tiny, 1 / tiny, 999), np.linspace(0.5, 2, 999), denormal])
        d = d[d > 0].astype(dtype)
        exact = d.astype(np.longdouble) ** -0.5
        allowed = eps * (2 + np.abs(np.log(d)))
        assert (np.abs(power(d, 0.5) / exact - 1) <= allowed).all()

    def test_near_1_no_digit_is_lost(self, dtype):
        eps = np.finfo(dtype).eps
        d = (1 + np.concatenate([np.geomspace(eps, 1e-3, 200), -np.geomspace(eps, 1e-3, 200)])).astype(dtype)
        want = np.exp(1000 * np.log(d.astype(np.longdouble)))
        np.testing.assert_allclose(power(d, -1000), want.astype(dtype), rtol=8 * eps)

    def test_ends_of_the_range(self, dtype):
        d = np.array([0, np.inf, -1, np.nan], dtype)
        np.testing.assert_array_equal(power(d, 1), [np.inf, 0, np.nan, np.nan])
