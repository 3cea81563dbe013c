"""What a planned step promises: the same training as on the tape, coherent parameters, refusals that change nothing."""
from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from training_nets import Pair, Small, batch, momentum, needs_float64

import tinycnn
from tinycnn import functional as F
from tinycnn import losses, nn, optim

pytestmark = needs_float64
STEPS = 5


@pytest.mark.parametrize("optimizer", [
    momentum, partial(optim.SGD, lr=0.1, momentum=0.5, nesterov=True), partial(optim.Adam, lr=1e-2),
    partial(optim.AdamW, lr=1e-2), partial(optim.RAdam, lr=1e-2), partial(optim.RMSprop, lr=1e-3),
    partial(optim.Ranger, lr=1e-2, k=2)])
def test_trains_as_the_tape_does(optimizer):
    pair = Pair(optimizer=optimizer)
    eager, planned = pair.both([batch(seed=i) for i in range(STEPS)])
    np.testing.assert_allclose(planned, eager, rtol=1e-9)
    assert len(set(eager)) == STEPS
    pair.assert_same(1e-7)  # Adam divides by roots of gradients that may be nearly 0


def test_float32():
    pair = Pair(dtype=np.float32)
    eager, planned = pair.both([batch(seed=i, dtype=np.float32) for i in range(STEPS)])
    np.testing.assert_allclose(planned, eager, rtol=1e-3)
    assert all(p.data.dtype == np.float32 for p in pair.planned.parameters())


def test_every_number_of_threads_gives_the_same_bits():
    found = []
    for threads in (1, 3):
        pair = Pair(dtype=np.float32, options={"threads": threads})
        found.append((pair.both([batch(seed=i, dtype=np.float32) for i in range(3)])[1], pair.planned.state_dict()))
    assert found[0][0] == found[1][0]
    for name, value in found[0][1].items():
        np.testing.assert_array_equal(value, found[1][1][name], err_msg=name)


def test_a_smaller_last_batch_and_another_size():
    pair = Pair()
    eager, planned = pair.both([batch(4), batch(3), batch(4, 24), batch(4)])
    np.testing.assert_allclose(planned, eager, rtol=1e-9)
    assert len(pair.step.plans) == 3


def test_parameters_are_coherent_between_steps():
    pair = Pair(dtype=np.float32)
    x, target = batch(dtype=np.float32)
    step = pair.compiled(x, target)
    tinycnn.manual_seed(0)
    step(x, target)
    before = pair.planned.state_dict()
    tinycnn.manual_seed(3)
    one = step(x, target)
    assert any((before[name] != value).any() for name, value in pair.planned.state_dict().items())
    pair.planned.load_state_dict(before)
    pair.optimizers[1].state.clear()
    tinycnn.manual_seed(3)
    assert step(x, target) == one
    pair.planned.last.bias.data[...] += 100 * np.arange(5, dtype=np.float32)
    tinycnn.manual_seed(3)
    assert step(x, target) > one + 10
    pair.planned.eval()
    with tinycnn.no_grad():
        scores = pair.planned(x).numpy()
    assert (scores.argmax(1) == 4).all()


def test_evaluation_and_training_take_turns():
    pair = Pair()
    x, target = batch()
    for model in (pair.eager, pair.planned):
        model.eval()
    eager, planned = pair.both([(x, target)] * 2)
    np.testing.assert_allclose(planned, eager, rtol=1e-9)
    for model in (pair.eager, pair.planned):
        model.train()
    eager, planned = pair.both([(x, target)] * 2)
    np.testing.assert_allclose(planned, eager, rtol=1e-9)
    pair.assert_same(1e-8)


def test_another_array_for_a_parameter_is_refused():
    pair = Pair()
    step = pair.compiled(*batch())
    pair.planned.to(np.float32)
    with pytest.raises(RuntimeError, match=r"first\.0\.weight has another array"):
        step(*batch())


def frozen_trunk(model):
    for part in (model.first, model.expand):
        part.requires_grad_(False).eval()


def test_frozen_parameters_stay_and_their_gradients_are_not_computed():
    pair = Pair(prepare=frozen_trunk, options={"keep_grads": True})
    before = pair.planned.state_dict()
    eager, planned = pair.both([batch(seed=i) for i in range(STEPS)])
    np.testing.assert_allclose(planned, eager, rtol=1e-9)
    pair.assert_same(1e-8)
    after = pair.planned.state_dict()
    for name, value in before.items():
        frozen = name.startswith(("first", "expand"))
        assert (after[name] == value).all() == frozen, name
    assert all((p.grad is None) == (not p.requires_grad) for p in pair.planned.parameters())


def test_thawing_makes_a_new_plan():
    pair = Pair(prepare=frozen_trunk)
    pair.both([batch()])
    for model in (pair.eager, pair.planned):
        model.requires_grad_(True).train()
    eager, planned = pair.both([batch(seed=1)] * 2)
    np.testing.assert_allclose(planned, eager, rtol=1e-9)
    pair.assert_same(1e-8)


@pytest.mark.parametrize("clip", [partial(optim.clip_grad_norm_, max_norm=0.05), optim.ClipNorm(0.05, 1.0),
                                  partial(optim.clip_grad_value_, clip_value=0.01)])
def test_clipping(clip):
    pair, free = Pair(options={"clip": clip, "keep_grads": True}), Pair(options={"keep_grads": True})
    pair.both([batch()])
    free.both([batch()])
    clip(list(free.planned.parameters()))
    for clipped, p in zip(pair.planned.parameters(), free.planned.parameters()):
        np.testing.assert_allclose(clipped.grad, p.grad, rtol=1e-9, atol=1e-15)
    moved = [np.abs(model.last.weight.data).sum() for model in (pair.planned, free.planned)]
    assert moved[0] != moved[1]


def test_accumulation_is_one_step_of_the_mean():
    pair = Pair(lambda: Small(dropout=0.0), options={"accumulate": 2})
    batches = [batch(seed=i) for i in range(4)]
    step = pair.compiled(*batches[0])
    start = pair.planned.state_dict()["last.weight"]
    for i, each in enumerate(batches):
        step(*each)
        assert (pair.planned.last.weight.data == start).all() == (i == 0)
    for first, second in (batches[:2], batches[2:]):
        pair.optimizers[0].zero_grad()
        for x, target in (first, second):
            (pair.losses[0](pair.eager(x), target) / 2).backward()
        pair.optimizers[0].step()
    pair.assert_same(1e-9)


def test_moving_average_follows():
    pair = Pair(lambda: Small(dropout=0.0))
    averages = [optim.ExponentialMovingAverage(model, 0.5) for model in (pair.eager, pair.planned)]
    pair.options["ema"] = averages[1]
    for i in range(3):
        pair.both([batch(seed=i)])
        averages[0].update()
    for name, value in averages[0].averages.items():
        np.testing.assert_allclose(averages[1].averages[name], value, rtol=1e-8, atol=1e-12, err_msg=name)


def test_statistics_that_are_the_mean_of_all_batches():
    class Mean(nn.Module):
        def __init__(self):
            self.conv, self.norm = nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5, momentum=None)

        def forward(self, x):
            return self.norm(self.conv(x)).mean((2, 3))

    pair = Pair(Mean)
    pair.both([batch(seed=i) for i in range(3)])
    pair.assert_same()
    assert pair.planned.norm.num_batches_tracked.item() == 3


class Several(nn.Module):
    """Two heads."""

    def __init__(self):
        self.trunk, self.a, self.b = nn.ConvBNAct(3, 8, 3), nn.Linear(8, 5), nn.Linear(8, 2)

    def forward(self, x):
        x = F.global_avg_pool2d(self.trunk(x)).flatten(1)
        return {"classes": self.a(x), "box": [self.b(x)]}


class SeveralLoss(nn.Module):
    """A loss of parts, which owns a parameter."""

    def __init__(self):
        self.weight = nn.Parameter(np.ones(1))

    def forward(self, outputs, target):
        return {"classes": F.cross_entropy(outputs["classes"], target["labels"]),
                "box": (F.mse_loss(outputs["box"][0], target["box"]) * self.weight).sum()}


class SeveralOnTape(SeveralLoss):
    """The same, of a kind that no graph can hold."""

    def forward(self, outputs, target):
        assert np.isfinite(outputs["classes"].numpy()).all()
        return super().forward(outputs, target)


@pytest.mark.parametrize("loss", [SeveralLoss, SeveralOnTape])
def test_losses_in_parts_with_parameters_of_their_own(loss):
    pair = Pair(Several, loss)
    x, labels = batch()
    target = {"labels": labels, "box": np.random.default_rng(1).standard_normal((4, 2))}
    eager, planned = pair.both([(x, target)] * 3)
    np.testing.assert_allclose(planned, eager, rtol=1e-9)
    pair.assert_same(1e-8)
    np.testing.assert_allclose(pair.losses[1].weight.data, pair.losses[0].weight.data)
    assert pair.losses[1].weight.data[0] != 1
    assert pair.step.losses.keys() == {"classes", "box"}
    value, outputs = pair.step(x, target, outputs=True)
    assert sum(pair.step.losses.values()) == pytest.approx(value)
    assert outputs["classes"].shape == (4, 5)
    assert outputs["box"][0].shape == (4, 2)


def test_center_loss_keeps_its_centres():
    loss = partial(losses.CenterLoss, 5, 5)
    pair = Pair(lambda: Small(dropout=0.0), loss)
    eager, planned = pair.both([batch(seed=i) for i in range(3)])
    np.testing.assert_allclose(planned, eager, rtol=1e-8)
    np.testing.assert_allclose(pair.losses[1].centers.data, pair.losses[0].centers.data, rtol=1e-7)


def test_shared_parameters_collect_from_all_uses():
    class Twice(nn.Module):
        def __init__(self):
            self.first, self.again = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 6, 3, padding=1)

        def forward(self, x):
            return self.again(F.relu(self.again(self.first(x)))).mean((2, 3))

    pair = Pair(Twice)
    eager, planned = pair.both([batch(seed=i) for i in range(3)])
    np.testing.assert_allclose(planned, eager, rtol=1e-9)
    pair.assert_same(1e-8)


def test_a_loss_that_is_not_finite_names_the_operation_and_changes_nothing():
    pair = Pair()
    x, target = batch()
    step = pair.compiled(x, target)
    step(x, target)
    pair.planned.project[1].weight.data[3] = np.inf
    before, state = pair.planned.state_dict(), pair.optimizers[1].state_dict()
    with pytest.raises(FloatingPointError, match=r"batch_norm in project\.1"):
        step(x, target)
    for name, value in pair.planned.state_dict().items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)
    assert str(state) == str(pair.optimizers[1].state_dict())
    pair.planned.project[1].weight.data[3] = 1
    assert np.isfinite(step(x, target))
    x[0, 0, 0, 0] = np.nan
    with pytest.raises(FloatingPointError, match="input x itself holds NaN"):
        step(x, target)


def test_what_does_not_fit_is_refused():
    model = Small()
    optimizer = momentum(model.parameters())
    loss = losses.CrossEntropyLoss()
    with pytest.raises(ValueError, match="one number, got a Tensor of shape"):
        tinycnn.compile_training_step(model, lambda outputs, target: outputs, optimizer, ((2, 3, 16, 16), (2,)))
    with pytest.raises(TypeError, match="loss must give a Tensor"):
        tinycnn.compile_training_step(model, lambda outputs, target: 1.0, optimizer, ((2, 3, 16, 16), (2,)))
    with pytest.raises(ValueError, match="example must be"):
        tinycnn.compile_training_step(model, loss, optimizer, (2, 3, 16, 16))
    with pytest.raises(ValueError, match="accumulate must be"):
        tinycnn.compile_training_step(model, loss, optimizer, ((2, 3, 16, 16), (2,)), accumulate=0)
    step = tinycnn.compile_training_step(model, loss, optimizer, ((2, 3, 16, 16), (2,)))
    before = model.state_dict()
    with pytest.raises(ValueError, match="target"):
        step(np.zeros((2, 3, 16, 16), np.float32), np.array([0, 5]))
    with pytest.raises(ValueError, match="conv2d"):
        step(np.zeros((2, 4, 16, 16), np.float32), np.array([0, 1]))
    with pytest.raises(ValueError, match="holds nothing"):
        step(np.zeros((0, 3, 16, 16), np.float32), np.zeros(0, int))
    assert all((before[name] == value).all() for name, value in model.state_dict().items())


def test_resuming_gives_the_same_curve():
    batches = [batch(seed=i) for i in range(4)]
    whole = Pair(optimizer=partial(optim.Adam, lr=1e-2))
    curve = whole.both(batches)[1]
    half = Pair(optimizer=partial(optim.Adam, lr=1e-2))
    step = half.compiled(*batches[0])
    tinycnn.manual_seed(1)
    for each in batches[:2]:
        step(*each)
    state, moments, chance = half.planned.state_dict(), half.optimizers[1].state_dict(), tinycnn.random.get_state()
    resumed = Pair(optimizer=partial(optim.Adam, lr=1e-2))
    resumed.planned.load_state_dict(state)
    step = resumed.compiled(*batches[0])
    resumed.optimizers[1].load_state_dict(moments)
    tinycnn.random.set_state(chance)
    assert [step(*each) for each in batches[2:]] == curve[2:]
