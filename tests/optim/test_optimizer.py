"""What optimisers share: groups, state and its restoring."""
import numpy as np
import pytest

from tinycnn import Tensor
from tinycnn.optim import SGD


def run(optimizer, parameters, steps):
    for turn in range(steps):
        for i, p in enumerate(parameters):
            p.grad = np.full(p.shape, 0.5 + i + turn)
        optimizer.step()


def two():
    return [Tensor(np.ones((2, 3)), requires_grad=True), Tensor(np.ones(4), requires_grad=True)]


def test_a_restored_optimizer_continues_where_it_was():
    straight = two()
    run(SGD(straight, 0.1, momentum=0.9), straight, 6)
    first = two()
    before = SGD(first, 0.1, momentum=0.9)
    run(before, first, 3)
    state = before.state_dict()
    run(before, first, 1)  # the state is a copy: what comes later does not change it
    second = two()
    run(SGD(second, 0.1, momentum=0.9), second, 3)
    after = SGD(second, 0.7)
    after.load_state_dict(state)
    for turn in range(3, 6):
        for i, p in enumerate(second):
            p.grad = np.full(p.shape, 0.5 + i + turn)
        after.step()
    for p, q in zip(straight, second):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


def test_state_dict_holds_plain_numbers_and_arrays():
    parameters = two()
    optimizer = SGD(parameters, 0.1, momentum=0.9)
    run(optimizer, parameters, 1)
    state = optimizer.state_dict()
    assert state["param_groups"][0] == {"params": [0, 1], "lr": 0.1, "momentum": 0.9, "dampening": 0.0,
                                        "weight_decay": 0.0, "nesterov": False}
    assert state["state"][1]["momentum_buffer"].tolist() == [1.5] * 4


def test_zero_grad_forgets():
    parameters = two()
    parameters[0].grad = np.ones((2, 3))
    SGD(parameters, 0.1).zero_grad()
    assert all(p.grad is None for p in parameters)


def test_parameters_without_gradients_are_left_alone():
    parameters = two()
    SGD(parameters, 0.1, weight_decay=1.0).step()
    assert all((p.numpy() == 1).all() for p in parameters)


def test_refusals():
    with pytest.raises(ValueError, match="SGD: params is empty"):
        SGD([], 0.1)
    with pytest.raises(TypeError, match="params must hold Tensors, got ndarray"):
        SGD([np.ones(3)], 0.1)
    p = two()[0]
    with pytest.raises(ValueError, match=r"shape \(2, 3\) appears twice"):
        SGD([p, p], 0.1)
    with pytest.raises(ValueError, match="unknown setting 'rate'"):
        SGD([{"params": [p], "rate": 1}], 0.1)


def test_a_state_that_does_not_fit_is_refused():
    parameters = two()
    optimizer = SGD(parameters, 0.1, momentum=0.9)
    run(optimizer, parameters, 1)
    state = optimizer.state_dict()
    with pytest.raises(ValueError, match=r"groups of \[2\] parameters, expected \[1\]"):
        SGD(two()[:1], 0.1).load_state_dict(state)
    with pytest.raises(ValueError, match="momentum_buffer of parameter 0 has shape"):
        SGD(two()[::-1], 0.1).load_state_dict(state)
