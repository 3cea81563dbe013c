"""Where the channels of a value lie: in the blocked layout, whole maps or channels picked from several of them."""
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..autograd import Shape


def blocks(channels: int, width: int) -> int:
    """Blocks of `width` channels that hold so many."""
    return -(-channels // width)


def as_map(shape: Shape) -> tuple[int, int, int, int]:
    """(N, C, H, W) of a shape (N, C, ...): axes that it lacks are 1, further ones are joined with H."""
    n, c, *rest = (*shape, *(1,) * (2 - len(shape)))
    return n, c, int(np.prod(rest[:-1])), rest[-1] if rest else 1


@dataclass(eq=False)
class Storage:
    """A stretch of the arena that is needed from one operation to another. size: elements."""

    size: int
    first: int = -1  # number of the first operation that writes it
    last: int = -1  # number of the last one that reads or writes it
    offset: int = -1  # in the arena, once memory is laid out

    def used_by(self, operation: int) -> None:
        """It is needed while an operation runs."""
        self.first = operation if self.first < 0 else self.first
        self.last = max(self.last, operation)


class Part(NamedTuple):
    """A place within a storage."""

    storage: Storage
    start: int  # elements


@dataclass(eq=False)
class Placed:
    """A value (N, C, H, W) in memory: for each channel its storage (a number in `stores`) and its place there."""

    shape: tuple[int, int, int, int]
    stores: list[Storage]
    store: np.ndarray  # (C,)
    channel: np.ndarray  # (C,) number of the channel in the blocked layout of its storage

    @classmethod
    def whole(cls, shape: Shape, storage: Storage) -> Placed:
        """The channels of one storage, in order."""
        shape4 = as_map(shape)
        return cls(shape4, [storage], np.zeros(shape4[1], np.intp), np.arange(shape4[1]))

    @classmethod
    def picked(cls, sources: list[Placed], number: np.ndarray, channel: np.ndarray) -> Placed:
        """Channels of several values, or the same one again: of sources[number[i]] the one numbered channel[i]."""
        stores = list(dict.fromkeys(store for source in sources for store in source.stores))
        of_source = [np.array([stores.index(store) for store in source.stores])[source.store] for source in sources]
        store = np.array([of_source[i][c] for i, c in zip(number, channel)])
        place = np.array([sources[i].channel[c] for i, c in zip(number, channel)])
        used = np.array(sorted(set(store.tolist())))  # np.unique would bring numpy.ma, 30 ms of the first compilation
        n, _, h, w = sources[0].shape
        return cls((n, len(store), h, w), [stores[i] for i in used], np.searchsorted(used, store), place)

    @cached_property
    def is_whole(self) -> bool:
        """Whether the channels are those of one storage, from its first on, in order."""
        return len(self.stores) == 1 and bool((self.channel == np.arange(self.shape[1])).all())

    @property
    def pixels(self) -> int:
        """Pixels of a map."""
        return self.shape[2] * self.shape[3]

    def offsets(self, width: int) -> np.ndarray:
        """Where in the arena each channel begins (pixel 0 of image 0); memory must have been laid out."""
        base = np.array([storage.offset for storage in self.stores])[self.store]
        block_size = self.shape[0] * self.pixels * width
        return base + self.channel // width * block_size + self.channel % width
