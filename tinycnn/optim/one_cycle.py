"""One cycle: the learning rate up and down once, the momentum the other way."""
from __future__ import annotations

from typing import Any

from .optimizer import Optimizer
from .schedule import Schedule, cosine


def _line(start: float, end: float, done: float) -> float:
    return start + (end - start) * done


_ANNEAL = {"cos": cosine, "linear": _line}


class OneCycleLR(Schedule):
    """Up from max_lr / div_factor to max_lr, then down to max_lr / div_factor / final_div_factor, in total_steps steps.

    The way up ends at the step pct_start total_steps - 1.  three_phase: down in two parts, to where it began in as many
    steps as up, then to the end.  anneal_strategy: "cos" or "linear", the form of each part.  After total_steps the
    rate stays at its last.  max_lr: a number, or one for each group.  total_steps, or epochs and steps_per_epoch.
    cycle_momentum: the momentum (the first of `betas`) falls from max_momentum to base_momentum while the rate rises,
    and the other way around.  Raises ValueError for settings that make no sense, naming them.

    Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates", 2018.

    >>> from tinycnn import Tensor
    >>> from tinycnn.optim import SGD
    >>> optimizer = SGD([Tensor([0.0], requires_grad=True)], lr=1.0, momentum=0.9)
    >>> schedule = OneCycleLR(optimizer, max_lr=1.0, total_steps=5, pct_start=0.6, anneal_strategy="linear",
    ...                       div_factor=2)
    >>> group = optimizer.param_groups[0]
    >>> [(round(group["lr"], 3), round(group["momentum"], 3), schedule.step())[:2] for _ in range(5)]
    [(0.5, 0.95), (0.75, 0.9), (1.0, 0.85), (0.5, 0.9), (0.0, 0.95)]
    """

    def __init__(self, optimizer: Optimizer, max_lr: float | list[float], total_steps: int | None = None,
                 epochs: int | None = None, steps_per_epoch: int | None = None, pct_start: float = 0.3,
                 anneal_strategy: str = "cos", cycle_momentum: bool = True, base_momentum: float = 0.85,
                 max_momentum: float = 0.95, div_factor: float = 25.0, final_div_factor: float = 1e4,
                 three_phase: bool = False) -> None:
        self.total_steps = _steps(total_steps, epochs, steps_per_epoch)
        _check(pct_start, anneal_strategy, base_momentum, max_momentum, div_factor, final_div_factor)
        peaks = max_lr if isinstance(max_lr, (list, tuple)) else [max_lr] * len(optimizer.param_groups)
        if len(peaks) != len(optimizer.param_groups):
            raise ValueError(f"OneCycleLR: max_lr has {len(peaks)} values for {len(optimizer.param_groups)} groups")
        self.momenta = (max_momentum, base_momentum) if cycle_momentum else None
        if cycle_momentum and not {"momentum", "betas"} & optimizer.defaults.keys():
            raise ValueError("OneCycleLR: cycle_momentum needs an optimizer with a momentum or betas")
        self.anneal, self.div_factor, self.final_div_factor = _ANNEAL[anneal_strategy], div_factor, final_div_factor
        top = pct_start * self.total_steps - 1
        self.ends = (top, 2 * top, self.total_steps - 1) if three_phase else (top, self.total_steps - 1)
        for group, peak in zip(optimizer.param_groups, peaks):
            group["lr"] = peak / div_factor
        super().__init__(optimizer)

    def rate(self, initial: float, steps: int) -> float:
        """Between the initial rate, the highest and the lowest."""
        peak, lowest = initial * self.div_factor, initial / self.final_div_factor
        stations = (initial, peak, initial, lowest) if len(self.ends) == 3 else (initial, peak, lowest)
        return self._between(stations, steps)

    def _between(self, stations: tuple[float, ...], steps: int) -> float:
        """The value at a step, of a course that passes stations[i + 1] at ends[i]."""
        part = next((i for i, end in enumerate(self.ends) if steps <= end), len(self.ends) - 1)
        begin, end = 0.0 if part == 0 else self.ends[part - 1], self.ends[part]
        done = min(1.0, (steps - begin) / (end - begin)) if end > begin else 1.0
        return self.anneal(stations[part], stations[part + 1], done)

    def _apply(self) -> None:
        super()._apply()
        if self.momenta is None:
            return
        high, low = self.momenta
        now = self._between((high, low, high, high), self.steps)
        for group in self.optimizer.param_groups:
            group.update({"betas": (now, *group["betas"][1:])} if "betas" in group else {"momentum": now})


def _steps(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    total: Any = total_steps
    if total is None and epochs is not None and steps_per_epoch is not None:
        total = epochs * steps_per_epoch
    if not (isinstance(total, int) and total >= 1):
        raise ValueError("OneCycleLR: expected total_steps, or epochs and steps_per_epoch, integers of at least 1, got "
                         f"total_steps={total_steps!r}, epochs={epochs!r}, steps_per_epoch={steps_per_epoch!r}")
    return total


def _check(pct_start: float, anneal_strategy: str, base_momentum: float, max_momentum: float, div_factor: float,
           final_div_factor: float) -> None:
    if not 0 <= pct_start <= 1:
        raise ValueError(f"OneCycleLR: pct_start must be a number from 0 to 1, got {pct_start!r}")
    if anneal_strategy not in _ANNEAL:
        raise ValueError(f"OneCycleLR: anneal_strategy must be one of {', '.join(_ANNEAL)}, got {anneal_strategy!r}")
    if not 0 <= base_momentum <= max_momentum < 1:
        raise ValueError("OneCycleLR: expected 0 <= base_momentum <= max_momentum < 1, got "
                         f"base_momentum={base_momentum!r}, max_momentum={max_momentum!r}")
    if not (div_factor > 0 and final_div_factor > 0):
        raise ValueError("OneCycleLR: expected div_factor > 0 and final_div_factor > 0, got "
                         f"div_factor={div_factor!r}, final_div_factor={final_div_factor!r}")
