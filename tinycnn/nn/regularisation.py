"""What makes training harder, as modules: dropout of elements, of channels, of weights, of whole branches."""
from __future__ import annotations

from typing import Any, ClassVar

from .. import ops as F
from .layers import Linear
from .module import Module


def _probability(layer: Module, p: float) -> float:
    """p, or ValueError naming the layer where it is outside [0, 1]."""
    if not 0 <= p <= 1:
        raise ValueError(f"{type(layer).__name__}: p must lie in [0, 1], got {p}")
    return p


class Dropping(Module):
    """What modules share that drop something with probability p in training, and do nothing in use.

    Raises ValueError for p outside [0, 1].
    """

    shown: ClassVar[tuple[str, ...]] = ("p",)

    def __init__(self, p: float = 0.5) -> None:
        self.p = _probability(self, p)

    def forward(self, x: Any) -> Any:
        return self._drop(x) if self.training and self.p else x

    def _drop(self, x: Any) -> Any:
        raise NotImplementedError


class Dropout(Dropping):
    """In training, each element becomes 0 with probability p and the others grow by 1 / (1 - p).

    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 2014.
    """

    def _drop(self, x: Any) -> Any:
        return F.dropout(x, self.p)


class Dropout2d(Dropping):
    """In training, each channel of each image becomes 0 with probability p and the others grow by 1 / (1 - p)."""

    def _drop(self, x: Any) -> Any:
        return F.dropout2d(x, self.p)


class StochasticDepth(Dropping):
    """In training, a residual branch's result becomes 0 with probability p, else it grows by 1 / (1 - p).

    mode: "row" decides for each image, "batch" for all at once; ValueError otherwise.  torchvision's, with its name.
    """

    shown = ("p", "mode")

    def __init__(self, p: float, mode: str) -> None:
        super().__init__(p)
        if mode not in ("row", "batch"):
            raise ValueError(f"StochasticDepth: mode must be 'row' or 'batch', got {mode!r}")
        self.mode = mode

    def _drop(self, x: Any) -> Any:
        return F.stochastic_depth(x, self.p, self.mode)


class DropPath(Dropping):
    """StochasticDepth of mode "row", with timm's name: what EfficientNet's code calls drop connect."""

    def __init__(self, p: float = 0.0) -> None:
        super().__init__(p)

    def _drop(self, x: Any) -> Any:
        return F.drop_path(x, self.p)


class DropConnectLinear(Linear):
    """Linear, whose weights each become 0 with probability p in training: DropConnect, see `F.drop_connect`.

    Parameters and shapes as Linear's.  Raises ValueError for p outside [0, 1].
    """

    shown = (*Linear.shown, "p")

    def __init__(self, in_features: int, out_features: int, p: float = 0.5, bias: bool = True) -> None:
        super().__init__(in_features, out_features, bias)
        self.p = _probability(self, p)

    def forward(self, x: Any) -> Any:
        return F.linear(x, F.drop_connect(self.weight, self.p, self.training), self.bias)
