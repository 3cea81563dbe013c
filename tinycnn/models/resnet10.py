"""ResNet-10a and ResNet-10b: Mao, Kong, Dally, "CaTDet: cascaded tracked detector for efficient object detection from
video", MLSys 2019, https://arxiv.org/abs/1810.00434.

They are ResNet-18 with one basic block in each layer and fewer channels.  Their widths here are deduced from the work
that is published for Faster R-CNN with them, 20.7 and 7.5 G multiply-adds for 1242 x 375 pixels: a region proposal
network of 512 channels and 12 anchors a pixel reads layer3, and layer4 makes 7 x 7 of each of 300 regions.  The same
count for ResNet-18 gives its 138.3 G to 0.4 %; and of widths that double from layer to layer, those from 36 and from 21
channels on are the ones that come closest, to 0.8 %.  No weights of these networks are known.
"""
from __future__ import annotations

from typing import Unpack

from .registry import register_model
from .resnet import BasicBlock, ResNet, ResNetOptions

REPEATS = (1, 1, 1, 1)
WIDTHS_A = (36, 72, 144, 288)
WIDTHS_B = (21, 42, 84, 168)


@register_model
def resnet10a(**options: Unpack[ResNetOptions]) -> ResNet:
    """ResNet of 10 layers, 36 to 288 wide: 0.3 G multiply-adds, 1.8 M parameters; options: ResNet."""
    return ResNet(BasicBlock, REPEATS, WIDTHS_A, **options)


@register_model
def resnet10b(**options: Unpack[ResNetOptions]) -> ResNet:
    """ResNet of 10 layers, 21 to 168 wide: 0.1 G multiply-adds, 0.7 M parameters; options: ResNet."""
    return ResNet(BasicBlock, REPEATS, WIDTHS_B, **options)
