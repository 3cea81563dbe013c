"""Squeeze and excitation: channels weighed by what all of their map says, in two forms and two places.

Hu, Shen and Sun, "Squeeze-and-excitation networks", CVPR 2018, https://arxiv.org/abs/1709.01507.
"""
from __future__ import annotations

from typing import Any

from .. import ops as F
from .activation import ReLU, Sigmoid
from .layers import Conv2d, GlobalAvgPool2d, Linear, _positive
from .module import Module


class SqueezeExcitation(Module):
    """x times a factor for each channel: (N, input_channels, H, W) -> the same shape.

    The factors: fc1, to squeeze_channels, of the means of the channels; activation; fc2, back; scale_activation
    (equations 2 to 4), fc1 and fc2 being convolutions of 1x1.  activation, scale_activation: classes of modules without
    arguments.  Parameters (torchvision's names): fc1 and fc2, each weight and bias.  Raises ValueError for channels
    below 1.

    >>> import numpy as np
    >>> block = SqueezeExcitation(16, 4)
    >>> block(np.zeros((2, 16, 5, 5), np.float32)).shape, block.state_dict()["fc1.weight"].shape
    ((2, 16, 5, 5), (4, 16, 1, 1))
    """

    def __init__(self, input_channels: int, squeeze_channels: int, activation: type[Module] = ReLU,
                 scale_activation: type[Module] = Sigmoid) -> None:
        _positive(type(self).__name__, input_channels=input_channels, squeeze_channels=squeeze_channels)
        self.avgpool = GlobalAvgPool2d()
        self.fc1 = self._layer(input_channels, squeeze_channels)
        self.fc2 = self._layer(squeeze_channels, input_channels)
        self.activation, self.scale_activation = activation(), scale_activation()

    def _layer(self, in_channels: int, out_channels: int) -> Module:
        return Conv2d(in_channels, out_channels, 1)

    def _squeeze(self, x: Any) -> Any:
        """Means of the channels, as fc1 takes them."""
        return self.avgpool(x)

    def forward(self, x: Any) -> Any:
        scale = self.scale_activation(self.fc2(self.activation(self.fc1(self._squeeze(x)))))
        return F.scale_channels(x, scale.reshape(*x.shape[:2], 1, 1))


class SqueezeExcitationFC(SqueezeExcitation):
    """The same with fc1 and fc2 fully connected, as in the paper: weights (out, in) instead of (out, in, 1, 1).

    >>> SqueezeExcitationFC(16, 4).state_dict()["fc1.weight"].shape
    (4, 16)
    """

    def _layer(self, in_channels: int, out_channels: int) -> Module:
        return Linear(in_channels, out_channels)

    def _squeeze(self, x: Any) -> Any:
        return self.avgpool(x).flatten(1)


def _squeezed(channels: int, reduction: int) -> SqueezeExcitationFC:
    """Of the paper's form, with channels / reduction in the middle."""
    _positive("squeeze and excitation", channels=channels, reduction=reduction)
    return SqueezeExcitationFC(channels, max(1, channels // reduction))


class SEInception(Module):
    """Figure 2: a module, and squeeze and excitation of what it gives.

    module: any, that ends in `channels` channels, an Inception module in the paper.  reduction: channels over those in
    the middle.  State: "module." and "se.".

    >>> import numpy as np
    >>> SEInception(Conv2d(3, 32, 1), 32)(np.zeros((1, 3, 8, 8), np.float32)).shape
    (1, 32, 8, 8)
    """

    def __init__(self, module: Module, channels: int, reduction: int = 16) -> None:
        self.module, self.se = module, _squeezed(channels, reduction)

    def forward(self, x: Any) -> Any:
        return self.se(self.module(x))


class SEResidual(Module):
    """Figure 3: squeeze and excitation of the residual branch, before it is added: activation(x + se(residual(x))).

    residual: any module that ends in `channels` channels.  shortcut: the way round it where the shape changes; None: x
    itself.  activation: a class of module without arguments, or None.  State: "residual.", "se." and "shortcut.".

    >>> import numpy as np
    >>> SEResidual(Conv2d(32, 32, 3, padding=1), 32)(np.zeros((1, 32, 8, 8), np.float32)).shape
    (1, 32, 8, 8)
    """

    def __init__(self, residual: Module, channels: int, reduction: int = 16, shortcut: Module | None = None,
                 activation: type[Module] | None = ReLU) -> None:
        self.residual, self.se = residual, _squeezed(channels, reduction)
        self.shortcut = shortcut
        self.activation = activation() if activation else None

    def forward(self, x: Any) -> Any:
        y = self.se(self.residual(x)) + (x if self.shortcut is None else self.shortcut(x))
        return y if self.activation is None else self.activation(y)
