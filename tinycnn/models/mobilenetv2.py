"""MobileNet V2: Sandler, Howard, Zhu, Zhmoginov, Chen, "MobileNetV2: Inverted residuals and linear bottlenecks",
CVPR 2018, https://arxiv.org/abs/1801.04381.  Names of parameters as in torchvision.
"""
from __future__ import annotations

from ..nn import ConvBNAct, DepthwiseBNAct, Dropout, Module, ReLU6, Sequential
from ..tensor import Tensor
from .backbone import Backbone, Stage, pooled, start
from .mobile import make_divisible, require_width
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


class InvertedResidual(Module):
    """Figure 4 (d): expand, convolve each channel, project without activation; added to the input where shapes allow.

    (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        hidden = in_channels * expansion
        self.residual = stride == 1 and in_channels == out_channels
        self.conv = Sequential(
            *([ConvBNAct(in_channels, hidden, 1, activation=ReLU6)] if expansion != 1 else []),
            DepthwiseBNAct(hidden, 3, stride, activation=ReLU6),
            *ConvBNAct(hidden, out_channels, 1, activation=None))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(Backbone):
    """MobileNet V2 of any width; dropout: probability before the classifier. The rest: see Backbone."""

    head = ("features.18", "classifier")

    def __init__(self, width: float = 1.0, num_classes: int = 1000, in_chans: int = 3, features_only: bool = False,
                 dropout: float = 0.2) -> None:
        super().__init__(num_classes, in_chans, features_only)
        channels, reduction = make_divisible(STEM * width), 2
        self.features = Sequential(ConvBNAct(in_chans, channels, 3, stride=2, activation=ReLU6))
        stages = [Stage("features.0", channels, reduction)]
        for expansion, c, repeats, first_stride in TABLE:
            for stride in (first_stride, *[1] * (repeats - 1)):
                out, reduction = make_divisible(c * width), reduction * stride
                stages.append(Stage(f"features.{len(self.features)}", out, reduction))
                self.features.append(InvertedResidual(channels, out, stride, expansion))
                channels = out
        self.stages = tuple(stages)
        if not features_only:
            last = make_divisible(LAST * max(1.0, width))
            self.features.append(ConvBNAct(channels, last, 1, activation=ReLU6))
            self.classifier = Sequential(Dropout(dropout), self.classifier_layer(last))
        self.apply(start)

    def forward_head(self, x: Tensor) -> Tensor:
        return self.classifier(pooled(self.features[-1](x)))


@register_model
def mobilenet_v2(width: float = 1.0, num_classes: int = 1000, in_chans: int = 3, features_only: bool = False,
                 dropout: float = 0.2) -> MobileNetV2:
    """MobileNet V2 of any width above 0; at 1.0: 300 M multiply-adds, 3.5 M parameters.

    Channels are rounded to multiples of 8; the last convolution never has fewer than 1280.  dropout: probability
    before the classifier.  The rest: see Backbone.  Raises ValueError for a width that is not positive.

    >>> import numpy as np
    >>> mobilenet_v2(0.35, num_classes=10).eval()(np.zeros((1, 3, 64, 64), np.float32)).shape
    (1, 10)
    """
    require_width("mobilenet_v2", width)
    return MobileNetV2(width, num_classes, in_chans, features_only, dropout)
