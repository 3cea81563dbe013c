"""What optimisers share: groups of parameters, each with its own settings, and the state kept for each parameter."""
from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from typing import Any

import numpy as np


class Optimizer:
    """Moves parameters in place: anything with an array `data` and a `grad`, an array or None (then it is left alone).

    params: parameters, or dicts that name a group of them under "params" and override settings for that group.
    `param_groups` may be changed between steps: `optimizer.param_groups[0]["lr"] = 0.01`.

    A subclass implements `update(parameter, group, state)` for one parameter with a gradient, and lists in `checks`
    what its settings must satisfy.
    """

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

    def check(self, settings: dict[str, Any]) -> None:
        """Raise ValueError naming a setting that makes no sense."""

    def update(self, parameter: Any, group: dict[str, Any], state: dict[str, Any]) -> None:
        """Move one parameter by one step; `state` is what this method keeps for it."""
        raise NotImplementedError

    def step(self) -> None:
        """Move every parameter that has a gradient by one step."""
        number = 0
        for group in self.param_groups:
            self.check(group)
            for p in group["params"]:
                if p.grad is not None:
                    self.update(p, group, self.state.setdefault(number, {}))
                number += 1

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
        params = [p for group in self.param_groups for p in group["params"]]
        for number, kept in state["state"].items():
            for key, array in kept.items():
                if isinstance(array, np.ndarray) and array.ndim and array.shape != params[int(number)].data.shape:
                    raise ValueError(f"{name}.load_state_dict: {key} of parameter {number} has shape {array.shape}, "
                                     f"expected {params[int(number)].data.shape}")
        for own, group in zip(self.param_groups, groups):
            settings = {**own, **{k: v for k, v in group.items() if k in self.defaults}}
            self.check(settings)
            own.update(settings)
        self.state = {int(number): copy.deepcopy(kept) for number, kept in state["state"].items()}


def require_at_least_zero(name: str, settings: dict[str, Any], *keys: str) -> None:
    """Refuse a setting that is negative or not finite."""
    for key in keys:
        value = settings[key]
        if not (isinstance(value, (int, float, np.number)) and math.isfinite(value) and value >= 0):
            raise ValueError(f"{name}: {key} must be a finite number >= 0, got {value!r}")
