"""MobileNet V3: Howard, Sandler, Chu, Chen, Chen, Tan, Wang, Zhu, Pang, Vasudevan, Le, Adam, "Searching for
MobileNetV3", ICCV 2019, https://arxiv.org/abs/1905.02244.  Names of parameters as in torchvision.

Where the paper leaves room, this is what torchvision does after the TensorFlow code: squeeze and excitation follows
the depthwise convolution's activation, ends in a hard sigmoid, and has a quarter of the channels in its middle, rounded
to a multiple of 8; batch normalisation has eps 1e-3 and momentum 0.01; dropout before the classifier drops 0.2 (the
paper's 0.8 must be what is kept); a width scales every layer, the last hidden one too.
"""
from __future__ import annotations

from typing import NamedTuple, Unpack

from ..nn import (
    ConvBNAct,
    DepthwiseBNAct,
    Dropout,
    Hardsigmoid,
    Hardswish,
    Linear,
    Module,
    ReLU,
    Sequential,
    SqueezeExcitation,
    StochasticDepth,
)
from ..tensor import Tensor
from .backbone import Backbone, Options, Stage, pooled, start
from .mobile import make_divisible, require_width
from .registry import register_model

EPS, MOMENTUM = 1e-3, 0.01  # of every batch normalisation
STEM = 16  # channels of the first convolution at width 1
EXPANSION = 6  # channels of the last convolution over those of the last block
SQUEEZE = 4  # channels of a block over those in the middle of its squeeze and excitation
RE, HS = ReLU, Hardswish


class Row(NamedTuple):
    """A block, as the paper's tables have it."""

    kernel: int
    hidden: int  # channels of the depthwise convolution, "exp size"
    out: int  # output channels
    squeeze: bool  # whether squeeze and excitation follows the depthwise convolution
    activation: type[Module]
    stride: int


LARGE = (  # table 1
    Row(3, 16, 16, False, RE, 1),
    Row(3, 64, 24, False, RE, 2),
    Row(3, 72, 24, False, RE, 1),
    Row(5, 72, 40, True, RE, 2),
    Row(5, 120, 40, True, RE, 1),
    Row(5, 120, 40, True, RE, 1),
    Row(3, 240, 80, False, HS, 2),
    Row(3, 200, 80, False, HS, 1),
    Row(3, 184, 80, False, HS, 1),
    Row(3, 184, 80, False, HS, 1),
    Row(3, 480, 112, True, HS, 1),
    Row(3, 672, 112, True, HS, 1),
    Row(5, 672, 160, True, HS, 2),
    Row(5, 960, 160, True, HS, 1),
    Row(5, 960, 160, True, HS, 1),
)
LARGE_LAST = 1280  # units of the hidden layer before the classifier

SMALL = (  # table 2
    Row(3, 16, 16, True, RE, 2),
    Row(3, 72, 24, False, RE, 2),
    Row(3, 88, 24, False, RE, 1),
    Row(5, 96, 40, True, HS, 2),
    Row(5, 240, 40, True, HS, 1),
    Row(5, 240, 40, True, HS, 1),
    Row(5, 120, 48, True, HS, 1),
    Row(5, 144, 48, True, HS, 1),
    Row(5, 288, 96, True, HS, 2),
    Row(5, 576, 96, True, HS, 1),
    Row(5, 576, 96, True, HS, 1),
)
SMALL_LAST = 1024


class InvertedResidual(Module):
    """Figure 4: expand, convolve each channel, weigh channels, project; added to the input where shapes allow.

    (N, in_channels, H, W) -> (N, row.out, H / stride, W / stride), sizes rounded up.  drop_path: probability of doing
    without.
    """

    def __init__(self, in_channels: int, row: Row, drop_path: float) -> None:
        kernel, hidden, out, squeeze, activation, stride = row
        self.residual = stride == 1 and in_channels == out
        self.block = Sequential()
        if hidden != in_channels:
            self.block.append(ConvBNAct(in_channels, hidden, 1, activation=activation, eps=EPS, momentum=MOMENTUM))
        self.block.append(DepthwiseBNAct(hidden, kernel, stride, activation=activation, eps=EPS, momentum=MOMENTUM))
        if squeeze:
            self.block.append(SqueezeExcitation(hidden, make_divisible(hidden // SQUEEZE),
                                                scale_activation=Hardsigmoid))
        self.block.append(ConvBNAct(hidden, out, 1, activation=None, eps=EPS, momentum=MOMENTUM))
        self.drop_path = StochasticDepth(drop_path, "row")

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop_path(self.block(x)) if self.residual else self.block(x)


class MobileNetV3(Backbone):
    """MobileNet V3 of any width; table, last: LARGE or SMALL, and the units of its last hidden layer.

    options: see Backbone.
    """

    default_drop_rate = 0.2
    drops_paths = True

    def __init__(self, table: tuple[Row, ...], last: int, width: float = 1.0, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        channels, reduction = make_divisible(STEM * width), self.stem_stride
        self.features = Sequential(normalised_conv(self.in_chans, channels, 3, self.stem_stride))
        stages = [Stage("features.0", channels, reduction)]
        for row, drop_path in zip(table, self.drop_path_rates(len(table)), strict=True):
            row = row._replace(hidden=make_divisible(row.hidden * width), out=make_divisible(row.out * width))
            reduction *= row.stride
            stages.append(Stage(f"features.{len(self.features)}", row.out, reduction))
            self.features.append(InvertedResidual(channels, row, drop_path))
            channels = row.out
        self.head_modules = (f"features.{len(self.features)}", "classifier.0", "classifier.3")
        self.set_stages(stages)
        if not self.features_only:
            hidden = make_divisible(last * width)
            self.features.append(normalised_conv(channels, EXPANSION * channels, 1))
            self.classifier = Sequential(Linear(EXPANSION * channels, hidden), Hardswish(), Dropout(self.drop_rate),
                                         self.classifier_layer(hidden))
        self.apply(start)

    def forward_head(self, x: Tensor) -> Tensor:
        return self.classifier(pooled(self.features[-1](x)))


def normalised_conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> ConvBNAct:
    """The first and the last convolution."""
    return ConvBNAct(in_channels, out_channels, kernel, stride, activation=Hardswish, eps=EPS, momentum=MOMENTUM)


@register_model
def mobilenet_v3_large(width: float = 1.0, **options: Unpack[Options]) -> MobileNetV3:
    """MobileNet V3 Large of any width above 0; at 1.0: 217 M multiply-adds, 5.5 M parameters (the paper: 219 M, 5.4 M).

    Channels are rounded to multiples of 8.  options: see Backbone, drop_rate 0.2.
    Raises ValueError for a width that is not positive.

    >>> net = mobilenet_v3_large(features_only=True)
    >>> net.channels, net.reduction
    ([16, 24, 40, 112, 160], [2, 4, 8, 16, 32])
    """
    require_width("mobilenet_v3_large", width)
    return MobileNetV3(LARGE, LARGE_LAST, width, **options)


@register_model
def mobilenet_v3_small(width: float = 1.0, **options: Unpack[Options]) -> MobileNetV3:
    """MobileNet V3 Small of any width above 0; at 1.0: 57 M multiply-adds, 2.5 M parameters (the paper: 56 M, 2.5 M).

    Arguments: see mobilenet_v3_large.

    >>> import numpy as np
    >>> mobilenet_v3_small(0.5, num_classes=10).eval()(np.zeros((1, 3, 64, 64), np.float32)).shape
    (1, 10)
    """
    require_width("mobilenet_v3_small", width)
    return MobileNetV3(SMALL, SMALL_LAST, width, **options)
