"""The tape: accumulation, release, depth, modes, refusals, and a gradcheck that can fail."""
import threading

import numpy as np
import pytest

from tinycnn import Tensor, gradcheck, no_grad
from tinycnn import functional as F
from tinycnn.autograd import OPS, Function, is_grad_enabled, set_grad_enabled, topological


def leaf(*values, dtype="float64"):
    return Tensor(np.array(values, dtype), requires_grad=True)


def test_gradients_of_paths_that_rejoin_add_up():
    x = leaf(3.0)
    (x * x + 2 * x).sum().backward()
    assert x.grad == pytest.approx([8.0])


def test_gradients_accumulate_over_calls():
    x = leaf(1.0, 2.0)
    for _ in range(3):
        (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad, 3 * 2 * x.numpy())


def test_leaves_never_share_their_gradient():
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    gy = np.ones(2)
    (a + b).backward(gy)
    a.grad *= 10
    np.testing.assert_array_equal(b.grad, [1, 1])
    np.testing.assert_array_equal(gy, [1, 1])


def test_backward_on_a_leaf_copies_what_it_is_given():
    x, gy = leaf(1.0, 2.0), np.ones(2)
    x.backward(gy)
    x.backward(gy)
    np.testing.assert_array_equal(x.grad, [2, 2])
    np.testing.assert_array_equal(gy, [1, 1])


def test_a_graph_deeper_than_the_recursion_limit():
    x = leaf(1.0)
    y = x
    for _ in range(20_000):
        y = y + x
    y.sum().backward()
    assert x.grad == pytest.approx([20_001.0])


def test_backward_visits_each_node_once_where_paths_multiply():
    x = leaf(1.0)
    y = x
    for _ in range(60):  # 2**60 paths
        y = (y + y) * 0.5
    y.sum().backward()
    assert x.grad == pytest.approx([1.0])


def test_topological_order_puts_inputs_first():
    x = leaf(1.0)
    y = x * x
    z = (y + x).exp()
    order = topological(z.node)
    assert [node.op for node in order] == ["mul", "add", "exp"]


def test_second_backward_needs_retain_graph():
    x = leaf(2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad == pytest.approx([8.0])
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        y.backward()


def test_no_grad_records_nothing_and_restores():
    x = leaf(1.0)
    with no_grad():
        assert not is_grad_enabled()
        assert not (x * x).requires_grad
        with set_grad_enabled(True):
            assert (x * x).requires_grad
    assert is_grad_enabled()

    @no_grad()
    def decorated():
        return x * x
    assert not decorated().requires_grad
    assert is_grad_enabled()


def test_no_grad_around_a_recursive_function_and_an_error():
    @no_grad()
    def depth(n):
        return n if n == 0 else 1 + depth(n - 1)
    assert depth(3) == 3
    assert depth.__name__ == "depth"
    assert is_grad_enabled()
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert is_grad_enabled()


def test_no_grad_belongs_to_its_thread():
    seen = []
    with no_grad():
        thread = threading.Thread(target=lambda: seen.append(is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_unused_output_of_several_gets_zeros():
    x = leaf(1.0, 2.0, 3.0)
    first, _ = F.split(x, [1, 2], axis=0)
    first.sum().backward()
    np.testing.assert_array_equal(x.grad, [1, 0, 0])


def test_inputs_without_gradient_stay_without():
    x, c = leaf(2.0), Tensor(np.array([5.0]))
    (x * c).sum().backward()
    assert c.grad is None
    assert x.grad == pytest.approx([5.0])


@pytest.mark.parametrize(("make", "error", "words"), [
    (lambda: Tensor([1.0]).backward(), RuntimeError, "requires a gradient"),
    (lambda: (leaf(1.0, 2.0) * 2).backward(), ValueError, "gy can only be left out"),
    (lambda: (leaf(1.0, 2.0) * 2).backward(np.ones(3)), ValueError, r"gy has shape \(3,\), expected \(2,\)"),
    (lambda: leaf(1.0) + Tensor(np.ones(1, "float32")), TypeError, "add: b has the type float32, but a has float64"),
    (lambda: leaf(1.0, 2.0) + leaf(1.0, 2.0, 3.0), ValueError, "add: b of shape"),
    (lambda: F.relu(Tensor(np.ones(3, int))), TypeError, "relu: x must be float32 or float64, got int64"),
    (lambda: gradcheck(lambda x: x, [leaf(1.0, dtype="float32")]), TypeError, r"inputs\[0\] must be float64"),
])
def test_refusals_name_what_came(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_gradcheck_catches_a_wrong_gradient():
    class Wrong(Function):
        op = "wrong"

        def shapes(self, x):
            return x

        def forward(self, x):
            self.save(x=x)
            return x * x

        def backward(self, gy):
            return 3 * gy * self.saved.x

    with pytest.raises(AssertionError, match=r"inputs\[0\] at \(0,\)"):
        gradcheck(Wrong.apply, [leaf(1.0, 2.0)])


def test_an_op_is_defined_once():
    with pytest.raises(ValueError, match="'relu' is defined twice"):
        type("Again", (Function,), {}, op="relu")
    assert OPS["relu"].__name__ == "ReLU"


def test_a_node_shows_its_attributes():
    y = leaf(1.0, 2.0).reshape(2, 1)
    assert repr(y.node) == "<reshape(shape=(2, 1))>"
