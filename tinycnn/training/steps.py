"""Steps: what `fit` calls with each batch."""
from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

from ..optim import clip_grad_norm_

Step = Callable[[Any, Any], float]


class EagerStep:
    """A step by the tape; `losses`: after it, the parts of a loss that is a dict, as numbers.  See `eager_step`."""

    def __init__(self, model: Any, loss: Callable[[Any, Any], Any], optimizer: Any, max_norm: float | None) -> None:
        self.model, self.loss, self.optimizer, self.max_norm = model, loss, optimizer, max_norm
        self.losses: dict[str, float] = {}

    def __call__(self, x: Any, y: Any) -> float:
        if not self.model.training:
            self.model.train()
        self.optimizer.zero_grad()
        value = self.loss(self.model(x), y)
        if isinstance(value, dict):
            self.losses = {name: float(part.item()) for name, part in value.items()}
            value = reduce(add, value.values())
        number = float(value.item())
        if math.isfinite(number):
            value.backward()
            if self.max_norm is not None:
                clip_grad_norm_(self.model.parameters(), self.max_norm)
            self.optimizer.step()
        return number


def eager_step(model: Any, loss: Callable[[Any, Any], Any], optimizer: Any, max_norm: float | None = None) -> EagerStep:
    """One update by the tape: forward, `loss(model(x), y)`, backward, `optimizer.step()`; returns the loss.

    loss: gives a Tensor of one element, or a dict of them, whose sum counts.  max_norm: gradients are clipped to this
    norm before the optimiser's step, see `optim.clip_grad_norm_`.  The model is put into training mode where it is not;
    parts that are kept in evaluation mode below it stay so.  A loss that is not finite is returned before anything
    flows back: parameters and optimiser stay as they were.
    """
    return EagerStep(model, loss, optimizer, max_norm)
