"""SqueezeNet: Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer, "SqueezeNet: AlexNet-level accuracy with 50x fewer
parameters and < 0.5 MB model size", 2016, https://arxiv.org/abs/1602.07360; version 1.1 as its authors published it at
https://github.com/forresti/SqueezeNet.  Names of parameters as in torchvision.

The first convolution has no padding, and pooling rounds sizes up, as in torchvision and the authors' Caffe files; so a
map is a little smaller than the image's side over its reduction.  The activation after the classifier's convolution
keeps logits from being negative: that too is the authors'.
"""
from __future__ import annotations

from typing import NamedTuple, Unpack

from .. import ops as F
from ..nn import AdaptiveAvgPool2d, Conv2d, Dropout, Identity, MaxPool2d, Module, ReLU, Sequential, init
from ..tensor import Tensor
from .backbone import Backbone, Options, Stage
from .registry import register_model

FIRES = (  # table 1: squeeze s1x1, expand e1x1 (as many as e3x3), from fire2 to fire9; the same in both versions
    (16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256),
)


class Version(NamedTuple):
    """In what the versions differ."""

    stem: int  # channels of the first convolution
    kernel: int  # of the first convolution
    pools: tuple[int, ...]  # after so many fire modules, a max-pooling


V1_0 = Version(stem=96, kernel=7, pools=(0, 3, 7))
V1_1 = Version(stem=64, kernel=3, pools=(0, 2, 4))


class Fire(Module):
    """Figure 1: channels squeezed by 1x1, then expanded by 1x1 and, side by side, by 3x3.

    (N, in_channels, H, W) -> (N, 2 expand, H, W).
    """

    def __init__(self, in_channels: int, squeeze: int, expand: int) -> None:
        self.squeeze = Conv2d(in_channels, squeeze, 1)
        self.expand1x1 = Conv2d(squeeze, expand, 1)
        self.expand3x3 = Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze(x))
        return F.concat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))])


class SqueezeNet(Backbone):
    """SqueezeNet of a version; options: see Backbone; dropout comes before the classifier's convolution.

    >>> import numpy as np
    >>> SqueezeNet(V1_1, num_classes=10).eval()(np.zeros((1, 3, 64, 64), np.float32)).shape
    (1, 10)
    """

    default_drop_rate = 0.5
    head_modules = ("classifier.1",)

    def __init__(self, version: Version, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        channels, reduction = version.stem, self.stem_stride
        self.features = Sequential(Conv2d(self.in_chans, channels, version.kernel, self.stem_stride), ReLU())
        stages = [Stage("features.0", channels, reduction), Stage("features.1", channels, reduction)]
        for i, (squeeze, expand) in enumerate(FIRES):
            if i in version.pools:
                reduction *= 2
                stages.append(Stage(f"features.{len(self.features)}", channels, reduction))
                self.features.append(MaxPool2d(3, stride=2, ceil_mode=True))
            stages.append(Stage(f"features.{len(self.features)}", 2 * expand, reduction))
            self.features.append(Fire(channels, squeeze, expand))
            channels = 2 * expand
        self.set_stages(stages)
        self.apply(start)
        if not self.features_only:
            self.classifier = Sequential(Dropout(self.drop_rate), self.classifier_layer(channels), ReLU(),
                                         AdaptiveAvgPool2d(1))

    def classifier_layer(self, features: int) -> Module:
        """The convolution that makes a map of each class."""
        if not self.num_classes:
            return Identity()
        layer = Conv2d(features, self.num_classes, 1)
        start(layer)
        init.normal(layer.weight, 0.01)
        return layer

    def forward_head(self, x: Tensor) -> Tensor:
        return self.classifier(x).flatten(1)


def start(module: Module) -> None:
    """Convolutions by He's rule from what one output reads, their biases 0."""
    if isinstance(module, Conv2d) and module.bias is not None:
        init.kaiming_uniform(module.weight)
        init.constant(module.bias, 0.0)


@register_model
def squeezenet1_0(**options: Unpack[Options]) -> SqueezeNet:
    """SqueezeNet 1.0: 819 M multiply-adds, 1.25 M parameters; options: SqueezeNet."""
    return SqueezeNet(V1_0, **options)


@register_model
def squeezenet1_1(**options: Unpack[Options]) -> SqueezeNet:
    """SqueezeNet 1.1, as accurate for less work: 349 M multiply-adds, 1.24 M parameters; options: SqueezeNet."""
    return SqueezeNet(V1_1, **options)
