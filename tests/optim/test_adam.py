"""Adam, AdamW and RAdam, step for step with torch's."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stepping import assert_fifty_steps_equal

from tinycnn import Tensor, optim
from tinycnn.optim.adam import rectification

SHARED = {"lr": st.sampled_from([1e-3, 0.02]), "betas": st.tuples(st.sampled_from([0.0, 0.9]),
                                                                  st.sampled_from([0.5, 0.9, 0.999])),
          "eps": st.sampled_from([1e-8, 1e-3]), "weight_decay": st.sampled_from([0.0, 0.1])}
OWN = {"Adam": {"amsgrad": st.booleans()}, "AdamW": {"amsgrad": st.booleans()},
       "RAdam": {"decoupled_weight_decay": st.booleans()}}
EVERY = pytest.mark.parametrize("name", list(OWN))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@EVERY
@given(data=st.data())
def test_fifty_steps_equal_torchs(torch, name, dtype, data):
    settings = data.draw(st.fixed_dictionaries({**SHARED, **OWN[name]}))
    seed = data.draw(st.integers(0, 2**32 - 1))
    assert_fifty_steps_equal(torch, lambda ps: getattr(optim, name)(ps, **settings),
                             lambda ps: getattr(torch.optim, name)(ps, **settings), dtype, seed)


@EVERY
def test_defaults_are_torchs(torch, name):
    theirs = getattr(torch.optim, name)([torch.zeros(1, requires_grad=True)]).param_groups[0]
    ours = getattr(optim, name)([Tensor([0.0], requires_grad=True)]).param_groups[0]
    assert all(theirs[key] == value for key, value in ours.items() if key != "params")


def test_state_has_torchs_names(torch):
    weight = torch.zeros(2, requires_grad=True)
    theirs = torch.optim.Adam([weight], amsgrad=True)
    weight.grad = torch.ones(2)
    theirs.step()
    p = Tensor([0.0, 0.0], requires_grad=True)
    ours = optim.Adam([p], amsgrad=True)
    state = {key: value.numpy() for key, value in theirs.state_dict()["state"][0].items()}
    ours.load_state_dict({"state": {0: state}, "param_groups": [{"params": [0], "lr": 0.5}]})
    assert ours.state[0].keys() == {"step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"}
    assert (ours.state[0]["step"], ours.param_groups[0]["lr"]) == (1, 0.5)
    p.grad, weight.grad, theirs.param_groups[0]["lr"] = np.ones(2, "f"), torch.ones(2), 0.5
    p.data[...] = weight.detach().numpy()
    ours.step()
    theirs.step()
    np.testing.assert_allclose(p.numpy(), weight.detach().numpy(), rtol=1e-6)


def test_rectification_is_algorithm_2():
    assert [rectification(0.999, t) > 0 for t in range(1, 9)] == [False] * 5 + [True] * 3
    limit, beta, t = 1999.0, 0.999, 100
    r = limit - 2 * t * beta**t / (1 - beta**t)
    assert rectification(beta, t)**2 == pytest.approx((r - 4) * (r - 2) * limit / ((limit - 4) * (limit - 2) * r))
    assert rectification(0.999, 10**6) == pytest.approx(1)
    assert not any(rectification(0.5, t) for t in range(1, 100))  # the mean of two squares is never trusted


@EVERY
@pytest.mark.parametrize(("wrong", "what"), [
    ({"lr": -1}, "lr must be a finite number"), ({"eps": -1e-8}, "eps must be"), ({"eps": float("nan")}, "eps must be"),
    ({"weight_decay": float("inf")}, "weight_decay must be"), ({"betas": (1.0, 0.9)}, r"betas\[0\] must be"),
    ({"betas": (0.9, 1.0)}, r"betas\[1\] must be"), ({"betas": (0.9, float("nan"))}, r"betas\[1\] must be"),
    ({"betas": (-0.1, 0.9)}, r"betas\[0\]"), ({"betas": 0.9}, "betas must be two numbers"),
    ({"betas": (0.9, "x")}, r"betas\[1\] must be a number")])
def test_settings_that_make_no_sense_are_named(name, wrong, what):
    with pytest.raises(ValueError, match=f"{name}: {what}"):
        getattr(optim, name)([Tensor([0.0], requires_grad=True)], **wrong)


def test_nan_stays_where_it_is():
    p = Tensor(np.zeros(40, "f"), requires_grad=True)
    optimizer = optim.Adam([p], amsgrad=True)
    p.grad = np.ones(40, "f")
    p.grad[17] = np.nan
    optimizer.step()
    assert np.flatnonzero(np.isnan(p.numpy())).tolist() == [17]
    assert np.flatnonzero(np.isnan(optimizer.state[0]["max_exp_avg_sq"])).tolist() == [17]
