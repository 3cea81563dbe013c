"""Schedules: the learning rate of an optimiser as a function of the number of steps done."""
from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

from .optimizer import Optimizer


class Schedule:
    """Sets the learning rate of each group to `rate(initial, steps)`: now, and after each `step`.

    Call `step` once after each `optimizer.step()`.  A subclass implements `factor`, or `rate` where the rate is not a
    share of the initial one; both are functions of nothing but their arguments.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer, self.steps = optimizer, 0
        self.initial = [float(group["lr"]) for group in optimizer.param_groups]
        self._apply()

    def factor(self, steps: int) -> float:
        """The share of the initial learning rate, after a number of steps."""
        raise NotImplementedError(f"{type(self).__name__}: factor")

    def rate(self, initial: float, steps: int) -> float:
        """The learning rate of a group that began with `initial`, after a number of steps."""
        return initial * self.factor(steps)

    def step(self) -> None:
        """Count one step of the optimiser, and set the learning rates for the next."""
        self.steps += 1
        self._apply()

    def _apply(self) -> None:
        for group, initial in zip(self.optimizer.param_groups, self.initial):
            group["lr"] = self.rate(initial, self.steps)

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
        _require_steps("StepLR", "step_size", step_size)
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def factor(self, steps: int) -> float:
        """gamma to the number of whole periods."""
        return self.gamma ** (steps // self.step_size)


class MultiStepLR(Schedule):
    """The learning rate times `gamma` at each of the `milestones`, numbers of steps.

    >>> from tinycnn import Tensor
    >>> from tinycnn.optim import SGD
    >>> optimizer = SGD([Tensor([0.0], requires_grad=True)], lr=1.0)
    >>> schedule = MultiStepLR(optimizer, milestones=[1, 3], gamma=0.5)
    >>> [(optimizer.param_groups[0]["lr"], schedule.step())[0] for _ in range(5)]
    [1.0, 0.5, 0.5, 0.25, 0.25]
    """

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer)

    def factor(self, steps: int) -> float:
        """gamma to the number of milestones reached."""
        return self.gamma ** bisect_right(self.milestones, steps)


class ExponentialLR(Schedule):
    """The learning rate times `gamma` after every step."""

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = gamma
        super().__init__(optimizer)

    def factor(self, steps: int) -> float:
        """gamma to the number of steps."""
        return self.gamma**steps


class PolynomialLR(Schedule):
    """The learning rate times (1 - steps / total_iters)^power, then 0: the "poly" schedule of segmentation networks.

    Liu, Rabinovich and Berg, "ParseNet", 2016 (with the power 0.9).
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0) -> None:
        _require_steps("PolynomialLR", "total_iters", total_iters)
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer)

    def factor(self, steps: int) -> float:
        """What is left of the way, to the power."""
        return (1 - min(steps, self.total_iters) / self.total_iters) ** self.power


class CosineAnnealingLR(Schedule):
    """Down half a cosine to `eta_min` in T_max steps, up the other half in the next T_max, and so on.

    Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5.

    >>> from tinycnn import Tensor
    >>> from tinycnn.optim import SGD
    >>> optimizer = SGD([Tensor([0.0], requires_grad=True)], lr=1.0)
    >>> schedule = CosineAnnealingLR(optimizer, T_max=2)
    >>> [(round(optimizer.param_groups[0]["lr"], 4), schedule.step())[0] for _ in range(4)]
    [1.0, 0.5, 0.0, 0.5]
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        _require_steps("CosineAnnealingLR", "T_max", T_max)
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer)

    def rate(self, initial: float, steps: int) -> float:
        """Where the cosine stands between the initial rate and eta_min."""
        return cosine(initial, self.eta_min, steps / self.T_max)


class Warmup(Schedule):
    """Up a line from start_factor times the initial rate to all of it in total_iters steps; then another schedule.

    The other one starts when the line ends, as if that were its step 0.  Only `Warmup` is stepped, and saved.
    (`OneCycleLR` warms up by itself, and the momentum that it moves would stand still here.)

    Goyal et al., "Accurate, large minibatch SGD", 2017, section 2.2.

    >>> from tinycnn import Tensor
    >>> from tinycnn.optim import SGD
    >>> optimizer = SGD([Tensor([0.0], requires_grad=True)], lr=1.0)
    >>> schedule = Warmup(StepLR(optimizer, step_size=1, gamma=0.5), total_iters=2, start_factor=0.5)
    >>> [(optimizer.param_groups[0]["lr"], schedule.step())[0] for _ in range(5)]
    [0.5, 0.75, 1.0, 0.5, 0.25]
    """

    def __init__(self, schedule: Schedule, total_iters: int = 5, start_factor: float = 1 / 3) -> None:
        _require_steps("Warmup", "total_iters", total_iters)
        if not 0 <= start_factor <= 1:
            raise ValueError(f"Warmup: start_factor must be a number with 0 <= start_factor <= 1, got {start_factor!r}")
        self.schedule, self.total_iters, self.start_factor = schedule, total_iters, start_factor
        self.optimizer, self.steps, self.initial = schedule.optimizer, 0, schedule.initial
        self._apply()

    def rate(self, initial: float, steps: int) -> float:
        """The line, or what follows it."""
        if steps >= self.total_iters:
            return self.schedule.rate(initial, steps - self.total_iters)
        return initial * (self.start_factor + (1 - self.start_factor) * steps / self.total_iters)


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

    def rate(self, initial: float, steps: int) -> float:
        """The warm-up's line, or where the cosine stands."""
        if steps < self.warmup_steps:
            return initial * (steps + 1) / self.warmup_steps
        done = (steps - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
        return cosine(initial, self.lr_min, min(done, 1.0))


def cosine(start: float, end: float, done: float) -> float:
    """Half a cosine from start to end, as `done` goes from 0 to 1."""
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


def _require_steps(name: str, key: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{name}: {key} must be at least 1, got {value!r}")
