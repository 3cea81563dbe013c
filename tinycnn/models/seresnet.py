"""SE-ResNet and SE-ResNeXt: Hu, Shen, Sun, "Squeeze-and-excitation networks", CVPR 2018,
https://arxiv.org/abs/1709.01507.  Names of parameters as in timm's seresnet50 (not its legacy_seresnet50, which keeps
those of the authors' Caffe files).

Squeeze and excitation weighs what a residual branch gives, before it is added (figure 3).  As in timm, its two layers
are 1x1 convolutions, of the same weights as the paper's linear layers, and the middle has a sixteenth of the channels,
but no less than 8 (the paper: 4 of 64); and a bottleneck's stride is in the 3x3, see resnet.py.
"""
from __future__ import annotations

from typing import Unpack

from ..nn import SqueezeExcitation
from .mobile import make_divisible
from .registry import register_model
from .resnet import GROUPS_32X4, TABLE, ResNet, ResNetOptions

REDUCTION = 16  # channels over those in the middle, the paper's r


def squeeze_excitation(channels: int) -> SqueezeExcitation:
    """What weighs so many channels."""
    return SqueezeExcitation(channels, make_divisible(channels / REDUCTION))


SE = {"attention": squeeze_excitation}


@register_model
def seresnet18(**options: Unpack[ResNetOptions]) -> ResNet:
    """SE-ResNet of 18 layers: 1.8 G multiply-adds, 11.8 M parameters; options: ResNet."""
    return ResNet(*TABLE[18], of_blocks=SE, **options)


@register_model
def seresnet34(**options: Unpack[ResNetOptions]) -> ResNet:
    """SE-ResNet of 34 layers: 3.7 G multiply-adds, 22.0 M parameters; options: ResNet."""
    return ResNet(*TABLE[34], of_blocks=SE, **options)


@register_model
def seresnet50(**options: Unpack[ResNetOptions]) -> ResNet:
    """SE-ResNet of 50 layers: 4.1 G multiply-adds (the paper: 3.9), 28.1 M parameters; options: ResNet."""
    return ResNet(*TABLE[50], of_blocks=SE, **options)


@register_model
def seresnet101(**options: Unpack[ResNetOptions]) -> ResNet:
    """SE-ResNet of 101 layers: 7.8 G multiply-adds (the paper: 7.6), 49.3 M parameters; options: ResNet."""
    return ResNet(*TABLE[101], of_blocks=SE, **options)


@register_model
def seresnet152(**options: Unpack[ResNetOptions]) -> ResNet:
    """SE-ResNet of 152 layers: 11.5 G multiply-adds (the paper: 11.3), 66.8 M parameters; options: ResNet."""
    return ResNet(*TABLE[152], of_blocks=SE, **options)


@register_model
def seresnext50_32x4d(**options: Unpack[ResNetOptions]) -> ResNet:
    """SE-ResNeXt of 50 layers, 32 groups 4 wide: 4.2 G multiply-adds, 27.6 M parameters; options: ResNet."""
    return ResNet(*TABLE[50], of_blocks={**SE, **GROUPS_32X4}, **options)
