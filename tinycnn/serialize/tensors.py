"""Torch's storages and tensors as NumPy arrays.

A torch file keeps flat storages; its pickle says, for each tensor, which storage it views, from which element on, with
which sizes and strides (all in elements). The pickle comes before the bytes in the older file format, so a tensor is
made in two steps: `TensorBuilder.rebuild` checks the geometry against the storage's announced length and hands out an
empty array, `TensorBuilder.fill` copies the values into it when the storage has been read.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from tinycnn.serialize.bounds import MAX_DIMENSIONS, MAX_EXTENT, OBJECT_BYTES, Budget, CheckpointError, shown


class Element(NamedTuple):
    """An element type: how its values lie in a file (little-endian), and the NumPy type of the arrays made of them."""

    name: str
    stored: np.dtype[Any]
    result: np.dtype[Any]


def _element(name: str, stored: str, result: str | None = None) -> Element:
    return Element(name, np.dtype(stored), np.dtype(result or stored).newbyteorder("="))


ELEMENTS = {
    element.name: element
    for element in (
        _element("float64", "<f8"),
        _element("float32", "<f4"),
        _element("float16", "<f2"),
        _element("bfloat16", "<u2", "f4"),  # NumPy has no such type: the upper half of a float32
        _element("int64", "<i8"),
        _element("int32", "<i4"),
        _element("int16", "<i2"),
        _element("int8", "i1"),
        _element("uint64", "<u8"),
        _element("uint32", "<u4"),
        _element("uint16", "<u2"),
        _element("uint8", "u1"),
        _element("bool", "u1", "?"),  # any byte but 0 is True: other bytes than 0 and 1 would upset NumPy
        _element("complex64", "<c8"),
        _element("complex128", "<c16"),
    )
}


@dataclass(slots=True, eq=False)
class Storage:
    """Announced flat data: `count` elements from byte `start` of the stored block named `key`."""

    key: str
    element: Element
    count: int
    start: int = 0


class _View(NamedTuple):
    """An array waiting for its values: byte `offset` and byte `strides` into its storage's block."""

    array: np.ndarray
    element: Element
    offset: int
    strides: tuple[int, ...]


@dataclass(eq=False)
class TensorBuilder:
    """Makes the storages and tensors of one file.

    `check_size(key, nbytes)` raises `CheckpointError` if the file cannot hold a storage of `nbytes` under `key`.
    """

    budget: Budget
    check_size: Callable[[str, int], None]
    storages: dict[str, Storage] = field(default_factory=dict)
    views: dict[str, list[_View]] = field(default_factory=dict)

    def storage(self, key: object, element: Element, count: object) -> Storage:
        """The storage `key` of `count` elements; the same one if it was announced before."""
        if type(key) is not str:
            raise CheckpointError(f"a storage's key is {shown(key)}, not a string")
        count = _extent(count, f"number of elements of storage {shown(key)}")
        known = self.storages.get(key)
        if known is None:
            self.check_size(key, count * element.stored.itemsize)
            known = self.storages[key] = Storage(key, element, count)
        elif (known.element, known.count) != (element, count):
            raise CheckpointError(f"storage {shown(key)} is announced twice, with different types or lengths")
        return known

    def storage_view(self, root: Storage, offset: object, count: object) -> Storage:
        """`count` elements of `root` from element `offset` on, as the oldest torch files share storages."""
        offset, count = _extent(offset, "offset of a storage view"), _extent(count, "length of a storage view")
        if offset + count > root.count:
            raise CheckpointError(
                f"a view of elements {offset} to {offset + count} of storage {shown(root.key)}, which has {root.count}"
            )
        return Storage(root.key, root.element, count, root.start + offset * root.element.stored.itemsize)

    def rebuild(
        self, storage: object, offset: object, size: object, stride: object, element: Element | None = None
    ) -> np.ndarray:
        """The tensor of this geometry, all in elements, as an array of its own; `fill` brings its values.

        `element` re-reads the storage's bytes as another type (torch does so for its newer types).
        """
        if type(storage) is not Storage:
            raise CheckpointError(f"a tensor is built on {shown(storage)}, not on a storage")
        element = element or storage.element
        shape, steps = _geometry(size, stride)
        offset = _extent(offset, "a tensor's storage offset")
        _check_reach(storage, offset, shape, steps, element)
        self.budget.spend(math.prod(shape) * element.result.itemsize + 2 * OBJECT_BYTES, f"a tensor of shape {shape}")
        array = np.empty(shape, element.result)
        if array.size:
            width = element.stored.itemsize
            view = _View(array, element, storage.start + offset * width, tuple(step * width for step in steps))
            self.views.setdefault(storage.key, []).append(view)
        return array

    def fill(self, key: str, block: bytes | bytearray, byteorder: Literal["<", ">"] = "<") -> None:
        """Copy the values of every tensor that views storage `key` out of its `block` of bytes."""
        for view in self.views.pop(key, []):
            stored = view.element.stored.newbyteorder(byteorder)
            copy_elements(
                view.array, view.element, np.ndarray(view.array.shape, stored, block, view.offset, view.strides)
            )


def _check_reach(
    storage: Storage, offset: int, shape: tuple[int, ...], steps: tuple[int, ...], element: Element
) -> None:
    last = offset + sum((extent - 1) * step for extent, step in zip(shape, steps, strict=True))
    present = storage.count * storage.element.stored.itemsize // element.stored.itemsize
    if 0 not in shape and last >= present:
        raise CheckpointError(
            f"a tensor of shape {shape} reaches element {last} of storage {shown(storage.key)}, which has {present}"
        )


def copy_elements(array: np.ndarray, element: Element, stored: np.ndarray) -> None:
    """Convert `stored`, values as they lie in a file, into `array`, both of one shape."""
    if element.name == "bfloat16":
        bits = array.view(np.uint32)
        bits[...] = stored
        bits <<= np.uint32(16)
    else:
        array[...] = stored


def _geometry(size: object, stride: object) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if type(size) is not tuple or type(stride) is not tuple or len(size) != len(stride) or len(size) > MAX_DIMENSIONS:
        raise CheckpointError(
            f"a tensor's size and stride are {shown(size)} and {shown(stride)}; "
            f"expected two tuples of one length up to {MAX_DIMENSIONS}"
        )
    shape = checked_shape(size)
    steps = [_extent(step, "a tensor's stride") for step in stride]
    # Torch leaves any stride on axes of one element: it is never stepped along.
    return shape, tuple(step if extent > 1 else 0 for extent, step in zip(shape, steps, strict=True))


def checked_shape(size: tuple[object, ...]) -> tuple[int, ...]:
    """`size` as a shape whose elements can be counted, or `CheckpointError`."""
    shape = tuple(_extent(extent, "a size") for extent in size)
    _extent(math.prod(extent for extent in shape if extent), f"number of elements of shape {shape}")
    return shape


def _extent(value: object, what: str) -> int:
    if type(value) is not int or not 0 <= value <= MAX_EXTENT:
        raise CheckpointError(f"{what} is {shown(value)}; expected an integer from 0 to {MAX_EXTENT}")
    return value
