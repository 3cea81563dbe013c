"""Channels in groups, each of which begins a block of channels of its own, so that products may begin there."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...layout import Part, Placed, blocks

if TYPE_CHECKING:
    from ..builder import TrainingBuilder


@dataclass
class Groups:
    """How the channels of a value (N, C, H, W) are grouped."""

    shape: tuple[int, int, int, int]
    groups: int
    width: int

    @property
    def each(self) -> int:
        """Channels of a group."""
        return self.shape[1] // self.groups

    @property
    def blocks(self) -> int:
        """Blocks of a group."""
        return blocks(self.each, self.width)

    @property
    def fit(self) -> bool:
        """Whether the groups begin at blocks as it is."""
        return self.groups == 1 or self.each % self.width == 0

    @property
    def apart(self) -> tuple[int, int, int, int]:
        """The shape with each group filled up to whole blocks."""
        n, c, h, w = self.shape
        return n, c if self.fit else self.groups * self.blocks * self.width, h, w

    @property
    def places(self) -> np.ndarray:
        """The channel that each channel then is."""
        channel = np.arange(self.shape[1])
        return channel if self.fit else channel // self.each * self.blocks * self.width + channel % self.each

    def memory(self, plan: TrainingBuilder) -> Placed:
        """A new value of that shape."""
        n, _, h, w = self.shape
        return Placed.whole(self.apart, plan.storage(self.groups * self.blocks * self.width * n * h * w))

    def seen(self, placed: Placed) -> Placed:
        """The value's channels in such memory."""
        return Placed(self.shape, placed.stores, np.zeros(self.shape[1], np.intp), self.places)

    def gathered(self, plan: TrainingBuilder, value: Placed) -> Placed:
        """A value with its groups apart."""
        if self.fit:
            return value
        count, made = self.groups * self.blocks, self.memory(plan)
        def offsets() -> np.ndarray:
            entries = np.full(count * self.width, -1)
            entries[self.places] = value.offsets(self.width)
            return entries
        plan.emit_into(made, kind="gather", blocks=count, images=self.shape[0], n=value.pixels,
                       off=plan.table(offsets), reads=[value])
        return made

    def part(self, memory: Placed, group: int) -> Part:
        """Where a group begins in memory of that shape."""
        return Part(memory.stores[0], group * self.blocks * self.width * self.shape[0] * memory.pixels)
