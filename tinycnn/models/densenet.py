"""DenseNet: Huang, Liu, van der Maaten, Weinberger, "Densely connected convolutional networks", CVPR 2017,
https://arxiv.org/abs/1608.06993.  Names of parameters as in torchvision.

These are the paper's DenseNet-BC, with bottlenecks and compression.  DenseNet-161 is not in table 1: it is the authors'
network of 48 new channels a layer, published at https://github.com/liuzhuang13/DenseNet.  The paper's dropout follows
each convolution, 0.2 for images that are not augmented and none for ImageNet: that is `proj_drop_rate` here (timm's
name; torchvision calls it drop_rate), behind each layer's 3x3 as in torchvision and timm; `drop_rate` is of the
classifier, as in every network here.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Unpack

from .. import ops as F
from ..nn import AvgPool2d, BatchNorm2d, Conv2d, Dropout, Linear, MaxPool2d, Module, ReLU, Sequential, init
from ..tensor import Tensor
from .backbone import Backbone, Options, Stage, pooled
from .registry import register_model

BOTTLENECK = 4  # channels of a layer's 1x1 convolution over those it adds (section 3, "bottleneck layers")
COMPRESSION = 2  # channels before a transition over those behind it (section 3, "compression")


class Row(NamedTuple):
    """A column of table 1."""

    layers: tuple[int, ...]  # of each dense block
    growth: int = 32  # channels that each layer adds
    stem: int = 64  # channels of the first convolution


TABLE = {
    121: Row((6, 12, 24, 16)),
    161: Row((6, 12, 36, 24), growth=48, stem=96),
    169: Row((6, 12, 32, 32)),
    201: Row((6, 12, 48, 32)),
}


class DenseLayer(Module):
    """Section 3, H of "bottleneck layers": the map so far and new channels made of it.

    (N, in_channels, H, W) -> (N, in_channels + growth, H, W).
    """

    def __init__(self, in_channels: int, growth: int, dropout: float) -> None:
        self.norm1 = BatchNorm2d(in_channels)
        self.conv1 = Conv2d(in_channels, BOTTLENECK * growth, 1, bias=False)
        self.norm2 = BatchNorm2d(BOTTLENECK * growth)
        self.conv2 = Conv2d(BOTTLENECK * growth, growth, 3, padding=1, bias=False)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.relu(self.norm1(x)))
        y = self.conv2(F.relu(self.norm2(y)))
        return F.concat([x, self.dropout(y)])


def dense_block(channels: int, layers: int, growth: int, dropout: float) -> Sequential:
    """Figure 1: so many layers, named from denselayer1, each of which reads all that came before it."""
    return Sequential(**{f"denselayer{i + 1}": DenseLayer(channels + i * growth, growth, dropout)
                         for i in range(layers)})


def transition(channels: int) -> Sequential:
    """Table 1, between blocks: (N, channels, H, W) -> (N, channels / 2, H / 2, W / 2), sizes rounded down."""
    return Sequential(norm=BatchNorm2d(channels), relu=ReLU(),
                      conv=Conv2d(channels, channels // COMPRESSION, 1, bias=False), pool=AvgPool2d(2))


def trunk(row: Row, in_chans: int, stem_stride: int, dropout: float) -> Iterator[tuple[str, Module, int, int]]:
    """The trunk's modules in order: name, module, channels of its map, reduction of it."""
    channels, reduction = row.stem, stem_stride
    yield "conv0", Conv2d(in_chans, channels, 7, stem_stride, padding=3, bias=False), channels, reduction
    yield "norm0", BatchNorm2d(channels), channels, reduction
    yield "relu0", ReLU(), channels, reduction
    yield "pool0", MaxPool2d(3, stride=2, padding=1), channels, (reduction := 2 * reduction)
    for i, layers in enumerate(row.layers, 1):
        block = dense_block(channels, layers, row.growth, dropout)
        channels += layers * row.growth
        yield f"denseblock{i}", block, channels, reduction
        if i < len(row.layers):
            channels, reduction, between = channels // COMPRESSION, 2 * reduction, transition(channels)
            yield f"transition{i}", between, channels, reduction
    last = len(row.layers) + 1
    yield f"norm{last}", BatchNorm2d(channels), channels, reduction
    yield f"relu{last}", ReLU(), channels, reduction


class DenseNetOptions(Options, total=False):
    """What DenseNet takes besides."""

    proj_drop_rate: float


class DenseNet(Backbone):
    """DenseNet of a row of TABLE.

    proj_drop_rate: probability of dropout behind each layer's 3x3 convolution; ValueError outside [0, 1].  options: see
    Backbone.  Feature maps are those behind the dense blocks, not normalised but for the last one.

    >>> import numpy as np
    >>> DenseNet(Row((2, 2), growth=8, stem=16), num_classes=10).eval()(np.zeros((1, 3, 32, 32), np.float32)).shape
    (1, 10)
    """

    head_modules = ("classifier",)

    def __init__(self, row: Row, proj_drop_rate: float = 0.0, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        self.features, stages = Sequential(), []
        for name, module, channels, reduction in trunk(row, self.in_chans, self.stem_stride, proj_drop_rate):
            setattr(self.features, name, module)
            stages.append(Stage(f"features.{name}", channels, reduction))
        self.set_stages(stages)
        if not self.features_only:
            self.dropout, self.classifier = Dropout(self.drop_rate), self.classifier_layer(channels)
        self.apply(start)

    def forward_head(self, x: Tensor) -> Tensor:
        return self.classifier(self.dropout(pooled(x)))


def start(module: Module) -> None:
    """Convolutions by He's rule from what one output reads, as torchvision's, the classifier's bias 0."""
    if isinstance(module, Conv2d):
        init.kaiming_normal(module.weight)
    elif isinstance(module, Linear) and module.bias is not None:
        init.constant(module.bias, 0.0)


@register_model
def densenet121(**options: Unpack[DenseNetOptions]) -> DenseNet:
    """DenseNet of 121 layers: 2.8 G multiply-adds, 8.0 M parameters; options: DenseNet.

    >>> net = densenet121(features_only=True)
    >>> net.channels, net.reduction
    ([64, 256, 512, 1024, 1024], [2, 4, 8, 16, 32])
    """
    return DenseNet(TABLE[121], **options)


@register_model
def densenet161(**options: Unpack[DenseNetOptions]) -> DenseNet:
    """DenseNet of 161 layers, wider: 7.7 G multiply-adds, 28.7 M parameters; options: DenseNet."""
    return DenseNet(TABLE[161], **options)


@register_model
def densenet169(**options: Unpack[DenseNetOptions]) -> DenseNet:
    """DenseNet of 169 layers: 3.4 G multiply-adds, 14.1 M parameters; options: DenseNet."""
    return DenseNet(TABLE[169], **options)


@register_model
def densenet201(**options: Unpack[DenseNetOptions]) -> DenseNet:
    """DenseNet of 201 layers: 4.3 G multiply-adds, 20.0 M parameters; options: DenseNet."""
    return DenseNet(TABLE[201], **options)
