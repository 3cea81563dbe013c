"""Softmax and log-softmax over the rows of x (R, C)."""
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
