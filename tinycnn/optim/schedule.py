"""Schedules: the learning rate of an optimiser as a function of the number of steps done."""
from __future__ import annotations

import math
from typing import Any

from .optimizer import Optimizer


class Schedule:
    """Sets the learning rate of each group to its initial one times `factor(steps)`: now, and after each `step`.

    Call `step` once after each `optimizer.step()`.  A subclass implements `factor`.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer, self.steps = optimizer, 0
        self.initial = [float(group["lr"]) for group in optimizer.param_groups]
        self._apply()

    def factor(self, steps: int) -> float:
        """The share of the initial learning rate, after a number of steps."""
        raise NotImplementedError

    def rate(self, initial: float) -> float:
        """The learning rate of a group, now."""
        return initial * self.factor(self.steps)

    def step(self) -> None:
        """Count one step of the optimiser, and set the learning rates for the next."""
        self.steps += 1
        self._apply()

    def _apply(self) -> None:
        for group, initial in zip(self.optimizer.param_groups, self.initial):
            group["lr"] = self.rate(initial)

    def state_dict(self) -> dict[str, Any]:
        """Where the schedule stands, as plain numbers."""
        return {"steps": self.steps, "initial": list(self.initial)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a `state_dict`; ValueError where it belongs to another number of groups."""
        if len(state["initial"]) != len(self.initial):
            raise ValueError(f"{type(self).__name__}.load_state_dict: state has {len(state['initial'])} groups, "
                             f"expected {len(self.initial)}")
        self.steps, self.initial = int(state["steps"]), [float(lr) for lr in state["initial"]]
        self._apply()


class StepLR(Schedule):
    """The learning rate times `gamma` after every `step_size` steps.

    >>> from tinycnn import Tensor
    >>> from tinycnn.optim import SGD
    >>> optimizer = SGD([Tensor([0.0], requires_grad=True)], lr=1.0)
    >>> schedule = StepLR(optimizer, step_size=2, gamma=0.5)
    >>> [(optimizer.param_groups[0]["lr"], schedule.step())[0] for _ in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        if step_size < 1:
            raise ValueError(f"StepLR: step_size must be at least 1, got {step_size!r}")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def factor(self, steps: int) -> float:
        """gamma to the number of whole periods."""
        return self.gamma ** (steps // self.step_size)


class CosineSchedule(Schedule):
    """Up a line to the initial learning rate in `warmup_steps` steps, then down half a cosine to `lr_min`.

    The warm-up's rates are 1/w, 2/w, ... of the initial one; after `total_steps` the rate stays at lr_min.
    Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5; Goyal et al., "Accurate, large minibatch SGD", 2017, 2.2.

    >>> from tinycnn import Tensor
    >>> from tinycnn.optim import SGD
    >>> optimizer = SGD([Tensor([0.0], requires_grad=True)], lr=1.0)
    >>> schedule = CosineSchedule(optimizer, total_steps=4, warmup_steps=2)
    >>> [(round(optimizer.param_groups[0]["lr"], 4), schedule.step())[0] for _ in range(5)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """

    def __init__(self, optimizer: Optimizer, total_steps: int, warmup_steps: int = 0, lr_min: float = 0.0) -> None:
        if not 0 <= warmup_steps <= total_steps or total_steps < 1:
            raise ValueError(f"CosineSchedule: expected 0 <= warmup_steps <= total_steps and at least one step, got "
                             f"warmup_steps={warmup_steps!r}, total_steps={total_steps!r}")
        self.total_steps, self.warmup_steps, self.lr_min = total_steps, warmup_steps, lr_min
        super().__init__(optimizer)

    def factor(self, steps: int) -> float:
        """The warm-up's line, or where the cosine stands between 1 and 0."""
        if steps < self.warmup_steps:
            return (steps + 1) / self.warmup_steps
        done = (steps - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
        return (1 + math.cos(math.pi * min(done, 1.0))) / 2

    def rate(self, initial: float) -> float:
        """The cosine ends at lr_min."""
        factor = self.factor(self.steps)
        if self.steps < self.warmup_steps:
            return initial * factor
        return self.lr_min + (initial - self.lr_min) * factor
