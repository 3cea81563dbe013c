"""Losses for choosing one class of several."""
from __future__ import annotations

from typing import Any

from .. import ops as F
from ..nn import Module


class CrossEntropyLoss(Module):
    """Mean over the batch of -log softmax(x)[target].

    >>> import numpy as np
    >>> loss = CrossEntropyLoss()
    >>> round(loss(np.zeros((2, 10), np.float32), np.array([3, 7])).item(), 4)
    2.3026
    """

    def forward(self, x: Any, target: Any) -> Any:
        """x (N, classes): logits; target (N): integer classes.  A scalar."""
        return F.cross_entropy(x, target)
