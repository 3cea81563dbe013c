"""ShuffleNet V2: Ma, Zhang, Zheng, Sun, "ShuffleNet V2: Practical guidelines for efficient CNN architecture design",
ECCV 2018, https://arxiv.org/abs/1807.11164.  Names of parameters as in torchvision.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

from .. import ops as F
from ..nn import ConvBNAct, DepthwiseBNAct, Dropout, MaxPool2d, Module, ReLU, Sequential
from ..tensor import Tensor
from .backbone import Backbone, Options, Stage, pooled
from .registry import register_model

# Table 5: output channels by width of
#        stage2 stage3 stage4 conv5
TABLE = {
    0.5: (48, 96, 192, 1024),
    1.0: (116, 232, 464, 1024),
    1.5: (176, 352, 704, 1024),
    2.0: (244, 488, 976, 2048),
}
STEM = 24  # channels of conv1, for every width
REPEATS = (4, 8, 4)  # units in stage2, stage3, stage4; the first has stride 2


class ShuffleUnit(Module):
    """Figure 3 (c) and (d): (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride).

    Stride 1: half of the channels pass untouched, the other half through branch2.  Stride 2: both branches see all
    channels.  The halves are joined and their channels mixed.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int,
                 activation: Callable[[], Module] = ReLU) -> None:
        half = out_channels // 2
        self.stride = stride
        self.branch1 = Sequential() if stride == 1 else Sequential(
            *DepthwiseBNAct(in_channels, 3, stride, activation=None),
            *ConvBNAct(in_channels, half, 1, activation=activation))
        self.branch2 = Sequential(
            *ConvBNAct(half if stride == 1 else in_channels, half, 1, activation=activation),
            *DepthwiseBNAct(half, 3, stride, activation=None),
            *ConvBNAct(half, half, 1, activation=activation))

    def forward(self, x: Tensor) -> Tensor:
        left, right = F.chunk(x, 2) if self.stride == 1 else (self.branch1(x), x)
        return F.channel_shuffle(F.concat([left, self.branch2(right)]), 2)


class ShuffleNetV2(Backbone):
    """ShuffleNet V2; stage_channels: output channels of stage2, stage3, stage4 and conv5. options: see Backbone.

    activation: what makes the modules that activate.
    """

    head_modules = ("conv5", "fc")

    def __init__(self, stage_channels: tuple[int, ...], activation: Callable[[], Module] = ReLU,
                 **options: Unpack[Options]) -> None:
        super().__init__(**options)
        *widths, last = stage_channels
        self.conv1 = ConvBNAct(self.in_chans, STEM, 3, self.stem_stride, activation=activation)
        self.maxpool = MaxPool2d(3, stride=2, padding=1)
        stages = [Stage("conv1", STEM, self.stem_stride), Stage("maxpool", STEM, 2 * self.stem_stride)]
        channels = STEM
        for name, width, repeats in zip(("stage2", "stage3", "stage4"), widths, REPEATS, strict=True):
            units = [ShuffleUnit(width if i else channels, width, 1 if i else 2, activation) for i in range(repeats)]
            setattr(self, name, Sequential(*units))
            stages.append(Stage(name, width, stages[-1].reduction * 2))
            channels = width
        self.set_stages(stages)
        if not self.features_only:
            self.conv5 = ConvBNAct(channels, last, 1, activation=activation)
            self.dropout = Dropout(self.drop_rate)
            self.fc = self.classifier_layer(last)

    def forward_head(self, x: Tensor) -> Tensor:
        return self.fc(self.dropout(pooled(self.conv5(x))))


def shufflenet_v2(width: float = 1.0, activation: Callable[[], Module] = ReLU,
                  **options: Unpack[Options]) -> ShuffleNetV2:
    """ShuffleNet V2 of a width of the paper's table: 0.5, 1.0, 1.5 or 2.0.

    activation: what makes the modules that activate.  options: see Backbone.  Raises ValueError for another width.

    >>> import numpy as np
    >>> shufflenet_v2(0.5, num_classes=10).eval()(np.zeros((1, 3, 64, 64), np.float32)).shape
    (1, 10)
    """
    if width not in TABLE:
        raise ValueError(f"shufflenet_v2: width must be one of {', '.join(map(str, TABLE))}, got {width!r}")
    return ShuffleNetV2(TABLE[width], activation, **options)


@register_model
def shufflenet_v2_x0_5(**options: Unpack[Options]) -> ShuffleNetV2:
    """ShuffleNet V2 at half width: 41 M multiply-adds, 1.4 M parameters."""
    return shufflenet_v2(0.5, **options)


@register_model
def shufflenet_v2_x1_0(**options: Unpack[Options]) -> ShuffleNetV2:
    """ShuffleNet V2: 146 M multiply-adds, 2.3 M parameters."""
    return shufflenet_v2(1.0, **options)


@register_model
def shufflenet_v2_x1_5(**options: Unpack[Options]) -> ShuffleNetV2:
    """ShuffleNet V2 at one and a half width: 299 M multiply-adds, 3.5 M parameters."""
    return shufflenet_v2(1.5, **options)


@register_model
def shufflenet_v2_x2_0(**options: Unpack[Options]) -> ShuffleNetV2:
    """ShuffleNet V2 at double width: 591 M multiply-adds, 7.4 M parameters."""
    return shufflenet_v2(2.0, **options)
