"""Steps: what `fit` calls with each batch."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..optim import clip_grad_norm_

Step = Callable[[Any, Any], float]


def eager_step(model: Any, loss: Callable[[Any, Any], Any], optimizer: Any, max_norm: float | None = None) -> Step:
    """One update by the tape: forward, `loss(model(x), y)`, backward, `optimizer.step()`; returns the loss.

    max_norm: gradients are clipped to this norm before the optimiser's step, see `optim.clip_grad_norm_`.
    The model is put into training mode where it is not; parts that are kept in evaluation mode below it stay so.
    A loss that is not finite is returned before anything flows back: parameters and optimiser stay as they were.
    """
    def step(x: Any, y: Any) -> float:
        if not model.training:
            model.train()
        optimizer.zero_grad()
        value = loss(model(x), y)
        number = float(value.item())
        if math.isfinite(number):
            value.backward()
            if max_norm is not None:
                clip_grad_norm_(model.parameters(), max_norm)
            optimizer.step()
        return number
    return step
