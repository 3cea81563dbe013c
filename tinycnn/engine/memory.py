"""One arena for everything that a plan computes: each storage gets a place while it is needed."""
from __future__ import annotations

from collections.abc import Sequence

from .layout import Storage

ALIGNMENT = 64  # bytes: a line of the cache, and the widest vector


def lay_out(storages: Sequence[Storage], itemsize: int) -> int:
    """Give each storage its offset; returns the size of the arena, in elements.

    The largest first, each into the lowest gap among those it shares time with (greedy by size: Pisarchyk and Lee,
    "Efficient memory management for deep neural net inference", 2020, section 5.2).
    """
    step, end = ALIGNMENT // itemsize, 0
    placed: list[Storage] = []
    for storage in sorted(storages, key=lambda s: (-s.size, s.first)):
        size = -(-storage.size // step) * step
        offset = 0
        for begin, stop in sorted((other.offset, other.offset + -(-other.size // step) * step) for other in placed
                                  if other.first <= storage.last and storage.first <= other.last):
            if offset + size <= begin:
                break
            offset = max(offset, stop)
        storage.offset = offset
        placed.append(storage)
        end = max(end, offset + size)
    return end
