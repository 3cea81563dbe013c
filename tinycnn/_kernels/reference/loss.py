"""Softmax, log-softmax and cross-entropy over the rows of x (R, C)."""
import numpy as np


def softmax_forward(x, y):  # IN (r, c)  OUT (r, c)
    """y = e^x / sum e^x."""
    y[:] = np.exp(x - x.max(1, keepdims=True))
    y /= y.sum(1, keepdims=True)


def softmax_backward(y, gy, gx):  # IN (r, c)  IN (r, c)  OUT (r, c)
    """gx = y (gy - sum gy y)."""
    gx[:] = y * (gy - (gy * y).sum(1, keepdims=True))


def log_softmax_forward(x, y):  # IN (r, c)  OUT (r, c)
    """y = x - log sum e^x."""
    y[:] = x - x.max(1, keepdims=True)
    y -= np.log(np.exp(y).sum(1, keepdims=True))


def log_softmax_backward(y, gy, gx):  # IN (r, c)  IN (r, c)  OUT (r, c)
    """gx = gy - e^y sum gy."""
    gx[:] = gy - np.exp(y) * gy.sum(1, keepdims=True)


def _distribution(x, target, smoothing):
    """1 - smoothing at the target of each row, plus smoothing shared by all classes."""
    q = np.full_like(x, smoothing / x.shape[1])
    q[np.arange(len(x)), target] += 1 - smoothing
    return q


def cross_entropy_forward(x, target, smoothing, loss, y):  # IN (r, c)  IN (r,)  OUT (r,)  OUT (r, c)
    """loss = -sum q log softmax(x), q the target distribution; y = softmax(x)."""
    log_softmax_forward(x, y)
    loss[:] = -(_distribution(x, target, smoothing) * y).sum(1)
    softmax_forward(x, y)


def cross_entropy_backward(y, target, smoothing, g, gx):  # IN (r, c)  IN (r,)  IN (r,)  OUT (r, c)
    """gx = g (y - q), y = softmax(x)."""
    gx[:] = g[:, None] * (y - _distribution(y, target, smoothing))
