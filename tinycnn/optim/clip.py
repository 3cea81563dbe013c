"""Clipping of gradients, before a step of the optimiser."""
from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .._kernels import kernels
from .flat import in_place

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
    gradients = _gradients(parameters)
    share = _share("clip_grad_norm_", gradients, _squares, max_norm, norm_type, error_if_nonfinite)
    if share.factor is not None:
        for g in gradients:
            in_place(g, lambda x: kernels(x.dtype).scale_update(x, share.factor))
    return share.norm


def clip_flat_norm_(gradients: np.ndarray, places: np.ndarray, max_norm: float, norm_type: float = 2.0,
                    error_if_nonfinite: bool = False) -> float:
    """`clip_grad_norm_` of gradients that are parts of one array (n,); it gives the same bits.

    places: (k, 2), the first element of each and one more than its last, ascending, as `Flat.places` has them.
    """
    parts = [gradients[start:stop] for start, stop in places.tolist()]
    share = _share("clip_flat_norm_", parts, lambda _: _flat_squares(gradients, places), max_norm, norm_type,
                   error_if_nonfinite)
    if share.factor is not None and parts:
        kernels(gradients.dtype).scale_update(gradients, share.factor, places)
    return share.norm


@dataclass(frozen=True)
class ClipNorm:
    """`clip_grad_norm_` with its settings, as `compile_training_step` takes them.

    A planned step has all gradients in one array, and clips them at once (`flat`), with the same result.

    >>> ClipNorm(5.0)([])
    0.0
    """

    max_norm: float
    norm_type: float = 2.0

    def __call__(self, parameters: Any) -> float:
        """See `clip_grad_norm_`."""
        return clip_grad_norm_(parameters, self.max_norm, self.norm_type)

    def flat(self, gradients: np.ndarray, places: np.ndarray) -> float:
        """See `clip_flat_norm_`."""
        return clip_flat_norm_(gradients, places, self.max_norm, self.norm_type)


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
    _require_value("clip_grad_value_", clip_value)
    for g in _gradients(parameters):
        in_place(g, lambda x: kernels(x.dtype).limit_update(x, clip_value))


def _gradients(parameters: Any) -> list[np.ndarray]:
    several: Iterable[Any] = [parameters] if hasattr(parameters, "grad") else parameters
    return [p.grad for p in several if p.grad is not None and p.grad.size]


def _require_value(name: str, clip_value: float) -> None:
    if not clip_value >= 0:
        raise ValueError(f"{name}: clip_value must be >= 0, got {clip_value!r}")


class _Share(NamedTuple):
    """The norm of gradients, and what they are to be multiplied with, if at all."""

    norm: float
    factor: float | None


def _share(name: str, gradients: list[np.ndarray], squares: Callable[[list[np.ndarray]], float], max_norm: float,
           norm_type: float, error_if_nonfinite: bool) -> _Share:
    if not max_norm >= 0 or not norm_type > 0:
        raise ValueError(f"{name}: expected max_norm >= 0 and norm_type > 0, got max_norm={max_norm!r}, "
                         f"norm_type={norm_type!r}")
    norm = _norm(gradients, squares, float(norm_type))
    if error_if_nonfinite and not math.isfinite(norm):
        raise RuntimeError(f"{name}: the norm of the gradients is {norm}")
    factor = max_norm / (norm + _NO_ZERO)
    return _Share(norm, None if factor >= 1 else factor)


def _norm(gradients: list[np.ndarray], squares: Callable[[list[np.ndarray]], float], p: float) -> float:
    """The p-norm of all elements of all arrays."""
    if p == 2:
        return math.sqrt(squares(gradients)) if gradients else 0.0
    if p == math.inf:
        return float(np.max([np.abs(g).max() for g in gradients], initial=0))
    return float(sum((np.abs(g.ravel().astype(np.float64)) ** p).sum() for g in gradients)) ** (1 / p)


# The sum of squares of all arrays: partial sums of chunks of each, added up one after the other, so that it does not
# matter how many calls found them.
def _squares(gradients: list[np.ndarray]) -> float:
    partial = []
    for g in gradients:
        module = kernels(g.dtype)
        partial.append(np.empty(-(-g.size // module.SQUARES_CHUNK)))
        module.sum_of_squares(g.ravel(), partial[-1])
    return float(np.cumsum(np.concatenate(partial))[-1])


def _flat_squares(gradients: np.ndarray, places: np.ndarray) -> float:
    module = kernels(gradients.dtype)
    pieces = [(at, min(at + module.SQUARES_CHUNK, stop))
              for start, stop in places.tolist() for at in range(start, stop, module.SQUARES_CHUNK)]
    return module.sum_of_squares(gradients, np.empty(len(pieces)), np.array(pieces, np.intp))
