"""Stochastic gradient descent."""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .optimizer import Optimizer, require_at_least_zero


class SGD(Optimizer):
    """Gradient descent with momentum: d = g + weight_decay p, v = momentum v + (1 - dampening) d, p -= lr v.

    The first v is d itself.  nesterov: p -= lr (d + momentum v), which looks one step ahead; it needs a momentum and no
    dampening.  Raises ValueError for settings that are negative or not finite, naming them.

    Polyak 1964; Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013.

    >>> from tinycnn import Tensor
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.5]
    """

    kernel = "sgd_update"

    def __init__(self, params: Iterable[Any], lr: float, momentum: float = 0.0, dampening: float = 0.0,
                 weight_decay: float = 0.0, nesterov: bool = False) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "dampening": dampening,
                                  "weight_decay": weight_decay, "nesterov": nesterov})

    def check(self, settings: dict[str, Any]) -> None:
        """Settings that make sense, alone and together."""
        require_at_least_zero("SGD", settings, "lr", "momentum", "dampening", "weight_decay")
        if settings["nesterov"] and (settings["momentum"] == 0 or settings["dampening"] != 0):
            raise ValueError("SGD: nesterov needs momentum > 0 and dampening = 0")

    def arrays(self, group: dict[str, Any]) -> dict[str, float | None]:
        """The v of momentum."""
        return {"momentum_buffer": 0.0 if group["momentum"] else None}

    def count(self, state: dict[str, Any]) -> int:
        """Nothing but the first step of a v differs from the others: that needs no counter."""
        return 2 if "momentum_buffer" in state else 1

    def scalars(self, group: dict[str, Any], step: int) -> tuple[float, ...]:
        """The first step is not dampened: from v = 0 that makes v the gradient itself."""
        dampening = group["dampening"] if step > 1 else 0.0
        return group["lr"], group["momentum"], dampening, group["weight_decay"], bool(group["nesterov"])
