"""Inception-ResNet V1 and V2: Szegedy, Ioffe, Vanhoucke, Alemi, "Inception-v4, Inception-ResNet and the impact of
residual connections on learning", AAAI 2017, https://arxiv.org/abs/1602.07261.

V2: names of parameters as in timm, whose network is the authors' published code: a stem like that of Inception V3
instead of figure 3, 10, 20 and 10 residual blocks instead of 5, 10 and 5, 1088 and 2080 instead of 1154 and 2048
channels, and one more convolution in the head.  V1: names as in facenet-pytorch, whose network is that of FaceNet's
open implementation: 5, 10 and 6 blocks, and a linear layer to 512 numbers, normalised, before the classifier, which the
paper has not.  In both, the last block has neither an activation nor a factor.

Residual branches are scaled down before they are added (section 3.3), by 0.17, 0.1 and 0.2 as published.  Both
take images of 299 x 299 pixels (faces: 160 x 160), of 75 at least: `padded=True` gives padding to convolutions and
poolings that have none, for smaller ones.  As in those packages dropout before the classifier is 0.6 in V1 and 0 in V2;
the paper has 0.2.
"""
from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import ClassVar, NamedTuple, Unpack

from .. import ops as F
from ..nn import BatchNorm1d, Conv2d, Dropout, Linear, Module, StochasticDepth
from ..tensor import Tensor
from .backbone import Options, pooled
from .branches import (
    AVERAGE_INSIDE,
    HALVED,
    Branches,
    Conv,
    InceptionBackbone,
    Mixed,
    Part,
    Row,
    Step,
    Style,
    Ways,
    branches,
    start,
)
from .inception_v4 import InceptionV4Options, reduction_a
from .mobile import require_width
from .registry import register_model

ROWS, COLUMNS = (1, 7), (7, 1)  # kernels, height by width
EMBEDDING = 512  # numbers that V1 makes of a face
LAST = 1536  # channels of V2's last convolution


# ---------------------------------------------------------------- blocks
class ResidualBranches(Branches):
    """Figures 10, 11 and 13: x + scale times a convolution of 1x1 of what the branches give, then ReLU.

    (N, in_channels, H, W) -> the same shape.  activation: whether there is the ReLU.  drop_path: probability of doing
    without the branches.
    """

    def __init__(self, in_channels: int, ways: Ways, style: Style, scale: float, activation: bool,
                 drop_path: float) -> None:
        super().__init__(in_channels, ways, style)
        self.conv2d = Conv2d(self.channels, in_channels, 1)
        self.scale, self.activation = scale, activation
        self.drop_path = StochasticDepth(drop_path, "row")

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2d(super().forward(x))
        y = x + self.drop_path(y if self.scale == 1 else y * self.scale)
        return F.relu(y) if self.activation else y


class Residual(NamedTuple):
    """A block of a table; see ResidualBranches."""

    ways: Ways
    scale: float
    drop_path: float
    activation: bool = True

    def build(self, in_channels: int, style: Style) -> tuple[Module, int]:
        """See Step."""
        block = ResidualBranches(in_channels, self.ways, style, self.scale, self.activation, self.drop_path)
        return block, in_channels


# ---------------------------------------------------------------- tables
class Version(NamedTuple):
    """In what the versions differ."""

    stem: tuple[Part, ...]  # from the first pooling on
    a: Ways  # figures 10 and 16
    reduction_a: Mixed  # figure 7 with the numbers of table 1
    b: Ways  # figures 11 and 17
    reduction_b: Mixed  # figures 12 and 18
    c: Ways  # figures 13 and 19
    repeats: tuple[int, int, int]  # of a, b and c, the last one not counted
    names: tuple[str, str, str]  # of these


def ways(*rows: list[Step]) -> Ways:
    """Branches counted from 0."""
    return branches(*rows, first=0)


def reduction_b(large: int, small: int, double: tuple[int, int]) -> Mixed:
    """Figure 12 or 18; filters of the convolutions of 3x3."""
    return Mixed(ways([Conv(256), Conv(large, 3, 2, valid=True)], [Conv(256), Conv(small, 3, 2, valid=True)],
                      [Conv(256), Conv(double[0], 3), Conv(double[1], 3, 2, valid=True)], [HALVED]))


BEGIN = (
    Part("maxpool_3a", HALVED, 2),
    Part("conv2d_3b", Conv(80)),
    Part("conv2d_4a", Conv(192, 3, valid=True)),
)
V1 = Version(
    stem=(*BEGIN, Part("conv2d_4b", Conv(256, 3, 2, valid=True), 2)),
    a=ways([Conv(32)], [Conv(32), Conv(32, 3)], [Conv(32), Conv(32, 3), Conv(32, 3)]),
    reduction_a=reduction_a(192, 192, 256, 384),
    b=ways([Conv(128)], [Conv(128), Conv(128, ROWS), Conv(128, COLUMNS)]),
    reduction_b=reduction_b(384, 256, (256, 256)),
    c=ways([Conv(192)], [Conv(192), Conv(192, (1, 3)), Conv(192, (3, 1))]),
    repeats=(5, 10, 5), names=("repeat_1", "repeat_2", "repeat_3"))
V2 = Version(
    stem=(*BEGIN, Part("maxpool_5a", HALVED, 2),
          Part("mixed_5b", Mixed(ways([Conv(96)], [Conv(48), Conv(64, 5)], [Conv(64), Conv(96, 3), Conv(96, 3)],
                                      [AVERAGE_INSIDE, Conv(64)])))),
    a=ways([Conv(32)], [Conv(32), Conv(32, 3)], [Conv(32), Conv(48, 3), Conv(64, 3)]),
    reduction_a=reduction_a(256, 256, 384, 384),
    b=ways([Conv(192)], [Conv(128), Conv(160, ROWS), Conv(192, COLUMNS)]),
    reduction_b=reduction_b(384, 288, (288, 320)),
    c=ways([Conv(192)], [Conv(192), Conv(224, (1, 3)), Conv(256, (3, 1))]),
    repeats=(10, 20, 9), names=("repeat", "repeat_1", "repeat_2"))
SCALES = (0.17, 0.1, 0.2)  # of a, b and c


# ---------------------------------------------------------------- networks
class InceptionResNet(InceptionBackbone):
    """What the versions share; options: see Backbone.

    width: numbers of filters over those of the tables, above 0.  padded: whether all layers have padding.
    """

    drops_paths = True
    version: ClassVar[Version]

    def __init__(self, width: float = 1.0, padded: bool = False, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        require_width(type(self).__name__, width)
        self.style = Style(width, padded)
        channels = self.set_trunk(self._table())
        if not self.features_only:
            self.set_head(channels)
        self.apply(start)

    def set_head(self, channels: int) -> None:
        """Build the head, for a map of so many channels."""
        raise NotImplementedError(f"{type(self).__name__}: set_head is not defined")

    def _table(self) -> Iterator[Part]:
        version, stride = self.version, self.stem_stride
        drop_paths = iter(self.drop_path_rates(sum(version.repeats) + 1))
        groups = (version.a, version.b, version.c)
        a, b, c = [Part(name, Row([Residual(ways, scale, p) for p in islice(drop_paths, count)])) for name, ways, scale,
                   count in zip(version.names, groups, SCALES, version.repeats, strict=True)]
        yield Part("conv2d_1a", Conv(32, 3, stride, valid=True), stride)
        yield Part("conv2d_2a", Conv(32, 3, valid=True))
        yield Part("conv2d_2b", Conv(64, 3))
        yield from (*version.stem, a)
        yield from (Part("mixed_6a", version.reduction_a, 2), b)
        yield from (Part("mixed_7a", version.reduction_b, 2), c)
        yield Part("block8", Residual(version.c, 1.0, next(drop_paths), activation=False))


class InceptionResNetV1(InceptionResNet):
    """Inception-ResNet V1, as FaceNet has it; options: see InceptionResNet.

    With num_classes=0 the result is the embedding of a face, (N, 512), whose length FaceNet then makes 1.

    >>> import numpy as np
    >>> net = InceptionResNetV1(padded=True, width=0.25, num_classes=0).eval()
    >>> net(np.zeros((1, 3, 32, 32), np.float32)).shape
    (1, 128)
    """

    default_drop_rate = 0.6
    head_modules = ("last_linear", "last_bn", "logits")
    version = V1

    def set_head(self, channels: int) -> None:
        """See InceptionResNet."""
        embedding = self.style.filters(EMBEDDING)
        self.dropout = Dropout(self.drop_rate)
        self.last_linear = Linear(channels, embedding, bias=False)
        self.last_bn = BatchNorm1d(embedding, self.style.eps)
        self.logits = self.classifier_layer(embedding)

    def forward_head(self, x: Tensor) -> Tensor:
        return self.logits(self.last_bn(self.last_linear(self.dropout(pooled(x)))))


class InceptionResNetV2(InceptionResNet):
    """Inception-ResNet V2; options: see InceptionResNet.

    >>> import numpy as np
    >>> net = InceptionResNetV2(padded=True, width=0.25, num_classes=10).eval()
    >>> net(np.zeros((1, 3, 32, 32), np.float32)).shape
    (1, 10)
    """

    head_modules = ("conv2d_7b", "classif")
    version = V2

    def set_head(self, channels: int) -> None:
        """See InceptionResNet."""
        self.conv2d_7b, channels = Conv(LAST).build(channels, self.style)
        self.dropout = Dropout(self.drop_rate)
        self.classif = self.classifier_layer(channels)

    def forward_head(self, x: Tensor) -> Tensor:
        return self.classif(self.dropout(pooled(self.conv2d_7b(x))))


@register_model
def inception_resnet_v1(**options: Unpack[InceptionV4Options]) -> InceptionResNetV1:
    """Inception-ResNet V1: 6.3 G multiply-adds, 24.0 M parameters; options: InceptionResNetV1."""
    return InceptionResNetV1(**options)


@register_model
def inception_resnet_v2(**options: Unpack[InceptionV4Options]) -> InceptionResNetV2:
    """Inception-ResNet V2: 13.2 G multiply-adds, 55.8 M parameters; options: InceptionResNetV2."""
    return InceptionResNetV2(**options)
