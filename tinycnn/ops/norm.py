"""Batch normalisation."""
from __future__ import annotations

import numpy as np

from .._kernels import kernels
from ..autograd import Function
from .contracts import planes, require_elements


class BatchNorm(Function, op="batch_norm"):
    """Each channel with mean 0 and variance 1, then scaled by weight and moved by bias."""

    inputs = ("x", "weight", "bias", "running_mean", "running_var")
    attributes = ("training", "momentum", "eps")
    training: bool
    momentum: float
    eps: float

    def shapes(self, x, weight, bias, running_mean, running_var):
        """The shape of x, where the others have an element per channel."""
        if len(x) not in (2, 3, 4):
            raise ValueError(f"batch_norm: x must be (N, C), (N, C, L) or (N, C, H, W), got the shape {x}")
        require_elements("batch_norm", "x", x)
        expected = (x[1],)
        for name, shape in zip(self.inputs[1:], (weight, bias, running_mean, running_var)):
            if shape is not None and shape != expected:
                raise ValueError(f"batch_norm: {name} has shape {shape}, expected {expected} for x of shape {x}")
        if (running_mean is None) != (running_var is None):
            raise ValueError("batch_norm: running_mean and running_var must both be given, or neither")
        if running_mean is None and not self.training:
            raise ValueError("batch_norm: running_mean and running_var are needed where training=False")
        if self.training and x[0] == planes(x)[2] == 1:
            raise ValueError(f"batch_norm: training needs more than 1 value per channel, got x of shape {x}")
        return x

    def forward(self, x, weight, bias, running_mean, running_var):
        """Normalised x; in training the running statistics move (in place: they are no part of the tape)."""
        c, shape, kernel = x.shape[1], planes(x.shape), kernels(x.dtype)
        weight = np.ones(c, x.dtype) if weight is None else weight
        bias = np.zeros(c, x.dtype) if bias is None else bias
        y, inverse_std = np.empty_like(x), np.empty(c, x.dtype)
        arrays = x.reshape(shape), weight, bias
        if self.training:
            mean = np.empty(c, x.dtype)
            statistics = [np.zeros(c, x.dtype) if s is None else s for s in (running_mean, running_var)]
            kernel.batch_norm_train(*arrays, *statistics, y.reshape(shape), mean, inverse_std, self.momentum, self.eps)
            self._return_statistics(statistics)
        else:
            mean = running_mean.copy()  # a later training step may move it before backward comes
            kernel.batch_norm_eval(*arrays, mean, running_var, y.reshape(shape), inverse_std, self.eps)
        self.save(x=x, weight=weight, mean=mean, inverse_std=inverse_std)
        return y

    def _return_statistics(self, statistics):
        """Write running statistics back where the kernel was given a contiguous copy."""
        for parent, array in zip(self.parents[3:], statistics):
            if parent is not None and parent.data is not array:
                parent.data[...] = array

    def backward(self, gy):
        """gx, and the gradients of weight and bias, which fall out of the sums that gx needs."""
        saved, shape = self.saved, planes(gy.shape)
        gx, gw, gb = np.empty_like(gy), np.empty_like(saved.mean), np.empty_like(saved.mean)
        kernels(gy.dtype).batch_norm_backward(saved.x.reshape(shape), gy.reshape(shape), saved.weight, saved.mean,
                                              saved.inverse_std, gx.reshape(shape), gw, gb, self.training)
        return gx, gw, gb, None, None


def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """x (N, C), (N, C, L) or (N, C, H, W), normalised per channel: (x - mean) / sqrt(variance + eps) weight + bias.

    training: mean and (biased) variance are those of x, and running_mean and running_var (C,), where given, move in
    place by `momentum` towards the mean and the unbiased variance; that is no operation on the tape. Otherwise the
    running statistics serve as mean and variance.  weight, bias: (C,), or None for 1 and 0.

    Raises ValueError where x is empty, a vector does not fit its channels, or, in training, where there is only one
    value per channel.  Ioffe and Szegedy, "Batch normalization", ICML 2015.

    >>> import numpy as np
    >>> x = np.array([[1.0], [3.0]], "f")
    >>> mean, variance = np.zeros(1, "f"), np.ones(1, "f")
    >>> batch_norm(x, mean, variance, training=True).numpy().round(3).tolist()
    [[-1.0], [1.0]]
    >>> mean.round(3).tolist(), variance.round(3).tolist()  # 0.9 * 0 + 0.1 * 2, 0.9 * 1 + 0.1 * 2
    ([0.2...], [1.1...])
    """
    return BatchNorm.apply(x, weight, bias, running_mean, running_var, training=bool(training),
                           momentum=float(momentum), eps=float(eps))
