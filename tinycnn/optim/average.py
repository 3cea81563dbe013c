"""Exponential moving averages of weights."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from .._kernels import kernels


def average_into(y: np.ndarray, x: np.ndarray, weight: float) -> None:
    """y += weight (x - y), in place; y is contiguous."""
    kernels(y.dtype).average_update(y.ravel(), x.ravel(), weight)


class ExponentialMovingAverage:
    """Running means of a model's parameters: after each step of the optimiser a = decay a + (1 - decay) p.

    Call `update` after each step; `with average.averaged():` evaluates or saves the model with the averages in the
    place of its weights.  Buffers (running statistics) are not averaged but copied, for they are means already.
    warmup: the decay is min(decay, (1 + n) / (10 + n)) after n updates, so that early averages forget where they began.

    `averages` maps names of parameters and buffers to arrays.  Raises ValueError for a decay outside [0, 1).

    Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992; with this decay and warm-up:
    TensorFlow's documentation of ExponentialMovingAverage.

    >>> from tinycnn import nn
    >>> model = nn.Linear(1, 1)
    >>> model.weight.data[...] = 0.0
    >>> average = ExponentialMovingAverage(model, decay=0.75)
    >>> model.weight.data[...] = 8.0
    >>> average.update()
    >>> with average.averaged():
    ...     model.weight.item()
    2.0
    >>> model.weight.item()
    8.0
    """

    def __init__(self, model: Any, decay: float = 0.9999, warmup: bool = False) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"ExponentialMovingAverage: decay must be a number with 0 <= decay < 1, got {decay!r}")
        self.model, self.decay, self.warmup = model, decay, warmup
        self.updates = 0
        self.averages = self._weights()

    def _weights(self) -> dict[str, np.ndarray]:
        """Copies of the parameters and buffers; what modules share comes once."""
        values = (*self.model.named_parameters(), *self.model.named_buffers())
        return {name: value.data.copy(order="C") for name, value in values}

    def update(self) -> None:
        """Take in the weights as they are now."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates)) if self.warmup else self.decay
        for name, p in self.model.named_parameters():
            average_into(self.averages[name], p.data, 1 - decay)
        for name, buffer in self.model.named_buffers():
            self.averages[name][...] = buffer.data
        self.updates += 1

    @contextmanager
    def averaged(self) -> Iterator[Any]:
        """The model with averages for weights within the block; afterwards it has its own again."""
        own = self._weights()
        self.model.load_state_dict(self.averages, strict=False)
        try:
            yield self.model
        finally:
            self.model.load_state_dict(own, strict=False)

    def state_dict(self) -> dict[str, Any]:
        """The averages, as copies, and the number of updates."""
        return {"updates": self.updates, "averages": {name: value.copy() for name, value in self.averages.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict`; ValueError where its averages are not those of this model's weights."""
        shapes = {name: np.shape(value) for name, value in state["averages"].items()}
        wrong = sorted(name for name in shapes.keys() | self.averages.keys()
                       if name not in shapes or name not in self.averages
                       or shapes[name] != self.averages[name].shape)
        if wrong:
            raise ValueError(f"ExponentialMovingAverage.load_state_dict: {wrong[0]} (one of {len(wrong)}) is not in "
                             "both the state and the model, or differs in shape")
        for name, value in self.averages.items():
            value[...] = state["averages"][name]
        self.updates = int(state["updates"])
