"""Switchable normalisation, composed from statistics."""
from __future__ import annotations

from .contracts import as_tensor
from .softmax import softmax


def switchable_norm(x, running_mean, running_var, weight, bias, mean_weight, var_weight, training: bool = False,
                    momentum: float = 0.1, eps: float = 1e-5):
    """x (N, C, H, W), normalised by a learned mixture of the statistics of instance, layer and batch normalisation.

    y = (x - mean) / sqrt(variance + eps) weight + bias, where mean = sum of softmax(mean_weight)_k mean_k and
    variance = sum of softmax(var_weight)_k variance_k over k = instance, layer, batch.  The statistics of an image, and
    of the batch, come from those of its planes: mean_ln = mean of mean_in over the channels, variance_ln = mean of
    variance_in plus variance of mean_in; likewise over images for the batch's.  Variances are the biased ones.

    running_mean, running_var: (C,), take the place of the batch's statistics unless training; in training they move in
    place by `momentum` towards those, which is no operation on the tape.  weight, bias: (C,); mean_weight, var_weight:
    (3,), logits.  Gradients come from the operations it is made of.  Raises ValueError where an argument does not fit.
    Luo, Ren, Peng, Zhang and Li, "Differentiable learning-to-normalize via switchable normalization", ICLR 2019,
    equations 2 to 5.

    >>> import numpy as np
    >>> x, even = np.array([1, 3], "f").reshape(1, 1, 1, 2), np.zeros(3, "f")
    >>> running_mean, running_var, bias, weight = np.array([[0], [1], [0], [1]], "f")
    >>> y = switchable_norm(x, running_mean, running_var, weight, bias, even, even, training=True)
    >>> y.numpy().round(3).ravel().tolist(), running_mean.round(3).tolist()
    ([-1.0, 1.0], [0.2...])
    """
    x = as_tensor(x)
    _require(x, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    mean_in, var_in = x.mean((2, 3), keepdims=True), x.var((2, 3), keepdims=True)
    mean_ln, var_ln = _pooled(mean_in, var_in, 1)
    if training:
        mean_bn, var_bn = _pooled(mean_in, var_in, 0)
        _move(running_mean, mean_bn, momentum)
        _move(running_var, var_bn, momentum)
    else:
        mean_bn, var_bn = _channels(running_mean), _channels(running_var)
    mean = _mixture(mean_weight, "mean_weight", (mean_in, mean_ln, mean_bn))
    variance = _mixture(var_weight, "var_weight", (var_in, var_ln, var_bn))
    return (x - mean) * (_channels(weight) / (variance + eps).sqrt()) + _channels(bias)


def _require(x, **vectors):
    """ValueError for an x that is no map with elements, and for a vector without one element per channel."""
    if x.ndim != 4 or 0 in x.shape:
        raise ValueError(f"switchable_norm: x must be (N, C, H, W), none of them 0, got the shape {x.shape}")
    for name, vector in vectors.items():
        if tuple(vector.shape) != (x.shape[1],):
            raise ValueError(f"switchable_norm: {name} has shape {tuple(vector.shape)}, expected {(x.shape[1],)} "
                             f"for x of shape {x.shape}")


def _pooled(mean, variance, axis):
    """Mean and variance of what planes of these means and variances hold together: no difference of squares."""
    return (mean.mean(axis, keepdims=True),
            variance.mean(axis, keepdims=True) + mean.var(axis, keepdims=True))


def _channels(v):
    """A number per channel, against (N, C, H, W)."""
    return as_tensor(v).reshape(1, -1, 1, 1)


def _move(running, batch, momentum):
    array = as_tensor(running).data
    array += array.dtype.type(momentum) * (batch.data.reshape(-1) - array)


def _mixture(logits, name, parts):
    if tuple(logits.shape) != (3,):
        raise ValueError(f"switchable_norm: {name} must have the shape (3,), got {tuple(logits.shape)}")
    share = softmax(logits, 0)
    return share[0] * parts[0] + share[1] * parts[1] + share[2] * parts[2]
