"""AlexNet: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural networks", NIPS 2012,
in the form of Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014,
https://arxiv.org/abs/1404.5997: without halves for two GPUs and without local response normalisation.  Names of
parameters as in torchvision.

The papers' layers start from a normal distribution of deviation 0.01 and biases of 0 and 1; here, all but the last
start by He's rule, which needs no biases.  As in VGG, means over a grid of 6 x 6 admit any size, from 63 x 63 on, and
leave the map of a 224 x 224 image as it is.
"""
from __future__ import annotations

from typing import NamedTuple, Unpack

from ..nn import AdaptiveAvgPool2d, Conv2d, Dropout, MaxPool2d, ReLU, Sequential
from ..tensor import Tensor
from .backbone import Backbone, Options, Stage, start
from .registry import register_model
from .vgg import hidden_layer


class Row(NamedTuple):
    """A convolution; behind some, max-pooling of 3x3 halves the sides."""

    out: int  # output channels
    kernel: int
    stride: int
    padding: int
    pooled: bool


TABLE = (
    Row(64, 11, 4, 2, True),
    Row(192, 5, 1, 2, True),
    Row(384, 3, 1, 1, False),
    Row(256, 3, 1, 1, False),
    Row(256, 3, 1, 1, True),
)
GRID = 6  # the map's side, as the linear layers read it


class AlexNetOptions(Options, total=False):
    """What AlexNet takes besides."""

    hidden: int


class AlexNet(Backbone):
    """AlexNet; hidden: units of the two hidden linear layers, in front of each of which is dropout.

    Nothing pads what is pooled: a map is a little smaller than the image's side over its reduction.  options: see
    Backbone.

    >>> import numpy as np
    >>> AlexNet(hidden=64, num_classes=10, stem_stride=1).eval()(np.zeros((1, 3, 32, 32), np.float32)).shape
    (1, 10)
    """

    default_drop_rate = 0.5
    stem_strides = (4, 2, 1)
    head_modules = ("classifier.1", "classifier.4", "classifier.6")

    def __init__(self, hidden: int = 4096, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        self.features, stages = Sequential(), []
        channels, reduction = self.in_chans, 1
        for i, row in enumerate(TABLE):
            stride = row.stride if i else self.stem_stride
            reduction *= stride
            for layer in (Conv2d(channels, row.out, row.kernel, stride, row.padding), ReLU()):
                stages.append(Stage(f"features.{len(self.features)}", row.out, reduction))
                self.features.append(layer)
            channels = row.out
            if row.pooled:
                reduction *= 2
                stages.append(Stage(f"features.{len(self.features)}", channels, reduction))
                self.features.append(MaxPool2d(3, stride=2))
        self.set_stages(stages)
        self.apply(start)
        if not self.features_only:
            self.avgpool = AdaptiveAvgPool2d(GRID)
            self.classifier = Sequential(
                Dropout(self.drop_rate), *hidden_layer(channels * GRID * GRID, hidden, self.drop_rate),
                *hidden_layer(hidden, hidden, 0.0)[:2], self.classifier_layer(hidden).apply(start))

    def forward_head(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(x).flatten(1))


@register_model
def alexnet(**options: Unpack[AlexNetOptions]) -> AlexNet:
    """AlexNet: 714 M multiply-adds, 61.1 M parameters; options: AlexNet."""
    return AlexNet(**options)
