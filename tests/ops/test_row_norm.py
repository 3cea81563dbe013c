"""Layer, group and instance normalisation: accuracy, ends of the range, and what is refused."""
import numpy as np
import pytest

from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn._kernels import available, use

ISAS = pytest.mark.parametrize("isa", available())


@ISAS
@pytest.mark.parametrize(("call", "shape", "axes"), [
    (lambda x: F.layer_norm(x, x.shape[-1], eps=0), (3, 10_000), (1,)),
    (lambda x: F.layer_norm(x, x.shape[-1], eps=0), (200, 50), (1,)),
    (lambda x: F.group_norm(x, 1, eps=0), (2, 3, 70, 70), (1, 2, 3)),
    (lambda x: F.instance_norm(x, eps=0), (2, 3, 130, 130), (2, 3)),
], ids=["layer", "short rows", "group", "instance"])
def test_statistics_are_accurate_where_the_mean_is_large(call, shape, axes, isa):
    """A mean of a thousand deviations leaves float32 sums no digits, were they taken in the plain way."""
    x = np.random.default_rng(0).normal(1000, 1, shape).astype("f")
    with use(isa):
        y = call(x).numpy().astype(np.float64)
    exact = x.astype(np.float64)
    want = (exact - exact.mean(axes, keepdims=True)) / exact.std(axes, keepdims=True)
    np.testing.assert_allclose(y, want, atol=1e-4)  # a float32 near 1000 is known to 6e-5
    np.testing.assert_allclose(y.std(axes), 1, rtol=1e-5)


@ISAS
@pytest.mark.parametrize("shape", [(1000, 33), (33, 5, 9, 9)], ids=str)
def test_gradients_of_weight_and_bias_are_accurate(shape, isa):
    """Over many parts: rows of elements, and images."""
    rng = np.random.default_rng(2)
    x, gy = rng.normal(3, 1, shape).astype("f"), rng.normal(1, 1, shape).astype("f")
    def gradients(dtype):
        weight, bias = (Tensor(np.full(shape[1], v, dtype), requires_grad=True) for v in (1, 0))
        F.group_norm(x.astype(dtype), 1, weight, bias).backward(gy.astype(dtype))
        return weight.grad, bias.grad
    with use(isa):
        (gw, gb), (gw_exact, gb_exact) = gradients(np.float32), gradients(np.float64)
    np.testing.assert_allclose(gb, gb_exact, rtol=1e-6)
    np.testing.assert_allclose(gw, gw_exact, atol=2e-7 * np.abs(gy).sum())


@ISAS
@pytest.mark.parametrize("call", [lambda x, b: F.layer_norm(x, x.shape[1:], bias=np.full(x.shape[1:], 2, "f")),
                                  lambda x, b: F.group_norm(x, 2, bias=b), lambda x, b: F.instance_norm(x, bias=b)],
                         ids=["layer", "group", "instance"])
def test_a_constant_row_becomes_its_bias(call, isa):
    x = Tensor(np.full((3, 4, 5, 5), 1e3, "f"), requires_grad=True)
    with use(isa):
        y = call(x, np.full(4, 2, "f"))
        y.backward(np.random.default_rng(0).standard_normal(y.shape))
    np.testing.assert_array_equal(y.numpy(), 2)
    assert np.isfinite(x.grad).all()


def test_a_row_of_one_element_is_its_bias():
    x = Tensor(np.array([[3.0], [-5.0]], "f"), requires_grad=True)
    y = F.layer_norm(x, 1, np.array([7], "f"), np.array([2], "f"))
    y.backward(np.ones((2, 1), "f"))
    assert y.tolist() == [[2], [2]]
    np.testing.assert_allclose(x.grad, 0, atol=1e-6 * 7 / np.sqrt(1e-5))  # to rounding of weight gy / sqrt(eps)


@ISAS
def test_rows_of_two_elements(torch, isa):
    """Whose gradient is a small difference: about the unit roundoff of its terms is what may be wrong."""
    x, tx = (wrap(np.array([[1.0, 3.0], [-2.0, 5.0]], "f")) for wrap in (
        lambda a: Tensor(a, requires_grad=True), lambda a: torch.tensor(a, requires_grad=True)))
    with use(isa):
        y = F.layer_norm(x, 2)
        y.backward(np.array([[1, 2], [3, -1]], "f"))
    ty = torch.nn.functional.layer_norm(tx, (2,))
    ty.backward(torch.tensor([[1.0, 2], [3, -1]]))
    np.testing.assert_allclose(y.numpy(), ty.detach().numpy(), atol=1e-6)
    np.testing.assert_allclose(x.grad, tx.grad.numpy(), atol=1e-6)


@ISAS
@pytest.mark.parametrize(("shape", "groups"), [((3, 4), 2), ((3, 4, 5, 5), 2)])
def test_a_nan_stays_in_its_row(shape, groups, isa):
    x = np.random.default_rng(0).standard_normal(shape).astype("f")
    x[1].flat[0] = np.nan
    with use(isa):
        y = F.group_norm(x, groups).numpy()
    wrong = np.isnan(y.reshape(3, groups, -1))
    assert wrong[1, 0].all()
    assert wrong.sum() == wrong[1, 0].size


@pytest.mark.parametrize(("call", "message"), [
    (lambda: F.layer_norm(np.ones((2, 3), "f"), 2), r"layer_norm: x must end in the extents normalized_shape=\(2,\)"),
    (lambda: F.layer_norm(np.ones((2, 3), "f"), ()), r"layer_norm: x must end in the extents normalized_shape=\(\)"),
    (lambda: F.layer_norm(np.ones((0, 3), "f"), 3), r"layer_norm: x of shape \(0, 3\) has no elements"),
    (lambda: F.layer_norm(np.ones((2, 0), "f"), 0), r"layer_norm: x of shape \(2, 0\) has no elements"),
    (lambda: F.layer_norm(np.ones((2, 3), "f"), 3, np.ones(2, "f")), r"weight has shape \(2,\), expected \(3,\)"),
    (lambda: F.layer_norm(np.ones((2, 3, 4), "f"), (3, 4), bias=np.ones(4, "f")), r"bias has shape .* \(3, 4\)"),
    (lambda: F.group_norm(np.ones(3, "f"), 1), r"group_norm: x must be \(N, C, ...\), got the shape \(3,\)"),
    (lambda: F.group_norm(np.ones((2, 6), "f"), 4), "group_norm: num_groups=4 must divide the 6 channels"),
    (lambda: F.group_norm(np.ones((2, 6), "f"), 0), "group_norm: num_groups=0 must divide the 6 channels"),
    (lambda: F.group_norm(np.ones((2, 0, 3), "f"), 1), "has no elements"),
    (lambda: F.group_norm(np.ones((2, 6), "f"), 3, np.ones(3, "f")), r"weight has shape \(3,\), expected \(6,\)"),
    (lambda: F.instance_norm(np.ones((2, 3), "f")), r"instance_norm: x must be \(N, C, L\)"),
    (lambda: F.instance_norm(np.ones((2, 3, 1, 1), "f")), "more than 1 value per channel"),
    (lambda: F.instance_norm(np.ones((2, 3, 0, 2), "f")), "has no elements"),
    (lambda: F.instance_norm(np.ones((2, 3, 2), "f"), bias=np.ones(2, "f")), r"bias has shape \(2,\), expected \(3,\)"),
])
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_mixed_types_are_refused():
    with pytest.raises(TypeError, match="layer_norm: weight has the type float64, but x has float32"):
        F.layer_norm(np.ones((2, 3), "f"), 3, np.ones(3))
