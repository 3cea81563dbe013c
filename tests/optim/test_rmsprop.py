"""RMSprop, step for step with torch's; TensorFlow's, with its formula and with timm's."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stepping import assert_close, assert_fifty_steps_equal, gradients, parameters, run
from torchvision_oracle import import_timm

from tinycnn import Tensor
from tinycnn.optim import RMSprop, RMSpropTF

SETTINGS = st.fixed_dictionaries({
    "lr": st.sampled_from([1e-3, 0.02]), "alpha": st.sampled_from([0.0, 0.9, 0.99]),
    "eps": st.sampled_from([1e-8, 1e-3]), "weight_decay": st.sampled_from([0.0, 0.1]),
    "momentum": st.sampled_from([0.0, 0.9])})
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@DTYPES
@given(settings=SETTINGS, seed=st.integers(0, 2**32 - 1))
def test_fifty_steps_equal_torchs(torch, dtype, settings, seed):
    assert_fifty_steps_equal(torch, lambda ps: RMSprop(ps, **settings),
                             lambda ps: torch.optim.RMSprop(ps, **settings), dtype, seed)


@DTYPES
@given(settings=SETTINGS, seed=st.integers(0, 2**32 - 1))
def test_fifty_centred_steps_equal_torchs(torch, dtype, settings, seed):
    settings = {**settings, "alpha": max(0.9, settings["alpha"]), "eps": 1e-3}  # keep the difference s - a^2 well off 0
    assert_fifty_steps_equal(torch, lambda ps: RMSprop(ps, **settings, centered=True),
                             lambda ps: torch.optim.RMSprop(ps, **settings, centered=True), dtype, seed,
                             tolerance=1e-5 if dtype == np.float32 else 1e-11)


def formula(p, arrays, lr, alpha, eps, weight_decay, momentum, centered):
    """TensorFlow's rule, as it is documented, in float64."""
    s, a, b = np.ones(p.shape), np.zeros(p.shape), np.zeros(p.shape)
    for g in arrays:
        if g is None:
            continue
        d = g + weight_decay * p
        s = alpha * s + (1 - alpha) * d**2
        a = alpha * a + (1 - alpha) * d
        b = momentum * b + lr * d / np.sqrt(s - (a**2 if centered else 0) + eps)
        p = p - b
    return p


@DTYPES
@pytest.mark.parametrize("centered", [False, True])
@given(settings=SETTINGS)
def test_fifty_steps_of_tensorflows_equal_its_formula(dtype, centered, settings):
    settings = {**settings, "eps": 1e-3, "centered": centered}
    if centered:
        settings["alpha"] = max(0.9, settings["alpha"])  # keep the difference s - a^2 well off 0
    ours, steps = parameters(dtype), list(gradients(dtype, 50))
    run(RMSpropTF(ours, **settings), ours, 50)
    for i, start in enumerate(parameters(dtype)):
        want = formula(start.numpy().astype(np.float64), [arrays[i] for arrays in steps], **settings)
        assert_close(ours[i].numpy(), want, 3e-6 if dtype == np.float32 else 1e-11)


@given(settings=SETTINGS)
def test_fifty_steps_of_tensorflows_equal_timms(torch, settings):
    import_timm()
    from timm.optim import RMSpropTF as Theirs
    assert_fifty_steps_equal(torch, lambda ps: RMSpropTF(ps, **settings),
                             lambda ps: Theirs(ps, **settings), np.float64,
                             tolerance=1e-11)


def test_defaults():
    p = Tensor([0.0], requires_grad=True)
    assert {k: v for k, v in RMSprop([p]).param_groups[0].items() if k != "params"} == {
        "lr": 0.01, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0.0, "momentum": 0.0, "centered": False}
    assert {k: v for k, v in RMSpropTF([p]).param_groups[0].items() if k != "params"} == {  # MnasNet's
        "lr": 0.01, "alpha": 0.9, "eps": 1e-3, "weight_decay": 0.0, "momentum": 0.9, "centered": False}


def test_a_constant_gradient_has_no_variance():
    """Rounding must not leave a variance below 0, whose root is NaN."""
    rng = np.random.default_rng(0)
    p = Tensor(np.zeros(1000, np.float32), requires_grad=True)
    optimizer, g = RMSprop([p], alpha=0.5, centered=True, eps=1.0), rng.standard_normal(1000).astype(np.float32)
    for _ in range(100):
        p.grad = g
        optimizer.step()
    assert np.isfinite(p.numpy()).all()


@pytest.mark.parametrize("kind", [RMSprop, RMSpropTF])
@pytest.mark.parametrize(("wrong", "what"), [
    ({"lr": -1}, "lr"), ({"alpha": 1.0}, "alpha"), ({"alpha": -0.1}, "alpha"), ({"alpha": float("nan")}, "alpha"),
    ({"eps": -1}, "eps"), ({"momentum": float("inf")}, "momentum"), ({"weight_decay": -1}, "weight_decay")])
def test_settings_that_make_no_sense_are_named(kind, wrong, what):
    with pytest.raises(ValueError, match=f"{kind.__name__}: {what} must be"):
        kind([Tensor([0.0], requires_grad=True)], **wrong)
