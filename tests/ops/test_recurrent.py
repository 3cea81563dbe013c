"""LSTM and GRU where the table of op cases does not go: sizes of networks, extreme values, what is refused."""
import numpy as np
import pytest

from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn._kernels import available, use

ISAS = pytest.mark.parametrize("isa", available())
LAYERS = [("lstm", 4, 2), ("gru", 3, 1)]


def weights(gates, inputs, size, dtype="f"):
    rng = np.random.default_rng(0)
    return [rng.uniform(-0.2, 0.2, shape).astype(dtype)
            for shape in ((gates * size, inputs), (gates * size, size), (gates * size,), (gates * size,))]


@ISAS
@pytest.mark.parametrize(("name", "gates", "states"), LAYERS)
def test_float32_equals_the_twin_in_float64_at_a_networks_size(name, gates, states, isa):
    """Products of more than a tile and a block of k, in both directions; rows of several lengths."""
    rng, (t, n, i, size) = np.random.default_rng(1), (9, 33, 20, 70)
    x, gy = rng.standard_normal((t, n, i)).astype("f"), rng.standard_normal((t, n, size)).astype("f")
    lengths = rng.integers(1, t + 1, n)

    def run(dtype, build):
        with use(build):
            leaves = [Tensor(a.astype(dtype), requires_grad=True) for a in (x, *weights(gates, i, size))]
            y, *last = getattr(F, name)(leaves[0], *[None] * states, *leaves[1:], lengths, True)
            ((y * gy.astype(dtype)).sum() + sum(s.sum() for s in last)).backward()
            return [y.numpy(), *(s.numpy() for s in last), *(leaf.grad for leaf in leaves)]
    for got, want in zip(run(np.float32, isa), run(np.float64, "reference"), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-5 * max(1, np.abs(want).max()))


@ISAS
@pytest.mark.parametrize(("name", "gates", "states"), LAYERS)
def test_extreme_inputs_saturate_and_do_not_overflow(name, gates, states, isa):
    x = Tensor(np.array([1e4, -1e4, 1e30, -1e30], "f").reshape(4, 1, 1), requires_grad=True)
    with use(isa):
        y, *_ = getattr(F, name)(x, *[None] * states, *weights(gates, 1, 5))
        y.sum().backward()
    assert np.isfinite(y.numpy()).all()
    assert (np.abs(y.numpy()) <= 1).all()
    assert np.isfinite(x.grad).all()


@pytest.mark.parametrize(("name", "gates", "states"), LAYERS)
def test_steps_that_a_row_does_not_have_are_not_read(name, gates, states):
    """Whatever stands there: outputs are 0, and neither states nor gradients see it."""
    x = np.random.default_rng(2).standard_normal((5, 2, 3)).astype("f")
    results = []
    for padding in (0, np.nan):
        x[3:, 1] = padding
        leaf = Tensor(x.copy(), requires_grad=True)
        y, *last = getattr(F, name)(leaf, *[None] * states, *weights(gates, 3, 4), np.array([5, 3]))
        (y.sum() + last[-1].sum()).backward()
        results.append([y.numpy(), *(s.numpy() for s in last), leaf.grad])
    for one, two in zip(*results):
        np.testing.assert_array_equal(one, two)
    assert not results[0][0][3:, 1].any()
    assert not results[0][-1][3:, 1].any()


@pytest.mark.parametrize(("name", "gates", "states"), LAYERS)
def test_only_what_is_needed_gets_a_gradient(name, gates, states):
    w = [Tensor(a, requires_grad=k == 1) for k, a in enumerate(weights(gates, 3, 4))]
    y, *_ = getattr(F, name)(np.ones((2, 1, 3), "f"), *[None] * states, *w)
    y.sum().backward()
    assert [p.grad is not None for p in w] == [False, True, False, False]


GOOD = {"x": (3, 2, 5), "h0": (2, 4), "c0": (2, 4), "w_ih": (16, 5), "w_hh": (16, 4), "b_ih": (16,), "b_hh": (16,)}


@pytest.mark.parametrize(("name", "shape", "message"), [
    ("x", (3, 5), r"x must be \(T, N, I\), got the shape \(3, 5\)"),
    ("x", (0, 2, 5), r"x of shape \(0, 2, 5\) has no elements"),
    ("h0", (1, 4), r"h0 has shape \(1, 4\), expected \(2, 4\)"),
    ("c0", (2, 5), r"c0 has shape \(2, 5\), expected \(2, 4\)"),
    ("w_ih", (12, 5), r"w_ih has shape \(12, 5\), expected \(16, 5\)"),
    ("w_hh", (12, 4), r"w_hh has shape \(12, 4\), expected \(16, 4\)"),
    ("w_hh", (0, 0), r"w_hh of shape \(0, 0\) has no elements"),
    ("b_hh", (4,), r"b_hh has shape \(4,\), expected \(16,\)"),
])
def test_refusals(name, shape, message):
    arrays = {key: np.ones(extents, "f") for key, extents in {**GOOD, name: shape}.items()}
    with pytest.raises(ValueError, match=f"lstm: {message}"):
        F.lstm(**arrays)


@pytest.mark.parametrize(("lengths", "error", "message"), [
    (np.array([0, 3]), ValueError, r"lengths must lie within \[1, 3\]"),
    (np.array([1, 4]), ValueError, r"lengths must lie within \[1, 3\].* got \[1, 4\]"),
    (np.array([1, 2, 3]), ValueError, r"lengths has shape \(3,\), expected \(2,\)"),
    (np.array([1.0, 2.0]), TypeError, "lengths must be integers, got float64"),
])
def test_lengths_that_are_refused(lengths, error, message):
    with pytest.raises(error, match=f"lstm: {message}"):
        F.lstm(**{key: np.ones(extents, "f") for key, extents in GOOD.items()}, lengths=lengths)
