"""Switchable normalisation: kernels walk over the planes, NumPy mixes the few numbers that a plane has.

Statistics are (N, C), in double: `in` of each plane, `ln` of an image, (N, 1), `bn` of the batch, (1, C).  What planes
hold together has the mean of their means, and for variance the mean of their variances plus the variance of their
means: no difference of squares, which would lose a large mean's digits.
"""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._kernels import kernels
from ..autograd import Function
from .contracts import planes, require_elements

Parts = tuple[np.ndarray, np.ndarray, np.ndarray]  # of instance, layer and batch normalisation


class Mixture(NamedTuple):
    """One statistic of the three normalisers, the shares in which it is mixed, and the mixture (N, C)."""

    parts: Parts
    shares: np.ndarray
    mixed: np.ndarray


def _mixture(logits: np.ndarray, parts: Parts) -> Mixture:
    shares = np.exp(logits.astype(np.float64) - logits.max())
    shares /= shares.sum()
    return Mixture(parts, shares, sum(share * part for share, part in zip(shares, parts)))


def _logits_gradient(mixture: Mixture, g: np.ndarray) -> np.ndarray:
    """Gradient of the logits, from that of the mixture."""
    each = np.array([(g * part).sum() for part in mixture.parts])
    return mixture.shares * (each - (mixture.shares * each).sum())


class SwitchableNorm(Function, op="switchable_norm"):
    """Normalised by a mixture of the statistics of a plane, an image and the batch."""

    inputs = ("x", "weight", "bias", "mean_weight", "var_weight", "running_mean", "running_var")
    attributes = ("training", "momentum", "eps")
    training: bool
    momentum: float
    eps: float

    def shapes(self, x, *others):
        """The shape of x."""
        if len(x) != 4:
            raise ValueError(f"switchable_norm: x must be (N, C, H, W), got the shape {x}")
        require_elements("switchable_norm", "x", x)
        for name, shape in zip(self.inputs[1:], others):
            expected = (3,) if name in ("mean_weight", "var_weight") else x[1:2]
            if shape != expected:
                raise ValueError(f"switchable_norm: {name} has shape {shape}, expected {expected} for x of shape {x}")
        return x

    def forward(self, x, weight, bias, mean_weight, var_weight, running_mean, running_var):
        """y; in training the running statistics move (in place: they are no part of the tape)."""
        kernel, (n, c, p) = kernels(x.dtype), planes(x.shape)
        rows, y, own = x.reshape(n * c, p), np.empty_like(x), np.empty((2, n * c), x.dtype)
        kernel.plane_moments(rows, own[0], own[1])
        means, variances = self._statistics(own.reshape(2, n, c).astype(np.float64), running_mean, running_var)
        mean, variance = _mixture(mean_weight, means), _mixture(var_weight, variances)
        inverse_std = 1 / np.sqrt(variance.mixed + self.eps)
        numbers = np.empty((3, n, c), x.dtype)
        numbers[:] = mean.mixed, inverse_std * weight, np.broadcast_to(bias, (n, c))
        kernel.plane_affine(rows, *numbers.reshape(3, n * c), y.reshape(n * c, p))
        self.save(x=x, weight=weight, own_mean=own[0], mean=mean, variance=variance, inverse_std=inverse_std)
        return y

    def _statistics(self, own, running_mean, running_var) -> tuple[Parts, Parts]:
        """Means and variances of the three normalisers, from those of the planes."""
        def pooled(axis):
            within, between = own[1].mean(axis, keepdims=True), own[0].var(axis, keepdims=True)
            return own[0].mean(axis, keepdims=True), within + between
        layer, batch = pooled(1), np.array([running_mean, running_var], np.float64)[:, None]
        if self.training:
            batch = pooled(0)
            running: Any = self.parents[5:]
            for parent, value in zip(running, batch):
                parent.data += (self.momentum * (value[0] - parent.data)).astype(parent.dtype)
        return (own[0], layer[0], batch[0]), (own[1], layer[1], batch[1])

    def backward(self, gy):
        """Sums over planes; the chain rule from the mixture back to the planes' statistics; gx from three numbers."""
        s, kernel, (n, c, p) = self.saved, kernels(gy.dtype), planes(gy.shape)
        rows, gx, sums = (n * c, p), np.empty_like(gy), np.empty((2, n * c), gy.dtype)
        kernel.plane_gradient_sums(s.x.reshape(rows), gy.reshape(rows), s.own_mean, sums[0], sums[1])
        total, product = sums.reshape(2, n, c).astype(np.float64)
        product += total * (s.mean.parts[0] - s.mean.mixed)  # now about the mixed mean
        scale = s.inverse_std * s.weight
        g_mean, g_variance = -scale * total, -0.5 * s.weight * product * s.inverse_std**3
        own_mean, own_variance = self._planes_gradients(g_mean, g_variance)
        numbers = np.empty((3, n, c), gy.dtype)
        numbers[:] = scale, 2 * own_variance / p, own_mean / p
        kernel.plane_gradient(s.x.reshape(rows), gy.reshape(rows), s.own_mean, *numbers.reshape(3, n * c),
                              gx.reshape(rows))
        vectors = ((product * s.inverse_std).sum(0), total.sum(0), _logits_gradient(s.mean, g_mean),
                   _logits_gradient(s.variance, g_variance))
        return gx, *[v.astype(gy.dtype) for v in vectors], None, None

    def _planes_gradients(self, g_mean: np.ndarray, g_variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradients of the mean and the variance of each plane, from those of the mixtures."""
        means, shares = self.saved.mean.parts, self.saved.variance.shares
        own_mean, own_variance = self.saved.mean.shares[0] * g_mean, shares[0] * g_variance
        for k, axis in ((1, 1), (2, 0)) if self.training else ((1, 1),):
            of_mean = self.saved.mean.shares[k] * g_mean.mean(axis, keepdims=True)
            of_variance = shares[k] * g_variance.mean(axis, keepdims=True)
            own_mean = own_mean + of_mean + 2 * of_variance * (means[0] - means[k])
            own_variance = own_variance + of_variance
        return own_mean, own_variance


def switchable_norm(x, running_mean, running_var, weight, bias, mean_weight, var_weight, training: bool = False,
                    momentum: float = 0.1, eps: float = 1e-5):
    """x (N, C, H, W), normalised by a learned mixture of the statistics of instance, layer and batch normalisation.

    y = (x - mean) / sqrt(variance + eps) weight + bias, where mean = sum of softmax(mean_weight)_k mean_k and
    variance = sum of softmax(var_weight)_k variance_k over k = instance, layer, batch.  The statistics of an image, and
    of the batch, come from those of its planes: mean_ln = mean of mean_in over the channels, variance_ln = mean of
    variance_in plus variance of mean_in; likewise over images for the batch's.  Variances are the biased ones.

    running_mean, running_var: (C,), take the place of the batch's statistics unless training; in training they move in
    place by `momentum` towards those, which is no operation on the tape.  weight, bias: (C,); mean_weight, var_weight:
    (3,), logits.  Raises ValueError where an argument does not fit.
    Luo, Ren, Peng, Zhang and Li, "Differentiable learning-to-normalize via switchable normalization", ICLR 2019,
    equations 2 to 5.

    >>> import numpy as np
    >>> x, even = np.array([1, 3], "f").reshape(1, 1, 1, 2), np.zeros(3, "f")
    >>> running_mean, running_var, bias, weight = np.array([[0], [1], [0], [1]], "f")
    >>> y = switchable_norm(x, running_mean, running_var, weight, bias, even, even, training=True)
    >>> y.numpy().round(3).ravel().tolist(), running_mean.round(3).tolist()
    ([-1.0, 1.0], [0.2...])
    """
    return SwitchableNorm.apply(x, weight, bias, mean_weight, var_weight, running_mean, running_var,
                                training=bool(training), momentum=float(momentum), eps=float(eps))
