"""Inception V4: Szegedy, Ioffe, Vanhoucke, Alemi, "Inception-v4, Inception-ResNet and the impact of residual
connections on learning", AAAI 2017, https://arxiv.org/abs/1602.07261; the same paper's residual networks are in
`inception_resnet`.  Names of parameters as in timm.

It has no residual branches, and takes images of 299 x 299 pixels, of 75 at least: `padded=True` gives padding to
convolutions and poolings that have none, for smaller ones.  The means of pooling leave out the padding.  The paper has
dropout of 0.2 before the classifier; as in timm, there is none unless drop_rate asks for it.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

from ..nn import Dropout, Sequential
from ..tensor import Tensor
from .backbone import Options, pooled
from .branches import (
    AVERAGE_INSIDE,
    HALVED,
    Conv,
    Forked,
    InceptionBackbone,
    InceptionOptions,
    Mixed,
    Part,
    Row,
    Step,
    Style,
    branches,
    start,
)
from .mobile import require_width
from .registry import register_model

ROWS, COLUMNS = (1, 7), (7, 1)  # kernels, height by width
STEM: tuple[tuple[Step, int], ...] = (  # figure 3, behind the first convolution; stride
    (Conv(32, 3, valid=True), 1),
    (Conv(64, 3), 1),
    (Mixed([{"maxpool": HALVED}, {"conv": Conv(96, 3, 2, valid=True)}]), 2),
    (Mixed(branches([Conv(64), Conv(96, 3, valid=True)],
                    [Conv(64), Conv(64, ROWS), Conv(64, COLUMNS), Conv(96, 3, valid=True)], first=0)), 1),
    (Mixed([{"conv": Conv(192, 3, 2, valid=True)}, {"maxpool": HALVED}]), 2),
)
INCEPTION_A = Mixed(branches(  # figure 4
    [Conv(96)], [Conv(64), Conv(96, 3)], [Conv(64), Conv(96, 3), Conv(96, 3)], [AVERAGE_INSIDE, Conv(96)], first=0))
INCEPTION_B = Mixed(branches(  # figure 5
    [Conv(384)],
    [Conv(192), Conv(224, ROWS), Conv(256, COLUMNS)],
    [Conv(192), Conv(192, COLUMNS), Conv(224, ROWS), Conv(224, COLUMNS), Conv(256, ROWS)],
    [AVERAGE_INSIDE, Conv(128)], first=0))
INCEPTION_C = Mixed([  # figure 6
    {"branch0": Conv(256)},
    Forked({"branch1_0": Conv(384)}, {"branch1_1a": Conv(256, (1, 3)), "branch1_1b": Conv(256, (3, 1))}),
    Forked({"branch2_0": Conv(384), "branch2_1": Conv(448, (3, 1)), "branch2_2": Conv(512, (1, 3))},
           {"branch2_3a": Conv(256, (1, 3)), "branch2_3b": Conv(256, (3, 1))}),
    {"branch3": Row([AVERAGE_INSIDE, Conv(256)])}])
REDUCTION_B = Mixed(branches(  # figure 8
    [Conv(192), Conv(192, 3, 2, valid=True)],
    [Conv(256), Conv(256, ROWS), Conv(320, COLUMNS), Conv(320, 3, 2, valid=True)], [HALVED], first=0))


def reduction_a(k: int, l: int, m: int, n: int) -> Mixed:
    """Figure 7, with table 1's numbers of filters."""
    return Mixed(branches([Conv(n, 3, 2, valid=True)], [Conv(k), Conv(l, 3), Conv(m, 3, 2, valid=True)], [HALVED],
                          first=0))


REPEATS: tuple[tuple[Step, int, int], ...] = (  # figure 9: module, how many, stride
    (INCEPTION_A, 4, 1),
    (reduction_a(192, 224, 256, 384), 1, 2),
    (INCEPTION_B, 7, 1),
    (REDUCTION_B, 1, 2),
    (INCEPTION_C, 3, 1),
)


class InceptionV4Options(InceptionOptions, total=False):
    """What Inception V4 and the residual ones take besides."""

    padded: bool


class InceptionV4(InceptionBackbone):
    """Inception V4; options: see Backbone.

    width: numbers of filters over those of the paper, above 0.  padded: whether all layers have padding.

    >>> import numpy as np
    >>> net = InceptionV4(padded=True, width=0.25, num_classes=10).eval()
    >>> net(np.zeros((1, 3, 32, 32), np.float32)).shape
    (1, 10)
    """

    head_modules = ("last_linear",)

    def __init__(self, width: float = 1.0, padded: bool = False, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        require_width("InceptionV4", width)
        self.style = Style(width, padded)
        self.features = Sequential()
        channels = self.set_trunk(self._table())
        if not self.features_only:
            self.dropout = Dropout(self.drop_rate)
            self.last_linear = self.classifier_layer(channels)
        self.apply(start)

    def _table(self) -> Iterator[Part]:
        repeated = [(step, stride) for step, count, stride in REPEATS for _ in range(count)]
        first = Conv(32, 3, self.stem_stride, valid=True), self.stem_stride
        for i, (step, stride) in enumerate([first, *STEM, *repeated]):
            yield Part(f"features.{i}", step, stride)

    def forward_head(self, x: Tensor) -> Tensor:
        return self.last_linear(self.dropout(pooled(x)))


@register_model
def inception_v4(**options: Unpack[InceptionV4Options]) -> InceptionV4:
    """Inception V4: 12.3 G multiply-adds, 42.7 M parameters; options: InceptionV4."""
    return InceptionV4(**options)
