"""Training plans one operation at a time, which sees what its check grants alone: the same gradients come of it."""
from __future__ import annotations

import numpy as np
import pytest
from test_element_rules import DROPS, Dropped, Excited, Residual, Shuffled, image, uneven, weighted

import tinycnn
from tinycnn import functional as F
from tinycnn import nn, optim
from tinycnn.engine.check import touched
from tinycnn.engine.training import compile_training_step
from tinycnn.engine.training.rules import winograd
from tinycnn.engine.watch import POISON, Watched, _needed, _watch


class Everything(nn.Module):
    """Odd channels, strides, a skip, an activation that is no clip."""

    def __init__(self):
        self.first, self.one = nn.Conv2d(3, 19, 3, stride=2, padding=1), nn.BatchNorm2d(19)
        self.spatial, self.two = nn.Conv2d(19, 19, 5, stride=2, padding=2, groups=19), nn.BatchNorm2d(19)
        self.again, self.three = nn.Conv2d(19, 19, 3, padding=1, groups=19), nn.BatchNorm2d(19)
        self.last = nn.Linear(19, 4)

    def forward(self, x):
        x = F.relu6(self.two(self.spatial(F.hardswish(self.one(self.first(x))))))
        return self.last(F.dropout(F.global_avg_pool2d(self.three(self.again(x)) + x).flatten(1), 0.25))


class Spatial(nn.Module):
    """Two 3x3 layers of odd channels, the second behind a batch norm and a ReLU."""

    def __init__(self):
        self.first, self.one, self.second = nn.Conv2d(3, 19, 3), nn.BatchNorm2d(19), nn.Conv2d(19, 33, 3, padding=1)
        self.two, self.third, self.last = nn.BatchNorm2d(33), nn.Conv2d(33, 17, 3, padding=2), nn.Linear(17, 4)

    def forward(self, x):
        x = self.third(F.relu(self.two(self.second(F.relu(self.one(self.first(x)))))))
        return self.last(F.global_avg_pool2d(x).flatten(1))


class Resized(nn.Module):
    """A map made larger, and smaller."""

    def __init__(self):
        self.conv, self.norm, self.last = nn.Conv2d(3, 19, 3), nn.BatchNorm2d(19), nn.Conv2d(19, 17, 1)

    def forward(self, x):
        x = F.relu(self.norm(self.conv(x)))
        return self.last(F.interpolate(F.interpolate(x, scale_factor=2), size=(5, 9), mode="bilinear"))


class Scaled(nn.Module):
    """Group norms, one with an activation behind it, pixels of length 1, a transposed convolution, maps times
    computed numbers."""

    def __init__(self):
        self.conv, self.one, self.two = nn.Conv2d(3, 18, 3), nn.GroupNorm(3, 18), nn.GroupNorm(2, 18)
        self.up, self.length = nn.ConvTranspose2d(18, 18, 3, 2, padding=1), nn.L2Norm(18)
        self.weights, self.channels = nn.Parameter(np.ones(2)), nn.Parameter(np.ones((18, 1, 1)))

    def forward(self, x):
        w = F.relu(self.weights) + 1
        x = F.relu(self.one(self.conv(x)))
        x = self.length(self.up(x))
        return self.two(x * (w / w.sum())[1]) * self.channels


NETS = {"everything": Everything, "spatial": Spatial, "residual": lambda: Residual(F.relu6),
        "shuffled": lambda: Shuffled(34),
        "excited": lambda: Excited(F.silu, F.sigmoid), "resized": Resized, "scaled": Scaled,
        **{f"drop {name}": lambda how=how: Dropped(how) for name, how in DROPS.items()}}


def test_strips_of_tiles_keep_to_what_they_are_granted(monkeypatch):
    monkeypatch.setattr(winograd, "FEW_TILES", 1)
    monkeypatch.setattr(winograd, "SHORTEST", 1)
    test_operations_keep_to_what_they_are_granted("spatial", 2)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", NETS)
def test_operations_keep_to_what_they_are_granted(name, threads):
    x = image(2, 3, 13, 12).astype("f")
    model = uneven(NETS[name](), np.float32)
    target = image(*model(tinycnn.Tensor(x)).shape, seed=3).astype("f")
    model = uneven(NETS[name](), np.float32)
    step = compile_training_step(model, weighted, optim.SGD(model.parameters(), lr=0.0), (x, target), threads=threads)
    planned = step.plan(x, target)
    inputs, before = [x, target], planned.masters.statistics.copy()
    planned.run(inputs, step.arena)
    want = planned.masters.gradients.copy()
    planned.masters.gradients[:], planned.masters.statistics[:] = 0, before
    got = watched(planned, inputs, step.arena.size, threads)
    np.testing.assert_array_equal(got[:planned.masters.parameters.size], want[:planned.masters.parameters.size])


def watched(planned, inputs, size, threads):
    """The array of gradients after every operation, and every step of Python's, has run by itself."""
    arena = np.empty(size, np.float32)
    arena.view("i4")[:] = POISON[4]
    memories = {"arena": Watched(arena), "constants": Watched(planned.plan.constants.copy())}
    memories |= {i: Watched(array.copy()) for i, array in enumerate([*inputs, *planned.own])}
    bytes_ = np.array([m.values.nbytes for space, m in memories.items() if isinstance(space, int)], np.int64)
    executor = planned.unit.Executor(planned.plan.ops, memories["constants"].view, planned.plan.tables, threads,
                                     bytes_, len(inputs))
    hosts = list(planned.builder.hosts)
    for operation in touched(planned.plan, planned.unit.WIDTH, threads, planned.unit):
        run_hosts(hosts, operation.number, memories, planned, inputs)
        _watch(executor, operation, memories)
        memories["arena"].forget(_needed(planned.plan, operation.stop))
    run_hosts(hosts, len(planned.plan.ops), memories, planned, inputs)
    gradients = memories[planned.builder.gradients].values
    for begin, to, count in planned.builder.shared:
        gradients[to:to + count] += gradients[begin:begin + count]
    return gradients


def run_hosts(hosts, number, memories, planned, inputs):
    """The steps of Python's that come before an operation."""
    while hosts and hosts[0].before <= number:
        shapes = [array.shape for array in [*inputs, *planned.own]]
        hosts.pop(0).run([memories[i].values.reshape(shape) for i, shape in enumerate(shapes)])
