"""MobileNet V2: Sandler, Howard, Zhu, Zhmoginov, Chen, "MobileNetV2: Inverted residuals and linear bottlenecks",
CVPR 2018, https://arxiv.org/abs/1801.04381.  Names of parameters as in torchvision.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from ..nn import ConvBNAct, DepthwiseBNAct, Dropout, Module, ReLU6, Sequential, StochasticDepth
from ..tensor import Tensor
from .backbone import Backbone, Options, Stage, pooled, start
from .mobile import make_divisible, require_width, require_widths
from .registry import register_model

STEM, LAST = 32, 1280  # channels of the first and the last convolution at width 1
TABLE = (  # table 2: expansion t, output channels c, repeats n, stride s of the first
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
EXPANDED = sum(repeats for expansion, _, repeats, _ in TABLE if expansion != 1)  # blocks that expand


class InvertedResidual(Module):
    """Figure 4 (d): expand, convolve each channel, project without activation; added to the input where shapes allow.

    (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride).  drop_path: probability of doing without.
    hidden: channels between, where they are not `expansion` times those of the input.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int, drop_path: float,
                 hidden: int | None = None) -> None:
        hidden = in_channels * expansion if hidden is None else hidden
        self.residual = stride == 1 and in_channels == out_channels
        self.conv = Sequential(
            *([ConvBNAct(in_channels, hidden, 1, activation=ReLU6)] if expansion != 1 else []),
            DepthwiseBNAct(hidden, 3, stride, activation=ReLU6),
            *ConvBNAct(hidden, out_channels, 1, activation=None))
        self.drop_path = StochasticDepth(drop_path, "row")

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop_path(self.conv(x)) if self.residual else self.conv(x)


class MobileNetV2Options(Options, total=False):
    """What MobileNet V2 takes besides."""

    widths: Sequence[int] | None


class MobileNetV2(Backbone):
    """MobileNet V2 of any width; options: see Backbone.

    widths: channels in the middle of each of the 16 blocks that expand, in the place of 6 times those of their input,
    as a search for a faster network gives them.
    """

    default_drop_rate = 0.2
    drops_paths = True
    head_modules = ("features.18", "classifier")

    def __init__(self, width: float = 1.0, widths: Sequence[int] | None = None, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        hidden = iter(() if widths is None else require_widths("mobilenet_v2", widths, EXPANDED))
        channels, reduction = make_divisible(STEM * width), self.stem_stride
        self.features = Sequential(ConvBNAct(self.in_chans, channels, 3, self.stem_stride, activation=ReLU6))
        stages = [Stage("features.0", channels, reduction)]
        drop_path = iter(self.drop_path_rates(sum(row[2] for row in TABLE)))
        for expansion, c, repeats, first_stride in TABLE:
            for stride in (first_stride, *[1] * (repeats - 1)):
                out, reduction = make_divisible(c * width), reduction * stride
                stages.append(Stage(f"features.{len(self.features)}", out, reduction))
                own = None if expansion == 1 else next(hidden, None)
                self.features.append(InvertedResidual(channels, out, stride, expansion, next(drop_path), own))
                channels = out
        self.set_stages(stages)
        if not self.features_only:
            last = make_divisible(LAST * max(1.0, width))
            self.features.append(ConvBNAct(channels, last, 1, activation=ReLU6))
            self.classifier = Sequential(Dropout(self.drop_rate), self.classifier_layer(last))
        self.apply(start)

    def forward_head(self, x: Tensor) -> Tensor:
        return self.classifier(pooled(self.features[-1](x)))


@register_model
def mobilenet_v2(width: float = 1.0, **options: Unpack[MobileNetV2Options]) -> MobileNetV2:
    """MobileNet V2 of any width above 0; at 1.0: 300 M multiply-adds, 3.5 M parameters.

    Channels are rounded to multiples of 8; the last convolution never has fewer than 1280.  options: see Backbone,
    drop_rate 0.2; widths=None, see MobileNetV2.  Raises ValueError for a width that is not positive, and for widths
    that are not 16 of them.

    >>> import numpy as np
    >>> mobilenet_v2(0.35, num_classes=10).eval()(np.zeros((1, 3, 64, 64), np.float32)).shape
    (1, 10)
    """
    require_width("mobilenet_v2", width)
    return MobileNetV2(width, **options)
