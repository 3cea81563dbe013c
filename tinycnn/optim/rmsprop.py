"""RMSprop: gradients divided by a running root of their mean square; torch's, and TensorFlow's."""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .optimizer import Optimizer, require_at_least_zero, require_decay


class RMSprop(Optimizer):
    """d = g + weight_decay p, s = alpha s + (1 - alpha) d², p -= lr d / (sqrt(s) + eps).

    centered: the divisor is sqrt(s - a²) + eps, with a the running mean of d: an estimate of the variance.
    momentum: b = momentum b + the quotient, p -= lr b.
    Raises ValueError for settings that are negative or not finite, and for an alpha that is not below 1, naming them.

    Tieleman and Hinton, "Lecture 6.5: rmsprop", Coursera, 2012; centred: Graves, "Generating sequences with recurrent
    neural networks", 2013, section 4.2.

    >>> from tinycnn import Tensor
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = RMSprop([w], lr=0.25, alpha=0.75)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.5]
    """

    kernel = "rmsprop_update"

    def __init__(self, params: Iterable[Any], lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8,
                 weight_decay: float = 0.0, momentum: float = 0.0, centered: bool = False) -> None:
        super().__init__(params, {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay,
                                  "momentum": momentum, "centered": centered})

    def check(self, settings: dict[str, Any]) -> None:
        """Settings that make sense."""
        name = type(self).__name__
        require_at_least_zero(name, settings, "lr", "eps", "weight_decay", "momentum")
        require_decay(name, "alpha", settings["alpha"])

    def arrays(self, group: dict[str, Any]) -> dict[str, float | None]:
        """Means of squares and of gradients, and the b of momentum."""
        return {"square_avg": 0.0, "grad_avg": 0.0 if group["centered"] else None,
                "momentum_buffer": 0.0 if group["momentum"] else None}

    def scalars(self, group: dict[str, Any], step: int) -> tuple[float, ...]:
        """The rate applies to the whole b; eps is added to the root."""
        return group["lr"], 1.0, group["alpha"], group["momentum"], group["eps"], 0.0, group["weight_decay"]


class RMSpropTF(RMSprop):
    """RMSprop as TensorFlow has it, and as MnasNet, MobileNetV3 and EfficientNet were trained.

    d = g + weight_decay p, s = alpha s + (1 - alpha) d² from s = 1, b = momentum b + lr d / sqrt(s + eps), p -= b.
    It differs from `RMSprop` in that eps stands under the root, in the first s, which keeps the first steps small, and
    in that b remembers steps and not directions, so that a change of lr takes effect slowly.
    centered: sqrt(s - a² + eps), with a the running mean of d.  Raises ValueError as `RMSprop` does.

    TensorFlow's documentation of RMSProp; settings: Tan et al., "MnasNet", CVPR 2019, section 5.

    >>> from tinycnn import Tensor
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = RMSpropTF([w], lr=1.0, alpha=0.0, eps=0.0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.0]
    """

    def __init__(self, params: Iterable[Any], lr: float = 1e-2, alpha: float = 0.9, eps: float = 1e-3,
                 weight_decay: float = 0.0, momentum: float = 0.9, centered: bool = False) -> None:
        super().__init__(params, lr, alpha, eps, weight_decay, momentum, centered)

    def arrays(self, group: dict[str, Any]) -> dict[str, float | None]:
        """Squares begin at 1."""
        return {**super().arrays(group), "square_avg": 1.0}

    def scalars(self, group: dict[str, Any], step: int) -> tuple[float, ...]:
        """The rate applies to what b takes up; eps is added under the root."""
        return 1.0, group["lr"], group["alpha"], group["momentum"], 0.0, group["eps"], group["weight_decay"]
