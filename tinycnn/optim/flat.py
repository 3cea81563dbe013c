"""Parameters that are parts of one array, and arrays laid out like it that hold what belongs to them."""
from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

import numpy as np

LINE = 64  # bytes: where arrays begin that kernels run over
MOST_SELECTIONS = 64  # of parameters, whose stretches are remembered


class Flat:
    """An array (n,) of which the arrays of parameters are parts, and others like it, for gradients and state.

    Parts do not overlap; what lies between them is never touched.  Raises ValueError for a memory that is not one
    contiguous row of floating-point numbers.
    """

    def __init__(self, memory: np.ndarray) -> None:
        if memory.ndim != 1 or memory.dtype.kind != "f" or not memory.flags.c_contiguous:
            raise ValueError(f"Flat: memory must be a contiguous array (n,) of floating-point numbers, got the shape "
                             f"{memory.shape}, {memory.dtype}")
        self.memory = memory
        self.others: dict[str, np.ndarray] = {}  # name: an array like the memory
        self._starts: dict[int, tuple[np.ndarray, int]] = {}  # by the id of an array, which this keeps alive
        self._views: dict[tuple[str, int], np.ndarray] = {}
        self._spans: dict[tuple[int, ...], np.ndarray] = {}

    # ---- where parts lie
    def start(self, part: np.ndarray) -> int | None:
        """The number of its first element in the memory; None where it is no part of it."""
        known = self._starts.get(id(part))
        if known is not None:
            return known[1]
        at, rest = divmod(part.ctypes.data - self.memory.ctypes.data, self.memory.itemsize)
        if (part.dtype != self.memory.dtype or not part.flags.c_contiguous or not part.size or rest
                or not 0 <= at <= self.memory.size - part.size):
            return None
        self._starts[id(part)] = part, at
        return at

    def places(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """(k, 2): the first element of each, and one more than its last. ValueError where one is no part."""
        starts = [self.start(part) for part in parts]
        for start, part in zip(starts, parts):
            if start is None:
                raise ValueError(f"Flat: a parameter of shape {part.shape}, {part.dtype}, is no part of the array that "
                                 "was given to bind; was it replaced since?")
        return np.array([(start, start + part.size) for start, part in zip(starts, parts) if start is not None],
                        np.intp).reshape(-1, 2)

    def spans(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """(k, 2): the same, ascending; parts that touch each other are one. ValueError where parts overlap."""
        key = tuple([id(part) for part in parts])
        if key not in self._spans:
            if len(self._spans) == MOST_SELECTIONS:
                self._spans.clear()
            self._spans[key] = joined(self.places(parts))
        return self._spans[key]

    # ---- what is laid out like them
    def like(self, name: str) -> np.ndarray:
        """The array of a name: zeros at first, as long as the memory."""
        if name not in self.others:
            self.others[name] = aligned_zeros(self.memory.size, self.memory.dtype)
        return self.others[name]

    def adopt(self, name: str, part: np.ndarray, kept: MutableMapping[str, Any], key: str, start: Any) -> None:
        """kept[key] moves to where `part` lies, in the array of a name, with the numbers it had, or `start`.

        Nothing happens where it lies there already.
        """
        view = self._views.get((name, id(part)))
        if view is None:
            first = int(self.places([part])[0, 0])
            view = self._views[name, id(part)] = self.like(name)[first:first + part.size].reshape(part.shape)
        if kept.get(key) is not view:
            view[...] = kept.get(key, start)
            kept[key] = view


def joined(places: np.ndarray) -> np.ndarray:
    """Ascending; those that touch made one. ValueError where they overlap."""
    if not len(places):
        return places
    places = places[np.argsort(places[:, 0])]
    gaps = places[1:, 0] - places[:-1, 1]
    if (gaps < 0).any():
        raise ValueError("Flat: parameters overlap, expected each to have memory of its own")
    apart = np.flatnonzero(gaps)
    firsts, lasts = np.append(0, apart + 1), np.append(apart, len(places) - 1)
    return np.stack([places[firsts, 0], places[lasts, 1]], 1)


def aligned_zeros(size: int, dtype: np.dtype) -> np.ndarray:
    """Zeros that begin at a line of the cache."""
    raw = np.zeros(size * dtype.itemsize + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start:start + size * dtype.itemsize].view(dtype)


def in_place(array: np.ndarray, update: Callable[[np.ndarray], Any]) -> None:
    """Run an update of flat arrays on an array of any shape and order."""
    flat = array.ravel()
    update(flat)
    if not array.flags.c_contiguous:  # flat was a copy
        array[...] = flat.reshape(array.shape)
