"""Inception V2 and V3: Szegedy, Vanhoucke, Ioffe, Shlens, Wojna, "Rethinking the Inception architecture for computer
vision", CVPR 2016, https://arxiv.org/abs/1512.00567.  Names of parameters as in torchvision, which has V3.

Both take images of 299 x 299 pixels.  V2 is table 1, for whose modules the paper gives sizes of maps but no numbers of
filters: they have those of V3, and the last of the three and of the five modules halves the map.  V3 is torchvision's,
which is the authors' published code: it differs from table 1 behind the first pooling, and its modules at 35 x 35 have
a convolution of 5x5 where figure 5 has two of 3x3.  The paper counts 5 G multiply-adds and fewer than 25 M parameters;
counted, V3 has 5.7 G and, without its auxiliary head, 23.8 M.  torchvision's weights expect images normalised with a
mean and deviation of 0.5 (its option `transform_input` turns the usual ones into these): that is left to the data.

Convolutions and poolings without padding need images of 75 pixels at least; `padded=True` gives them one, so that maps
are those of other networks, for small images.  V3 was trained with smoothed labels (section 7), which is an option of
the loss: `losses.AuxiliaryLoss(losses.CrossEntropyLoss(label_smoothing=0.1))`.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Unpack

from .. import ops as F
from ..nn import Dropout, Linear, Module, init
from ..tensor import Tensor
from .backbone import Options, pooled
from .branches import (
    AVERAGE,
    HALVED,
    PLAIN,
    BasicConv2d,
    Conv,
    Forked,
    InceptionBackbone,
    InceptionOptions,
    Mixed,
    Part,
    Step,
    Style,
    start,
)
from .mobile import require_width
from .registry import register_model

ROWS, COLUMNS = (1, 7), (7, 1)  # kernels, height by width
POOLED: Mapping[str, Step] = {"pool": HALVED}


# ---------------------------------------------------------------- modules
def mixed_5(pool: int, large: Mapping[str, Step]) -> Mixed:
    """Figure 5: 5x5 as two of 3x3; large: the branch in between; pool: channels behind the pooling."""
    return Mixed([
        {"branch1x1": Conv(64)}, large,
        {"branch3x3dbl_1": Conv(64), "branch3x3dbl_2": Conv(96, 3), "branch3x3dbl_3": Conv(96, 3)},
        {"pool": AVERAGE, "branch_pool": Conv(pool)}])


def mixed_6(c: int) -> Mixed:
    """Figure 6: 7x7 as 1x7 and 7x1; c: channels in the middle of the branches."""
    return Mixed([
        {"branch1x1": Conv(192)},
        {"branch7x7_1": Conv(c), "branch7x7_2": Conv(c, ROWS), "branch7x7_3": Conv(192, COLUMNS)},
        {"branch7x7dbl_1": Conv(c), "branch7x7dbl_2": Conv(c, COLUMNS), "branch7x7dbl_3": Conv(c, ROWS),
         "branch7x7dbl_4": Conv(c, COLUMNS), "branch7x7dbl_5": Conv(192, ROWS)},
        {"pool": AVERAGE, "branch_pool": Conv(192)}])


MIXED_6A = Mixed([  # figure 10: convolution and pooling halve the map side by side
    {"branch3x3": Conv(384, 3, 2, valid=True)},
    {"branch3x3dbl_1": Conv(64), "branch3x3dbl_2": Conv(96, 3), "branch3x3dbl_3": Conv(96, 3, 2, valid=True)},
    POOLED])
MIXED_7A = Mixed([
    {"branch3x3_1": Conv(192), "branch3x3_2": Conv(320, 3, 2, valid=True)},
    {"branch7x7x3_1": Conv(192), "branch7x7x3_2": Conv(192, ROWS), "branch7x7x3_3": Conv(192, COLUMNS),
     "branch7x7x3_4": Conv(192, 3, 2, valid=True)},
    POOLED])
MIXED_7 = Mixed([  # figure 7: 3x3 as 1x3 and 3x1 side by side
    {"branch1x1": Conv(320)},
    Forked({"branch3x3_1": Conv(384)},
           {"branch3x3_2a": Conv(384, (1, 3)), "branch3x3_2b": Conv(384, (3, 1))}),
    Forked({"branch3x3dbl_1": Conv(448), "branch3x3dbl_2": Conv(384, 3)},
           {"branch3x3dbl_3a": Conv(384, (1, 3)), "branch3x3dbl_3b": Conv(384, (3, 1))}),
    {"pool": AVERAGE, "branch_pool": Conv(192)}])

# ---------------------------------------------------------------- tables: modules by the side of their maps
BEGIN = (  # behind the first convolution, whose stride is an option
    Part("Conv2d_2a_3x3", Conv(32, 3, valid=True)),
    Part("Conv2d_2b_3x3", Conv(64, 3)),
    Part("maxpool1", HALVED, 2),
)
STEMS = {
    2: (*BEGIN,
        Part("Conv2d_3b_3x3", Conv(80, 3, valid=True)),
        Part("Conv2d_4a_3x3", Conv(192, 3, 2, valid=True), 2),
        Part("Conv2d_4b_3x3", Conv(288, 3))),
    3: (*BEGIN,
        Part("Conv2d_3b_1x1", Conv(80)),
        Part("Conv2d_4a_3x3", Conv(192, 3, valid=True)),
        Part("maxpool2", HALVED, 2)),
}
TWO_3X3 = {"branch3x3_1": Conv(48), "branch3x3_2": Conv(64, 3)}
ONE_5X5 = {"branch5x5_1": Conv(48), "branch5x5_2": Conv(64, 5)}
AT_35 = {
    2: (Part("Mixed_5b", mixed_5(64, TWO_3X3)), Part("Mixed_5c", mixed_5(64, TWO_3X3))),
    3: (Part("Mixed_5b", mixed_5(32, ONE_5X5)), Part("Mixed_5c", mixed_5(64, ONE_5X5)),
        Part("Mixed_5d", mixed_5(64, ONE_5X5))),
}
AT_17 = tuple([Part(f"Mixed_6{letter}", mixed_6(c)) for letter, c in zip("bcde", (128, 160, 160, 192), strict=True)])
AT_8 = (Part("Mixed_7b", MIXED_7), Part("Mixed_7c", MIXED_7))


class AuxiliaryHead(Module):
    """A classifier of the last map at 17 x 17 (figure 8): (N, in_channels, H, W) -> (N, num_classes).

    Means over windows of 5x5 make 5 x 5 of 17 x 17, which a convolution reads as a whole; of a smaller map, which
    torchvision's cannot take, means over a grid of 5 x 5.
    """

    window, stride, smallest = 5, 3, 17

    def __init__(self, in_channels: int, num_classes: int, style: Style = PLAIN) -> None:
        few, many = style.filters(128), style.filters(768)
        self.conv0 = BasicConv2d(in_channels, few)
        self.conv1 = BasicConv2d(few, many, self.window)
        self.fc = Linear(many, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        if min(x.shape[2:]) < self.smallest:
            x = F.adaptive_avg_pool2d(x, self.window)
        else:
            x = F.avg_pool2d(x, self.window, self.stride)
        return self.fc(pooled(self.conv1(self.conv0(x))))


# ---------------------------------------------------------------- networks
class RethinkingOptions(InceptionOptions, total=False):
    """What both versions take besides."""

    padded: bool


class InceptionV3Options(RethinkingOptions, total=False):
    """What V3 takes besides."""

    aux_logits: bool


class InceptionV2(InceptionBackbone):
    """Inception V2; options: see Backbone.

    width: numbers of filters over those of V3, above 0.  padded: whether all layers have padding.

    >>> import numpy as np
    >>> net = InceptionV2(padded=True, width=0.25, num_classes=10).eval()
    >>> net(np.zeros((1, 3, 32, 32), np.float32)).shape
    (1, 10)
    """

    default_drop_rate = 0.5
    head_modules: tuple[str, ...] = ("fc",)
    version: ClassVar[int] = 2

    def __init__(self, width: float = 1.0, padded: bool = False, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        require_width(type(self).__name__, width)
        self.style = Style(width, padded)
        channels = self.set_trunk(self._table())
        if not self.features_only:
            self.dropout = Dropout(self.drop_rate)
            self.fc = self.classifier_layer(channels)
        self.apply(start)

    def _table(self) -> Iterator[Part]:
        yield Part("Conv2d_1a_3x3", Conv(32, 3, self.stem_stride, valid=True), self.stem_stride)
        yield from (*STEMS[self.version], *AT_35[self.version])
        yield from (Part("Mixed_6a", MIXED_6A, 2), *AT_17)
        yield from (Part("Mixed_7a", MIXED_7A, 2), *AT_8)

    def forward_head(self, x: Tensor) -> Tensor:
        return self.fc(self.dropout(pooled(x)))


class InceptionV3(InceptionV2):
    """Inception V3; options: see InceptionV2.

    aux_logits: whether it has the auxiliary classifier; in training, the result then is the list [logits, auxiliary
    logits], for `losses.AuxiliaryLoss`.

    >>> import numpy as np
    >>> net = InceptionV3(padded=True, width=0.25, num_classes=10)
    >>> [y.shape for y in net(np.zeros((2, 3, 32, 32), np.float32))]
    [(2, 10), (2, 10)]
    """

    head_modules = ("AuxLogits", "fc")
    classifiers = ("AuxLogits.fc", "fc")
    version = 3

    def __init__(self, aux_logits: bool = True, **options: Unpack[RethinkingOptions]) -> None:
        self.wants_aux_logits = aux_logits
        super().__init__(**options)
        if self.auxiliary:
            init.normal(self.AuxLogits.conv1.conv.weight, 0.01)  # as in torchvision
            init.normal(self.AuxLogits.fc.weight, 0.001)

    def built(self, name: str, channels: int) -> None:
        """The auxiliary head comes behind the last map at 17 x 17."""
        if name == AT_17[-1].name and self.wants_aux_logits and self.num_classes and not self.features_only:
            self.AuxLogits = AuxiliaryHead(channels, self.num_classes, self.style)
            self.auxiliary = {name: "AuxLogits"}


@register_model
def inception_v2(**options: Unpack[RethinkingOptions]) -> InceptionV2:
    """The factorised Inception V2; options: InceptionV2."""
    return InceptionV2(**options)


@register_model
def inception_v3(**options: Unpack[InceptionV3Options]) -> InceptionV3:
    """Inception V3: 5.7 G multiply-adds, 23.8 M parameters, 27.2 M with its auxiliary head; options: InceptionV3."""
    return InceptionV3(**options)
