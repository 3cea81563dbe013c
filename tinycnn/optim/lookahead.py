"""Lookahead: an optimiser runs ahead, slow weights follow; and Ranger, which is Lookahead around RAdam."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .._kernels import kernels
from .adam import RAdam
from .flat import in_place
from .optimizer import Optimizer

SLOW = "slow_buffer"


class Lookahead(Optimizer):
    """Every k steps of `optimizer` the slow weights follow, slow += alpha (p - slow), and p goes on from there.

    The slow weights are the parameters as they were before the first step.  The settings in `param_groups` are those
    of `optimizer`; schedules can be given either.  Raises ValueError for k < 1 and for alpha outside [0, 1].

    Zhang et al., "Lookahead optimizer: k steps forward, 1 step back", NeurIPS 2019, algorithm 1.

    >>> from tinycnn import Tensor
    >>> from tinycnn.optim import SGD
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = Lookahead(SGD([w], lr=0.25), k=1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.75]
    """

    def __init__(self, optimizer: Optimizer, k: int = 5, alpha: float = 0.5) -> None:
        self.optimizer, self.k, self.alpha, self.steps = optimizer, k, alpha, 0
        self._check_own(k, alpha)
        self.param_groups, self.defaults = optimizer.param_groups, optimizer.defaults
        self.state = {}  # number of a parameter: its slow weights

    def _check_own(self, k: Any, alpha: Any) -> None:
        name = type(self).__name__
        if not (isinstance(k, int) and k >= 1):
            raise ValueError(f"{name}: k must be an integer >= 1, got {k!r}")
        if not (isinstance(alpha, (int, float)) and 0 <= alpha <= 1):
            raise ValueError(f"{name}: alpha must be a number with 0 <= alpha <= 1, got {alpha!r}")

    def add_param_group(self, group: dict[str, Any]) -> None:
        """Take charge of more parameters, whose slow weights begin with the next k steps."""
        self.optimizer.add_param_group(group)

    def bind(self, memory: np.ndarray) -> None:
        """See `Optimizer.bind`."""
        self.optimizer.bind(memory)
        self.flat = self.optimizer.flat

    def step(self) -> None:
        """One step of the optimiser; the slow weights follow if it is the k-th."""
        self._around(self.optimizer.step)

    def step_flat(self, gradients: np.ndarray, parameters: Iterable[Any]) -> None:
        """The same, as `Optimizer.step_flat` does it."""
        self._bound(gradients)
        self._around(lambda: self.optimizer.step_flat(gradients, parameters))

    def _around(self, step: Callable[[], None]) -> None:
        if self.steps % self.k == 0:
            for number, p in self._numbered():
                if number not in self.state:
                    self.state[number] = {SLOW: p.data.copy(order="C")}
        step()
        self.steps += 1
        if self.steps % self.k == 0:
            self._follow()

    def _follow(self) -> None:
        """The slow weights take a step towards the parameters, which then go on from there."""
        flat, together = self.flat, []
        for number, p in self._numbered():
            state = self.state.get(number)
            if state is not None and flat is not None and flat.start(p.data) is not None:
                flat.adopt(SLOW, p.data, state, SLOW, 0.0)
                together.append(p.data)
            elif state is not None:
                self._follow_one(state[SLOW], p.data)
        if flat is not None and together:
            kernel = kernels(flat.memory.dtype).lookahead_update
            kernel(flat.like(SLOW), flat.memory, self.alpha, flat.spans(together))

    def _follow_one(self, slow: np.ndarray, p: np.ndarray) -> None:
        kernel = kernels(p.dtype).lookahead_update
        in_place(p, lambda x: kernel(slow.ravel(), x, self.alpha))

    def _numbered(self) -> Iterable[tuple[int, Any]]:
        return enumerate(p for group in self.param_groups for p in group["params"])

    def state_dict(self) -> dict[str, Any]:
        """The state of the optimiser within, the slow weights, and where in the k steps it stands."""
        slow = {number: {SLOW: kept[SLOW].copy()} for number, kept in self.state.items()}
        return {"optimizer": self.optimizer.state_dict(), "state": slow, "k": self.k, "alpha": self.alpha,
                "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a `state_dict`; ValueError where its groups or arrays do not fit these parameters."""
        self._check_own(state["k"], state["alpha"])
        slow = self._fitting(state["state"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.state, self.k, self.alpha, self.steps = slow, state["k"], state["alpha"], int(state["steps"])


class Ranger(Lookahead):
    """RAdam with decoupled weight decay, inside of Lookahead.  Settings and errors are theirs.

    Wright, "Ranger: a synergistic optimizer combining RAdam and Lookahead", 2019, whose defaults these are.

    >>> from tinycnn import Tensor
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = Ranger([w], lr=0.25, k=1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.75]
    """

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.95, 0.999),
                 eps: float = 1e-5, weight_decay: float = 0.0, k: int = 6, alpha: float = 0.5) -> None:
        super().__init__(RAdam(params, lr, betas, eps, weight_decay, decoupled_weight_decay=True), k, alpha)
