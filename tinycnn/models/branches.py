"""What the Inception networks share: modules of several branches side by side, and tables that say what is in them."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeAlias

from .. import ops as F
from ..nn import AvgPool2d, BatchNorm2d, Conv2d, Linear, MaxPool2d, Module, Sequential, init
from ..ops.geometry import pair
from ..tensor import Tensor
from .backbone import Backbone, Options, Stage


class Style(NamedTuple):
    """How a network makes what its table names."""

    width: float = 1.0  # numbers of filters over those in the table
    padded: bool = True  # whether layers have padding that the table calls valid
    bias: bool = False  # whether convolutions have one
    eps: float = 1e-3  # of the normalisation

    def filters(self, count: int) -> int:
        """So many in the table."""
        return max(1, round(count * self.width))


PLAIN = Style()


class Step(Protocol):
    """A layer of a table."""

    def build(self, in_channels: int, style: Style) -> tuple[Module, int]:
        """The layer for maps of so many channels, and how many it gives."""


class BasicConv2d(Module):
    """Convolution, batch normalisation, ReLU: (N, in_channels, H, W) -> (N, out_channels, H', W').

    State: "conv." and "bn.", the names that torchvision's and timm's Inception networks have.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any = 1, stride: int = 1, padding: Any = 0,
                 bias: bool = False, eps: float = 1e-3) -> None:
        self.conv = Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=bias)
        self.bn = BatchNorm2d(out_channels, eps)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class Conv(NamedTuple):
    """A convolution of so many output channels, which keeps the size at stride 1, or is valid: without padding."""

    channels: int
    kernel: int | tuple[int, int] = 1
    stride: int = 1
    valid: bool = False

    def build(self, in_channels: int, style: Style) -> tuple[Module, int]:
        """See Step."""
        h, w = pair(self.kernel, "kernel", "Conv")
        padding = (0, 0) if self.valid and not style.padded else (h // 2, w // 2)
        channels = style.filters(self.channels)
        return BasicConv2d(in_channels, channels, (h, w), self.stride, padding, style.bias, style.eps), channels


class Pool(NamedTuple):
    """A pooling; layer: AvgPool2d or MaxPool2d; more: further arguments that it takes; valid: as Conv has it."""

    layer: type[Module]
    window: int = 3
    stride: int = 1
    padding: int | tuple[int, ...] = 1
    valid: bool = False
    more: Mapping[str, bool] = MappingProxyType({})

    def build(self, in_channels: int, style: Style) -> tuple[Module, int]:
        """See Step."""
        padding = 0 if self.valid and not style.padded else self.padding
        layer: Any = self.layer
        return layer(self.window, self.stride, padding, **self.more), in_channels


AVERAGE = Pool(AvgPool2d)  # padding counts as zeros
AVERAGE_INSIDE = Pool(AvgPool2d, more={"count_include_pad": False})
LARGEST = Pool(MaxPool2d)
HALVED = Pool(MaxPool2d, stride=2, valid=True)


class Row(NamedTuple):
    """Steps one after the other; one alone is not wrapped."""

    steps: Sequence[Step]

    def build(self, in_channels: int, style: Style) -> tuple[Module, int]:
        """See Step."""
        layers, channels = [], in_channels
        for step in self.steps:
            layer, channels = step.build(channels, style)
            layers.append(layer)
        return (layers[0] if len(layers) == 1 else Sequential(*layers)), channels


class Forked(NamedTuple):
    """A branch that ends in several steps, all of which read what the row before them gives."""

    row: Mapping[str, Step]
    ends: Mapping[str, Step]


Ways: TypeAlias = Sequence[Mapping[str, Step] | Forked]


class Branches(Module):
    """Branches that read one map, their results side by side: (N, in_channels, H, W) -> (N, channels, H', W').

    ways: for each branch, its steps in a row by the names of their modules.  channels: the sum of the branches'.

    >>> import numpy as np
    >>> module = Branches(8, branches([Conv(16)], [Conv(4), Conv(6, 3)], [LARGEST, Conv(2)]))
    >>> module(np.zeros((1, 8, 5, 5), np.float32)).shape
    (1, 24, 5, 5)
    >>> [name for name in module.state_dict() if name.endswith("conv.weight")]
    ['branch1.conv.weight', 'branch2.0.conv.weight', 'branch2.1.conv.weight', 'branch3.1.conv.weight']
    """

    def __init__(self, in_channels: int, ways: Ways, style: Style = PLAIN) -> None:
        self.channels, self.ways = 0, ways
        for way in ways:
            row, ends = way if isinstance(way, Forked) else (way, {})
            channels = in_channels
            for name, step in row.items():
                channels = self._add(name, step, channels, style)
            self.channels += sum(self._add(name, step, channels, style) for name, step in ends.items()) or channels

    def _add(self, name: str, step: Step, in_channels: int, style: Style) -> int:
        layer, channels = step.build(in_channels, style)
        setattr(self, name, layer)
        return channels

    def forward(self, x: Tensor) -> Tensor:
        return F.concat([y for way in self.ways for y in self._results(way, x)])

    def _results(self, way: Mapping[str, Step] | Forked, x: Tensor) -> list[Tensor]:
        row, ends = way if isinstance(way, Forked) else (way, ())
        for name in row:
            x = getattr(self, name)(x)
        return [getattr(self, name)(x) for name in ends] or [x]


def branches(*rows: Sequence[Step], first: int = 1) -> Ways:
    """Ways named "branch1", "branch2", ..., counted from `first`."""
    return [{f"branch{i}": Row(row)} for i, row in enumerate(rows, first)]


class Mixed(NamedTuple):
    """An Inception module of a table."""

    ways: Ways

    def build(self, in_channels: int, style: Style) -> tuple[Module, int]:
        """See Step."""
        module = Branches(in_channels, self.ways, style)
        return module, module.channels


class Part(NamedTuple):
    """A row of a network's table."""

    name: str  # path of the attribute
    step: Step
    stride: int = 1


class InceptionOptions(Options, total=False):
    """What every Inception takes besides."""

    width: float


class InceptionBackbone(Backbone):
    """A network whose trunk is a table; its class makes `style` before it begins."""

    style: Style

    def set_trunk(self, table: Iterable[Part]) -> int:
        """Build the trunk and say what its stages are; returns the channels of its last map."""
        channels, reduction, stages = self.in_chans, 1, []
        for name, step, stride in table:
            module, channels = step.build(channels, self.style)
            parent, _, leaf = name.rpartition(".")
            setattr(attrgetter(parent)(self) if parent else self, leaf, module)
            reduction *= stride
            stages.append(Stage(name, channels, reduction))
            self.built(name, channels)
        self.set_stages(stages)
        return channels

    def built(self, name: str, channels: int) -> None:
        """Called behind each part of the trunk, with its path and the channels that it gives."""


def start(module: Module) -> None:
    """Convolutions by He's rule from what one output reads, classifiers small; `model.apply(start)`."""
    if isinstance(module, Conv2d):
        init.kaiming_normal(module.weight)
    elif isinstance(module, Linear):
        init.normal(module.weight, 0.01)
    else:
        return
    if module.bias is not None:
        init.constant(module.bias, 0.0)
