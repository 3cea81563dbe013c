"""Normalisations across the channels of x (N, C, P), at one pixel."""
import numpy as np


def l2_norm_forward(x, weight, y, inverse, eps):  # IN (n, c, p)  IN (c,)  OUT (n, c, p)  OUT (n, p)
    """y = weight x inverse, inverse = 1 / max(|x|, eps)."""
    with np.errstate(divide="ignore"):
        inverse[:] = 1 / np.maximum(np.sqrt((x * x).sum(1)), eps)
    y[:] = weight[:, None] * x * inverse[:, None]


def l2_norm_scratch(n, c, p):
    """Elements of scratch memory that `l2_norm_backward` wants; the twin wants none."""
    return 0


def l2_norm_backward(x, gy, weight, inverse, gx, gw, scratch, eps):
    # IN (n, c, p)  IN (n, c, p)  IN (c,)  IN (n, p)  OUT (n, c, p)  OUT (c,)
    """gx = inverse (weight gy - x inverse^2 sum weight gy x), without the second term where |x| <= eps."""
    r, h = inverse[:, None], weight[:, None] * gy
    with np.errstate(divide="ignore"):
        varies = r < np.divide(1, eps, dtype=x.dtype)
    gx[:] = r * (h - np.where(varies, x * r**2 * (h * x).sum(1, keepdims=True), 0))
    gw[:] = (gy * x * r).sum((0, 2))


def _window(v, before, after):
    """Sum over the channels from c - before to c + after that there are, for each c."""
    return np.stack([v[:, max(0, c - before):c + after + 1].sum(1) for c in range(v.shape[1])], 1)


def local_response_norm_forward(x, y, d, size, alpha, beta, k):  # IN (n, c, p)  OUT (n, c, p)  OUT (n, c, p)
    """y = x d^-beta, d = k + alpha / size times the squares of `size` channels around each, summed."""
    d[:] = k + alpha / size * _window(x * x, size // 2, (size - 1) // 2)
    y[:] = x * d**-beta


def local_response_norm_backward(x, d, gy, gx, scratch, size, alpha, beta):
    # IN (n, c, p)  IN (n, c, p)  IN (n, c, p)  OUT (n, c, p)
    """gx = gy d^-beta - 2 alpha beta / size x times gy x d^(-beta - 1) of the channels that x takes part in, summed."""
    q = gy * x * d ** (-beta - 1)
    gx[:] = gy * d**-beta - 2 * alpha * beta / size * x * _window(q, (size - 1) // 2, size // 2)
