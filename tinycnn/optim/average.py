"""Exponential moving averages of weights."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from .._kernels import kernels
from .flat import Flat


class ExponentialMovingAverage:
    """Running means of a model's parameters and buffers: after each step of the optimiser a = decay a + (1 - decay) p.

    Call `update` after each step; `with average.averaged():` evaluates or saves the model with the averages in the
    place of its weights.  Running statistics are averaged like weights: those of the last batches alone belong to other
    weights than the averages.  Integers (`num_batches_tracked`) are copied.
    warmup: the decay is min(decay, (1 + n) / (10 + n)) after n updates, so that early averages forget where they began.

    `averages` maps names of parameters and buffers to arrays.  Raises ValueError for a decay outside [0, 1).

    Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992; with this decay and warm-up:
    TensorFlow's documentation of ExponentialMovingAverage.  Statistics too: Tan and Le's code of EfficientNet.

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
        self.flat: Flat | None = None

    def _weights(self) -> dict[str, np.ndarray]:
        """Copies of the parameters and buffers; what modules share comes once."""
        values = (*self.model.named_parameters(), *self.model.named_buffers())
        return {name: value.data.copy(order="C") for name, value in values}

    def bind(self, memory: np.ndarray) -> None:
        """Say that parameters are parts of one array (n,): their averages move into one like it, updated at once."""
        self.flat = Flat(memory)

    def update(self) -> None:
        """Take in the weights as they are now."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates)) if self.warmup else self.decay
        together = []
        for name, p in (*self.model.named_parameters(), *self.model.named_buffers()):
            if p.data.dtype.kind != "f" or not p.data.size:
                self.averages[name][...] = p.data
            elif self.flat is not None and self.flat.start(p.data) is not None:
                self.flat.adopt("average", p.data, self.averages, name, p.data)
                together.append(p.data)
            else:
                average = self.averages[name]
                kernels(average.dtype).average_update(average.ravel(), p.data.ravel(), 1 - decay)
        if self.flat is not None and together:
            kernel = kernels(self.flat.memory.dtype).average_update
            kernel(self.flat.like("average"), self.flat.memory, 1 - decay, self.flat.spans(together))
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
