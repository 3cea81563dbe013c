"""MobileNet V1: Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam, "MobileNets: Efficient convolutional
neural networks for mobile vision applications", 2017, https://arxiv.org/abs/1704.04861.  Names of parameters as in
timm's mobilenetv1_100.

The paper's activation is ReLU; its TensorFlow code, and timm, have ReLU6, which is what a network here has unless told
otherwise.  The paper's table 1 gives the last depthwise convolution a stride of 2, though the map stays 7 x 7: it is 1.
Batch normalisation has timm's eps of 1e-5 (TensorFlow's code: 1e-3), and no dropout comes before the classifier
(TensorFlow's code: 0.001).
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from ..nn import BatchNorm2d, Conv2d, Dropout, Module, ReLU6, Sequential
from ..tensor import Tensor
from .backbone import Backbone, Options, Stage, pooled, start
from .mobile import make_divisible, require_width, require_widths
from .registry import register_model

STEM = 32  # channels of the first convolution at width 1
TABLE = (  # table 1: output channels, separable convolutions, stride of the first
    (64, 1, 1),
    (128, 2, 2),
    (256, 2, 2),
    (512, 6, 2),
    (1024, 2, 2),
)
WIDTHS = 1 + sum(repeats for _, repeats, _ in TABLE)  # of the first convolution and of each separable one


class DepthwiseSeparable(Module):
    """Figure 3, right: convolve each channel, then mix them, each normalised and activated.

    (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride), sizes rounded up.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, activation: type[Module]) -> None:
        self.conv_dw = Conv2d(in_channels, in_channels, 3, stride, padding=1, groups=in_channels, bias=False)
        self.bn1 = BatchNorm2d(in_channels)
        self.conv_pw = Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn2 = BatchNorm2d(out_channels)
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        y = self.activation(self.bn1(self.conv_dw(x)))
        return self.activation(self.bn2(self.conv_pw(y)))


class MobileNetV1Options(Options, total=False):
    """What MobileNet V1 takes besides."""

    activation: type[Module]
    widths: Sequence[int] | None


class MobileNetV1(Backbone):
    """MobileNet V1 of any width; activation: a class of module without arguments, ReLU for the paper's networks.

    widths: output channels of the first convolution and of each of the 13 separable ones, in the place of `width`, as
    a search for a faster network gives them.  options: see Backbone.
    """

    head_modules = ("classifier",)

    def __init__(self, width: float = 1.0, activation: type[Module] = ReLU6,
                 widths: Sequence[int] | None = None, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        own = iter(usual_widths(width) if widths is None else require_widths("mobilenet_v1", widths, WIDTHS))
        channels = next(own)
        self.conv_stem = Conv2d(self.in_chans, channels, 3, self.stem_stride, padding=1, bias=False)
        self.bn1 = BatchNorm2d(channels)
        self.activation = activation()
        self.blocks, stages = Sequential(), [Stage("stem", channels, self.stem_stride)]
        for i, (_, repeats, first_stride) in enumerate(TABLE):
            row = Sequential()
            for stride in (first_stride, *[1] * (repeats - 1)):
                out = next(own)
                row.append(DepthwiseSeparable(channels, out, stride, activation))
                channels = out
            self.blocks.append(row)
            stages.append(Stage(f"blocks.{i}", channels, stages[-1].reduction * first_stride))
        self.set_stages(stages)
        if not self.features_only:
            self.dropout = Dropout(self.drop_rate)
            self.classifier = self.classifier_layer(channels)
        self.apply(start)

    def stem(self, x: Tensor) -> Tensor:
        """(N, in_chans, H, W) -> (N, 32 width, H / 2, W / 2), sizes rounded up."""
        return self.activation(self.bn1(self.conv_stem(x)))

    def forward_head(self, x: Tensor) -> Tensor:
        return self.classifier(self.dropout(pooled(x)))


def usual_widths(width: float) -> list[int]:
    """Output channels of the first convolution and of the separable ones, as table 1 has them, times `width`."""
    return [make_divisible(c * width) for c in (STEM, *[c for c, repeats, _ in TABLE for _ in range(repeats)])]


def mobilenet_v1(width: float = 1.0, **options: Unpack[MobileNetV1Options]) -> MobileNetV1:
    """MobileNet V1 of any width above 0, for images of any size.

    Channels are rounded to multiples of 8.  options: see Backbone; activation=nn.ReLU6 and widths=None, see
    MobileNetV1.  Raises ValueError for a width that is not positive, and for widths that are not 14 of them.

    >>> import numpy as np
    >>> mobilenet_v1(0.125, num_classes=10).eval()(np.zeros((1, 3, 96, 64), np.float32)).shape
    (1, 10)
    """
    require_width("mobilenet_v1", width)
    return MobileNetV1(width, **options)


@register_model
def mobilenetv1_100(**options: Unpack[MobileNetV1Options]) -> MobileNetV1:
    """MobileNet V1: 569 M multiply-adds, 4.2 M parameters; options: mobilenet_v1."""
    return mobilenet_v1(1.0, **options)


@register_model
def mobilenetv1_075(**options: Unpack[MobileNetV1Options]) -> MobileNetV1:
    """MobileNet V1 at three quarters of the width: 325 M multiply-adds, 2.6 M parameters; options: mobilenet_v1."""
    return mobilenet_v1(0.75, **options)


@register_model
def mobilenetv1_050(**options: Unpack[MobileNetV1Options]) -> MobileNetV1:
    """MobileNet V1 at half width: 149 M multiply-adds, 1.3 M parameters; options: mobilenet_v1."""
    return mobilenet_v1(0.5, **options)


@register_model
def mobilenetv1_025(**options: Unpack[MobileNetV1Options]) -> MobileNetV1:
    """MobileNet V1 at a quarter of the width: 41 M multiply-adds, 0.5 M parameters; options: mobilenet_v1."""
    return mobilenet_v1(0.25, **options)
