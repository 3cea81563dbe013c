"""The loss of networks with auxiliary classifiers."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..nn import Module
from .classification import CrossEntropyLoss


class AuxiliaryLoss(Module):
    """A loss of logits, and of each auxiliary classifier's with a weight: loss(y0) + sum of weights[i] loss(y[i+1]).

    loss: of (logits, target), None: `CrossEntropyLoss()`.  weights: of the auxiliary ones, one for all or one for each
    in the order of the outputs; 0.3 in GoogLeNet (Szegedy et al., "Going deeper with convolutions", CVPR 2015,
    section 5).  Its input: the list of logits that a network with auxiliary classifiers gives in training, or logits
    alone, as it gives them in use; target: what `loss` takes.

    Raises TypeError for a loss that cannot be called, ValueError for an empty list, or one that does not fit the number
    of weights.

    >>> import numpy as np
    >>> logits = np.zeros((2, 10), np.float32)
    >>> round(AuxiliaryLoss()([logits, logits, logits], np.array([3, 7])).item(), 4)  # 1.6 log(10)
    3.6841
    """

    def __init__(self, loss: Callable[[Any, Any], Any] | None = None, weights: float | Sequence[float] = 0.3) -> None:
        if loss is not None and not callable(loss):
            raise TypeError(f"AuxiliaryLoss: loss must be a function of (logits, target), got {loss!r}")
        self.loss = CrossEntropyLoss() if loss is None else loss
        self.weights = weights

    def forward(self, input: Any, target: Any) -> Any:
        if not isinstance(input, (list, tuple)):
            return self.loss(input, target)
        if not input:
            raise ValueError("AuxiliaryLoss: input is empty, expected logits and those of auxiliary classifiers")
        total = self.loss(input[0], target)
        for logits, weight in zip(input[1:], self._weights(len(input) - 1), strict=True):
            total = total + self.loss(logits, target) * weight
        return total

    def _weights(self, count: int) -> Sequence[float]:
        weights = [self.weights] * count if isinstance(self.weights, (int, float)) else self.weights
        if len(weights) != count:
            raise ValueError(f"AuxiliaryLoss: input has {count} auxiliary outputs, expected one for each of the "
                             f"{len(weights)} weights {weights}")
        return weights
