"""Recipes: what they make, and what they refuse."""
import numpy as np
import pytest

from tinycnn import Tensor, nn, optim
from tinycnn import functional as F
from tinycnn.training.recipe import OPTIMIZERS, Recipe

Z = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
Y = np.array([0, 2, 1, 1])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimisers_have_their_own_rates_unless_told(name):
    model = nn.Linear(3, 2)
    group = Recipe(optimizer=name).make_optimizer(model.parameters()).param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (OPTIMIZERS[name].lr, OPTIMIZERS[name].weight_decay)
    other = Recipe(optimizer=name, lr=0.5, weight_decay=0.25)
    group = other.make_optimizer(model.parameters()).param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (0.5, 0.25) == (other.settings()["lr"],
                                                                   other.settings()["weight_decay"])


@pytest.mark.parametrize(("schedule", "warmup", "rates"), [
    ("cosine", 0.5, [0.25, 0.5, 0.75, 1.0, 1.0, 0.8536, 0.5, 0.1464]), ("constant", 0.25, [0.5, 0.75] + [1.0] * 6),
    ("constant", 0, [1.0] * 8), ("cosine", 0, [(1 + np.cos(np.pi * i / 8)) / 2 for i in range(8)])])
def test_schedules(schedule, warmup, rates):
    optimizer = optim.SGD([Tensor([0.0], requires_grad=True)], lr=1.0)
    found, made = [], Recipe(schedule=schedule, warmup=warmup).make_schedule(optimizer, 8)
    for _ in range(8):
        found.append(optimizer.param_groups[0]["lr"])
        made.step()
    np.testing.assert_allclose(found, rates, atol=1e-4)


@pytest.mark.parametrize(("steps", "momenta"), [
    (10_000, [5e-3, 0.01, 0.1, 0.5, None]), (400, [0.1, 0.1, 0.1, 0.5, None]), (2500, [0.02, 0.02, 0.1, 0.5, None])])
def test_running_statistics_keep_up(steps, momenta):
    """They are of the last fiftieth of the steps, or of what they are of anyway if that is less."""
    model = nn.Sequential(*(nn.BatchNorm2d(3, momentum=m) for m in (3e-4, 0.01, 0.1, 0.5, None)))
    Recipe(epochs=steps // 20).make_parts(model, 20)
    assert [norm.momentum for norm in model] == pytest.approx(momenta)


def test_losses_inside_the_network_weigh_less():
    loss, one = Recipe(label_smoothing=0.1).make_loss(), F.cross_entropy(Tensor(Z), Y, label_smoothing=0.1).item()
    assert loss(Tensor(Z), Y).item() == one
    assert loss((Tensor(Z), Tensor(Z), Tensor(Z)), Y).item() == pytest.approx(1.6 * one, rel=1e-6)


def test_mixed_targets():
    assert Recipe().make_mix(3) is None
    x, shares = Recipe(mixup=1.0).make_mix(3)(Z, Y, np.random.default_rng(0))
    assert (x.shape, shares.shape, shares.dtype) == (Z.shape, (4, 3), np.float32)
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-6)
    again, _ = Recipe(mixup=1.0).make_mix(3)(Z, Y, np.random.default_rng(0))
    np.testing.assert_array_equal(x, again)


@pytest.mark.parametrize("wrong", [
    {"epochs": 0}, {"batch_size": 0}, {"lr": 0}, {"lr": -1}, {"lr": float("nan")}, {"warmup": 1.5}, {"mixup": -1},
    {"label_smoothing": 1.0}, {"ema": 1.0}, {"clip": 0}, {"seed": -1}, {"optimizer": "adam9"}, {"schedule": "random"}])
def test_refuses(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"Recipe: {name} "):
        Recipe(**wrong)
