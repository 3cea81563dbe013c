"""MixUp: training on convex combinations of pairs of examples.

Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: beyond empirical risk minimization", ICLR 2018.  Images are mixed as
x = lam x_a + (1 - lam) x_b; targets in one of two forms:

    index      classes a and b, and the loss  lam L(z, a) + (1 - lam) L(z, b)      `mixed_loss`
    one-hot    q = lam onehot(a) + (1 - lam) onehot(b), and the loss L(z, q)       `mixed_one_hot`

For the plain cross-entropy, which is linear in the target, both are the same number to rounding.  They differ where
the loss is not: a mean weighted by class divides by the weights of a and of b apart in the first form, and by their
mixture, or by the batch size, in the second; focal loss is curved in the target.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import random


class Mixed(NamedTuple):
    """A mixed batch: images, the classes of both examples of each pair, the share of the first one."""

    x: np.ndarray  # (N, ...)
    a: np.ndarray  # (N,)
    b: np.ndarray  # (N,)
    lam: float


def mixup(x: np.ndarray, y: np.ndarray, alpha: float = 1.0, generator: np.random.Generator | None = None) -> Mixed:
    """Images x (N, ...), each mixed with that of another place, drawn without replacement; y (N,): their classes.

    lam, one for the batch, is drawn from Beta(alpha, alpha); alpha = 0 mixes nothing.  generator: NumPy's, by default
    the one that `tinycnn.manual_seed` seeds.  Raises ValueError where alpha is negative, or x and y differ in length or
    are empty.

    >>> x, y = np.array([[0.0], [1.0]], "f"), np.array([3, 5])
    >>> mixed = mixup(x, y, generator=np.random.default_rng(0))
    >>> bool(np.allclose(mixed.x, mixed.lam * x + (1 - mixed.lam) * x[np.where(mixed.b == 3, 0, 1)]))
    True
    """
    x, y = np.asarray(x), np.asarray(y)
    if not alpha >= 0:
        raise ValueError(f"mixup: alpha must be at least 0, got {alpha!r}")
    if x.ndim == 0 or y.shape != x.shape[:1] or 0 in x.shape:
        raise ValueError(f"mixup: y must be (N,), one class for each of x (N, ...), got the shapes {y.shape} "
                         f"and {x.shape}")
    generator = random.generator() if generator is None else generator
    lam = float(generator.beta(alpha, alpha)) if alpha > 0 else 1.0
    other = generator.permutation(len(x))
    share = x.dtype.type(lam)
    return Mixed(share * x + (1 - share) * x[other], y, y[other], lam)


def mixed_one_hot(a: np.ndarray, b: np.ndarray, lam: float, num_classes: int, dtype: Any = np.float32) -> np.ndarray:
    """lam onehot(a) + (1 - lam) onehot(b): soft targets (N, num_classes) from classes a, b (N,).

    Raises ValueError for a class that is none of num_classes.

    >>> mixed_one_hot(np.array([0]), np.array([2]), 0.75, 3).tolist()
    [[0.75, 0.0, 0.25]]
    """
    targets = np.zeros((len(a), num_classes), dtype)
    for name, classes, share in (("a", a, lam), ("b", b, 1 - lam)):
        if len(classes) and not 0 <= np.min(classes) <= np.max(classes) < num_classes:
            raise ValueError(f"mixed_one_hot: {name} must hold classes from 0 to {num_classes - 1}, "
                             f"got {np.min(classes)} to {np.max(classes)}")
        targets[np.arange(len(a)), classes] += share
    return targets


def mixed_loss(loss: Callable[[Any, Any], Any], output: Any, a: np.ndarray, b: np.ndarray, lam: float) -> Any:
    """lam loss(output, a) + (1 - lam) loss(output, b)."""
    return loss(output, a) * lam + loss(output, b) * (1 - lam)
