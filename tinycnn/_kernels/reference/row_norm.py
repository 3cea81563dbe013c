"""Layer, instance and group normalisation, on x of shape (N, G, K, P): rows of K channels of P pixels."""
import numpy as np


def _row(v, x):
    """A number per row, against (N, G, K, P)."""
    return v.reshape(*x.shape[:2], 1, 1)


def _channel(v, x):
    """A number per channel, against (N, G, K, P)."""
    return v.reshape(1, *x.shape[1:3], 1)


def row_norm_forward(x, weight, bias, y, mean, inverse_std, eps):
    # IN (n, g, k, p)  IN (g k,)  IN (g k,)  OUT (n, g, k, p)  OUT (n g,)  OUT (n g,)
    """y = (x - mean) inverse_std weight + bias, by the mean and the variance of each row."""
    exact = x.astype(np.float64)
    mean[:] = exact.mean((2, 3)).reshape(-1)
    inverse_std[:] = 1 / np.sqrt(exact.var((2, 3)).reshape(-1) + eps)
    y[:] = (x - _row(mean, x)) * _row(inverse_std, x) * _channel(weight, x) + _channel(bias, x)


def row_norm_scratch(n, channels, p):
    """Elements of scratch memory that `row_norm_backward` wants; the twin wants none."""
    return 0


def row_norm_backward(x, gy, weight, mean, inverse_std, gx, gw, gb, scratch):
    # IN (n, g, k, p)  IN (n, g, k, p)  IN (g k,)  IN (n g,)  IN (n g,)  OUT (n, g, k, p)  OUT (g k,)  OUT (g k,)
    """gx = inverse_std (h - mean h - xhat mean (h xhat)), h = gy weight; gw = sum gy xhat; gb = sum gy."""
    xhat, h = (x - _row(mean, x)) * _row(inverse_std, x), gy * _channel(weight, x)
    gw[:], gb[:] = (gy * xhat).sum((0, 3)).reshape(-1), gy.sum((0, 3)).reshape(-1)
    h_mean, product = h.mean((2, 3), keepdims=True), (h * xhat).mean((2, 3), keepdims=True)
    gx[:] = _row(inverse_std, x) * (h - h_mean - xhat * product)
