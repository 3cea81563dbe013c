"""NumPy's `.npz`: a zip archive of `.npy` members, numbers only, never a pickle.

The header of a member is read by a regular expression, not evaluated; the format is described in
`numpy.lib.format`. Files written here are the same bytes for the same arrays: times are not recorded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import IO, Any, Literal

import numpy as np

from tinycnn.serialize.archive import Archive, read_into
from tinycnn.serialize.bounds import MAX_DIMENSIONS, NUMBER_CODES, CheckpointError, shown
from tinycnn.serialize.plain import StateDict
from tinycnn.serialize.tensors import checked_shape

_SUFFIX = ".npy"

_MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}  # of the header's length field, by major version
_MAX_HEADER_BYTES = 10_000
_MAX_EXTENT_DIGITS = 15
_BYTEORDERS: dict[bytes, Literal["<", ">", "|", "="]] = {b"<": "<", b">": ">", b"|": "|", b"=": "=", b"": "="}
_HEADER = re.compile(
    rb"\{\s*'descr':\s*'([<>|=]?)([a-zA-Z]\d*)',\s*'fortran_order':\s*(True|False),"
    rb"\s*'shape':\s*\(([\d, L]*)\),?\s*\}\s*"
)


def read_npz(archive: Archive) -> StateDict:
    """The arrays in `archive` by name; each owns its memory, in native byte order and C order."""
    strange = [name for name in archive.names if not name.endswith(_SUFFIX)]
    if strange:
        raise CheckpointError(
            f"a zip archive that is neither torch's (no data.pkl) nor NumPy's (member {shown(strange[0])})"
        )
    return StateDict((name.removesuffix(_SUFFIX), _read_member(archive, name)) for name in archive.names)


def write_npz(file: IO[bytes], arrays: Mapping[str, np.ndarray]) -> None:
    """Write `arrays`, as `save` prepared them, uncompressed."""
    import zipfile

    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(name + _SUFFIX), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _read_member(archive: Archive, name: str) -> np.ndarray:
    with archive.open(name) as member:
        start, dtype, fortran, shape = _read_header(member, name)
        announced, present = start + math.prod(shape) * dtype.itemsize, archive.size(name)
        if announced != present:
            raise CheckpointError(f"array {shown(name)} must have {announced} bytes by its header; it has {present}")
        archive.budget.spend(present * (2 if fortran else 1), f"array {shown(name)}")
        stored = np.empty(shape[::-1] if fortran else shape, np.dtype(np.uint8) if dtype == np.bool_ else dtype)
        read_into(member, stored.reshape(-1).view(np.uint8).data)
    return np.asarray(stored.T if fortran else stored, dtype.newbyteorder("="), order="C")


def _read_header(member: IO[bytes], name: str) -> tuple[int, np.dtype[Any], bool, tuple[int, ...]]:
    """The header's length, and the element type, order and shape of the array behind it."""
    start = member.read(len(_MAGIC) + 2)
    width = _LENGTH_BYTES.get(start[len(_MAGIC)], 0) if start.startswith(_MAGIC) and len(start) > len(_MAGIC) else 0
    if not width:
        raise CheckpointError(f"member {shown(name)} is not an array: it starts with {shown(start)}")
    length = int.from_bytes(member.read(width), "little")
    if length > _MAX_HEADER_BYTES:
        raise CheckpointError(f"array {shown(name)} has a header of {length} bytes; the limit is {_MAX_HEADER_BYTES}")
    header = member.read(length)
    match = _HEADER.fullmatch(header)
    if match is None or match[2].decode() not in NUMBER_CODES:
        raise CheckpointError(f"array {shown(name)} is not of numbers or bool: its header is {shown(header.rstrip())}")
    return (
        len(start) + width + length,
        np.dtype(match[2].decode()).newbyteorder(_BYTEORDERS[match[1]]),
        match[3] == b"True",
        _shape(match[4], name),
    )


def _shape(written: bytes, name: str) -> tuple[int, ...]:
    extents = [extent.strip().removesuffix(b"L") for extent in written.split(b",")]  # Python 2 wrote 3L
    if extents[-1] == b"":  # () and (3,)
        extents.pop()
    if len(extents) > MAX_DIMENSIONS or not all(e.isdigit() and len(e) <= _MAX_EXTENT_DIGITS for e in extents):
        raise CheckpointError(f"array {shown(name)} has shape ({written[:80].decode()})")
    return checked_shape(tuple(int(extent) for extent in extents))
