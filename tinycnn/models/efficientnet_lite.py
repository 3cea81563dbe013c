"""EfficientNet-Lite: Tan and Le, "EfficientNet: Rethinking model scaling for convolutional neural networks", ICML 2019,
https://arxiv.org/abs/1905.11946, without squeeze-and-excitation and with ReLU6, as published for phones at
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite.

Names of parameters as in timm's tf_efficientnet_lite*: TensorFlow's padding, batch normalisation with eps 1e-3.
"""
from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple, Unpack

from .. import ops as F
from ..nn import BatchNorm2d, Conv2d, Dropout, Module, Sequential, StochasticDepth
from ..tensor import Tensor
from .backbone import Backbone, Options, Stage, pooled, start
from .mobile import make_divisible
from .registry import register_model

EPS = 1e-3
STEM, LAST = 32, 1280  # channels of the first and the last convolution; the Lite networks do not scale them


class Row(NamedTuple):
    """Blocks, as the paper's table has them."""

    expansion: int
    kernel: int
    out: int  # output channels
    repeats: int
    stride: int  # of the first


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
    depth: float  # times the repeats, but for the first and the last row
    dropout: float  # probability before the classifier


LITE0 = Scale(width=1.0, depth=1.0, dropout=0.2)


class DepthwiseSeparable(Module):
    """The first row's block: convolve each channel, project.

    (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride), sizes rounded up.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, drop_path: float) -> None:
        self.residual = stride == 1 and in_channels == out_channels
        self.conv_dw = same_conv(in_channels, in_channels, kernel, stride, groups=in_channels)
        self.bn1 = BatchNorm2d(in_channels, EPS)
        self.conv_pw = same_conv(in_channels, out_channels, 1)
        self.bn2 = BatchNorm2d(out_channels, EPS)
        self.drop_path = StochasticDepth(drop_path, "row")

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.bn1(self.conv_dw(x)))
        y = self.bn2(self.conv_pw(y))
        return x + self.drop_path(y) if self.residual else y


class InvertedResidual(Module):
    """The other rows' block: expand, convolve each channel, project; added to the input where shapes allow.

    (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride), sizes rounded up.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, drop_path: float,
                 expansion: int) -> None:
        hidden = in_channels * expansion
        self.residual = stride == 1 and in_channels == out_channels
        self.conv_pw = same_conv(in_channels, hidden, 1)
        self.bn1 = BatchNorm2d(hidden, EPS)
        self.conv_dw = same_conv(hidden, hidden, kernel, stride, groups=hidden)
        self.bn2 = BatchNorm2d(hidden, EPS)
        self.conv_pwl = same_conv(hidden, out_channels, 1)
        self.bn3 = BatchNorm2d(out_channels, EPS)
        self.drop_path = StochasticDepth(drop_path, "row")

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.bn1(self.conv_pw(x)))
        y = F.relu6(self.bn2(self.conv_dw(y)))
        y = self.bn3(self.conv_pwl(y))
        return x + self.drop_path(y) if self.residual else y


def same_conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1) -> Conv2d:
    """A convolution without bias, padded as TensorFlow does."""
    return Conv2d(in_channels, out_channels, kernel, stride, "tf_same", groups=groups, bias=False)


class EfficientNetLite(Backbone):
    """EfficientNet-Lite at a scale; options: see Backbone, drop_rate the scale's."""

    drops_paths = True
    head_modules = ("conv_head", "bn2", "classifier")

    def __init__(self, scale: Scale, **options: Unpack[Options]) -> None:
        self.default_drop_rate = scale.dropout
        super().__init__(**options)
        self.conv_stem = same_conv(self.in_chans, STEM, 3, self.stem_stride)
        self.bn1 = BatchNorm2d(STEM, EPS)
        self.blocks = Sequential()
        stages, rows = [Stage("stem", STEM, self.stem_stride)], table(scale)
        rates = iter(self.drop_path_rates(sum(row.repeats for row in rows)))
        for i, row in enumerate(rows):
            before = stages[-1]
            self.blocks.append(Sequential(*blocks(row, before.channels, rates)))
            stages.append(Stage(f"blocks.{i}", row.out, before.reduction * row.stride))
        self.set_stages(stages)
        if not self.features_only:
            self.conv_head = same_conv(stages[-1].channels, LAST, 1)
            self.bn2 = BatchNorm2d(LAST, EPS)
            self.dropout = Dropout(self.drop_rate)
            self.classifier = self.classifier_layer(LAST)
        self.apply(start)

    def stem(self, x: Tensor) -> Tensor:
        """(N, in_chans, H, W) -> (N, 32, H / 2, W / 2), sizes rounded up."""
        return F.relu6(self.bn1(self.conv_stem(x)))

    def forward_head(self, x: Tensor) -> Tensor:
        return self.classifier(self.dropout(pooled(F.relu6(self.bn2(self.conv_head(x))))))


def table(scale: Scale) -> list[Row]:
    """The table's rows at a scale."""
    middle = range(1, len(TABLE) - 1)
    return [row._replace(out=make_divisible(row.out * scale.width),
                         repeats=math.ceil(row.repeats * scale.depth) if i in middle else row.repeats)
            for i, row in enumerate(TABLE)]


def blocks(row: Row, channels: int, drop_path: Iterator[float]) -> Iterator[Module]:
    """A row's blocks, the first with its stride, behind so many channels."""
    for stride in (row.stride, *[1] * (row.repeats - 1)):
        if row.expansion == 1:
            yield DepthwiseSeparable(channels, row.out, row.kernel, stride, next(drop_path))
        else:
            yield InvertedResidual(channels, row.out, row.kernel, stride, next(drop_path), row.expansion)
        channels = row.out


@register_model
def efficientnet_lite0(**options: Unpack[Options]) -> EfficientNetLite:
    """EfficientNet-Lite0: 407 M multiply-adds, 4.7 M parameters, for images of 224 x 224; options: EfficientNetLite.

    >>> import numpy as np
    >>> efficientnet_lite0(num_classes=10).eval()(np.zeros((1, 3, 64, 64), np.float32)).shape
    (1, 10)
    """
    return EfficientNetLite(LITE0, **options)
