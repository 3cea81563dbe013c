"""Rules of batch norm, activations, sums and products, picks, depthwise convolution: steps against the tape's."""
from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from kernel_rows import DTYPES
from training_nets import FLOAT64, WITHOUT, Pair, needs_float64

import tinycnn
from tinycnn import functional as F
from tinycnn import nn, optim
from tinycnn.engine.training import compile_training_step
from tinycnn.losses import AuxiliaryLoss

TOLERANCE = {np.float32: 2e-4, np.float64: 1e-9}


def uneven(model, dtype, seed=0):
    rng = np.random.default_rng(seed)
    for p in model.parameters():
        p.data = np.asarray(rng.standard_normal(p.shape) * 0.5 + (p.data.ndim == 1), dtype)
    for name, b in model.named_buffers():
        if b.data.dtype.kind == "f":
            values = rng.uniform(0.5, 1.5, b.shape) if name.endswith("var") else rng.standard_normal(b.shape)
            b.data = values.astype(dtype)
    return model


def weighted(y, target):
    """A loss whose gradient is noise."""
    return (y * target).sum()


def step_of(make, x, dtype, threads, steps=2):
    """Losses, parameters, gradients and buffers after some planned steps, and what ran."""
    model = uneven(make(), dtype)
    target = np.random.default_rng(5).standard_normal(model(tinycnn.Tensor(x)).shape).astype(dtype)
    model = uneven(make(), dtype)
    tinycnn.manual_seed(3)
    step = compile_training_step(model, weighted, optim.SGD(model.parameters(), lr=1e-3), (x, target), threads=threads,
                                 keep_grads=True)
    losses = [step(x, target) for _ in range(steps)]
    return losses, numbers(model), step.plan(x, target).kinds()


def numbers(model):
    return {**{f"d{n}": p.grad for n, p in model.named_parameters() if p.grad is not None},
            **{n: p.data for n, p in model.named_parameters()}, **{n: b.data for n, b in model.named_buffers()}}


def eager_of(make, x, dtype, steps=2):
    model = uneven(make(), dtype)
    target = np.random.default_rng(5).standard_normal(model(tinycnn.Tensor(x)).shape).astype(dtype)
    model = uneven(make(), dtype)
    tinycnn.manual_seed(3)
    opt, losses = optim.SGD(model.parameters(), lr=1e-3), []
    for _ in range(steps):
        opt.zero_grad()
        loss = weighted(model(tinycnn.Tensor(x)), tinycnn.Tensor(target))
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return losses, numbers(model)


def assert_same(make, x, dtype=np.float64, threads=2, python=(), kinds=(), slack=1.0):
    """Planned steps are those of the tape; `python`: operations that may run there."""
    if dtype is np.float64 and not FLOAT64:
        pytest.skip(WITHOUT)  # in float32 some of these gradients keep but two digits
    got_losses, got, ran = step_of(make, x.astype(dtype), dtype, threads)
    want_losses, want = eager_of(make, x.astype(dtype), dtype)
    tolerance = TOLERANCE[dtype] * slack
    for name, value in want.items():
        scale = max(1.0, float(np.abs(value).max()))
        np.testing.assert_allclose(got[name], value, rtol=0, atol=tolerance * scale, err_msg=name)
    np.testing.assert_allclose(got_losses, want_losses, rtol=tolerance, atol=tolerance * 10)
    hosts = {kind.removeprefix("python: ") for kind in ran if kind.startswith("python: ")}
    assert hosts <= {"conv2d", "mul", "sum", "linear", "reshape", "flatten", *python}, hosts
    assert set(kinds) <= set(ran), ran
    return got, ran


def assert_same_bits(make, x):
    """For 1, 2 and 3 threads."""
    (losses, first, _), *others = (step_of(make, x.astype(np.float32), np.float32, threads) for threads in (1, 2, 3))
    for other in others:
        assert other[0] == losses
        for name, value in first.items():
            np.testing.assert_array_equal(other[1][name], value, err_msg=name)


def assert_as_accurate(make, x, target):
    """float32's gradients in a plan are at most three times as far from float64's as the tape's."""
    def gradients(dtype, planned):
        model, inputs = uneven(make(), dtype), (x.astype(dtype), target.astype(dtype))
        if planned:
            optimizer = optim.SGD(model.parameters(), lr=0.0)
            compile_training_step(model, weighted, optimizer, inputs, keep_grads=True)(*inputs)
        else:
            weighted(model(tinycnn.Tensor(inputs[0])), tinycnn.Tensor(inputs[1])).backward()
        return {name: p.grad for name, p in model.named_parameters()}
    exact, tape, plan = gradients(np.float64, False), gradients(np.float32, False), gradients(np.float32, True)
    floor = 1e-6 * max(np.abs(want).max() for want in exact.values())  # a bias before a norm has rounding alone
    for name, want in exact.items():
        off = {how: np.abs(each[name] - want).max() for how, each in (("tape", tape), ("plan", plan))}
        assert off["plan"] <= 3 * off["tape"] + floor, name


def image(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


class Chain(nn.Module):
    """A convolution, a norm, and something behind it."""

    def __init__(self, after, channels=17, **norm):
        self.conv, self.norm, self.after = nn.Conv2d(3, channels, 1), nn.BatchNorm2d(channels, **norm), after

    def forward(self, x):
        return self.after(self.norm(self.conv(x)))


ACTIVATIONS = {
    "relu": F.relu, "relu6": F.relu6, "hardswish": F.hardswish, "hardsigmoid": F.hardsigmoid, "sigmoid": F.sigmoid,
    "silu": F.silu, "tanh": F.tanh, "mish": F.mish, "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "clip": lambda x: x.clip(-0.5, 0.75), "two": lambda x: F.relu(x.clip(-1, 2)),
    "apart": lambda x: x.clip(-1, 0).clip(0.5, 1.0), "clip then silu": lambda x: F.silu(F.relu6(x)),
    "twice": lambda x: F.relu(x) + F.sigmoid(x), "none": lambda x: x, "and itself": lambda x: F.relu(x) + x,
    "three": lambda x: F.relu(x) - F.tanh(x) + F.silu(x) * x,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_behind_a_norm(name, dtype):
    assert_same(lambda: Chain(ACTIVATIONS[name]), image(3, 3, 5, 7), dtype)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_of_values_that_lie_somewhere(name):
    class Model(nn.Module):
        def __init__(self):
            self.conv = nn.Conv2d(3, 17, 1)

        def forward(self, x):
            return ACTIVATIONS[name](self.conv(x))
    assert_same(Model, image(3, 3, 5, 7))


@pytest.mark.parametrize("channels", [1, 3, 17, 58])
@pytest.mark.parametrize("shape", [(1, 3, 9, 8), (4, 3, 2, 2), (2, 3, 30, 20)])
def test_norms(channels, shape):
    _, ran = assert_same(lambda: Chain(F.relu, channels), image(*shape))
    assert "affine_clip" in ran  # the loss reads it
    assert ran["blend"] == 1


def test_norms_without_parameters_or_statistics_and_frozen():
    class Bare(Chain):
        def forward(self, x):
            return self.after(F.batch_norm(self.conv(x), None, None, training=True))
    assert_same(lambda: Bare(F.relu), image(3, 3, 5, 7))

    def frozen():
        model = Chain(F.relu)
        model.norm.eval()
        return model
    assert_same(frozen, image(3, 3, 5, 7))


def test_norm_of_a_norm_and_of_vectors():
    class Model(nn.Module):
        def __init__(self):
            self.conv, self.one, self.two = nn.Conv2d(3, 17, 1), nn.BatchNorm2d(17), nn.BatchNorm2d(17)
            self.last = nn.BatchNorm1d(17)

        def forward(self, x):
            x = self.two(F.relu(self.one(self.conv(x))))
            return F.relu(self.last(F.global_avg_pool2d(x).flatten(1)))
    assert_same(Model, image(4, 3, 5, 7), slack=5)  # a bias has a gradient of 0: what is left is rounding


class Residual(nn.Module):
    """mobilenet_v2's, whose skips are sums of linear bottlenecks; resnet's, with a norm on the shortcut."""

    def __init__(self, activation):
        self.expand, self.norm = nn.Conv2d(3, 20, 1), nn.BatchNorm2d(20)
        self.project, self.second = nn.Conv2d(20, 20, 1), nn.BatchNorm2d(20)
        self.short, self.third = nn.Conv2d(20, 20, 1), nn.BatchNorm2d(20)
        self.activation = activation

    def forward(self, x):
        x = self.activation(self.norm(self.expand(x)))
        y = self.second(self.project(x)) + x
        return F.relu(self.third(self.short(y)) + self.second(self.project(y)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", [F.relu6, F.hardswish])
def test_residuals(activation, dtype):
    assert_same(lambda: Residual(activation), image(2, 3, 6, 5), dtype)


class Excited(nn.Module):
    """Squeeze and excitation behind a norm."""

    def __init__(self, activation, gate, frozen=False):
        self.conv, self.norm = nn.Conv2d(3, 24, 1), nn.BatchNorm2d(24)
        self.reduce, self.expand = nn.Conv2d(24, 6, 1), nn.Conv2d(6, 24, 1)
        self.activation, self.gate, self.frozen = activation, gate, frozen

    def forward(self, x):
        x = self.activation(self.norm(self.conv(x)))
        s = self.gate(self.expand(F.relu(self.reduce(F.global_avg_pool2d(x)))))
        return F.scale_channels(x, s.detach() if self.frozen else s)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("activation", "gate"), [(F.relu, F.hardsigmoid), (F.hardswish, F.sigmoid),
                                                  (F.silu, F.sigmoid)])
@pytest.mark.parametrize("frozen", [False, True])
def test_squeeze_and_excitation(activation, gate, frozen, dtype):
    assert_same(lambda: Excited(activation, gate, frozen), image(2, 3, 6, 5), dtype, python=["detach"],
                kinds=["lazy_mean"] if frozen else ["lazy_mean", "scale_back"])


@pytest.mark.parametrize("op", ["mul", "sub", "mul_planes", "planes_mul"])
def test_two_branches(op):
    class Model(nn.Module):
        def __init__(self):
            self.conv, self.norm = nn.Conv2d(3, 17, 1), nn.BatchNorm2d(17)
            self.other, self.second = nn.Conv2d(3, 17, 1), nn.BatchNorm2d(17)

        def forward(self, x):
            a, b = F.relu6(self.norm(self.conv(x))), F.relu(self.second(self.other(x)))
            mean = F.global_avg_pool2d(b)
            return {"mul": lambda: a * b, "sub": lambda: a - b, "mul_planes": lambda: a * mean,
                    "planes_mul": lambda: mean * a}[op]()
    _, ran = assert_same(Model, image(2, 3, 6, 5))
    assert "python: mul" not in ran


@pytest.mark.parametrize("combine", [
    lambda a, b: 0.5 - a * 0.25 + b, lambda a, b: 3 * (a - 0.5) * b, lambda a, b: (1 + b) * 2 - a], ids=range(3))
def test_numbers(combine):
    class Model(nn.Module):
        def __init__(self):
            self.conv, self.norm = nn.Conv2d(3, 17, 1), nn.BatchNorm2d(17)
            self.other = nn.Conv2d(3, 17, 1)

        def forward(self, x):
            return combine(F.relu6(self.norm(self.conv(x))), self.other(x))
    _, ran = assert_same(Model, image(2, 3, 6, 5))
    assert not any(kind.startswith("python") for kind in ran)


@needs_float64
def test_a_sum_of_losses():
    class Model(nn.Module):
        def __init__(self):
            self.heads = nn.ModuleList([nn.Linear(6, 5) for _ in range(3)])

        def forward(self, x):
            return [head(x) for head in self.heads]
    rng = np.random.default_rng(0)
    pair = Pair(Model, partial(AuxiliaryLoss, weights=(0.5, -0.25)))
    eager, planned = pair.both([(rng.standard_normal((4, 6)), rng.integers(0, 5, 4)) for _ in range(3)])
    np.testing.assert_allclose(planned, eager, rtol=1e-12)
    pair.assert_same()
    assert pair.step.report().host == {}


class Shuffled(nn.Module):
    """ShuffleNetV2 units, in little."""

    def __init__(self, channels=58, units=3):
        half = channels // 2
        self.first, self.norm = nn.Conv2d(3, channels, 1), nn.BatchNorm2d(channels)
        self.branches = nn.ModuleList([nn.Sequential(
            nn.Conv2d(half, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU(),
            nn.Conv2d(half, half, 3, padding=1, groups=half, bias=False), nn.BatchNorm2d(half),
            nn.Conv2d(half, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU()) for _ in range(units)])

    def forward(self, x):
        x = F.relu(self.norm(self.first(x)))
        for branch in self.branches:
            left, right = F.chunk(x, 2)
            x = F.channel_shuffle(F.concat([left, branch(right)]), 2)
        return x


@pytest.mark.parametrize("channels", [4, 34, 58, 64])
def test_shuffles(channels):
    assert_same(lambda: Shuffled(channels), image(2, 3, 6, 5), kinds=["pick", "pick_back", "depthwise_back"])


def test_channels_picked_twice_and_not_at_all():
    class Model(nn.Module):
        def __init__(self):
            self.conv, self.norm = nn.Conv2d(3, 20, 1), nn.BatchNorm2d(20)
            self.other = nn.Conv2d(20, 6, 1)

        def forward(self, x):
            x = F.relu(self.norm(self.conv(x)))
            return F.concat([x[:, 2:9], self.other(x), x[:, 5:19]])
    assert_same(Model, image(2, 3, 6, 5), python=["getitem"], kinds=["pick", "pick_back"])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_depthwise(kernel, stride, dtype):
    class Model(nn.Module):
        def __init__(self):
            self.conv, self.norm = nn.Conv2d(3, 17, 1), nn.BatchNorm2d(17)
            self.spatial = nn.Conv2d(17, 17, kernel, stride=stride, padding=kernel // 2, groups=17)
            self.second, self.bare = nn.BatchNorm2d(17), nn.Conv2d(17, 17, 3, padding=1, groups=17)

        def forward(self, x):
            return self.bare(F.relu6(self.second(self.spatial(F.relu6(self.norm(self.conv(x)))))))
    assert_same(Model, image(2, 3, 12, 11), dtype, kinds=["depthwise_train", "depthwise_back"])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("size", "kernel", "padding"), [
    ((2, 2), 5, 2), ((1, 1), 3, 1), ((1, 1), 5, 2), ((3, 3), 7, 3), ((2, 3), 5, 2), ((1, 2), 3, 1), ((2, 2), 5, 4),
    ((4, 2), 5, 2), ((2, 2), 4, 3)])
def test_depthwise_on_maps_smaller_than_its_kernel(size, kernel, padding, dtype):
    """Taps that only meet the padding have gradients of 0."""
    class Model(nn.Module):
        def __init__(self):
            self.conv, self.norm = nn.Conv2d(3, 17, 1), nn.BatchNorm2d(17)
            self.spatial = nn.Conv2d(17, 17, kernel, padding=padding, groups=17)

        def forward(self, x):
            return self.spatial(F.relu6(self.norm(self.conv(x))))
    assert_same(Model, image(2, 3, *size), dtype, kinds=["depthwise_train", "depthwise_back"])


class Dropped(nn.Module):
    def __init__(self, how):
        self.conv, self.norm, self.how = nn.Conv2d(3, 21, 1), nn.BatchNorm2d(21), how

    def forward(self, x):
        return self.how(F.relu(self.norm(self.conv(x))))


DROPS = {
    "elements": lambda x: F.dropout(x, 0.4), "channels": lambda x: F.dropout2d(x, 0.4),
    "images": lambda x: F.drop_path(x, 0.4) + x, "all": lambda x: F.stochastic_depth(x, 0.4, "batch"),
    "vectors": lambda x: F.dropout(F.global_avg_pool2d(x).flatten(1), 0.2),
    "everything": lambda x: F.dropout(x, 1.0) + x,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DROPS)
def test_dropout(name, dtype):
    assert_same(lambda: Dropped(DROPS[name]), image(5, 3, 6, 9), dtype, kinds=["dropout"])


@pytest.mark.parametrize("make", [lambda: Shuffled(58), lambda: Excited(F.hardswish, F.sigmoid),
                                  lambda: Dropped(DROPS["elements"])], ids=["shuffled", "excited", "dropped"])
def test_the_same_bits_for_any_number_of_threads(make):
    assert_same_bits(make, image(3, 3, 9, 11))
