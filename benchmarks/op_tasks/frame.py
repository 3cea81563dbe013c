"""A task: one operation at one size, in tinycnn and in torch, forward alone or forward and backward."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import torch

import tinycnn
from tinycnn import Tensor

Engines = dict[str, Callable[[], Any]]  # name: a call without arguments
SMALL = 100_000                         # elements below which a task counts as small
GROUPS: dict[str, Callable[[], Iterable[Task]]] = {}


class Missing(Exception):
    """tinycnn, or torch, does not have the function of a task."""


def group(name: str) -> Callable[[Callable[[], Iterable[Task]]], Callable[[], Iterable[Task]]]:
    """Enter a function that yields tasks."""
    def enter(function: Callable[[], Iterable[Task]]) -> Callable[[], Iterable[Task]]:
        GROUPS[name] = function
        return function
    return enter


@dataclass
class Side:
    """One engine's half of a task: what to call, and the parameters beside the inputs that collect gradients."""

    call: Callable[..., Any]
    parameters: Sequence[Any] = ()


@dataclass
class Task:
    """name; ours and theirs: functions of the inputs, or functions without arguments that make a `Side`, if `made`.

    inputs: arrays, handed to each engine as its own tensors; integers stay arrays on our side.  grads: positions of
    those that collect gradients; none: there is no backward.  elements: of the largest input, unless given.
    """

    name: str
    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    inputs: Sequence[np.ndarray]
    grads: Sequence[int] = (0,)
    size: str = ""
    elements: int = 0
    made: bool = False
    tolerance: float = 1e-3
    modes: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        self.size = self.size or "x".join(map(str, self.inputs[0].shape))
        self.elements = self.elements or max(x.size for x in self.inputs)
        self.modes = ("forward", "step") if self.grads else ("forward",)

    def engines(self, mode: str) -> Engines:
        """Both engines, checked against each other.  Raises Missing where tinycnn has no such function; where torch
        has none, tinycnn is alone."""
        step = mode == "step"
        ours = _guarded(lambda: _our_runner(self, step))
        try:
            theirs = _guarded(lambda: _their_runner(self, step))
        except Missing:
            return {"tinycnn": ours}
        for one, other in zip(ours(), theirs(), strict=True):
            a, b = np.asarray(one), other.detach().numpy()
            np.testing.assert_allclose(a, b, rtol=self.tolerance,
                                       atol=self.tolerance * max(1e-2, float(np.abs(b).max(initial=0))))
        return {"tinycnn": ours, "torch": theirs}


def _guarded(make: Callable[[], Callable[[], list]]) -> Callable[[], list]:
    """Make a runner and run it once: a module without the function turns up by then."""
    try:
        runner = make()
        runner()
    except AttributeError as error:
        if isinstance(error.obj, ModuleType):
            raise Missing(f"{error.obj.__name__}.{error.name}") from error
        raise
    return runner


def _first(result: Any) -> Any:
    return result[0] if isinstance(result, (tuple, list)) else result


def _our_runner(task: Task, step: bool) -> Callable[[], list]:
    side = task.ours() if task.made else Side(task.ours)
    inputs = [Tensor(x, requires_grad=step and i in task.grads) if x.dtype.kind == "f" else x
              for i, x in enumerate(task.inputs)]
    leaves = [inputs[i] for i in task.grads] + list(side.parameters)
    if not step:
        def forward() -> list:
            with tinycnn.no_grad():
                return [_first(side.call(*inputs))]
        return forward
    gy = _output_gradient(_first(side.call(*inputs)).shape)

    def both() -> list:
        for leaf in leaves:
            leaf.grad = None
        _first(side.call(*inputs)).backward(gy)
        return [leaf.grad for leaf in leaves]
    return both


def _their_runner(task: Task, step: bool) -> Callable[[], list]:
    side = task.theirs() if task.made else Side(task.theirs)
    inputs = [torch.tensor(x, requires_grad=step and i in task.grads) for i, x in enumerate(task.inputs)]
    leaves = [inputs[i] for i in task.grads] + list(side.parameters)
    if not step:
        def forward() -> list:
            with torch.no_grad():
                return [_first(side.call(*inputs))]
        return forward
    gy = torch.tensor(_output_gradient(tuple(_first(side.call(*inputs)).shape)))

    def both() -> list:
        for leaf in leaves:
            leaf.grad = None
        _first(side.call(*inputs)).backward(gy)
        return [leaf.grad for leaf in leaves]
    return both


def _output_gradient(shape: tuple[int, ...]) -> np.ndarray:
    """What backward starts from: ones for a loss, else random numbers."""
    if not shape:
        return np.ones((), np.float32)
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


# ---------------------------------------------------------------- what tasks draw from
def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def uniform(*shape: int, low: float = 0.0, high: float = 1.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def integers(*shape: int, high: int, low: int = 0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, shape)
