"""EfficientNet: Tan and Le, "EfficientNet: Rethinking model scaling for convolutional neural networks", ICML 2019,
https://arxiv.org/abs/1905.11946.  Names of parameters as in torchvision.

Compound scaling (equation 3): depth grows as alpha^phi, width as beta^phi and resolution as gamma^phi, with alpha 1.2,
beta 1.1 and gamma 1.15, found for B0: alpha beta^2 gamma^2 is about 2, so work grows as 2^phi.  What was published for
B1 to B7 are rounded factors, not these powers; they are the data here.

The published networks pad as TensorFlow does; torchvision's, and those here, on both sides alike.  Batch normalisation
has eps 1e-3 and momentum 0.01 in B5 to B7, 1e-5 and 0.1 in the others, as in torchvision.
"""
from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Unpack

from ..nn import (
    ConvBNAct,
    DepthwiseBNAct,
    Dropout,
    Module,
    Sequential,
    SiLU,
    SqueezeExcitation,
    StochasticDepth,
)
from ..tensor import Tensor
from .backbone import Backbone, Options, Stage, pooled, start
from .inverted import SQUEEZE, Row
from .mobile import make_divisible
from .registry import register_model

STEM = 32  # channels of the first convolution of B0
EXPANSION = 4  # channels of the last convolution over those of the last block
TABLE = (  # table 1
    Row(1, 3, 16, 1, 1),
    Row(6, 3, 24, 2, 2),
    Row(6, 5, 40, 2, 2),
    Row(6, 3, 80, 3, 2),
    Row(6, 5, 112, 3, 1),
    Row(6, 5, 192, 4, 2),
    Row(6, 3, 320, 1, 1),
)


class Scale(NamedTuple):
    """How a member of the family grows from the table."""

    width: float  # times the channels
    depth: float  # times the repeats
    resolution: int  # side of the images that it is meant for, pixels
    dropout: float  # probability before the classifier


class Norm(NamedTuple):
    """Batch normalisation's numbers."""

    eps: float
    momentum: float


SMALL, LARGE = Norm(eps=1e-5, momentum=0.1), Norm(eps=1e-3, momentum=0.01)
SCALES = (  # of B0 to B7, and their normalisation
    (Scale(width=1.0, depth=1.0, resolution=224, dropout=0.2), SMALL),
    (Scale(width=1.0, depth=1.1, resolution=240, dropout=0.2), SMALL),
    (Scale(width=1.1, depth=1.2, resolution=260, dropout=0.3), SMALL),
    (Scale(width=1.2, depth=1.4, resolution=300, dropout=0.3), SMALL),
    (Scale(width=1.4, depth=1.8, resolution=380, dropout=0.4), SMALL),
    (Scale(width=1.6, depth=2.2, resolution=456, dropout=0.4), LARGE),
    (Scale(width=1.8, depth=2.6, resolution=528, dropout=0.5), LARGE),
    (Scale(width=2.0, depth=3.1, resolution=600, dropout=0.5), LARGE),
)


def scaled(table: Sequence[Row], scale: Scale) -> list[Row]:
    """A table's rows at a scale: channels rounded to multiples of 8, repeats rounded up.

    >>> scaled(TABLE, SCALES[3][0])[1]
    Row(expansion=6, kernel=3, out=32, repeats=3, stride=2, squeeze=True)
    """
    return [row._replace(out=make_divisible(row.out * scale.width), repeats=math.ceil(row.repeats * scale.depth))
            for row in table]


class MBConv(Module):
    """Expand, convolve each channel, weigh channels, project; added to the input where shapes allow.

    (N, in_channels, H, W) -> (N, row.out, H / stride, W / stride), sizes rounded up.  drop_path: probability of doing
    without.
    """

    def __init__(self, in_channels: int, row: Row, stride: int, norm: Norm, drop_path: float) -> None:
        hidden = in_channels * row.expansion
        self.residual = stride == 1 and in_channels == row.out
        self.block = Sequential(
            *([normalised_conv(in_channels, hidden, 1, 1, norm)] if row.expansion != 1 else []),
            DepthwiseBNAct(hidden, row.kernel, stride, activation=SiLU, **norm._asdict()),
            SqueezeExcitation(hidden, in_channels // SQUEEZE, SiLU),
            ConvBNAct(hidden, row.out, 1, activation=None, eps=norm.eps, momentum=norm.momentum))
        self.stochastic_depth = StochasticDepth(drop_path, "row")

    def forward(self, x: Tensor) -> Tensor:
        return x + self.stochastic_depth(self.block(x)) if self.residual else self.block(x)


class EfficientNet(Backbone):
    """EfficientNet at a scale, which `scale` holds; options: Backbone's, drop_rate the scale's, drop_path_rate 0.2."""

    default_drop_path_rate = 0.2
    drops_paths = True
    head_modules = (f"features.{len(TABLE) + 1}", "classifier")

    def __init__(self, scale: Scale, norm: Norm, **options: Unpack[Options]) -> None:
        self.scale, self.default_drop_rate = scale, scale.dropout
        super().__init__(**options)
        rows, channels = scaled(TABLE, scale), make_divisible(STEM * scale.width)
        self.features = Sequential(normalised_conv(self.in_chans, channels, 3, self.stem_stride, norm))
        stages = [Stage("features.0", channels, self.stem_stride)]
        drop_path = iter(self.drop_path_rates(sum(row.repeats for row in rows)))
        for row in rows:
            before = stages[-1]
            stages.append(Stage(f"features.{len(self.features)}", row.out, before.reduction * row.stride))
            self.features.append(Sequential(*blocks(row, before.channels, norm, drop_path)))
        self.set_stages(stages)
        if not self.features_only:
            last = EXPANSION * rows[-1].out
            self.features.append(normalised_conv(rows[-1].out, last, 1, 1, norm))
            self.classifier = Sequential(Dropout(self.drop_rate), self.classifier_layer(last))
        self.apply(start)

    def forward_head(self, x: Tensor) -> Tensor:
        return self.classifier(pooled(self.features[-1](x)))


def normalised_conv(in_channels: int, out_channels: int, kernel: int, stride: int, norm: Norm) -> ConvBNAct:
    """The first and the last convolution, and those that expand."""
    return ConvBNAct(in_channels, out_channels, kernel, stride, activation=SiLU, eps=norm.eps, momentum=norm.momentum)


def blocks(row: Row, channels: int, norm: Norm, drop_path: Iterator[float]) -> Iterator[Module]:
    """A row's blocks, the first with its stride, behind so many channels."""
    for stride in (row.stride, *[1] * (row.repeats - 1)):
        yield MBConv(channels, row, stride, norm, next(drop_path))
        channels = row.out


@register_model
def efficientnet_b0(**options: Unpack[Options]) -> EfficientNet:
    """EfficientNet-B0, 224 x 224 pixels: 390 M multiply-adds, 5.3 M parameters; options: EfficientNet.

    >>> import numpy as np
    >>> efficientnet_b0(num_classes=10).eval()(np.zeros((1, 3, 64, 64), np.float32)).shape
    (1, 10)
    """
    return EfficientNet(*SCALES[0], **options)


@register_model
def efficientnet_b1(**options: Unpack[Options]) -> EfficientNet:
    """EfficientNet-B1, 240 x 240 pixels: 0.70 G multiply-adds, 7.8 M parameters; options: EfficientNet."""
    return EfficientNet(*SCALES[1], **options)


@register_model
def efficientnet_b2(**options: Unpack[Options]) -> EfficientNet:
    """EfficientNet-B2, 260 x 260 pixels: 1.0 G multiply-adds, 9.1 M parameters; options: EfficientNet."""
    return EfficientNet(*SCALES[2], **options)


@register_model
def efficientnet_b3(**options: Unpack[Options]) -> EfficientNet:
    """EfficientNet-B3, 300 x 300 pixels: 1.8 G multiply-adds, 12 M parameters; options: EfficientNet."""
    return EfficientNet(*SCALES[3], **options)


@register_model
def efficientnet_b4(**options: Unpack[Options]) -> EfficientNet:
    """EfficientNet-B4, 380 x 380 pixels: 4.4 G multiply-adds (paper: 4.2), 19 M parameters; options: EfficientNet."""
    return EfficientNet(*SCALES[4], **options)


@register_model
def efficientnet_b5(**options: Unpack[Options]) -> EfficientNet:
    """EfficientNet-B5, 456 x 456 pixels: 10.3 G multiply-adds (paper: 9.9), 30 M parameters; options: EfficientNet."""
    return EfficientNet(*SCALES[5], **options)


@register_model
def efficientnet_b6(**options: Unpack[Options]) -> EfficientNet:
    """EfficientNet-B6, 528 x 528 pixels: 19 G multiply-adds, 43 M parameters; options: EfficientNet."""
    return EfficientNet(*SCALES[6], **options)


@register_model
def efficientnet_b7(**options: Unpack[Options]) -> EfficientNet:
    """EfficientNet-B7, 600 x 600 pixels: 38 G multiply-adds (paper: 37), 66 M parameters; options: EfficientNet."""
    return EfficientNet(*SCALES[7], **options)
