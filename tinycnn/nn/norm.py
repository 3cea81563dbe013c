"""Normalisation as modules, with torch's names, arguments and state; the formulas and papers are with the functions."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from .. import ops as F
from ..autograd import tracer
from ..tensor import Tensor
from . import init
from .layers import _positive
from .module import Module, Parameter


class BatchNorm(Module):
    """Each channel to mean 0 and variance 1, then times weight plus bias, all learned per channel.

    In training the batch's own statistics are used, and the running ones move towards them by `momentum` (None: they
    are the plain mean of all batches so far); in `eval` the running ones are used.
    Ioffe and Szegedy, "Batch normalization", ICML 2015, algorithms 1 and 2.

    Parameters: weight, bias (num_features), unless affine is False.  Buffers: running_mean, running_var
    (num_features), num_batches_tracked.  Raises ValueError for an input of other axes.
    """

    shown: ClassVar[tuple[str, ...]] = ("num_features", "eps", "momentum")
    axes: tuple[int, ...]  # how many axes an input may have
    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1,
                 affine: bool = True) -> None:
        _positive(type(self).__name__, num_features=num_features)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = Parameter(np.ones(num_features)) if affine else None
        self.bias = Parameter(np.zeros(num_features)) if affine else None
        self.register_buffer("running_mean", np.zeros(num_features, np.float32))
        self.register_buffer("running_var", np.ones(num_features, np.float32))
        self.register_buffer("num_batches_tracked", np.int64(0))

    def forward(self, x: Any) -> Any:
        if len(x.shape) not in self.axes:
            raise ValueError(f"{type(self).__name__}: x must have {' or '.join(map(str, self.axes))} axes, "
                             f"got the shape {x.shape}")
        momentum = 1 / (self.num_batches_tracked.item() + 1) if self.momentum is None else self.momentum
        y = F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias,
                         self.training, momentum, self.eps)
        if self.training:
            note = tracer()
            if note is None:
                self.num_batches_tracked.data += 1
            else:
                note.count(self.num_batches_tracked)
        return y


class BatchNorm1d(BatchNorm):
    """Batch normalisation of (N, num_features) or (N, num_features, L); see BatchNorm."""

    axes = (2, 3)


class BatchNorm2d(BatchNorm):
    """Batch normalisation of (N, num_features, H, W); see BatchNorm."""

    axes = (4,)


class LayerNorm(Module):
    """Each row of the last axes, of the shape normalized_shape, to mean 0 and variance 1, then times weight plus bias.

    Parameters: weight and bias (normalized_shape), unless elementwise_affine is False; no bias where bias is False.
    """

    shown = ("normalized_shape", "eps")
    weight: Parameter | None
    bias: Parameter | None

    def __init__(self, normalized_shape: int | Sequence[int], eps: float = 1e-5, elementwise_affine: bool = True,
                 bias: bool = True) -> None:
        shape = [normalized_shape] if isinstance(normalized_shape, (int, np.integer)) else normalized_shape
        for extent in shape:
            _positive("LayerNorm", normalized_shape=extent)
        self.normalized_shape, self.eps = tuple([int(extent) for extent in shape]), eps
        self.weight = Parameter(np.ones(self.normalized_shape)) if elementwise_affine else None
        self.bias = Parameter(np.zeros(self.normalized_shape)) if elementwise_affine and bias else None

    def forward(self, x: Any) -> Any:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)


class GroupNorm(Module):
    """Each of num_groups groups of an image's channels to mean 0 and variance 1, then times weight plus bias.

    Parameters: weight and bias (num_channels), unless affine is False.  Raises ValueError where num_groups does not
    divide num_channels.
    """

    shown = ("num_groups", "num_channels", "eps")

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True) -> None:
        _positive("GroupNorm", num_groups=num_groups, num_channels=num_channels)
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_groups={num_groups} must divide num_channels={num_channels}")
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        self.weight = Parameter(np.ones(num_channels)) if affine else None
        self.bias = Parameter(np.zeros(num_channels)) if affine else None

    def forward(self, x: Any) -> Any:
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class InstanceNorm2d(Module):
    """Each plane of (N, num_features, H, W) to mean 0 and variance 1, in training and in use alike.

    Parameters: weight and bias (num_features), where affine is True.  There are no running statistics (torch's
    track_running_stats).  Raises ValueError for an input of other axes or another number of channels.
    """

    shown = ("num_features", "eps")

    def __init__(self, num_features: int, eps: float = 1e-5, affine: bool = False) -> None:
        _positive("InstanceNorm2d", num_features=num_features)
        self.num_features, self.eps = num_features, eps
        self.weight = Parameter(np.ones(num_features)) if affine else None
        self.bias = Parameter(np.zeros(num_features)) if affine else None

    def forward(self, x: Any) -> Any:
        if len(x.shape) != 4 or x.shape[1] != self.num_features:
            raise ValueError(f"InstanceNorm2d: x must be (N, {self.num_features}, H, W), got the shape {x.shape}")
        return F.instance_norm(x, self.weight, self.bias, self.eps)


class SwitchableNorm2d(Module):
    """(N, num_features, H, W) by a learned mixture of the statistics of instance, layer and batch normalisation.

    Parameters: weight, bias (num_features); mean_weight, var_weight (3), logits of the shares in that order.  Buffers:
    running_mean, running_var (num_features), the batch's statistics in use.
    """

    shown = ("num_features", "eps", "momentum")
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        _positive("SwitchableNorm2d", num_features=num_features)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight, self.bias = Parameter(np.ones(num_features)), Parameter(np.zeros(num_features))
        self.mean_weight, self.var_weight = Parameter(np.ones(3)), Parameter(np.ones(3))
        self.register_buffer("running_mean", np.zeros(num_features, np.float32))
        self.register_buffer("running_var", np.ones(num_features, np.float32))

    def forward(self, x: Any) -> Any:
        return F.switchable_norm(x, self.running_mean, self.running_var, self.weight, self.bias, self.mean_weight,
                                 self.var_weight, self.training, self.momentum, self.eps)


class L2Norm(Module):
    """Each pixel's vector of channels with length 1, then times a learned weight for each channel.

    Parameters: weight (channels), which begins at `scale`.
    """

    shown = ("channels", "eps")

    def __init__(self, channels: int, scale: float = 20.0, eps: float = 1e-12) -> None:
        _positive("L2Norm", channels=channels)
        self.channels, self.eps = channels, eps
        self.weight = Parameter(np.zeros(channels))
        init.constant(self.weight, scale)

    def forward(self, x: Any) -> Any:
        return F.l2_norm(x, self.weight, self.eps)


class LocalResponseNorm(Module):
    """Each element times (k + alpha times the mean square of `size` channels around it) to the power of -beta."""

    shown = ("size", "alpha", "beta", "k")

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        _positive("LocalResponseNorm", size=size)
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Any) -> Any:
        return F.local_response_norm(x, self.size, self.alpha, self.beta, self.k)
