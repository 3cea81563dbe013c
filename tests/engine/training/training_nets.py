"""Networks, and pairs of the same network trained by the tape and by a plan, for the tests of training plans."""
from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

import tinycnn
from tinycnn import functional as F
from tinycnn import losses, nn, optim
from tinycnn._kernels import ISA

FLOAT64 = find_spec(f"tinycnn._kernels._engine_{ISA}_f64") is not None
WITHOUT = "the engine is not built for float64 (TINYCNN_ENGINE_F64=1)"
needs_float64 = pytest.mark.skipif(not FLOAT64, reason=WITHOUT)


class Small(nn.Module):
    """A little of everything: dense, depthwise and pointwise layers, a residual, a shuffle, factors, dropout."""

    def __init__(self, channels=20, classes=5, dropout=0.25):
        self.first = nn.ConvBNAct(3, channels, 3, stride=2)
        self.expand = nn.ConvBNAct(channels, 2 * channels, 1, activation=nn.ReLU6)
        self.depthwise = nn.DepthwiseBNAct(2 * channels, 3, activation=nn.Hardswish)
        self.squeeze = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.project = nn.ConvBNAct(2 * channels, channels, 1, activation=None)
        self.dropout, self.last = nn.Dropout(dropout), nn.Linear(channels, classes)

    def forward(self, x):
        x = self.first(x)
        y = self.depthwise(self.expand(x))
        y = self.project(F.scale_channels(y, F.hardsigmoid(self.squeeze(F.global_avg_pool2d(y)))))
        x = F.channel_shuffle(F.relu(x + y), 4)
        left, right = F.chunk(x, 2)
        x = F.max_pool2d(F.concat([right, left]), 2)
        return self.last(self.dropout(F.global_avg_pool2d(x).flatten(1)))


def batch(images=4, size=16, classes=5, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((images, 3, size, size)).astype(dtype), rng.integers(0, classes, images)


def momentum(parameters):
    return optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=1e-3)


@dataclass
class Pair:
    """A network on the tape (`eager`) and its twin in a plan (`step`), from the same weights and the same seed."""

    build: Any = Small
    loss: Any = losses.CrossEntropyLoss
    optimizer: Any = momentum
    dtype: Any = np.float64
    prepare: Any = lambda model: None  # freezes, sets modes
    options: dict = field(default_factory=dict)

    def __post_init__(self):
        tinycnn.manual_seed(0)
        self.eager, self.planned = self.build().to(self.dtype), self.build().to(self.dtype)
        self.planned.load_state_dict(self.eager.state_dict())
        for model in (self.eager, self.planned):
            model.train()
            self.prepare(model)
        self.losses = [self.loss().to(self.dtype) for _ in range(2)]
        self.optimizers = [self.optimizer([*model.parameters(), *loss.parameters()])
                           for model, loss in zip((self.eager, self.planned), self.losses)]
        self.step = None

    def compiled(self, x, target):
        if self.step is None:
            self.step = tinycnn.compile_training_step(self.planned, self.losses[1], self.optimizers[1], (x, target),
                                                      **self.options)
        return self.step

    def on_tape(self, x, target):
        """One step on the tape; the loss."""
        self.optimizers[0].zero_grad()
        value = self.losses[0](self.eager(tinycnn.Tensor(x)), target)
        value = sum(value.values()) if isinstance(value, dict) else value
        value.backward()
        self.optimizers[0].step()
        return value.item()

    def both(self, batches, seed=1):
        """The losses of both over some batches, drawing the same random numbers."""
        found = []
        self.compiled(*batches[0])
        for run in (self.on_tape, self.step):
            tinycnn.manual_seed(seed)
            found.append([run(*each) for each in batches])
        return found

    def assert_same(self, rtol=1e-9):
        """Parameters and statistics of the two agree."""
        planned = self.planned.state_dict()
        for name, want in self.eager.state_dict().items():
            scale = np.abs(want).max() + 1e-3  # a bias in front of a normalisation has a gradient of 0
            np.testing.assert_allclose(planned[name] / scale, want / scale, rtol=0, atol=rtol, err_msg=name)
