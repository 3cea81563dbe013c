"""Softmax and log-softmax over the rows of x (R, C), and over the channels of x (O, C, I): both are axis 1."""
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


def softmax_channels_forward(x, y):  # IN (o, c, i)  OUT (o, c, i)
    """As softmax_forward."""
    softmax_forward(x, y)


def softmax_channels_backward(y, gy, gx):  # IN (o, c, i)  IN (o, c, i)  OUT (o, c, i)
    """As softmax_backward."""
    softmax_backward(y, gy, gx)


def log_softmax_channels_forward(x, y):  # IN (o, c, i)  OUT (o, c, i)
    """As log_softmax_forward."""
    log_softmax_forward(x, y)


def log_softmax_channels_backward(y, gy, gx):  # IN (o, c, i)  IN (o, c, i)  OUT (o, c, i)
    """As log_softmax_backward."""
    log_softmax_backward(y, gy, gx)
