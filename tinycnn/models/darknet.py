"""Darknet-19: Redmon and Farhadi, "YOLO9000: better, faster, stronger", CVPR 2017, https://arxiv.org/abs/1612.08242,
table 6; and Darknet-53, by the same: "YOLOv3: an incremental improvement", 2018, https://arxiv.org/abs/1804.02767,
table 1.  Names of parameters as in timm's darknet53, which has no Darknet-19.

At 256 x 256, counting 2 per multiply-add, convolutions and classifiers make 7.29 and 18.57 G; the second paper's table
2 has 7.29 and 18.7.  As in the authors' Darknet, leaky ReLU has a slope of 0.1 (timm's darknet53: 0.01, which
`activation=LeakyReLU` gives), Darknet-19 classifies every pixel by a convolution and takes the mean of that, and what
Darknet-53's blocks add is not activated.  Batch normalisation is timm's: eps 1e-5 and momentum 0.1 (Darknet: 1e-6, to
the deviation instead of the variance, and 0.01).
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Unpack

from ..nn import (
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Identity,
    LeakyReLU,
    MaxPool2d,
    Module,
    Sequential,
    StochasticDepth,
    init,
)
from ..tensor import Tensor
from .backbone import Backbone, Options, Stage, start
from .mobile import require_width
from .registry import register_model

Activation = Callable[[], Module]
STEM = 32  # channels of the first convolution
CHANNELS = (64, 128, 256, 512, 1024)  # of the stages behind it, each of which halves the sides
LEAKY = partial(LeakyReLU, 0.1)
DARKNET19 = (0, 1, 1, 2, 2)  # in each stage, how often channels are squeezed by 1x1 and restored by 3x3
DARKNET53 = (1, 2, 8, 8, 4)  # in each stage, residual blocks


def convolution(in_channels: int, out_channels: int, kernel: int, stride: int = 1,
                activation: Activation = LEAKY) -> Sequential:
    """Convolution, normalisation, activation: (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)."""
    return Sequential(conv=Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
                      bn=BatchNorm2d(out_channels), act=activation())


class Block(Module):
    """Channels squeezed by 1x1 and restored by 3x3, added to the input: (N, channels, H, W) -> the same shape.

    width: channels between the two.  drop_path: probability of doing without them.
    """

    def __init__(self, channels: int, width: int, drop_path: float, activation: Activation) -> None:
        self.conv1 = convolution(channels, width, 1, activation=activation)
        self.conv2 = convolution(width, channels, 3, activation=activation)
        self.drop_path = StochasticDepth(drop_path, "row")

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop_path(self.conv2(self.conv1(x)))


class Darknet(Backbone):
    """A Darknet with residual stages; blocks: in each.  activation: makes the modules behind the convolutions.  width:
    channels over those of the paper; ValueError if it is not positive.

    Feature maps are the stages': at reductions of 2 to 32, the last one in front of the head.  options: see Backbone;
    the first convolution has no stride.

    >>> import numpy as np
    >>> Darknet((1, 1, 1, 1, 1), num_classes=10).eval()(np.zeros((1, 3, 64, 64), np.float32)).shape
    (1, 10)
    """

    drops_paths = True
    stem_strides = (1,)
    head_modules = ("head.fc",)

    def __init__(self, blocks: Sequence[int], activation: Activation = LEAKY, width: float = 1.0,
                 **options: Unpack[Options]) -> None:
        super().__init__(**options)
        require_width(type(self).__name__, width)
        before, *widths = [max(1, int(channels * width)) for channels in (STEM, *CHANNELS)]
        self.stem = Sequential(conv1=convolution(self.in_chans, before, 3, activation=activation))
        self.stages = Sequential()
        rates = iter(self.drop_path_rates(sum(blocks)))
        for channels, count in zip(widths, blocks, strict=True):
            self.stages.append(self.make_stage(before, channels, [next(rates) for _ in range(count)], activation))
            before = channels
        names = ["first", *[f"stages.{i}" for i in range(1, len(widths))]]
        self.set_stages([Stage(name, channels, 2 << i) for i, (name, channels) in enumerate(zip(names, widths))])
        self.apply(start)
        if not self.features_only:
            self.head = self.make_head(before)

    def first(self, x: Tensor) -> Tensor:
        """The first convolution and the first stage: (N, in_chans, H, W) -> (N, 64, H / 2, W / 2)."""
        return self.stages[0](self.stem(x))

    def make_stage(self, in_channels: int, out_channels: int, drop_path: list[float], activation: Activation) -> Module:
        """Half the pixels by a 3x3 with a stride, to more channels, and residual blocks, one for each drop_path."""
        return Sequential(conv_down=convolution(in_channels, out_channels, 3, 2, activation), blocks=Sequential(*[
            Block(out_channels, out_channels // 2, p, activation) for p in drop_path]))

    def make_head(self, channels: int) -> Sequential:
        """The means of the channels, and their classifier."""
        classifier = self.classifier_layer(channels).apply(start)
        return Sequential(GlobalAvgPool2d(), Flatten(), Dropout(self.drop_rate), fc=classifier)

    def forward_head(self, x: Tensor) -> Tensor:
        return self.head(x)


class PlainDarknet(Darknet):
    """A Darknet without residual blocks, blocks: pairs of 1x1 and 3x3 in each stage; otherwise as Darknet.

    >>> PlainDarknet(DARKNET19, features_only=True).channels
    [64, 128, 256, 512, 1024]
    """

    drops_paths = False

    def make_stage(self, in_channels: int, out_channels: int, pairs: list[float], activation: Activation) -> Module:
        """Half the pixels by max-pooling, a 3x3 to more channels, and pairs of 1x1 and 3x3."""
        stage = Sequential(MaxPool2d(2), convolution(in_channels, out_channels, 3, activation=activation))
        for _ in pairs:
            stage.append(convolution(out_channels, out_channels // 2, 1, activation=activation))
            stage.append(convolution(out_channels // 2, out_channels, 3, activation=activation))
        return stage

    def make_head(self, channels: int) -> Sequential:
        """A convolution that classifies each pixel, and the means of that."""
        return Sequential(Dropout(self.drop_rate), fc=self.classifier_layer(channels), pool=GlobalAvgPool2d(),
                          flatten=Flatten())

    def classifier_layer(self, features: int) -> Module:
        if not self.num_classes:
            return Identity()
        layer = Conv2d(features, self.num_classes, 1).apply(start)
        init.normal(layer.weight, 0.01)
        return layer


class DarknetOptions(Options, total=False):
    """What Darknet takes besides."""

    activation: Activation
    width: float


@register_model
def darknet19(**options: Unpack[DarknetOptions]) -> PlainDarknet:
    """Darknet of 19 convolutions: 2.8 G multiply-adds (3.6 at 256), 20.8 M parameters; options: Darknet."""
    return PlainDarknet(DARKNET19, **options)


@register_model
def darknet53(**options: Unpack[DarknetOptions]) -> Darknet:
    """Darknet of 52 convolutions and a linear layer: 7.1 G multiply-adds (9.3 at 256), 41.6 M parameters; options:
    Darknet."""
    return Darknet(DARKNET53, **options)
