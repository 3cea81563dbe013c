"""What an experiment of latency is: networks of equal multiply-adds, and which of them should be the quicker ones."""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ...autograd import Shape
from ...nn import Module, Sequential

SOURCE = 'Ma et al., "ShuffleNet V2", ECCV 2018, section 2'
SLOWER, QUICKER = "slower", "quicker"


class Size(NamedTuple):
    """How large an experiment is."""

    side: int  # of the square maps
    blocks: int  # in a row


FULL, SMALL = Size(56, 10), Size(7, 2)  # the paper's; one for a quick trial
DEEP = Size(14, 10)  # for channels that are several times as many


class Variant(NamedTuple):
    """A network of an experiment.

    theory: elements that a formula says are read and written.  against: the variant that it is compared with, the first
    where it is not said.  expected: what the source says that it is beside that one.  equal: it is meant to have the
    same multiply-adds, and times are compared for each of them.
    """

    name: str
    model: Module
    shape: Shape
    theory: float | None = None
    against: str | None = None
    expected: str | None = SLOWER
    equal: bool = True


class Experiment(NamedTuple):
    """Variants, and what they are to show; formula: what `theory` of the variants is."""

    name: str
    title: str
    source: str
    size: Size
    variants: Sequence[Variant]
    formula: str = ""

    def against(self, variant: Variant) -> str:
        """Name of the variant that one is compared with."""
        return variant.against or self.variants[0].name


def stacked(size: Size, block: Callable[..., Module], *options: Any) -> Sequential:
    """As many blocks in a row as an experiment has, each made with these options."""
    return Sequential(*[block(*options) for _ in range(size.blocks)])


def square_maps(channels: int, size: Size) -> Shape:
    """The shape of one image."""
    return 1, channels, size.side, size.side


def memory_access(positions: int, c1: int, c2: int, groups: int = 1) -> float:
    """Elements that a convolution of 1x1 reads and writes: hw (c1 + c2) + c1 c2 / g.

    >>> memory_access(56 * 56, 128, 128)
    819200.0
    """
    return positions * (c1 + c2) + c1 * c2 / groups


def least_memory_access(positions: int, macs: float) -> float:
    """The least that B multiply-adds of such a convolution allow, at equal widths: 2 sqrt(hw B) + B / (hw), eq. 2.

    >>> least_memory_access(56 * 56, 56 * 56 * 128 * 128) == memory_access(56 * 56, 128, 128)
    True
    """
    return 2 * math.sqrt(positions * macs) + macs / positions


def grouped_memory_access(positions: int, macs: float, c1: int, groups: int) -> float:
    """What B multiply-adds read and write with g groups of c1 channels in all: hw c1 + B g / c1 + B / (hw), eq. 3.

    >>> grouped_memory_access(56 * 56, 56 * 56 * 256 * 256 // 4, 256, 4) == memory_access(56 * 56, 256, 256, 4)
    True
    """
    return positions * c1 + macs * groups / c1 + macs / positions
