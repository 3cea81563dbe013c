"""GoogLeNet, the first Inception: Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich, "Going
deeper with convolutions", CVPR 2015, https://arxiv.org/abs/1409.4842.  Names of parameters as in torchvision.

torchvision's network, and this one, differs from the paper's: each convolution is followed by batch normalisation (eps
0.001), there is no local response normalisation, the "5x5" convolutions are of 3x3 unless largest_kernel=5 is asked
for, the auxiliary heads look at means over a grid of 4x4 instead of windows of 5x5, and dropout before the classifier
is 0.2, not 0.4.  Poolings have no padding and round sizes up.  torchvision's weights expect images normalised with a
mean and deviation of 0.5 (its option `transform_input` turns the usual ones into these): that is left to the data.

The auxiliary classifiers' losses weigh 0.3 (section 5): `losses.AuxiliaryLoss`.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Unpack

from .. import ops as F
from ..nn import Dropout, Linear, MaxPool2d, Module, init
from ..tensor import Tensor
from .backbone import Options, pooled
from .branches import (
    LARGEST,
    PLAIN,
    BasicConv2d,
    Conv,
    InceptionBackbone,
    InceptionOptions,
    Mixed,
    Part,
    Pool,
    Style,
    branches,
    start,
)
from .mobile import require_width
from .registry import register_model

# Table 1: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool proj
TABLE = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}
POOLS = {"inception4a": ("maxpool3", 3), "inception5a": ("maxpool4", 2)}  # before these: name, side of the window
GRID = 4  # side of the map of means that an auxiliary head sees


def halving(side: int = 3) -> Pool:
    """Max-pooling over windows of a side that halves the map, its size rounded up."""
    return Pool(MaxPool2d, side, stride=2, padding=0, more={"ceil_mode": True})


def inception(row: tuple[int, ...], largest_kernel: int = 3) -> Mixed:
    """Figure 2 (b): few channels by 1x1 before each larger convolution, and behind the pooling."""
    c1, reduce3, c3, reduce5, c5, project = row
    return Mixed(branches([Conv(c1)], [Conv(reduce3), Conv(c3, 3)], [Conv(reduce5), Conv(c5, largest_kernel)],
                          [LARGEST, Conv(project)]))


def naive_inception(row: tuple[int, ...], largest_kernel: int = 5) -> Mixed:
    """Figure 2 (a), the naive version: convolutions and the pooling read all channels, and all of them come out."""
    c1, _, c3, _, c5, _ = row
    return Mixed(branches([Conv(c1)], [Conv(c3, 3)], [Conv(c5, largest_kernel)], [LARGEST]))


class AuxiliaryHead(Module):
    """Section 5: a classifier of a map in the middle of the network: (N, in_channels, H, W) -> (N, num_classes)."""

    def __init__(self, in_channels: int, num_classes: int, drop_rate: float, style: Style = PLAIN) -> None:
        channels, hidden = style.filters(128), style.filters(1024)
        self.conv = BasicConv2d(in_channels, channels)
        self.fc1 = Linear(channels * GRID * GRID, hidden)
        self.dropout = Dropout(drop_rate)
        self.fc2 = Linear(hidden, num_classes)
        self.apply(start)
        init.kaiming_normal(self.fc1.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(F.adaptive_avg_pool2d(x, GRID)).flatten(1)
        return self.fc2(self.dropout(F.relu(self.fc1(x))))


class GoogLeNetOptions(InceptionOptions, total=False):
    """What GoogLeNet takes besides."""

    aux_logits: bool
    aux_drop_rate: float
    largest_kernel: int
    naive: bool


class GoogLeNet(InceptionBackbone):
    """GoogLeNet, or the same of naive modules; options: see Backbone.

    width: numbers of filters over those of the paper, above 0.  aux_logits: whether it has the auxiliary classifiers;
    in training, the result then is the list [logits, logits of aux2, logits of aux1], for `losses.AuxiliaryLoss`.
    aux_drop_rate: probability of dropout in them.  largest_kernel: of the third branch, 3 as in torchvision's weights,
    or 5 as in the paper.  naive: modules of figure 2 (a), which do not reduce channels first: 70 M parameters instead
    of 6.6.  Raises ValueError for another kernel, or what is out of range.

    >>> import numpy as np
    >>> net, x = GoogLeNet(width=0.25, num_classes=10), np.zeros((2, 3, 64, 64), np.float32)
    >>> [y.shape for y in net(x)], net.eval()(x).shape
    ([(2, 10), (2, 10), (2, 10)], (2, 10))
    """

    default_drop_rate = 0.2
    head_modules = ("aux1", "aux2", "fc")
    classifiers = ("aux1.fc2", "aux2.fc2", "fc")

    def __init__(self, width: float = 1.0, aux_logits: bool = True, aux_drop_rate: float = 0.7,
                 largest_kernel: int = 3, naive: bool = False, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        require_width("GoogLeNet", width)
        self._require(largest_kernel in (3, 5), "largest_kernel", "3 or 5", largest_kernel)
        self._require(0 <= aux_drop_rate < 1, "aux_drop_rate", "at least 0 and less than 1", aux_drop_rate)
        self.aux_logits = aux_logits and self.num_classes > 0 and not self.features_only
        self.style = Style(width)
        channels = self.set_trunk(self._table(naive_inception if naive else inception, largest_kernel))
        self.apply(start)
        if self.aux_logits:
            self.auxiliary = {"inception4a": "aux1", "inception4d": "aux2"}
            widths = {stage.name: stage.channels for stage in self.trunk}
            for stage, head in self.auxiliary.items():
                setattr(self, head, AuxiliaryHead(widths[stage], self.num_classes, aux_drop_rate, self.style))
        if not self.features_only:
            self.dropout = Dropout(self.drop_rate)
            self.fc = self.classifier_layer(channels).apply(start)

    def _table(self, module: Callable[..., Mixed], largest_kernel: int) -> Iterator[Part]:
        """Table 1, from the top."""
        yield Part("conv1", Conv(64, 7, self.stem_stride), self.stem_stride)
        yield Part("maxpool1", halving(), 2)
        yield Part("conv2", Conv(64))
        yield Part("conv3", Conv(192, 3))
        yield Part("maxpool2", halving(), 2)
        for name, row in TABLE.items():
            if name in POOLS:
                pool, side = POOLS[name]
                yield Part(pool, halving(side), 2)
            yield Part(name, module(row, largest_kernel))

    def forward_head(self, x: Tensor) -> Tensor:
        return self.fc(self.dropout(pooled(x)))


@register_model
def googlenet(**options: Unpack[GoogLeNetOptions]) -> GoogLeNet:
    """GoogLeNet: 1.5 G multiply-adds, 6.6 M parameters, 13.0 M with its auxiliary heads; options: GoogLeNet."""
    return GoogLeNet(**options)
