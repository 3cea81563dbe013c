"""Batch normalisation, on x of shape (N, C, P): P pixels to a plane."""
import numpy as np


def _column(v):
    """A number per channel, against (N, C, P)."""
    return v[None, :, None]


def batch_norm_train(x, weight, bias, running_mean, running_var, y, mean, inverse_std, momentum, eps):
    # IN (n, c, p)  IN (c,)  IN (c,)  IN and OUT (c,)  IN and OUT (c,)  OUT (n, c, p)  OUT (c,)  OUT (c,)
    """Statistics of the batch, y normalised by them, and the running statistics moved towards them.

    The running variance follows the unbiased estimate, as inference estimates that of the population.
    """
    exact = x.astype(np.float64)
    average, variance = exact.mean((0, 2)), exact.var((0, 2))
    size = x.shape[0] * x.shape[2]
    mean[:] = average
    batch_norm_eval(x, weight, bias, mean, variance, y, inverse_std, eps)
    running_mean += momentum * (average - running_mean)
    running_var += momentum * (variance * size / (size - 1) - running_var)


def batch_norm_eval(x, weight, bias, mean, variance, y, inverse_std, eps):
    # IN (n, c, p)  IN (c,)  IN (c,)  IN (c,)  IN (c,)  OUT (n, c, p)  OUT (c,)
    """y = (x - mean) inverse_std weight + bias, inverse_std = 1 / sqrt(variance + eps)."""
    inverse_std[:] = 1 / np.sqrt(variance.astype(np.float64) + eps)
    y[:] = (x - _column(mean)) * _column(inverse_std * weight) + _column(bias)


def batch_norm_backward(x, gy, weight, mean, inverse_std, gx, gw, gb, training):
    # IN (n, c, p)  IN (n, c, p)  IN (c,)  IN (c,)  IN (c,)  OUT (n, c, p)  OUT (c,)  OUT (c,)
    """Gradients; `training`: the mean and the deviation depend on x too."""
    xhat = (x - _column(mean)) * _column(inverse_std)
    gw[:], gb[:] = (gy * xhat).sum((0, 2)), gy.sum((0, 2))
    size = x.shape[0] * x.shape[2]
    through_statistics = _column(gb / size) + xhat * _column(gw / size) if training else 0
    gx[:] = _column(weight * inverse_std) * (gy - through_statistics)
