"""VGG: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015,
https://arxiv.org/abs/1409.1556.  Names of parameters as in torchvision.

Batch normalisation came after the paper (Ioffe and Szegedy, ICML 2015).  The paper starts deep networks from shallow
ones that were trained before; here, all layers but the last start by He's rule, which needs none of that.  The paper's
networks take 224 x 224 alone, or turn their linear layers into convolutions; here, as in torchvision, means over a
grid of 7 x 7 admit any size from 32 x 32, and leave the map of a 224 x 224 image as it is.
"""
from __future__ import annotations

from typing import Unpack

from ..nn import AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Dropout, Linear, MaxPool2d, Module, ReLU, Sequential, init
from ..tensor import Tensor
from .backbone import Backbone, Options, Stage, start
from .registry import register_model

CHANNELS = (64, 128, 256, 512, 512)  # of the five blocks, each of which max-pooling ends
TABLE = {  # table 1, columns A, B, D and E: convolutions of 3x3 in each block
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
GRID = 7  # the map's side, as the linear layers read it


class VGGOptions(Options, total=False):
    """What VGG takes besides."""

    hidden: int


class VGG(Backbone):
    """VGG; blocks: convolutions in each of the five; batch_norm: whether normalisation follows each.

    hidden: units of the two hidden linear layers, which hold most of the parameters; dropout comes after each.
    Feature maps are those before a max-pooling, and the last one.  options: see Backbone; no convolution has a stride.

    >>> import numpy as np
    >>> VGG(TABLE[11], num_classes=10, hidden=64).eval()(np.zeros((1, 3, 32, 32), np.float32)).shape
    (1, 10)
    """

    default_drop_rate = 0.5
    stem_strides = (1,)
    head_modules = ("classifier.0", "classifier.3", "classifier.6")

    def __init__(self, blocks: tuple[int, ...], batch_norm: bool = False, hidden: int = 4096,
                 **options: Unpack[Options]) -> None:
        super().__init__(**options)
        self.features, stages = Sequential(), []
        before, reduction = self.in_chans, 1
        for convolutions, channels in zip(blocks, CHANNELS, strict=True):
            for _ in range(convolutions):
                for layer in convolution(before, channels, batch_norm):
                    stages.append(Stage(f"features.{len(self.features)}", channels, reduction))
                    self.features.append(layer)
                before = channels
            reduction *= 2
            stages.append(Stage(f"features.{len(self.features)}", channels, reduction))
            self.features.append(MaxPool2d(2))
        self.set_stages(stages)
        self.apply(start)
        if not self.features_only:
            self.avgpool = AdaptiveAvgPool2d(GRID)
            self.classifier = Sequential(
                *hidden_layer(before * GRID * GRID, hidden, self.drop_rate),
                *hidden_layer(hidden, hidden, self.drop_rate),
                self.classifier_layer(hidden).apply(start))

    def forward_head(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(x).flatten(1))


def convolution(in_channels: int, out_channels: int, batch_norm: bool) -> list[Module]:
    """A convolution of 3x3 that keeps the size, normalised if asked for, and its activation."""
    normalisation = [BatchNorm2d(out_channels)] if batch_norm else []
    return [Conv2d(in_channels, out_channels, 3, padding=1), *normalisation, ReLU()]


def hidden_layer(in_features: int, out_features: int, dropout: float) -> list[Module]:
    """A linear layer, its activation, dropout; it starts by He's rule from what a unit reads, with a bias of 0."""
    layer = Linear(in_features, out_features)
    init.kaiming_normal(layer.weight)
    if layer.bias is not None:
        init.constant(layer.bias, 0.0)
    return [layer, ReLU(), Dropout(dropout)]


@register_model
def vgg11(**options: Unpack[VGGOptions]) -> VGG:
    """VGG of 11 layers, the paper's A: 7.6 G multiply-adds, 133 M parameters; options: VGG."""
    return VGG(TABLE[11], **options)


@register_model
def vgg11_bn(**options: Unpack[VGGOptions]) -> VGG:
    """VGG of 11 layers with batch normalisation: 7.6 G multiply-adds, 133 M parameters; options: VGG."""
    return VGG(TABLE[11], batch_norm=True, **options)


@register_model
def vgg13(**options: Unpack[VGGOptions]) -> VGG:
    """VGG of 13 layers, the paper's B: 11.3 G multiply-adds, 133 M parameters; options: VGG."""
    return VGG(TABLE[13], **options)


@register_model
def vgg13_bn(**options: Unpack[VGGOptions]) -> VGG:
    """VGG of 13 layers with batch normalisation: 11.3 G multiply-adds, 133 M parameters; options: VGG."""
    return VGG(TABLE[13], batch_norm=True, **options)


@register_model
def vgg16(**options: Unpack[VGGOptions]) -> VGG:
    """VGG of 16 layers, the paper's D: 15.5 G multiply-adds, 138 M parameters; options: VGG."""
    return VGG(TABLE[16], **options)


@register_model
def vgg16_bn(**options: Unpack[VGGOptions]) -> VGG:
    """VGG of 16 layers with batch normalisation: 15.5 G multiply-adds, 138 M parameters; options: VGG."""
    return VGG(TABLE[16], batch_norm=True, **options)


@register_model
def vgg19(**options: Unpack[VGGOptions]) -> VGG:
    """VGG of 19 layers, the paper's E: 19.6 G multiply-adds, 144 M parameters; options: VGG."""
    return VGG(TABLE[19], **options)


@register_model
def vgg19_bn(**options: Unpack[VGGOptions]) -> VGG:
    """VGG of 19 layers with batch normalisation: 19.6 G multiply-adds, 144 M parameters; options: VGG."""
    return VGG(TABLE[19], batch_norm=True, **options)
