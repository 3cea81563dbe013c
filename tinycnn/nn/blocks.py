"""Blocks: the short runs of layers that light networks are made of."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .activation import ReLU
from .containers import Sequential
from .layers import Conv2d
from .module import Module
from .norm import BatchNorm2d


class ConvBNAct(Sequential):
    """Convolution without bias, batch normalisation, activation: (N, in_channels, H, W) -> (N, out_channels, H', W').

    padding: as Conv2d takes it; None pads so that a stride of 1 keeps the size (odd kernels).  activation: what makes a
    module, such as its class, or None for a linear end.  eps, momentum: of the normalisation.  State: "0." the
    convolution, "1." the normalisation.

    >>> block = ConvBNAct(3, 8, 3, stride=2)
    >>> list(block.state_dict())[:3]
    ['0.weight', '1.weight', '1.bias']
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1,
                 padding: Any = None, groups: int = 1, activation: Callable[[], Module] | None = ReLU,
                 eps: float = 1e-5, momentum: float = 0.1) -> None:
        padding = kernel_size // 2 if padding is None else padding
        layers = [Conv2d(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False),
                  BatchNorm2d(out_channels, eps, momentum)]
        super().__init__(*layers, *([activation()] if activation else []))


class DepthwiseBNAct(ConvBNAct):
    """A convolution of each channel by itself, batch normalisation, activation; see ConvBNAct."""

    def __init__(self, channels: int, kernel_size: int = 3, stride: int = 1, **more: Any) -> None:
        super().__init__(channels, channels, kernel_size, stride, groups=channels, **more)
