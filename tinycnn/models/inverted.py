"""What networks share that are rows of inverted residuals with timm's names: EfficientNet-Lite, MnasNet-A1.

Inverted residuals: Sandler et al., "MobileNetV2: Inverted residuals and linear bottlenecks", CVPR 2018, figure 3.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Unpack

from ..nn import BatchNorm2d, Conv2d, Dropout, Identity, Module, Sequential, Sigmoid, StochasticDepth
from ..tensor import Tensor
from .backbone import Backbone, Options, Stage, pooled, start
from .mobile import SqueezeExcite

LAST = 1280  # channels of the last convolution, at any width
SQUEEZE = 4  # channels of a block's input over those in the middle of its squeeze and excitation


class Row(NamedTuple):
    """Blocks, as the papers' tables have them."""

    expansion: int
    kernel: int
    out: int  # output channels
    repeats: int
    stride: int  # of the first
    squeeze: bool = True  # whether squeeze and excitation follows the depthwise convolution


class Style(NamedTuple):
    """What the layers of a network have in common."""

    activation: type[Module]
    eps: float = 1e-5  # of batch normalisation
    tf_same: bool = False  # whether padding is TensorFlow's

    def conv(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1) -> Conv2d:
        """A convolution without bias."""
        return Conv2d(in_channels, out_channels, kernel, stride, "tf_same" if self.tf_same else kernel // 2,
                      groups=groups, bias=False)


class DepthwiseSeparable(Module):
    """The first row's block: convolve each channel, project; never added to its input.

    (N, in_channels, H, W) -> (N, row.out, H / stride, W / stride), sizes rounded up.
    """

    def __init__(self, style: Style, in_channels: int, row: Row, stride: int) -> None:
        self.conv_dw = style.conv(in_channels, in_channels, row.kernel, stride, groups=in_channels)
        self.bn1 = BatchNorm2d(in_channels, style.eps)
        self.conv_pw = style.conv(in_channels, row.out, 1)
        self.bn2 = BatchNorm2d(row.out, style.eps)
        self.activation = style.activation()

    def forward(self, x: Tensor) -> Tensor:
        return self.bn2(self.conv_pw(self.activation(self.bn1(self.conv_dw(x)))))


class InvertedResidual(Module):
    """The other rows' block: expand, convolve each channel, weigh channels, project; added to the input where shapes
    allow.

    (N, in_channels, H, W) -> (N, row.out, H / stride, W / stride), sizes rounded up.  drop_path: probability of doing
    without.
    """

    def __init__(self, style: Style, in_channels: int, row: Row, stride: int, drop_path: float) -> None:
        hidden = in_channels * row.expansion
        self.residual = stride == 1 and in_channels == row.out
        self.conv_pw = style.conv(in_channels, hidden, 1)
        self.bn1 = BatchNorm2d(hidden, style.eps)
        self.conv_dw = style.conv(hidden, hidden, row.kernel, stride, groups=hidden)
        self.bn2 = BatchNorm2d(hidden, style.eps)
        self.se = SqueezeExcite(hidden, in_channels // SQUEEZE, Sigmoid) if row.squeeze else Identity()
        self.conv_pwl = style.conv(hidden, row.out, 1)
        self.bn3 = BatchNorm2d(row.out, style.eps)
        self.activation, self.drop_path = style.activation(), StochasticDepth(drop_path, "row")

    def forward(self, x: Tensor) -> Tensor:
        y = self.activation(self.bn1(self.conv_pw(x)))
        y = self.activation(self.bn2(self.conv_dw(y)))
        y = self.bn3(self.conv_pwl(self.se(y)))
        return x + self.drop_path(y) if self.residual else y


def blocks(style: Style, row: Row, channels: int, drop_path: Iterator[float]) -> Iterator[Module]:
    """A row's blocks, the first with its stride, behind so many channels."""
    for stride in (row.stride, *[1] * (row.repeats - 1)):
        rate = next(drop_path)
        yield (DepthwiseSeparable(style, channels, row, stride) if row.expansion == 1 else
               InvertedResidual(style, channels, row, stride, rate))
        channels = row.out


class InvertedResidualNet(Backbone):
    """A first convolution of `stem` channels, rows of blocks, a last convolution and the classifier.

    options: see Backbone.
    """

    drops_paths = True
    head_modules = ("conv_head", "bn2", "classifier")

    def __init__(self, style: Style, stem: int, rows: Sequence[Row], **options: Unpack[Options]) -> None:
        super().__init__(**options)
        self.activation = style.activation()
        self.conv_stem = style.conv(self.in_chans, stem, 3, self.stem_stride)
        self.bn1 = BatchNorm2d(stem, style.eps)
        self.blocks, stages = Sequential(), [Stage("stem", stem, self.stem_stride)]
        drop_path = iter(self.drop_path_rates(sum(row.repeats for row in rows)))
        for i, row in enumerate(rows):
            before = stages[-1]
            self.blocks.append(Sequential(*blocks(style, row, before.channels, drop_path)))
            stages.append(Stage(f"blocks.{i}", row.out, before.reduction * row.stride))
        self.set_stages(stages)
        if not self.features_only:
            self.conv_head = style.conv(stages[-1].channels, LAST, 1)
            self.bn2 = BatchNorm2d(LAST, style.eps)
            self.dropout = Dropout(self.drop_rate)
            self.classifier = self.classifier_layer(LAST)
        self.apply(start)

    def stem(self, x: Tensor) -> Tensor:
        """(N, in_chans, H, W) -> (N, channels of the first convolution, H / 2, W / 2), sizes rounded up."""
        return self.activation(self.bn1(self.conv_stem(x)))

    def forward_head(self, x: Tensor) -> Tensor:
        return self.classifier(self.dropout(pooled(self.activation(self.bn2(self.conv_head(x))))))
