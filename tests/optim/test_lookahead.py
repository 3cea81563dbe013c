"""Lookahead and Ranger, against their definitions written out in float64."""
import math

import numpy as np
import pytest
from stepping import assert_close, gradients, parameters, run

from tinycnn import Tensor
from tinycnn.optim import SGD, Lookahead, Ranger


def follow(p, steps, k, alpha):
    """Algorithm 1: p is moved by each of `steps` in turn; every k-th time the slow weights follow."""
    slow = p
    for t, move in enumerate(steps, start=1):
        p = move(p)
        if t % k == 0:
            slow = slow + alpha * (p - slow)
            p = slow
    return p


@pytest.mark.parametrize(("k", "alpha"), [(5, 0.5), (1, 0.8), (7, 0.0), (3, 1.0)])
def test_lookahead_is_algorithm_1(k, alpha):
    ours, arrays = parameters("d"), list(gradients("d", 50))
    run(Lookahead(SGD(ours, 0.1), k, alpha), ours, 50)
    for i, start in enumerate(parameters("d")):
        steps = [lambda p, g=step[i]: p if g is None else p - 0.1 * g for step in arrays]
        np.testing.assert_allclose(ours[i].numpy(), follow(start.numpy(), steps, k, alpha), rtol=1e-12, atol=1e-12)


def rectified(p, state, g, lr, betas, eps, weight_decay):
    """RAdam, algorithm 2, with decoupled weight decay; state: t, m, v."""
    state["t"] += 1
    t, (b1, b2) = state["t"], betas
    state["m"] = b1 * state["m"] + (1 - b1) * g
    state["v"] = b2 * state["v"] + (1 - b2) * g**2
    p = p - lr * weight_decay * p
    limit = 2 / (1 - b2) - 1
    length = limit - 2 * t * b2**t / (1 - b2**t)
    m = state["m"] / (1 - b1**t)
    if length <= 5:
        return p - lr * m
    c = math.sqrt((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length))
    return p - lr * c * m * math.sqrt(1 - b2**t) / (np.sqrt(state["v"]) + eps)


@pytest.mark.parametrize("settings", [{}, {"lr": 0.05, "betas": (0.9, 0.9), "eps": 1e-8, "weight_decay": 0.1, "k": 4,
                                          "alpha": 0.8}], ids=["defaults", "others"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ranger_is_radam_in_lookahead(dtype, settings):
    ours, arrays = parameters(dtype), list(gradients(dtype, 50))
    run(Ranger(ours, **settings), ours, 50)
    full = {"lr": 1e-3, "betas": (0.95, 0.999), "eps": 1e-5, "weight_decay": 0.0, "k": 6, "alpha": 0.5, **settings}
    k, alpha = full.pop("k"), full.pop("alpha")
    for i, start in enumerate(parameters(dtype)):
        state = {"t": 0, "m": 0.0, "v": 0.0}
        steps = [lambda p, g=step[i], state=state: p if g is None else rectified(p, state, np.float64(g), **full)
                 for step in arrays]
        want = follow(start.numpy().astype(np.float64), steps, k, alpha)
        tolerance = 1e-6 if dtype == np.float32 else 1e-12
        assert_close(ours[i].numpy(), want, tolerance)


def test_settings_of_the_optimizer_within_are_at_hand():
    p = Tensor([1.0], requires_grad=True)
    inner = SGD([p], 0.5)
    outer = Lookahead(inner, k=2)
    outer.param_groups[0]["lr"] = 0.25
    assert inner.param_groups[0]["lr"] == 0.25
    p.grad = np.ones(1, "f")
    outer.zero_grad()
    assert p.grad is None


def test_parameters_that_come_later():
    first, second = (Tensor([1.0], requires_grad=True) for _ in range(2))
    optimizer = Lookahead(SGD([first], 0.5), k=2)
    first.grad = second.grad = np.ones(1, "f")
    optimizer.step()
    optimizer.add_param_group({"params": [second]})
    for _ in range(4):  # the second one's slow weights begin with the next two steps
        optimizer.step()
    assert first.tolist() == [1.0 - 0.5 - 0.5 - 0.5]
    assert second.tolist() == [0.5 - 0.5 - 0.5]


def test_a_state_that_does_not_fit_changes_nothing():
    p = Tensor([1.0], requires_grad=True)
    optimizer = Lookahead(SGD([p], 0.5, momentum=0.9), k=2)
    p.grad = np.ones(1, "f")
    optimizer.step()
    state = optimizer.state_dict()
    with pytest.raises(ValueError, match="slow_buffer of parameter 0 has shape"):
        optimizer.load_state_dict({**state, "state": {0: {"slow_buffer": np.ones(3)}}})
    with pytest.raises(ValueError, match="k must be an integer >= 1"):
        optimizer.load_state_dict({**state, "k": 0})
    np.testing.assert_equal(optimizer.state_dict(), state)


@pytest.mark.parametrize(("wrong", "what"), [({"k": 0}, "k must be an integer >= 1"), ({"k": 1.5}, "k must be"),
                                             ({"alpha": -0.1}, "alpha must be"), ({"alpha": float("nan")}, "alpha")])
@pytest.mark.parametrize("kind", [Ranger, lambda ps, **more: Lookahead(SGD(ps, 0.1), **more)])
def test_settings_that_make_no_sense_are_named(kind, wrong, what):
    with pytest.raises(ValueError, match=what):
        kind([Tensor([0.0], requires_grad=True)], **wrong)
