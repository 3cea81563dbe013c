"""GhostNet: Han, Wang, Tian, Guo, Xu, Xu, "GhostNet: More features from cheap operations", CVPR 2020,
https://arxiv.org/abs/1911.11907.  Names of parameters as in timm.

Where the paper leaves room, this is what its authors' code does, and timm's: squeeze and excitation has a quarter of
the channels in its middle, rounded to a multiple of 4, and ends in a hard sigmoid; the shortcut past a change of shape
is a depthwise convolution and one of 1x1; the convolution of 1x1 behind the pooling has a bias and no normalisation.
Layers start as torch's do.  The paper's linear map Phi is a convolution of each channel; ghosts have an activation
where what they come from has one.
"""
from __future__ import annotations

import math
from typing import NamedTuple, Unpack

from .. import ops as F
from ..nn import BatchNorm2d, Conv2d, ConvBNAct, DepthwiseBNAct, Dropout, Module, ReLU, Sequential, StochasticDepth
from ..tensor import Tensor
from .backbone import Backbone, Options, Stage
from .mobile import SqueezeExcite, make_divisible, require_width
from .registry import register_model

STEM, HIDDEN = 16, 1280  # channels of the first convolution at width 1; of the last, behind the pooling, at any
SQUEEZE = 4  # channels of a bottleneck over those in the middle of its squeeze and excitation
DIVISOR = 4  # of every number of channels


class Row(NamedTuple):
    """A bottleneck, as the paper's table has it."""

    kernel: int  # of the depthwise convolutions where the stride is 2
    hidden: int  # channels between the Ghost modules, "#exp"
    out: int  # output channels
    squeeze: bool  # whether squeeze and excitation comes between the Ghost modules
    stride: int


TABLE = (  # table 1, cut where the sizes of maps change, and in front of the rows that keep them
    (Row(3, 16, 16, False, 1),),
    (Row(3, 48, 24, False, 2),),
    (Row(3, 72, 24, False, 1),),
    (Row(5, 72, 40, True, 2),),
    (Row(5, 120, 40, True, 1),),
    (Row(3, 240, 80, False, 2),),
    (Row(3, 200, 80, False, 1),
     Row(3, 184, 80, False, 1),
     Row(3, 184, 80, False, 1),
     Row(3, 480, 112, True, 1),
     Row(3, 672, 112, True, 1)),
    (Row(5, 672, 160, True, 2),),
    (Row(5, 960, 160, False, 1),
     Row(5, 960, 160, True, 1),
     Row(5, 960, 160, False, 1),
     Row(5, 960, 160, True, 1)),
)
LAST = 960  # channels of the last convolution before the pooling, at width 1


class GhostModule(Module):
    """Figure 1 (b): a convolution of 1x1 makes some of the channels, cheap convolutions of each of them the others.

    (N, in_channels, H, W) -> (N, out_channels, H, W).  ratio: output channels over those of the first convolution,
    s in the paper; kernel: of the cheap convolutions, d; activation: a class of module, or None.

    >>> import numpy as np
    >>> GhostModule(8, 24, ratio=3)(np.zeros((1, 8, 5, 5), np.float32)).shape
    (1, 24, 5, 5)
    """

    def __init__(self, in_channels: int, out_channels: int, activation: type[Module] | None = ReLU, ratio: int = 2,
                 kernel: int = 3) -> None:
        primary = math.ceil(out_channels / ratio)
        self.out_channels, self.spare = out_channels, primary * ratio - out_channels
        self.primary_conv = ConvBNAct(in_channels, primary, 1, activation=activation)
        self.cheap_operation = ConvBNAct(primary, primary * (ratio - 1), kernel, groups=primary, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        x = self.primary_conv(x)
        y = F.concat([x, self.cheap_operation(x)])
        return y[:, :self.out_channels] if self.spare else y


class GhostBottleneck(Module):
    """Figure 3: two Ghost modules, the second linear; the first widens, and what the row asks for comes between.

    (N, in_channels, H, W) -> (N, row.out, H / stride, W / stride), sizes rounded up.  drop_path: probability of doing
    without; ratio, kernel: see GhostModule.
    """

    def __init__(self, in_channels: int, row: Row, drop_path: float, ratio: int, kernel: int) -> None:
        size, hidden, out, squeeze, stride = row
        self.ghost1 = GhostModule(in_channels, hidden, ReLU, ratio, kernel)
        self.strided, self.squeezed = stride > 1, squeeze
        if self.strided:
            self.conv_dw = Conv2d(hidden, hidden, size, stride, size // 2, groups=hidden, bias=False)
            self.bn_dw = BatchNorm2d(hidden)
        if squeeze:
            self.se = SqueezeExcite(hidden, make_divisible(hidden / SQUEEZE, DIVISOR))
        self.ghost2 = GhostModule(hidden, out, None, ratio, kernel)
        self.shortcut = Sequential() if stride == 1 and in_channels == out else Sequential(
            *DepthwiseBNAct(in_channels, size, stride, activation=None),
            *ConvBNAct(in_channels, out, 1, activation=None))
        self.drop_path = StochasticDepth(drop_path, "row")

    def forward(self, x: Tensor) -> Tensor:
        y = self.ghost1(x)
        if self.strided:
            y = self.bn_dw(self.conv_dw(y))
        if self.squeezed:
            y = self.se(y)
        return self.drop_path(self.ghost2(y)) + self.shortcut(x)


class Last(Module):
    """The last convolution before the pooling, with timm's names."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        self.conv = Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn1 = BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn1(self.conv(x)))


class GhostOptions(Options, total=False):
    """What GhostNet takes besides."""

    ratio: int
    kernel: int


class GhostNet(Backbone):
    """GhostNet of any width; ratio, kernel: see GhostModule; options: see Backbone.

    Raises ValueError for a ratio below 2, or a kernel that is not odd.
    """

    default_drop_rate = 0.2
    drops_paths = True
    head_modules = (f"blocks.{len(TABLE)}", "conv_head", "classifier")

    def __init__(self, width: float = 1.0, ratio: int = 2, kernel: int = 3, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        self._require(isinstance(ratio, int) and ratio >= 2, "ratio", "an integer >= 2", ratio)
        self._require(isinstance(kernel, int) and kernel > 0 and kernel % 2 == 1, "kernel", "odd", kernel)

        def scaled(channels: int) -> int:
            return make_divisible(channels * width, DIVISOR)
        self.conv_stem = Conv2d(self.in_chans, scaled(STEM), 3, self.stem_stride, padding=1, bias=False)
        self.bn1 = BatchNorm2d(scaled(STEM))
        self.blocks = Sequential()
        stages = [Stage("stem", scaled(STEM), self.stem_stride)]
        drop_path = iter(self.drop_path_rates(sum(map(len, TABLE))))
        for i, rows in enumerate(TABLE):
            _, channels, reduction = stages[-1]
            blocks = []
            for row in rows:
                row = row._replace(hidden=scaled(row.hidden), out=scaled(row.out))
                blocks.append(GhostBottleneck(channels, row, next(drop_path), ratio, kernel))
                channels, reduction = row.out, reduction * row.stride
            self.blocks.append(Sequential(*blocks))
            stages.append(Stage(f"blocks.{i}", channels, reduction))
        self.set_stages(stages)
        if not self.features_only:
            self.blocks.append(Sequential(Last(channels, scaled(LAST))))
            self.conv_head = Conv2d(scaled(LAST), HIDDEN, 1)
            self.dropout = Dropout(self.drop_rate)
            self.classifier = self.classifier_layer(HIDDEN)

    def stem(self, x: Tensor) -> Tensor:
        """(N, in_chans, H, W) -> (N, 16 width, H / 2, W / 2), sizes rounded up."""
        return F.relu(self.bn1(self.conv_stem(x)))

    def forward_head(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv_head(F.global_avg_pool2d(self.blocks[-1](x))))
        return self.classifier(self.dropout(x.flatten(1)))


def ghostnet(width: float = 1.0, **options: Unpack[GhostOptions]) -> GhostNet:
    """GhostNet of any width above 0.

    Channels are rounded to multiples of 4.  options: see Backbone, drop_rate 0.2; ratio=2, kernel=3: see GhostModule.
    Raises ValueError for a width that is not positive.

    >>> import numpy as np
    >>> ghostnet(0.5, ratio=3, num_classes=10).eval()(np.zeros((1, 3, 64, 64), np.float32)).shape
    (1, 10)
    """
    require_width("ghostnet", width)
    return GhostNet(width, **options)


@register_model
def ghostnet_050(**options: Unpack[GhostOptions]) -> GhostNet:
    """GhostNet at half width: 42 M multiply-adds, 2.6 M parameters; options: ghostnet."""
    return ghostnet(0.5, **options)


@register_model
def ghostnet_100(**options: Unpack[GhostOptions]) -> GhostNet:
    """GhostNet: 141 M multiply-adds, 5.2 M parameters; options: ghostnet."""
    return ghostnet(1.0, **options)


@register_model
def ghostnet_130(**options: Unpack[GhostOptions]) -> GhostNet:
    """GhostNet at 1.3 times the width: 226 M multiply-adds, 7.4 M parameters (the paper: 7.3 M); options: ghostnet."""
    return ghostnet(1.3, **options)
