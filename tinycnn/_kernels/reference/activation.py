"""Element-wise activations and their gradients."""
import numpy as np


def _sigmoid(x):
    """1 / (1 + e^-x), by whichever of the two forms does not overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def relu_forward(x, y):  # IN (n,)  OUT (n,)
    """y = max(x, 0)."""
    y[:] = np.maximum(x, 0)


def relu_backward(y, gy, gx):  # IN (n,)  IN (n,)  OUT (n,)
    """gx = gy where y > 0, else 0."""
    gx[:] = np.where(y > 0, gy, 0)


def relu6_forward(x, y):  # IN (n,)  OUT (n,)
    """y = min(max(x, 0), 6)."""
    y[:] = np.clip(x, 0, 6)


def relu6_backward(y, gy, gx):  # IN (n,)  IN (n,)  OUT (n,)
    """gx = gy where 0 < y < 6, else 0."""
    gx[:] = np.where((y > 0) & (y < 6), gy, 0)


def hardsigmoid_forward(x, y):  # IN (n,)  OUT (n,)
    """y = relu6(x + 3) / 6."""
    y[:] = np.clip(x + 3, 0, 6) / 6


def hardsigmoid_backward(y, gy, gx):  # IN (n,)  IN (n,)  OUT (n,)
    """gx = gy / 6 where 0 < y < 1, else 0."""
    gx[:] = np.where((y > 0) & (y < 1), gy / 6, 0)


def hardswish_forward(x, y):  # IN (n,)  OUT (n,)
    """y = x relu6(x + 3) / 6."""
    y[:] = x * np.clip(x + 3, 0, 6) / 6


def hardswish_backward(x, gy, gx):  # IN (n,)  IN (n,)  OUT (n,)
    """gx = gy (2 x + 3) / 6 between -3 and 3, 0 below, gy above."""
    gx[:] = np.select([x <= -3, x < 3], [0 * gy, gy * (2 * x + 3) / 6], gy)


def sigmoid_forward(x, y):  # IN (n,)  OUT (n,)
    """y = 1 / (1 + e^-x)."""
    y[:] = _sigmoid(x)


def sigmoid_backward(y, gy, gx):  # IN (n,)  IN (n,)  OUT (n,)
    """gx = gy y (1 - y)."""
    gx[:] = gy * y * (1 - y)


def exp_forward(x, y):  # IN (n,)  OUT (n,)
    """y = e^x."""
    y[:] = np.exp(x)


def silu_forward(x, y):  # IN (n,)  OUT (n,)
    """y = x sigmoid(x)."""
    y[:] = x * _sigmoid(x)


def silu_backward(x, gy, gx):  # IN (n,)  IN (n,)  OUT (n,)
    """gx = gy (s + x s (1 - s)), s = sigmoid(x)."""
    s = _sigmoid(x)
    gx[:] = gy * (s + x * s * (1 - s))


def tanh_forward(x, y):  # IN (n,)  OUT (n,)
    """y = tanh(x)."""
    y[:] = np.tanh(x)


def tanh_backward(y, gy, gx):  # IN (n,)  IN (n,)  OUT (n,)
    """gx = gy (1 - y^2)."""
    gx[:] = gy * (1 - y * y)


def _mish_parts(x):
    """e^x, and n = e (e + 2), of which tanh(log(1 + e^x)) = n / (n + 2); x is cut off where that is 1."""
    e = np.exp(np.minimum(x, 40 if x.dtype == np.float64 else 20))
    return e, e * (e + 2)


def mish_forward(x, y):  # IN (n,)  OUT (n,)
    """y = x tanh(log(1 + e^x))."""
    _, n = _mish_parts(x)
    y[:] = x * (n / (n + 2))


def mish_backward(x, gy, gx):  # IN (n,)  IN (n,)  OUT (n,)
    """gx = gy (t + x t'), t = tanh(log(1 + e^x)), t' = sigmoid(x) (1 - t^2) = 4 e (e + 1) / (n + 2)^2."""
    e, n = _mish_parts(x)
    gx[:] = gy * (n / (n + 2) + x * (4 * e * (e + 1) / (n + 2) ** 2))


def prelu_forward(x, weight, y):  # IN (n, c, p)  IN (c,)  OUT (n, c, p)
    """y = x where x > 0, else weight x."""
    y[:] = np.where(x > 0, x, weight[:, None] * x)


def prelu_scratch(n, c, p):
    """Elements of scratch memory that `prelu_backward` wants; the twin wants none."""
    return 0


def prelu_backward(x, gy, weight, gx, gw, scratch):
    # IN (n, c, p)  IN (n, c, p)  IN (c,)  OUT (n, c, p)  OUT (c,)
    """gx = gy where x > 0, else weight gy; gw = sum of gy x where x <= 0."""
    gx[:] = np.where(x > 0, gy, weight[:, None] * gy)
    gw[:] = np.where(x > 0, 0, gy * x).sum((0, 2))
