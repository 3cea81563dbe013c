"""What a person expects of a tensor."""
import numpy as np
import pytest

from tinycnn import Tensor


def test_types_of_data():
    assert Tensor([1.0, 2.0]).dtype == np.float32
    assert Tensor(np.ones(2)).dtype == np.float64
    assert Tensor([1, 2]).dtype == np.int64
    assert Tensor([1.0], dtype="float64").dtype == np.float64
    assert Tensor(Tensor([1.0])).dtype == np.float32


def test_numbers_take_the_type_of_the_tensor():
    for dtype in ("float32", "float64"):
        x = Tensor(np.ones(3, dtype))
        for y in (x + 1, 1 - x, 2 * x, 1 / x, x**2, x / 3.0, -x, abs(x)):
            assert y.dtype == dtype


def test_array_on_the_left_gives_a_tensor():
    y = np.ones(3, np.float32) * Tensor([1.0, 2.0, 3.0])
    assert isinstance(y, Tensor)
    assert (np.ones(3, np.float32) - Tensor([1.0, 2.0, 3.0])).tolist() == [0, -1, -2]


def test_comparisons_have_no_gradient():
    x = Tensor([1.0, 2.0], requires_grad=True)
    assert (x > 1).tolist() == [False, True]
    assert (x <= x).tolist() == [True, True]
    assert (x == Tensor([1.0, 3.0])).tolist() == [True, False]
    assert not (x > 1).requires_grad
    assert len({x, x}) == 1


def test_shape_methods():
    x = Tensor(np.arange(24.0).reshape(2, 1, 3, 4))
    assert x.flatten(1).shape == (2, 12)
    assert x.flatten().shape == (24,)
    assert x.squeeze().shape == (2, 3, 4)
    assert x.squeeze(1).shape == (2, 3, 4)
    assert x.unsqueeze(-1).shape == (2, 1, 3, 4, 1)
    assert x.T.shape == (4, 3, 1, 2)
    assert x.permute(0, 2, 3, 1).shape == (2, 3, 4, 1)
    assert x.transpose((0, 2, 3, 1)).shape == (2, 3, 4, 1)
    assert x.reshape((4, 6)).shape == x.reshape(4, -1).shape == (4, 6)
    assert x.expand(2, 5, 3, 4).shape == (2, 5, 3, 4)
    assert x[0, :, 1].shape == (1, 4)
    assert x[Tensor([0, 0])].shape == (2, 1, 3, 4)
    assert len(x) == 2
    assert x.size == x.numel() == 24
    assert x.ndim == 4


def test_leaving_the_tape():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = (x * 2).detach()
    assert not y.requires_grad
    assert np.asarray(x).tolist() == [1, 2]
    assert np.array(x, dtype=np.float64).dtype == np.float64
    assert x.numpy() is x.data
    assert float(x.sum()) == 3.0
    assert int(Tensor([3])) == 3
    assert bool(Tensor([1.0]))
    assert x.argmax() == 1


def test_repr_says_type_and_gradient():
    assert repr(Tensor([1.0, 2.5], requires_grad=True)) == "Tensor([1. , 2.5], dtype=float32, requires_grad=True)"


@pytest.mark.parametrize(("make", "error", "words"), [
    (lambda: Tensor(["a"]), TypeError, "data must be numbers"),
    (lambda: Tensor([1, 2], requires_grad=True), TypeError, "only floating-point"),
    (lambda: Tensor([1.0, 2.0]).item(), ValueError, "size 1"),
    (lambda: Tensor(np.ones((2, 3))).reshape(4, 2), ValueError, r"reshape: shape \(4, 2\)"),
    (lambda: Tensor(np.ones((2, 3))).transpose(0, 0), ValueError, r"transpose: axes \(0, 0\)"),
    (lambda: Tensor(np.ones((2, 3))).sum(axis=2), ValueError, "sum: axis 2"),
    (lambda: Tensor(np.ones((2, 3))).expand(4, 3), ValueError, "expand: x of shape"),
])
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()
