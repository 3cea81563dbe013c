"""Rules of training plans that move, pool, sum and choose, in plans of their own, against the tape."""
from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from training_nets import needs_float64

from tinycnn import Tensor, nn, optim
from tinycnn import functional as F
from tinycnn.engine.layout import blocks
from tinycnn.engine.training import compile_training_step, rules
from tinycnn.engine.training.rules import TRAINS
from tinycnn.engine.training.values import Lazy
from tinycnn.engine.views import CONSTANTS, View

pytestmark = needs_float64


class Of(nn.Module):
    """Some operations on parameters of some shapes; the result as a list of Tensors."""

    def __init__(self, call, *shapes, ties=False):
        self.call, rng = call, np.random.default_rng(0)
        for i, shape in enumerate(shapes):
            values = rng.integers(0, 3, shape).astype(float) if ties else rng.standard_normal(shape)
            setattr(self, f"p{i}", nn.Parameter(values))

    def forward(self, x):
        results = self.call(*self.parameters())
        return list(results) if isinstance(results, (list, tuple)) else [results]


def weighted(outputs, weights):
    """A number to which every element of the results contributes in its own way."""
    return sum(((y * w).sum() for y, w in zip(outputs[1:], weights[1:])), (outputs[0] * weights[0]).sum())


def agrees(call, *shapes, ties=False, python=()):
    """Compare the gradients of parameters with the tape's. python: operations that may run on the tape."""
    model = Of(call, *shapes, ties=ties).to(np.float64)
    rng = np.random.default_rng(1)
    weights = [rng.standard_normal(y.shape) for y in model(None)]
    weighted(model(None), weights).backward()
    want = [p.grad for p in model.parameters()]
    x, results = np.zeros(1), []
    for threads in (1, 3):
        step = compile_training_step(model, weighted, optim.SGD(model.parameters(), 0.0), (x, weights), threads=threads,
                                     keep_grads=True)
        step(x, weights)
        results.append([p.grad for p in model.parameters()])
        kinds = {kind.removeprefix("python: ") for kind in step.plan(x, weights).kinds() if kind.startswith("python")}
        assert kinds <= {"mul", "add", *python}, kinds
    for got, again, expected in zip(*results, want):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9 * max(1.0, np.abs(expected).max()))
        np.testing.assert_array_equal(got, again)


MAP, TOKENS = (2, 17, 6, 4), (3, 5, 14)


@pytest.mark.parametrize("call", [
    lambda x: x.reshape(2, -1), lambda x: x.reshape(17 * 6, 8), lambda x: x.transpose(0, 2, 3, 1),
    lambda x: x.transpose(0, 2, 3, 1).reshape(2, -1, 17), lambda x: x.reshape(2, 17, 24).transpose(2, 0, 1),
    lambda x: F.pixel_unshuffle(x, 2), lambda x: F.space_to_depth(x, 2),
    lambda x: x[1], lambda x: x[:, 3:9], lambda x: x[:, ::2, 1:, None, -1], lambda x: x[..., 2],
    lambda x: x[:, ::-1, 2], lambda x: x[np.array([1, 0, 1, 1])], lambda x: x[:, np.array([4, 4, 16])],
    lambda x: F.split(x, [3, 10, 4], 1), lambda x: F.split(x, [1, 3], -1)[1], lambda x: F.split(x, [2, 4], 2),
    lambda x: F.pad(x, (3, 0, 1, 2)), lambda x: F.pad(x, (0, 0, 0, 0, 0, 3, 1, 0)),
    lambda x: F.pad(x, (1, 3, 2, 1), "reflect"), lambda x: F.pad(x, (1, 3, 2, 1), "replicate"),
    lambda x: x.sum(), lambda x: x.mean((2, 3)), lambda x: x.mean(1, keepdims=True), lambda x: x.sum((0, 2)),
    lambda x: x.mean((0, 2), keepdims=True).expand(2, 17, 5, 4), lambda x: F.channel_shuffle(x, 17),
    lambda x: F.softmax(x, 1), lambda x: F.log_softmax(x, -1), lambda x: F.softmax(x.reshape(2, -1), 1),
    lambda x: [x[:, :5], x[:, 5:]], lambda x: [x.reshape(34, 24), x.transpose(1, 0, 2, 3), x],
])
def test_one_input(call):
    agrees(call, MAP)


def test_an_element_that_is_taken_many_times():
    agrees(lambda x: x[np.zeros(40, int)], (3, 5), python=["getitem"])


def test_pixels_of_channels():
    agrees(lambda x: F.pixel_shuffle(x, 2), (2, 12, 3, 5))


@pytest.mark.parametrize("call", [lambda x: x.expand(3, 5, 14), lambda x: x.reshape(5, 1, 14).expand(2, 5, 4, 14)])
def test_copies(call):
    agrees(call, (5, 14) if "reshape" in call.__code__.co_names else (1, 5, 1))


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_concatenation(axis):
    shapes = [list(MAP) for _ in range(3)]
    for shape, n in zip(shapes, (3, 1, 4)):
        shape[axis] = n
    agrees(lambda *parts: F.concat(list(parts), axis), *shapes)


def test_shuffled_units():
    """Two of ShuffleNetV2's: what passes make of splits, concatenations and shuffles is picked channels both ways."""
    def units(x, y):
        for _ in range(2):
            a, b = F.split(x, [9, 9], 1)
            x = F.channel_shuffle(F.concat([a, F.max_pool2d(b, 3, 1, 1)], 1), 2)
        return F.concat([x, y, x[:, 2:5]], 1)
    agrees(units, (2, 18, 5, 5), (2, 3, 5, 5))


def test_half_of_the_channels_are_not_used():
    agrees(lambda x: F.concat([x[:, 8:], x[:, 10:12]], 1), (2, 17, 3, 3))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("call", [
    lambda x: F.max_pool2d(x, 3, 2, 1), lambda x: F.max_pool2d(x, 2, ceil_mode=True),
    lambda x: F.max_pool2d(x, 2, 1, dilation=2), lambda x: F.avg_pool2d(x, 3, 2, 1),
    lambda x: F.avg_pool2d(x, (3, 2), ceil_mode=True, count_include_pad=False), F.global_avg_pool2d,
    lambda x: F.adaptive_avg_pool2d(x, (4, 3)), lambda x: F.adaptive_max_pool2d(x, (2, 3)),
    lambda x: [F.max_pool2d(x, 2), F.avg_pool2d(x, 2), F.global_avg_pool2d(x)],
])
def test_pooling(call, ties):
    agrees(call, (2, 17, 7, 6), ties=ties)


# ---------------------------------------------------------------- losses
@pytest.mark.parametrize("settings", [{}, {"label_smoothing": 0.1, "reduction": "sum"}, {"ignore_index": 2},
                                      {"weight": np.arange(1.0, 6.0)}])
@pytest.mark.parametrize("shape", [(4, 5), (2, 5, 3, 4)])
def test_classes(shape, settings):
    model = Of(lambda x: x, shape).to(np.float64)
    target = np.random.default_rng(0).integers(0, 5, (shape[0], *shape[2:]))
    def loss(outputs, target):
        return F.cross_entropy(outputs[0], target, **settings)
    want = loss(model(None), target)
    want.backward()
    expected = model.p0.grad
    step = compile_training_step(model, loss, optim.SGD(model.parameters(), 0.0), (np.zeros(1), target), threads=2,
                                 keep_grads=True)
    assert step(np.zeros(1), target) == pytest.approx(want.item(), rel=1e-12)
    np.testing.assert_allclose(model.p0.grad, expected, rtol=0, atol=1e-12)
    assert "python: cross_entropy" not in step.plan(np.zeros(1), target).kinds()
    before = model.p0.numpy().copy()
    wrong = target.copy()
    wrong.flat[1] = 9
    with pytest.raises(ValueError, match=r"cross_entropy: target\[.*\] is 9, expected 0 <= target < 5"):
        step(np.zeros(1), wrong)
    np.testing.assert_array_equal(model.p0.numpy(), before)


def test_probabilities_and_losses_one_by_one():
    q = np.random.default_rng(0).random((4, 5))
    q /= q.sum(1, keepdims=True)
    agrees(lambda x: F.cross_entropy(x, Tensor(q), label_smoothing=0.2), (4, 5))
    agrees(lambda x: F.cross_entropy(x, Tensor(q), reduction="none"), (4, 5))


# ---------------------------------------------------------------- values that are computed on load
LOW, HIGH = -0.5, 1.25


def lazily_clipped(sums_of):
    """A rule for `clip` that computes nothing by itself, as batch normalisation does."""
    def rule(plan, node):
        raw, c, width = plan.whole(node.inputs["x"]), node.y.shape[1], plan.width
        vectors = np.repeat([1.0, 0.0, 0.25, 2.0], width)  # scale, shift, mean, 1 / std
        size = 4 * blocks(c, width) * width
        coefficients = plan.storage(size)
        plan.move(View.plain(size, start=plan.constant(np.tile(vectors, blocks(c, width))), space=CONSTANTS),
                  View.plain(size, coefficients))
        plan.lazies[node.y] = Lazy(raw, coefficients, LOW, HIGH)
        yield
        _, sums = plan.gated(node.y)
        number = plan.array((sums.runs, blocks(c, width), 2, width), plan.dtype)
        plan.move(View.plain(sums.storage.size, sums.storage), View.plain(sums.storage.size, space=number))
        sums_of.append((plan.arrays[-1], sums.pixels))
        plan.give(node.inputs["x"], plan.partial[node.y])
    return rule


@pytest.mark.parametrize("call", [lambda x: F.max_pool2d(x, 3, 2, 1), lambda x: F.avg_pool2d(x, 2),
                                  F.global_avg_pool2d, lambda x: F.adaptive_avg_pool2d(x, (2, 3))])
def test_behind_what_is_computed_on_load(call, monkeypatch):
    """The gate, and the sums that batch normalisation needs, come with the gradient."""
    found = []
    monkeypatch.setitem(TRAINS, "clip", lazily_clipped(found))
    monkeypatch.setattr(rules, "norms", SimpleNamespace(materialise=clipped), raising=False)
    monkeypatch.setitem(sys.modules, f"{rules.__name__}.norms", rules.norms)
    shape = (2, 17, 7, 6)
    agrees(lambda x: call(x.clip(LOW, HIGH)), shape)
    model = Of(lambda x: call(x.clip(LOW, HIGH)), shape).to(np.float64)
    rng = np.random.default_rng(1)
    weighted(y := model(None), [rng.standard_normal(y[0].shape)]).backward()
    gx, x = model.p0.grad, model.p0.numpy()
    for array, pixels in found:
        assert pixels == shape[2] * shape[3]
        sums = array.swapaxes(1, 2).reshape(shape[0], 2, -1)[..., :17]
        np.testing.assert_allclose(sums[:, 0], gx.sum((2, 3)), rtol=0, atol=1e-9)
        np.testing.assert_allclose(sums[:, 1], (gx * (x - 0.25) * 2).sum((2, 3)), rtol=0, atol=1e-9)


def clipped(plan, value, lazy):
    """What is read by others than those who compute it on load is computed once."""
    n, c, h, w = value.shape
    plan.emit(value, kind="combine", x=lazy.raw, mode=6, blocks=blocks(c, plan.width), images=n, n=h * w, activation=0,
              low=lazy.low, high=lazy.high, reads=[lazy.raw])


# ---------------------------------------------------------------- losses of pairs
PAIRS = {
    "l1": F.l1_loss, "mse": F.mse_loss, "smooth_l1": lambda x, t, **more: F.smooth_l1_loss(x, t, beta=0.7, **more),
    "huber": lambda x, t, **more: F.huber_loss(x, t, delta=0.6, **more),
    "wing": lambda x, t, **more: F.wing_loss(x, t, 0.9, 0.4, **more),
    "bce": F.binary_cross_entropy_with_logits, "focal": F.sigmoid_focal_loss,
    "weighted bce": lambda x, t, **more: F.binary_cross_entropy_with_logits(
        x, t, weight=np.arange(7.0), pos_weight=np.arange(1.0, 8.0), **more),
    "bce of probabilities": lambda x, t, **more: F.binary_cross_entropy(F.sigmoid(x), t, **more), "kl": F.kl_div,
    "kl of logarithms": lambda x, t, **more: F.kl_div(x, t, log_target=True, **more),
}


@pytest.mark.parametrize("loss", PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_pairs(loss, reduction):
    """With gradients of both; of one only; in blocks of channels; in several parts of a sum."""
    agrees(lambda x, t: loss(x, F.sigmoid(t), reduction=reduction), (3, 5, 7), (3, 5, 7), python=["sigmoid"])
    target = np.random.default_rng(5).random((3, 25, 7, 7))
    agrees(lambda x: loss(F.max_pool2d(x, 1), Tensor(target), reduction=reduction), target.shape, python=["sigmoid"])


def test_more_pairs():
    signs = np.where(np.random.default_rng(0).random((5, 6)) < 0.5, -1.0, 1.0)
    agrees(lambda x: F.hinge_loss(x, signs, margin=0.7), (5, 6))
    agrees(lambda x: F.kl_div(x, Tensor(np.abs(signs)), reduction="batchmean"), (5, 6))
    agrees(lambda x: F.sse_loss(x, Tensor(signs), weight=np.arange(6.0)), (5, 6))
