"""Networks for the tests of the engine, with statistics that are not 0 and 1."""
from __future__ import annotations

import numpy as np
import pytest
from zoo import FACTS

import tinycnn
from tinycnn import functional as F
from tinycnn import models, nn
from tinycnn._kernels import kernels
from tinycnn.engine.check import check
from tinycnn.engine.spans import PlanError

FAR = 1 << 40
OPTIONAL = {("s", "combine")}  # fields that say by a negative number that they address nothing
# Those that stand for their families every day; all of them among the slow tests.
EVERYDAY = [name for name in FACTS if FACTS[name].everyday]
MODELS = [pytest.param(name, marks=() if name in EVERYDAY else pytest.mark.slow) for name in FACTS]


def settled(model, seed=0):
    """The model in evaluation mode, with running statistics as training would leave them."""
    rng = np.random.default_rng(seed)
    for name, buffer in model.named_buffers():
        if name.endswith("running_var"):
            buffer.data = rng.uniform(0.5, 2, buffer.shape).astype(np.float32)
        if name.endswith("running_mean"):
            buffer.data = rng.normal(0, 0.1, buffer.shape).astype(np.float32)
    for name, weight in model.named_parameters():
        if ".se." in name:  # or the large numbers of many residual blocks would saturate its sigmoid
            weight.data = weight.data * np.float32(0.01)
    return model.eval()


def small_shape(name):
    """Of a batch of images that the network takes, small and not square."""
    least = max(FACTS[name].least, 40) if name in FACTS else 40
    return 2, 3, least + 8, least


def registered(name, **options):
    return settled(models.create_model(name, **FACTS[name].light, **options))


class Unit(nn.Module):
    """Branches, a shuffle, a residual, factors per channel: what passes rewrite, in little."""

    def __init__(self, channels=24):
        half = channels // 2
        self.first = nn.ConvBNAct(3, channels, 3, stride=2)
        self.branch = nn.Sequential(*nn.ConvBNAct(half, half, 1), *nn.DepthwiseBNAct(half, 3, activation=None),
                                    *nn.ConvBNAct(half, half, 1))
        self.squeeze = nn.Conv2d(channels, channels, 1)
        self.project = nn.ConvBNAct(channels, channels, 1, activation=None)
        self.last = nn.Linear(channels, 5)

    def forward(self, x):
        x = self.first(x)
        left, right = F.chunk(x, 2)
        x = F.channel_shuffle(F.concat([left, self.branch(right)]), 2)
        scale = F.hardsigmoid(self.squeeze(F.global_avg_pool2d(x)))
        y = F.relu(x + self.project(x * scale))
        return {"map": y, "scores": [self.last(F.global_avg_pool2d(y).flatten(1))]}


def leaves(tree):
    """The arrays, or Tensors, of nested lists, tuples and dicts."""
    if not isinstance(tree, (list, tuple, dict)):
        yield tree
    else:
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from leaves(part)


def noise(*shape, seed=0):
    """Normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def assert_compiled(model, *xs, tolerance=2e-5, threads=2):
    """Compiled, a model gives what it gives eagerly; the compiled one is given back."""
    net = tinycnn.compile(model, *xs, threads=threads)
    want = model(*map(tinycnn.Tensor, xs))
    for got, y in zip(leaves(net(*xs)), leaves(want), strict=True):
        np.testing.assert_allclose(got, y.numpy(), rtol=0, atol=tolerance * np.abs(y.numpy()).max())
    return net


def kinds(net):
    """How many operations of each kind a compiled network has, but for the ways in."""
    return {kind: count for kind, count in net.report().operations.items() if kind != "read_input"}


def assert_refused(net, kind, names):
    """A plan whose first operation of a kind has one of these fields far too large, or far too small, is refused."""
    plan, unit = net._latest.plan, kernels(np.dtype(np.float32), "engine")
    io = [int(np.prod(value.shape)) for value in (*net.graph.inputs, *net.graph.outputs)]
    row = plan.ops[plan.kinds.index(kind)]
    for name in names.split():
        column = unit.FIELDS.index(name)
        before = int(row[column])
        for wrong in [FAR, -FAR] if before >= 0 and (name, kind) not in OPTIONAL else [FAR]:
            row[column] = wrong
            with pytest.raises(PlanError, match=f"operation {plan.kinds.index(kind)}, {kind}"):
                check(plan, io, unit.WIDTH, net.threads, unit)
        row[column] = before
    check(plan, io, unit.WIDTH, net.threads, unit)


def picture(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def assert_close(got, want, tolerance=1e-4):
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * np.abs(want).max())
