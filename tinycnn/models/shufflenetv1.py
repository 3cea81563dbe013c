"""ShuffleNet: Zhang, Zhou, Lin, Sun, "ShuffleNet: An extremely efficient convolutional neural network for mobile
devices", CVPR 2018, https://arxiv.org/abs/1707.01083.

The units are those of the paper's figure 2, with one freedom: behind a unit of stride 2 the branch comes first and the
pooled input second.  The authors' later code (https://github.com/megvii-model/ShuffleNet-Series) differs: it shuffles
behind the depthwise convolution and the other way round, puts the pooled input first, has no bias in its classifier
and, at scale 1.5, keeps 24 channels in the first convolution; so its weights do not fit.

At any scale channels are rounded so that all groups are alike: those of stages to multiples of 4 groups, for a unit's
middle has a quarter of them, those of the first convolution to multiples of groups.
"""
from __future__ import annotations

from typing import Unpack

from .. import ops as F
from ..nn import AvgPool2d, ConvBNAct, DepthwiseBNAct, Dropout, MaxPool2d, Module, Sequential, StochasticDepth
from ..tensor import Tensor
from .backbone import Backbone, Options, Stage, pooled, start
from .mobile import make_divisible
from .registry import register_model

# Table 1: output channels by groups of
#     stage2 stage3 stage4
TABLE = {
    1: (144, 288, 576),
    2: (200, 400, 800),
    3: (240, 480, 960),
    4: (272, 544, 1088),
    8: (384, 768, 1536),
}
STEM = 24  # channels of the first convolution at scale 1
REPEATS = (4, 8, 4)  # units in stage2, stage3, stage4; the first has stride 2
BOTTLENECK = 4  # output channels of a unit over those in its middle


class ShuffleUnit(Module):
    """Figure 2 (b) and (c): (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride), sizes rounded up.

    Stride 1: the branch is added to the input.  Stride 2: it makes the channels that the input, pooled, lacks.
    first_groups: of the convolution that narrows; drop_path: probability of doing without the branch at stride 1.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, groups: int, first_groups: int,
                 drop_path: float) -> None:
        middle = out_channels // BOTTLENECK
        self.groups, self.stride = groups, stride
        self.compress = ConvBNAct(in_channels, middle, 1, groups=first_groups)
        self.depthwise = DepthwiseBNAct(middle, 3, stride, activation=None)
        self.expand = ConvBNAct(middle, out_channels - (in_channels if stride == 2 else 0), 1, groups=groups,
                                activation=None)
        self.pool, self.drop_path = AvgPool2d(3, stride=2, padding=1), StochasticDepth(drop_path, "row")

    def forward(self, x: Tensor) -> Tensor:
        y = self.compress(x)
        y = F.channel_shuffle(y, self.groups) if self.groups > 1 else y
        y = self.expand(self.depthwise(y))
        if self.stride == 1:
            return F.relu(x + self.drop_path(y))
        return F.concat([F.relu(y), self.pool(x)])  # the pooled input is nowhere negative


class ShuffleNetV1(Backbone):
    """ShuffleNet of a number of groups and a scale; options: see Backbone."""

    drops_paths = True
    head_modules = ("fc",)

    def __init__(self, groups: int = 3, scale: float = 1.0, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        stem = make_divisible(STEM * scale, groups)
        self.conv1 = ConvBNAct(self.in_chans, stem, 3, self.stem_stride)
        self.maxpool = MaxPool2d(3, stride=2, padding=1)
        stages = [Stage("conv1", stem, self.stem_stride), Stage("maxpool", stem, 2 * self.stem_stride)]
        drop_path = iter(self.drop_path_rates(sum(REPEATS)))
        for number, (width, repeats) in enumerate(zip(TABLE[groups], REPEATS, strict=True), start=2):
            _, before, reduction = stages[-1]
            out = make_divisible(width * scale, BOTTLENECK * groups)
            first = ShuffleUnit(before, out, 2, groups, groups if number > 2 else 1, next(drop_path))
            others = [ShuffleUnit(out, out, 1, groups, groups, next(drop_path)) for _ in range(repeats - 1)]
            setattr(self, f"stage{number}", Sequential(first, *others))
            stages.append(Stage(f"stage{number}", out, 2 * reduction))
        self.set_stages(stages)
        if not self.features_only:
            self.dropout = Dropout(self.drop_rate)
            self.fc = self.classifier_layer(stages[-1].channels)
        self.apply(start)

    def forward_head(self, x: Tensor) -> Tensor:
        return self.fc(self.dropout(pooled(x)))


def shufflenet_v1(groups: int = 3, scale: float = 1.0, **options: Unpack[Options]) -> ShuffleNetV1:
    """ShuffleNet of 1, 2, 3, 4 or 8 groups, at any scale above 0 (the paper's: 0.25 to 2).

    options: see Backbone.  Raises ValueError for another number of groups, or a scale that is not positive.

    >>> import numpy as np
    >>> shufflenet_v1(8, scale=0.25, num_classes=10).eval()(np.zeros((1, 3, 64, 64), np.float32)).shape
    (1, 10)
    """
    if groups not in TABLE:
        raise ValueError(f"shufflenet_v1: groups must be one of {', '.join(map(str, TABLE))}, got {groups!r}")
    if not scale > 0:
        raise ValueError(f"shufflenet_v1: scale must be positive, got {scale!r}")
    return ShuffleNetV1(groups, scale, **options)


@register_model
def shufflenet_v1_g1(scale: float = 1.0, **options: Unpack[Options]) -> ShuffleNetV1:
    """ShuffleNet without groups; at scale 1: 143 M multiply-adds, 1.5 M parameters.  Arguments: see shufflenet_v1."""
    return shufflenet_v1(1, scale, **options)


@register_model
def shufflenet_v1_g2(scale: float = 1.0, **options: Unpack[Options]) -> ShuffleNetV1:
    """ShuffleNet of 2 groups; at scale 1: 140 M multiply-adds, 1.7 M parameters.  Arguments: see shufflenet_v1."""
    return shufflenet_v1(2, scale, **options)


@register_model
def shufflenet_v1_g3(scale: float = 1.0, **options: Unpack[Options]) -> ShuffleNetV1:
    """ShuffleNet of 3 groups; at scale 1: 137 M multiply-adds, 1.9 M parameters.  Arguments: see shufflenet_v1."""
    return shufflenet_v1(3, scale, **options)


@register_model
def shufflenet_v1_g4(scale: float = 1.0, **options: Unpack[Options]) -> ShuffleNetV1:
    """ShuffleNet of 4 groups; at scale 1: 133 M multiply-adds, 2.0 M parameters.  Arguments: see shufflenet_v1."""
    return shufflenet_v1(4, scale, **options)


@register_model
def shufflenet_v1_g8(scale: float = 1.0, **options: Unpack[Options]) -> ShuffleNetV1:
    """ShuffleNet of 8 groups; at scale 1: 137 M multiply-adds, 2.4 M parameters.  Arguments: see shufflenet_v1."""
    return shufflenet_v1(8, scale, **options)
