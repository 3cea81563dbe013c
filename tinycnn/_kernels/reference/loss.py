"""Softmax, log-softmax and cross-entropy over the rows of x (R, C)."""
import numpy as np


def _logsumexp(x):
    """log sum e^x of each row, as a column."""
    highest = x.max(1, keepdims=True)
    return highest + np.log(np.exp(x - highest).sum(1, keepdims=True))


def softmax_forward(x, y):  # IN (r, c)  OUT (r, c)
    """y = e^x / sum e^x."""
    y[:] = np.exp(x - x.max(1, keepdims=True))
    y /= y.sum(1, keepdims=True)


def softmax_backward(y, gy, gx):  # IN (r, c)  IN (r, c)  OUT (r, c)
    """gx = y (gy - sum gy y)."""
    gx[:] = y * (gy - (gy * y).sum(1, keepdims=True))


def log_softmax_forward(x, y):  # IN (r, c)  OUT (r, c)
    """y = x - log sum e^x."""
    y[:] = x - _logsumexp(x)


def log_softmax_backward(y, gy, gx):  # IN (r, c)  IN (r, c)  OUT (r, c)
    """gx = gy - e^y sum gy."""
    gx[:] = gy - np.exp(y) * gy.sum(1, keepdims=True)


def _distribution(x, target, smoothing):
    """1 - smoothing at the target of each row, plus smoothing shared by all classes."""
    q = np.full_like(x, smoothing / x.shape[1])
    q[np.arange(len(x)), target] += 1 - smoothing
    return q


def cross_entropy_forward(x, target, smoothing, loss, logsumexp):  # IN (r, c)  IN (r,)  OUT (r,)  OUT (r,)
    """loss = log sum e^x - sum q x, q the target distribution."""
    logsumexp[:] = _logsumexp(x)[:, 0]
    loss[:] = logsumexp - (_distribution(x, target, smoothing) * x).sum(1)


def cross_entropy_backward(x, target, smoothing, logsumexp, g, gx):
    # IN (r, c)  IN (r,)  IN (r,)  IN (r,)  OUT (r, c)
    """gx = g (softmax(x) - q)."""
    gx[:] = g[:, None] * (np.exp(x - logsumexp[:, None]) - _distribution(x, target, smoothing))
