"""What optimisers share: groups of parameters, each with its own settings, and the state kept for each parameter."""
from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .._kernels import kernels
from .flat import Flat, in_place


class Turn(NamedTuple):
    """Parameters of a group that have moved equally often, about to move again."""

    arrays: dict[str, float | None]  # see Optimizer.arrays
    scalars: tuple[float, ...]
    members: list[tuple[Any, dict[str, Any]]]  # parameters, each with its state


class Optimizer:
    """Moves parameters in place: anything with an array `data` and a `grad`, an array or None (then it is left alone).

    params: parameters, or dicts that name a group of them under "params" and override settings for that group.
    `param_groups` may be changed between steps: `optimizer.param_groups[0]["lr"] = 0.01`.

    A subclass names the `kernel` that moves a flat array, and says what that takes besides the parameter and its
    gradient: `arrays`, which are kept in `state`, and `scalars`.  `check` refuses settings that make no sense.

    Parameters that are parts of one array (`bind`) move all at once (`step_flat`), by the same kernel.
    """

    kernel: ClassVar[str]
    flat: Flat | None = None  # what `bind` was given

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[int, dict[str, Any]] = {}  # number of a parameter: what is kept for it
        self.defaults = defaults
        entries = list(params)
        if not entries:
            raise ValueError(f"{type(self).__name__}: params is empty, expected at least one parameter")
        for entry in entries if isinstance(entries[0], dict) else [{"params": entries}]:
            self.add_param_group(entry)

    def add_param_group(self, group: dict[str, Any]) -> None:
        """Take charge of more parameters; settings that the group does not name are the optimiser's own."""
        name = type(self).__name__
        unknown = group.keys() - self.defaults.keys() - {"params"}
        if unknown:
            raise ValueError(f"{name}: a group has the unknown setting {sorted(unknown)[0]!r}")
        params = group["params"]
        params = [params] if hasattr(params, "data") and hasattr(params, "grad") else list(params)
        known = {id(p) for other in self.param_groups for p in other["params"]}
        for p in params:
            if not (hasattr(p, "data") and hasattr(p, "grad")):
                raise TypeError(f"{name}: params must hold Tensors, got {type(p).__name__}")
            if id(p) in known:
                raise ValueError(f"{name}: a parameter of shape {p.data.shape} appears twice in params")
            known.add(id(p))
        settings = self.defaults | group | {"params": params}
        self.check(settings)
        self.param_groups.append(settings)

    # ---- what an optimiser defines
    def check(self, settings: dict[str, Any]) -> None:
        """Raise ValueError naming a setting that makes no sense."""

    def arrays(self, group: dict[str, Any]) -> dict[str, float | None]:
        """Names of the state arrays that the kernel takes, in order, and what each is filled with at first.

        None stands for one that the group's settings do not use; the kernel is given None in its place.
        """
        raise NotImplementedError(f"{type(self).__name__}: arrays")

    def scalars(self, group: dict[str, Any], step: int) -> tuple[float, ...]:
        """The numbers that the kernel takes last, for a parameter that moves for the `step`-th time, from 1."""
        raise NotImplementedError(f"{type(self).__name__}: scalars")

    def count(self, state: dict[str, Any]) -> int:
        """How many times a parameter has moved, this time included."""
        state["step"] = step = state.get("step", 0) + 1
        return step

    # ---- what is done with it
    def step(self) -> None:
        """Move every parameter that has a gradient by one step."""
        for turn in self._turns(lambda p: p.grad is not None):
            for p, state in turn.members:
                self._move(p, turn, state)

    def _turns(self, moves: Callable[[Any], bool]) -> Iterator[Turn]:
        """Those parameters that are to move: which do so together, and how. Each of them is counted on."""
        for group in self.param_groups:
            self.check(group)
        numbers = count()
        for group in self.param_groups:
            by_step: dict[int, list[tuple[Any, dict[str, Any]]]] = {}
            for p, number in zip(group["params"], numbers):
                if moves(p):
                    state = self.state.setdefault(number, {})
                    by_step.setdefault(self.count(state), []).append((p, state))
            for step, members in by_step.items():
                yield Turn(self.arrays(group), self.scalars(group, step), members)

    def _move(self, parameter: Any, turn: Turn, state: dict[str, Any]) -> None:
        """One parameter, in place, by one call of the kernel on flat arrays."""
        p, g = parameter.data, parameter.grad
        if not isinstance(p, np.ndarray):
            raise TypeError(f"{type(self).__name__}: the data of a parameter must be an array, which is moved in "
                            f"place, got {type(p).__name__}")
        if g.shape != p.shape or g.dtype != p.dtype:
            raise ValueError(f"{type(self).__name__}: the gradient of a parameter of shape {p.shape}, {p.dtype}, has "
                             f"shape {g.shape}, {g.dtype}")
        kept = []
        for name, start in turn.arrays.items():
            if start is not None and name not in state:
                state[name] = np.full(p.shape, start, p.dtype)
            kept.append(None if start is None else state[name].ravel())
        kernel = getattr(kernels(p.dtype), self.kernel)
        in_place(p, lambda flat: kernel(flat, g.ravel(), *kept, *turn.scalars))

    # ---- all at once
    def bind(self, memory: np.ndarray) -> None:
        """Say that parameters, all or some, now or later, are parts of one array (n,): `step_flat` then moves these.

        Their state moves into arrays laid out like it; `state`, `state_dict` and `step` are what they were.
        """
        self.flat = Flat(memory)

    def step_flat(self, gradients: np.ndarray, parameters: Iterable[Any]) -> None:
        """Move parameters by one step, as `step` does, but in one call of the kernel for all of a group.

        gradients: (n,), laid out as the array given to `bind`.  parameters: those that have a gradient in this step;
        all others, and those that require none, are left alone.  Raises RuntimeError without a `bind`, ValueError for
        gradients that are not laid out so, and for a parameter that is no part of the array, as when it was replaced.
        """
        flat = self._bound(gradients)
        meant = {id(p): p.data for p in parameters if p.requires_grad}
        flat.spans(list(meant.values()))  # refuses before anything has moved
        for turn in self._turns(lambda p: id(p) in meant):
            kept = [None if start is None else self._gathered(flat, name, start, turn)
                    for name, start in turn.arrays.items()]
            kernel = getattr(kernels(flat.memory.dtype), self.kernel)
            kernel(flat.memory, gradients, *kept, *turn.scalars, flat.spans([p.data for p, _ in turn.members]))

    def _bound(self, gradients: np.ndarray) -> Flat:
        name, flat = f"{type(self).__name__}.step_flat", self.flat
        if flat is None:
            raise RuntimeError(f"{name}: the optimiser does not know where parameters lie, call bind first")
        if gradients.shape != flat.memory.shape or gradients.dtype != flat.memory.dtype:
            raise ValueError(f"{name}: gradients have the shape {gradients.shape}, {gradients.dtype}, expected that of "
                             f"the parameters' array, {flat.memory.shape}, {flat.memory.dtype}")
        return flat

    @staticmethod
    def _gathered(flat: Flat, name: str, start: float, turn: Turn) -> np.ndarray:
        """The flat array of a state, with that of all members in it."""
        for p, state in turn.members:
            flat.adopt(name, p.data, state, name, start)
        return flat.like(name)

    def zero_grad(self) -> None:
        """Forget the gradients; the next `backward` starts from none."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    # ---- checkpoints
    def state_dict(self) -> dict[str, Any]:
        """The settings of each group, with parameters as numbers, and the state by these numbers. Arrays are copies."""
        groups, number = [], 0
        for group in self.param_groups:
            numbers = list(range(number, number + len(group["params"])))
            groups.append({**group, "params": numbers})
            number += len(numbers)
        return {"state": copy.deepcopy(self.state), "param_groups": groups}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a `state_dict`; ValueError where its groups or arrays do not fit these parameters."""
        name, groups = type(self).__name__, state["param_groups"]
        sizes, mine = [len(g["params"]) for g in groups], [len(g["params"]) for g in self.param_groups]
        if sizes != mine:
            raise ValueError(f"{name}.load_state_dict: state has groups of {sizes} parameters, expected {mine}")
        settings = [{**own, **{k: tuple(v) if isinstance(v, list) else v for k, v in group.items()
                               if k in self.defaults}} for own, group in zip(self.param_groups, groups)]
        for group in settings:
            self.check(group)
        self.state = self._fitting(state["state"])
        for own, group in zip(self.param_groups, settings):
            own.update(group)

    def _fitting(self, state: dict[Any, dict[str, Any]]) -> dict[int, dict[str, Any]]:
        """Copies of state arrays in the types of their parameters; numbers of steps as integers."""
        where = f"{type(self).__name__}.load_state_dict"
        params = [p.data for group in self.param_groups for p in group["params"]]
        fitting: dict[int, dict[str, Any]] = {}
        for number, kept in state.items():
            if not 0 <= int(number) < len(params):
                raise ValueError(f"{where}: state of parameter {number}, expected 0 ... {len(params) - 1}")
            p = params[int(number)]
            own = fitting[int(number)] = {}
            for key, value in kept.items():
                if value is None:  # torch's way to say that there is none
                    continue
                if key != "step" and np.shape(value) != p.shape:
                    raise ValueError(f"{where}: {key} of parameter {number} has shape {np.shape(value)}, "
                                     f"expected {p.shape}")
                own[key] = int(value) if key == "step" else np.array(value, p.dtype, order="C")
        return fitting


def require_at_least_zero(name: str, settings: dict[str, Any], *keys: str) -> None:
    """Refuse a setting that is negative or not finite."""
    for key in keys:
        value = settings[key]
        if not (isinstance(value, (int, float, np.number)) and math.isfinite(value) and value >= 0):
            raise ValueError(f"{name}: {key} must be a finite number >= 0, got {value!r}")


def require_decay(name: str, key: str, value: Any) -> None:
    """Refuse the factor of a running mean that is not in [0, 1)."""
    if not (isinstance(value, (int, float, np.number)) and 0 <= value < 1):
        raise ValueError(f"{name}: {key} must be a number with 0 <= {key} < 1, got {value!r}")


def require_betas(name: str, settings: dict[str, Any]) -> None:
    """Refuse betas that are not two factors of running means."""
    betas = settings["betas"]
    if not (isinstance(betas, (tuple, list)) and len(betas) == 2):
        raise ValueError(f"{name}: betas must be two numbers, got {betas!r}")
    for i, beta in enumerate(betas):
        require_decay(name, f"betas[{i}]", beta)
