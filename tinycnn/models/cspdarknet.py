"""CSPDarknet-53: Bochkovskiy, Wang, Liao, "YOLOv4: optimal speed and accuracy of object detection", 2020,
https://arxiv.org/abs/2004.10934: Darknet-53 with the cross stage partial connections of Wang, Liao, Wu, Chen, Hsieh,
Yeh, "CSPNet: a new backbone that can enhance learning capability of CNN", CVPR workshops 2020,
https://arxiv.org/abs/1911.11929.  Names of parameters as in timm's cspdarknet53.

Its activation is mish, as YOLO v4 has it (timm: leaky ReLU of a slope of 0.01, which `activation=LeakyReLU` gives).  As
in timm, one 1x1 makes both halves of a stage, for which the authors' configuration has two; the halves are joined in
the other order than there, which is a matter of how weights are stored: `CrossStage.darknet_order` knows.
Normalisation: see darknet.py.
"""
from __future__ import annotations

from typing import Unpack

import numpy as np

from .. import ops as F
from ..nn import Mish, Module, Sequential
from ..tensor import Tensor
from .darknet import DARKNET53, Activation, Block, Darknet, DarknetOptions, convolution
from .darknet_files import Part, darknet_parts
from .registry import register_model


class CrossStage(Module):
    """A stage of which one half of the channels goes through the blocks, and the other round them.

    (N, in_channels, H, W) -> (N, out_channels, H / 2, W / 2).  first: of the network; its halves are as wide as the
    whole, and its blocks squeeze their channels.  drop_path: of each block, the probability of doing without it.
    """

    def __init__(self, in_channels: int, out_channels: int, first: bool, drop_path: list[float],
                 activation: Activation) -> None:
        half = out_channels if first else out_channels // 2
        self.conv_down = convolution(in_channels, out_channels, 3, 2, activation)
        self.conv_exp = convolution(out_channels, 2 * half, 1, 1, activation)
        self.blocks = Sequential(*[Block(half, half // 2 if first else half, p, activation) for p in drop_path])
        self.conv_transition_b = convolution(half, half, 1, 1, activation)
        self.conv_transition = convolution(2 * half, out_channels, 1, 1, activation)
        self.half = half

    def forward(self, x: Tensor) -> Tensor:
        around, through = F.chunk(self.conv_exp(self.conv_down(x)), 2)
        through = self.conv_transition_b(self.blocks(through))
        return self.conv_transition(F.concat([around, through]))

    def darknet_order(self) -> list[Part]:
        """Its layers in a file of Darknet's, which has two convolutions for one, and joins the halves the other way."""
        half, swapped = self.half, np.roll(np.arange(2 * self.half), self.half)
        exp, transition = (Part(f"{name}.conv", f"{name}.bn") for name in ("conv_exp", "conv_transition"))
        inner = [part.below(name) for name in ("blocks", "conv_transition_b")
                 for part in darknet_parts(getattr(self, name))]
        return [Part("conv_down.conv", "conv_down.bn"), exp._replace(rows=slice(half)),
                exp._replace(rows=slice(half, None)), *inner, transition._replace(columns=swapped)]


class CSPDarknet(Darknet):
    """A Darknet of cross stages; see Darknet."""

    def make_stage(self, in_channels: int, out_channels: int, drop_path: list[float], activation: Activation) -> Module:
        return CrossStage(in_channels, out_channels, not len(self.stages), drop_path, activation)


@register_model
def cspdarknet53(**options: Unpack[DarknetOptions]) -> CSPDarknet:
    """Darknet-53 with cross stage partial connections and mish: 5.0 G multiply-adds, 27.6 M parameters; options:
    Darknet.

    >>> net = cspdarknet53(features_only=True, out_indices=(2, 3, 4))
    >>> net.channels, net.reduction
    ([256, 512, 1024], [8, 16, 32])
    """
    options.setdefault("activation", Mish)
    return CSPDarknet(DARKNET53, **options)
