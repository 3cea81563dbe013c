"""Adam and its kin: steps of running means of gradients over roots of running means of their squares."""
from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from .optimizer import Optimizer, require_at_least_zero, require_betas


class Adam(Optimizer):
    """d = g + weight_decay p, m = beta1 m + (1 - beta1) d, v = beta2 v + (1 - beta2) d², in step t

    p -= lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps).

    amsgrad: the largest v so far stands for v (Reddi et al., "On the convergence of Adam and beyond", ICLR 2018).
    Raises ValueError for settings that are negative or not finite, and for betas outside [0, 1), naming them.

    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.

    >>> from tinycnn import Tensor
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = Adam([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 4)
    0.5
    """

    kernel = "adam_update"
    decoupled = False  # whether weight_decay shrinks p itself rather than being part of the gradient

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 0.0, amsgrad: bool = False) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
                                  "amsgrad": amsgrad})

    def check(self, settings: dict[str, Any]) -> None:
        """Settings that make sense."""
        name = type(self).__name__
        require_at_least_zero(name, settings, "lr", "eps", "weight_decay")
        require_betas(name, settings)

    def arrays(self, group: dict[str, Any]) -> dict[str, float | None]:
        """The means of gradients and of their squares, and the largest of these."""
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0, "max_exp_avg_sq": 0.0 if group["amsgrad"] else None}

    def scalars(self, group: dict[str, Any], step: int) -> tuple[float, ...]:
        """Corrections of bias, moved out of v: m / (sqrt(v) / c + eps) = c m / (sqrt(v) + c eps)."""
        beta1, beta2 = group["betas"]
        correction = math.sqrt(1 - beta2**step)
        rate = group["lr"] * correction / (1 - beta1**step)
        return (rate, beta1, beta2, group["eps"] * correction, *_decay(group, self.decoupled), True)


class AdamW(Adam):
    """Adam whose weight decay is not part of the gradient: p shrinks by lr weight_decay p before each step.

    Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2.

    >>> from tinycnn import Tensor
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = AdamW([w], lr=0.5, weight_decay=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 4)
    0.25
    """

    decoupled = True

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 1e-2, amsgrad: bool = False) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad)


class RAdam(Optimizer):
    """Adam that does not divide until v has seen enough to be trusted, and is careful then ("rectified").

    With m and v as in `Adam`, r_inf = 2 / (1 - beta2) - 1, r = r_inf - 2 t beta2^t / (1 - beta2^t) in step t:

        p -= lr c m / (1 - beta1^t) / ((sqrt(v) + eps) / sqrt(1 - beta2^t))   if r > 5,
        p -= lr m / (1 - beta1^t)                                             otherwise,

    with c = sqrt((r - 4) (r - 2) r_inf / ((r_inf - 4) (r_inf - 2) r)).
    decoupled_weight_decay: weight decay as in `AdamW`, otherwise as in `Adam`.  Raises ValueError as `Adam` does.

    Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020, algorithm 2, which has r > 4;
    5 is what the code of its authors and torch have.

    >>> from tinycnn import Tensor
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = RAdam([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 4)
    0.5
    """

    kernel = "adam_update"

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 0.0, decoupled_weight_decay: bool = False) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
                                  "decoupled_weight_decay": decoupled_weight_decay})

    def check(self, settings: dict[str, Any]) -> None:
        """Settings that make sense."""
        require_at_least_zero("RAdam", settings, "lr", "eps", "weight_decay")
        require_betas("RAdam", settings)

    def arrays(self, group: dict[str, Any]) -> dict[str, float | None]:
        """The means of gradients and of their squares; no largest ones."""
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0, "max_exp_avg_sq": None}

    def scalars(self, group: dict[str, Any], step: int) -> tuple[float, ...]:
        """The rectified rate, or that of momentum alone."""
        beta1, beta2 = group["betas"]
        rate, factor = group["lr"] / (1 - beta1**step), rectification(beta2, step)
        if factor > 0:
            rate *= factor * math.sqrt(1 - beta2**step)
        return (rate, beta1, beta2, group["eps"], *_decay(group, group["decoupled_weight_decay"]), factor > 0)


def rectification(beta2: float, step: int) -> float:
    """The factor c of RAdam in a step, 0 where the mean of squares is not to be trusted yet."""
    limit = 2 / (1 - beta2) - 1
    length = limit - 2 * step * beta2**step / (1 - beta2**step)
    if length <= 5:
        return 0.0
    return math.sqrt((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length))


def _decay(group: dict[str, Any], decoupled: bool) -> tuple[float, float]:
    """What weight decay adds to the gradient, and what it leaves of the parameter."""
    if decoupled:
        return 0.0, 1 - group["lr"] * group["weight_decay"]
    return group["weight_decay"], 1.0
