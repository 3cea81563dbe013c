"""eager_step and accuracy on real modules, and a real network that is stopped and goes on."""
import numpy as np
import pytest

import tinycnn
from tinycnn import losses, nn, optim
from tinycnn.autograd import is_grad_enabled
from tinycnn.data import Loader
from tinycnn.training import Checkpoint, accuracy, eager_step, fit

RNG = np.random.default_rng(0)
X = RNG.standard_normal((6, 4)).astype(np.float32)
Y = RNG.integers(0, 3, 6)


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def test_a_step_is_gradient_descent():
    model = nn.Linear(4, 3)
    w, b = model.weight.numpy().copy(), model.bias.numpy().copy()
    step = eager_step(model, losses.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.5))
    for _ in range(2):  # the second sees that gradients do not add up over steps
        p = softmax(X @ w.T + b)
        assert step(X, Y) == pytest.approx(-np.log(p[np.arange(6), Y]).mean(), rel=1e-5)
        g = (p - np.eye(3)[Y]) / 6
        w, b = w - 0.5 * g.T @ X, b - 0.5 * g.sum(0)
        np.testing.assert_allclose(model.weight.numpy(), w, atol=1e-6)
        np.testing.assert_allclose(model.bias.numpy(), b, atol=1e-6)


def test_a_step_is_in_training_mode_but_leaves_frozen_parts():
    model = nn.Sequential(nn.BatchNorm1d(4), nn.BatchNorm1d(4), nn.Linear(4, 3)).eval()
    step = eager_step(model, losses.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1))
    step(X, Y)
    assert [module.training for module in model.modules()] == [True] * 4
    model[0].eval()
    before = model[0].running_mean.numpy().copy(), model[1].running_mean.numpy().copy()
    step(X, Y)
    np.testing.assert_array_equal(model[0].running_mean.numpy(), before[0])
    assert not np.array_equal(model[1].running_mean.numpy(), before[1])


def test_a_loss_that_is_not_finite_changes_nothing():
    model = nn.Linear(4, 3)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    step = eager_step(model, losses.CrossEntropyLoss(), optimizer)
    step(X, Y)
    before, momentum = model.state_dict(), optimizer.state_dict()["state"][0]["momentum_buffer"]
    assert not np.isfinite(step(X * np.float32(np.nan), Y))
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    np.testing.assert_array_equal(optimizer.state_dict()["state"][0]["momentum_buffer"], momentum)


def test_gradients_are_clipped_if_asked():
    model, other = nn.Linear(4, 3), nn.Linear(4, 3)
    other.load_state_dict(model.state_dict())
    free, bound = ([p.numpy().copy() for p in m.parameters()] for m in (model, other))
    eager_step(model, losses.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=1.0))(X, Y)
    eager_step(other, losses.CrossEntropyLoss(), optim.SGD(other.parameters(), lr=1.0), max_norm=0.01)(X, Y)
    lengths = []
    for m, before in ((model, free), (other, bound)):
        moves = [(p.numpy() - q).ravel() for p, q in zip(m.parameters(), before)]
        lengths.append(np.linalg.norm(np.concatenate(moves)))
    assert lengths[0] > 0.02
    assert lengths[1] == pytest.approx(0.01, rel=1e-3)


class Scores(nn.Module):
    """Gives its input back, and says in which circumstances."""

    def __init__(self):
        self.inner = nn.Dropout(0.5)
        self.seen = []

    def forward(self, x):
        self.seen.append((self.training, self.inner.training, is_grad_enabled()))
        return self.inner(x)


def test_accuracy():
    scores = np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 3]]
    model = Scores()
    assert accuracy(model, Loader(scores, np.array([0, 1, 2, 0, 3]), batch_size=2)) == 4 / 5
    assert model.seen == [(False, False, False)] * 3
    with pytest.raises(ValueError, match="batches is empty"):
        accuracy(model, [])


@pytest.mark.parametrize("modes", [(True, True), (True, False), (False, False)])
def test_accuracy_restores_every_mode(modes):
    model = Scores()
    model.training, model.inner.training = modes
    accuracy(model, [(np.ones((2, 3), np.float32), np.zeros(2, np.int64))])
    assert (model.training, model.inner.training) == modes
    with pytest.raises(IndexError):
        accuracy(model, [(np.ones(3, np.float32), np.zeros(2, np.int64))])
    assert (model.training, model.inner.training) == modes


class Stop(Exception):
    pass


def sgd_and_cosine(parameters):
    optimizer = optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=1e-3, nesterov=True)
    return optimizer, optim.CosineSchedule(optimizer, total_steps=16, warmup_steps=3)


def ranger_and_warm_up(parameters):
    optimizer = optim.Ranger(parameters, lr=0.05, k=3)
    return optimizer, optim.Warmup(optim.ExponentialLR(optimizer, 0.9), 5)


def adam_and_one_cycle(parameters):
    optimizer = optim.AdamW(parameters)
    return optimizer, optim.OneCycleLR(optimizer, 0.01, 16, three_phase=True)


RECIPES = pytest.mark.parametrize("recipe", [sgd_and_cosine, ranger_and_warm_up, adam_and_one_cycle])


def train(path, stop_after=None, threads=1, recipe=sgd_and_cosine):
    """Train a network with batch norm and dropout for 4 epochs of 4 steps, from where it was left; its state."""
    tinycnn.manual_seed(1)
    tinycnn.set_num_threads(threads)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.GlobalAvgPool2d(),
                          nn.Flatten(), nn.Dropout(0.2), nn.Linear(4, 3))
    optimizer, schedule = recipe(model.parameters())
    ema = optim.ExponentialMovingAverage(model, 0.9, warmup=True)
    rng = np.random.default_rng(2)
    loader = Loader(rng.standard_normal((16, 1, 6, 6)).astype(np.float32), rng.integers(0, 3, 16), 4, shuffle=True,
                    transform=lambda x, rng: x + rng.standard_normal(x.shape).astype(np.float32))
    inner, calls = eager_step(model, losses.CrossEntropyLoss(), optimizer, max_norm=1.0), []

    def step(x, y):
        calls.append(len(x))
        if stop_after is not None and len(calls) > stop_after:
            raise Stop
        return inner(x, y)
    fit(step, loader, 4, schedule=schedule, ema=ema, resume=True, progress=False,
        checkpoint=Checkpoint(path, model=model, optimizer=optimizer, schedule=schedule, ema=ema),
        evaluate=lambda: {"accuracy": accuracy(model, loader.batches(0))})
    return {**model.state_dict(), **{f"average {name}": value for name, value in ema.averages.items()}}


@pytest.fixture
def _threads():
    before = tinycnn.get_num_threads()
    yield
    tinycnn.set_num_threads(before)


@RECIPES
@pytest.mark.usefixtures("_threads")
def test_a_network_stopped_and_resumed_has_the_same_bits(tmp_path, recipe):
    whole = train(tmp_path / "whole.npz", recipe=recipe)
    with pytest.raises(Stop):
        train(tmp_path / "stopped.npz", stop_after=10, recipe=recipe)
    resumed = train(tmp_path / "stopped.npz", threads=2, recipe=recipe)
    assert whole.keys() == resumed.keys()
    for name, value in whole.items():
        np.testing.assert_array_equal(resumed[name], value, err_msg=name)
