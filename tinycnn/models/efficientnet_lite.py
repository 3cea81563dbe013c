"""EfficientNet-Lite: Tan and Le, "EfficientNet: Rethinking model scaling for convolutional neural networks", ICML 2019,
https://arxiv.org/abs/1905.11946, without squeeze-and-excitation and with ReLU6, as published for phones at
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite.

Names of parameters as in timm's tf_efficientnet_lite*: TensorFlow's padding, batch normalisation with eps 1e-3.
"""
from __future__ import annotations

import math
from typing import NamedTuple

from .. import ops as F
from ..nn import BatchNorm2d, Conv2d, Dropout, Module, Sequential
from ..tensor import Tensor
from .backbone import Backbone, Stage, pooled, start
from .mobile import make_divisible
from .registry import register_model

EPS = 1e-3
STEM, LAST = 32, 1280  # channels of the first and the last convolution; the Lite networks do not scale them
TABLE = (  # table 1: expansion, kernel, output channels, repeats, stride of the first
    (1, 3, 16, 1, 1),
    (6, 3, 24, 2, 2),
    (6, 5, 40, 2, 2),
    (6, 3, 80, 3, 2),
    (6, 5, 112, 3, 1),
    (6, 5, 192, 4, 2),
    (6, 3, 320, 1, 1),
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

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int) -> None:
        self.residual = stride == 1 and in_channels == out_channels
        self.conv_dw = same_conv(in_channels, in_channels, kernel, stride, groups=in_channels)
        self.bn1 = BatchNorm2d(in_channels, EPS)
        self.conv_pw = same_conv(in_channels, out_channels, 1)
        self.bn2 = BatchNorm2d(out_channels, EPS)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.bn1(self.conv_dw(x)))
        y = self.bn2(self.conv_pw(y))
        return x + y if self.residual else y


class InvertedResidual(Module):
    """The other rows' block: expand, convolve each channel, project; added to the input where shapes allow.

    (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride), sizes rounded up.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int) -> None:
        hidden = in_channels * expansion
        self.residual = stride == 1 and in_channels == out_channels
        self.conv_pw = same_conv(in_channels, hidden, 1)
        self.bn1 = BatchNorm2d(hidden, EPS)
        self.conv_dw = same_conv(hidden, hidden, kernel, stride, groups=hidden)
        self.bn2 = BatchNorm2d(hidden, EPS)
        self.conv_pwl = same_conv(hidden, out_channels, 1)
        self.bn3 = BatchNorm2d(out_channels, EPS)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.bn1(self.conv_pw(x)))
        y = F.relu6(self.bn2(self.conv_dw(y)))
        y = self.bn3(self.conv_pwl(y))
        return x + y if self.residual else y


def same_conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1) -> Conv2d:
    """A convolution without bias, padded as TensorFlow does."""
    return Conv2d(in_channels, out_channels, kernel, stride, "tf_same", groups=groups, bias=False)


class EfficientNetLite(Backbone):
    """EfficientNet-Lite at a scale; dropout: probability before the classifier, None for the scale's own.

    The rest: see Backbone.
    """

    head = ("conv_head", "bn2", "classifier")

    def __init__(self, scale: Scale, num_classes: int = 1000, in_chans: int = 3, features_only: bool = False,
                 dropout: float | None = None) -> None:
        super().__init__(num_classes, in_chans, features_only)
        self.conv_stem = same_conv(in_chans, STEM, 3, stride=2)
        self.bn1 = BatchNorm2d(STEM, EPS)
        self.blocks, self.stages = trunk(scale)
        if not features_only:
            self.conv_head = same_conv(self.stages[-1].channels, LAST, 1)
            self.bn2 = BatchNorm2d(LAST, EPS)
            self.dropout = Dropout(scale.dropout if dropout is None else dropout)
            self.classifier = self.classifier_layer(LAST)
        self.apply(start)

    def stem(self, x: Tensor) -> Tensor:
        """(N, in_chans, H, W) -> (N, 32, H / 2, W / 2), sizes rounded up."""
        return F.relu6(self.bn1(self.conv_stem(x)))

    def forward_head(self, x: Tensor) -> Tensor:
        return self.classifier(self.dropout(pooled(F.relu6(self.bn2(self.conv_head(x))))))


def trunk(scale: Scale) -> tuple[Sequential, tuple[Stage, ...]]:
    """The table's rows at a scale, each a Sequential of blocks, and the stages of a network with them."""
    rows, stages = Sequential(), [Stage("stem", STEM, 2)]
    for i, (expansion, kernel, c, repeats, first_stride) in enumerate(TABLE):
        if 0 < i < len(TABLE) - 1:
            repeats = math.ceil(repeats * scale.depth)
        before, out = stages[-1], make_divisible(c * scale.width)
        row = Sequential()
        for k in range(repeats):
            ends, stride = (out if k else before.channels, out), 1 if k else first_stride
            row.append(DepthwiseSeparable(*ends, kernel, stride) if expansion == 1
                       else InvertedResidual(*ends, kernel, stride, expansion))
        rows.append(row)
        stages.append(Stage(f"blocks.{i}", out, before.reduction * first_stride))
    return rows, tuple(stages)


@register_model
def efficientnet_lite0(num_classes: int = 1000, in_chans: int = 3, features_only: bool = False,
                       dropout: float | None = None) -> EfficientNetLite:
    """EfficientNet-Lite0: 407 M multiply-adds, 4.7 M parameters, for images of 224 x 224; arguments: EfficientNetLite.

    >>> import numpy as np
    >>> efficientnet_lite0(num_classes=10).eval()(np.zeros((1, 3, 64, 64), np.float32)).shape
    (1, 10)
    """
    return EfficientNetLite(LITE0, num_classes, in_chans, features_only, dropout)
