"""Dropout."""
from __future__ import annotations

import numpy as np

from .. import random
from .._kernels import kernels
from ..autograd import Function
from .contracts import require_elements


class Dropout(Function, op="dropout"):
    """Elements dropped at random, the others scaled up by as much on average; which, is a function of (seed, draw)."""

    attributes = ("p", "seed", "draw")
    p: float
    seed: int
    draw: int

    def shapes(self, x):
        """The shape of x."""
        require_elements("dropout", "x", x)
        return x

    def forward(self, x):
        return self._masked(x)

    def backward(self, gy):
        """The same elements, by the same mask: made anew rather than kept."""
        return self._masked(gy)

    def _masked(self, x: np.ndarray) -> np.ndarray:
        y = np.empty_like(x)
        threshold, scale = min(round(self.p * 2**32), 2**32 - 1), 1 / (1 - self.p) if self.p < 1 else 0.0
        kernels(x.dtype).dropout(x.reshape(-1), y.reshape(-1), threshold, scale, self.seed, self.draw)
        return y


def dropout(x, p: float = 0.5, training: bool = True):
    """x of any shape; in training each element is 0 with probability p, else x / (1 - p). Otherwise x itself.

    Which elements, depends on the seed (`tinycnn.manual_seed`), on how many draws there were since, and on the index
    of the element: never on threads or on the build.  Raises ValueError where p is not within [0, 1].
    Srivastava et al., "Dropout", JMLR 2014; scaled in training, so that inference does nothing.

    >>> import numpy as np
    >>> from tinycnn import Tensor, random
    >>> random.manual_seed(0)
    >>> sorted(set(dropout(Tensor(np.ones(100, "f")), 0.5).tolist()))
    [0.0, 2.0]
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p must be within [0, 1], got {p!r}")
    if not training or p == 0:
        return x if isinstance(x, Function.tensor) else Function.tensor(x)
    seed, draw = random.next_draw()
    return Dropout.apply(x, p=float(p), seed=seed, draw=draw)
