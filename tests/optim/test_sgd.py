"""SGD, step for step with torch's."""
import itertools

import numpy as np
import pytest

from tinycnn import Tensor
from tinycnn._kernels import available, use
from tinycnn.optim import SGD

SETTINGS = [dict(zip(("momentum", "dampening", "weight_decay", "nesterov"), values))
            for values in itertools.product([0.0, 0.9], [0.0, 0.3], [0.0, 0.05], [False, True])
            if not values[3] or (values[0] and not values[1])]
SHAPES = ((3, 5), (37,), (), (2, 3, 4, 5))


def parameters(dtype):
    rng = np.random.default_rng(0)
    return [Tensor(np.asarray(rng.standard_normal(s), dtype), requires_grad=True) for s in SHAPES]


@pytest.mark.parametrize("isa", [*available(), "reference"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: " ".join(f"{v:g}" for v in s.values()))
def test_fifty_steps_equal_torchs(torch, settings, dtype, isa):
    ours = parameters(dtype)
    theirs = [torch.tensor(p.numpy().copy(), requires_grad=True) for p in ours]
    one, two = SGD(ours, lr=0.01, **settings), torch.optim.SGD(theirs, lr=0.01, **settings)
    rng = np.random.default_rng(1)
    with use(isa):
        for turn in range(50):
            for i, (p, q) in enumerate(zip(ours, theirs)):
                p.grad = q.grad = None
                if turn or i != 1:  # one parameter has no gradient at first: its momentum starts later
                    p.grad = np.asarray(rng.standard_normal(p.shape), dtype)
                    q.grad = torch.tensor(p.grad)
            one.step()
            two.step()
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=1e-6, atol=1e-6)


def test_groups_have_settings_of_their_own(torch):
    ours = parameters(np.float64)
    theirs = [torch.tensor(p.numpy().copy(), requires_grad=True) for p in ours]
    def groups(ps):
        return [{"params": ps[:2], "weight_decay": 0.0}, {"params": ps[2:], "lr": 0.01, "momentum": 0.5}]
    one, two = SGD(groups(ours), 0.1, weight_decay=0.1), torch.optim.SGD(groups(theirs), 0.1, weight_decay=0.1)
    for _ in range(3):
        for p, q in zip(ours, theirs):
            p.grad = np.ones(p.shape)
            q.grad = torch.tensor(p.grad)
        one.step()
        two.step()
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=1e-12)


def test_a_view_of_a_parameter_sees_the_step():
    flat = np.arange(12.0)
    contiguous, strided = flat[:6].reshape(2, 3), flat[6:].reshape(3, 2).T
    parameters = [Tensor(contiguous, requires_grad=True), Tensor(strided, requires_grad=True)]
    for p in parameters:
        p.grad = np.ones((2, 3))
    SGD(parameters, lr=1.0).step()
    assert flat.tolist() == list(np.arange(12.0) - 1)


@pytest.mark.parametrize("keywords", [{"lr": -1}, {"lr": float("nan")}, {"lr": float("inf")}, {"lr": "fast"},
                                      {"lr": 1, "momentum": -0.1}, {"lr": 1, "weight_decay": -1},
                                      {"lr": 1, "dampening": float("nan")}])
def test_settings_that_make_no_sense_are_named(keywords):
    wrong = list(keywords)[-1]
    with pytest.raises(ValueError, match=f"SGD: {wrong} must be a finite number"):
        SGD(parameters("f"), **keywords)


@pytest.mark.parametrize("keywords", [{}, {"momentum": 0.9, "dampening": 0.1}])
def test_nesterov_needs_momentum_without_dampening(keywords):
    with pytest.raises(ValueError, match="SGD: nesterov needs"):
        SGD(parameters("f"), 0.1, nesterov=True, **keywords)


def test_a_learning_rate_that_goes_bad_later_is_refused_before_anything_moves():
    p = Tensor([1.0], requires_grad=True)
    optimizer = SGD([p], 0.1)
    optimizer.param_groups[0]["lr"], p.grad = float("nan"), np.ones(1, "f")
    with pytest.raises(ValueError, match="lr must be"):
        optimizer.step()
    assert p.tolist() == [1.0]
