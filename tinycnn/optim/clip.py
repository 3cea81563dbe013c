"""Clipping of gradients, before a step of the optimiser."""
from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from .._kernels import kernels

_NO_ZERO = 1e-6  # torch's: added to the norm that divides


def clip_grad_norm_(parameters: Any, max_norm: float, norm_type: float = 2.0,
                    error_if_nonfinite: bool = False) -> float:
    """Scale all gradients by max_norm / norm, in place, where the norm of all of them together is larger than that.

    parameters: Tensors, or one; those without a gradient are passed over.  norm_type: p of the norm
    (sum |g|^p)^(1/p), infinity for the largest magnitude; sums are in double precision.  Returns the norm before.
    A norm that is not finite makes gradients 0 or NaN as in torch; with error_if_nonfinite it raises RuntimeError, and
    they stay.  Raises ValueError for max_norm < 0 and norm_type <= 0.

    Pascanu et al., "On the difficulty of training recurrent neural networks", ICML 2013, algorithm 1.

    >>> from tinycnn import Tensor
    >>> w = Tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> clip_grad_norm_(w, 5.0)
    10.0
    >>> w.grad.round(4).tolist()
    [3.0, 4.0]
    """
    if not max_norm >= 0 or not norm_type > 0:
        raise ValueError(f"clip_grad_norm_: expected max_norm >= 0 and norm_type > 0, got max_norm={max_norm!r}, "
                         f"norm_type={norm_type!r}")
    gradients = _gradients(parameters)
    total = _norm(gradients, float(norm_type))
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(f"clip_grad_norm_: the norm of the gradients is {total}")
    share = max_norm / (total + _NO_ZERO)
    if not share >= 1:
        with np.errstate(invalid="ignore"):  # infinity times 0
            for g in gradients:
                np.multiply(g, share, out=g)
    return total


def clip_grad_value_(parameters: Any, clip_value: float) -> None:
    """Bring every element of every gradient into [-clip_value, clip_value], in place; NaN stays NaN.

    parameters: Tensors, or one; those without a gradient are passed over.  Raises ValueError for clip_value < 0.

    >>> from tinycnn import Tensor
    >>> w = Tensor([0.25, 4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> clip_grad_value_(w, 1.0)
    >>> w.grad.tolist()
    [0.5, 1.0]
    """
    if not clip_value >= 0:
        raise ValueError(f"clip_grad_value_: clip_value must be >= 0, got {clip_value!r}")
    for g in _gradients(parameters):
        np.clip(g, -clip_value, clip_value, out=g)


def _gradients(parameters: Any) -> list[np.ndarray]:
    several: Iterable[Any] = [parameters] if hasattr(parameters, "grad") else parameters
    return [p.grad for p in several if p.grad is not None]


def _norm(gradients: list[np.ndarray], p: float) -> float:
    """The p-norm of all elements of all arrays."""
    if p == 2:
        return math.sqrt(sum(map(_sum_of_squares, gradients)))
    if p == math.inf:
        return float(np.max([np.abs(g).max(initial=0) for g in gradients], initial=0))
    return float(sum((np.abs(g.astype(np.float64)) ** p).sum() for g in gradients)) ** (1 / p)


def _sum_of_squares(g: np.ndarray) -> float:
    if not g.size:
        return 0.0
    module = kernels(g.dtype)
    return module.sum_of_squares(g.ravel(), np.empty(-(-g.size // module.SQUARES_CHUNK)))
