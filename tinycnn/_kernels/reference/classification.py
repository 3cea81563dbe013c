"""Losses of choosing one class of several."""
import numpy as np

from .softmax import log_softmax_forward as _log_softmax
from .softmax import softmax_forward as _softmax


def _distribution(x, target, smoothing):
    """1 - smoothing at the target of each row, plus smoothing shared by all classes."""
    q = np.full_like(x, smoothing / x.shape[1])
    q[np.arange(len(x)), target] += 1 - smoothing
    return q


def cross_entropy_forward(x, target, smoothing, loss, y):  # IN (r, c)  IN (r,)  OUT (r,)  OUT (r, c)
    """loss = -sum q log softmax(x), q the target distribution; y = softmax(x)."""
    _log_softmax(x, y)
    loss[:] = -(_distribution(x, target, smoothing) * y).sum(1)
    _softmax(x, y)


def cross_entropy_backward(y, target, smoothing, g, gx):  # IN (r, c)  IN (r,)  IN (r,)  OUT (r, c)
    """gx = g (y - q), y = softmax(x)."""
    gx[:] = g[:, None] * (y - _distribution(y, target, smoothing))
