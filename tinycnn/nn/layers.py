"""Layers: modules over `tinycnn.functional`, with torch's names, arguments and state_dict."""
from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from .. import ops as F
from ..ops.geometry import pair
from . import init
from .module import Module, Parameter


def _positive(layer: str, **sizes: Any) -> None:
    """ValueError naming the first size that is no integer of at least 1."""
    for name, size in sizes.items():
        if not isinstance(size, (int, np.integer)) or size < 1:
            raise ValueError(f"{layer}: {name} must be an integer >= 1, got {size!r}")


class Affine(Module):
    """What layers share that multiply by a weight and add a bias."""

    bias: Parameter | None

    def _make(self, shape: tuple[int, ...], features: int, bias: bool) -> None:
        """Weight and bias, uniform within 1 / sqrt(fan_in) as torch starts them."""
        self.weight = Parameter(np.zeros(shape, np.float32))
        self.bias = Parameter(np.zeros(features, np.float32)) if bias else None
        bound = 1 / math.sqrt(init.fans(shape)[0])
        for parameter in self.parameters():
            init.uniform(parameter, bound)


class Conv2d(Affine):
    """Two-dimensional cross-correlation: (N, in_channels, H, W) -> (N, out_channels, H', W').

    kernel_size, stride, dilation: an int, or (height, width).  padding: an int; (height, width); (top, left, bottom,
    right); "same"; or "tf_same", TensorFlow's rule, which pads more after than before and takes any stride.
    groups: input and output channels are split into so many parts that do not see each other.
    Parameters: weight (out_channels, in_channels / groups, kernel height, width), bias (out_channels).

    Raises ValueError where groups does not divide the channels, or a size is not positive.

    >>> Conv2d(3, 8, 3, stride=2, padding=1)(np.zeros((1, 3, 32, 32), np.float32)).shape
    (1, 8, 16, 16)
    """

    shown = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                 dilation: Any = 1, groups: int = 1, bias: bool = True) -> None:
        _positive("Conv2d", in_channels=in_channels, out_channels=out_channels, groups=groups)
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"Conv2d: groups={groups} must divide in_channels={in_channels} "
                             f"and out_channels={out_channels}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = pair(kernel_size, "kernel_size", "Conv2d")
        self.stride, self.dilation = pair(stride, "stride", "Conv2d"), pair(dilation, "dilation", "Conv2d")
        self.padding = padding
        self._make((out_channels, in_channels // groups, *self.kernel_size), out_channels, bias)

    def forward(self, x: Any) -> Any:
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Linear(Affine):
    """x W^T + b: (N, in_features) -> (N, out_features).

    Parameters: weight (out_features, in_features), bias (out_features).  Raises ValueError for a size below 1.
    """

    shown: ClassVar[tuple[str, ...]] = ("in_features", "out_features")

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        _positive("Linear", in_features=in_features, out_features=out_features)
        self.in_features, self.out_features = in_features, out_features
        self._make((out_features, in_features), out_features, bias)

    def forward(self, x: Any) -> Any:
        return F.linear(x, self.weight, self.bias)


class Pool2d(Module):
    """What layers share that slide a window over each channel."""

    shown: ClassVar[tuple[str, ...]] = ("kernel_size", "stride", "padding", "ceil_mode")

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False) -> None:
        self.kernel_size, self.padding, self.ceil_mode = kernel_size, padding, ceil_mode
        self.stride = kernel_size if stride is None else stride


class MaxPool2d(Pool2d):
    """The largest of each window: (N, C, H, W) -> (N, C, H', W'); stride None: the kernel's size.

    >>> MaxPool2d(3, stride=2, padding=1)(np.zeros((1, 8, 32, 32), np.float32)).shape
    (1, 8, 16, 16)
    """

    shown = (*Pool2d.shown, "dilation")

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
                 ceil_mode: bool = False) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode)
        self.dilation = dilation

    def forward(self, x: Any) -> Any:
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)


class AvgPool2d(Pool2d):
    """The mean of each window: (N, C, H, W) -> (N, C, H', W'); stride None: the kernel's size.

    count_include_pad: padding counts as zeros; else only what lies inside the map is averaged.
    """

    shown = (*Pool2d.shown, "count_include_pad")

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
                 count_include_pad: bool = True) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode)
        self.count_include_pad = count_include_pad

    def forward(self, x: Any) -> Any:
        return F.avg_pool2d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class AdaptiveAvgPool2d(Module):
    """Means over a grid of cells, whatever the size of the map: (N, C, H, W) -> (N, C, *output_size).

    output_size: an int, or (height, width).
    """

    shown = ("output_size",)

    def __init__(self, output_size: Any) -> None:
        self.output_size = output_size

    def forward(self, x: Any) -> Any:
        return F.adaptive_avg_pool2d(x, self.output_size)


class GlobalAvgPool2d(Module):
    """The mean of each channel: (N, C, H, W) -> (N, C, 1, 1)."""

    def forward(self, x: Any) -> Any:
        return F.global_avg_pool2d(x)


class ChannelShuffle(Module):
    """Channels dealt out in turn from `groups` equal groups: (N, C, H, W) -> (N, C, H, W); groups must divide C."""

    shown = ("groups",)

    def __init__(self, groups: int) -> None:
        self.groups = groups

    def forward(self, x: Any) -> Any:
        return F.channel_shuffle(x, self.groups)


class Flatten(Module):
    """Axes from `start_dim` on, made one: (N, C, H, W) -> (N, C H W)."""

    shown = ("start_dim",)

    def __init__(self, start_dim: int = 1) -> None:
        self.start_dim = start_dim

    def forward(self, x: Any) -> Any:
        return x.flatten(self.start_dim)


class Identity(Module):
    """Its input, unchanged: stands where a layer is left out."""

    def forward(self, x: Any) -> Any:
        return x
