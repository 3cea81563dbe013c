"""The idx format of the MNIST family of data sets, read strictly.

Two zero bytes, a byte for the element type, a byte for the number of axes, a big-endian 32-bit extent per axis, then
the elements, big-endian, the last axis fastest (LeCun, Cortes and Burges, "The MNIST database").
"""
from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import IO

import numpy as np

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP_MAGIC = b"\x1f\x8b"
_DEFLATE_LIMIT = 1032  # no deflate stream grows by more than this factor (zlib's technical notes)
_MAX_AXES = 8


def read_idx(path: str | os.PathLike[str], max_bytes: int = 1 << 30) -> np.ndarray:
    """The array in an idx file, gzip-compressed or plain, in native byte order.

    max_bytes: the largest array accepted.

    Raises FileNotFoundError where there is no file, and ValueError, which names the file and the fault, where it is
    not exactly one idx array: another magic number, an element type that does not exist, too many or too few bytes,
    a damaged gzip stream.  A file cannot make this take more memory than it could fill itself.
    """
    path = Path(path)
    try:
        with open(path, "rb") as raw:
            compressed = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
            raw.seek(0)
            largest = min(max_bytes, os.fstat(raw.fileno()).st_size * (_DEFLATE_LIMIT if compressed else 1))
            if not compressed:
                return _read(raw, largest)
            with gzip.GzipFile(fileobj=raw) as stream:
                return _read(stream, largest)
    except (ValueError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: {error}") from error


def _read(stream: IO[bytes] | gzip.GzipFile, largest: int) -> np.ndarray:
    dtype, shape = _read_header(stream)
    size = math.prod(shape) * dtype.itemsize
    if size > largest:
        raise ValueError(f"the header promises {size:,} bytes (shape {shape}), more than the file can hold or "
                         f"than is accepted ({largest:,})")
    data = stream.read(size)
    if len(data) != size:
        raise ValueError(f"truncated: shape {shape} takes {size:,} bytes, the file has {len(data):,}")
    if stream.read(1):
        raise ValueError(f"there are bytes after the array of shape {shape}")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _read_header(stream: IO[bytes] | gzip.GzipFile) -> tuple[np.dtype, tuple[int, ...]]:
    magic = stream.read(4)
    if len(magic) < 4:
        raise ValueError(f"not an idx file: only {len(magic)} bytes long")
    zeros, kind, axes = magic[:2], magic[2], magic[3]
    if zeros != b"\0\0" or kind not in _TYPES:
        raise ValueError(f"not an idx file: it starts with {magic.hex(' ')}, expected 00 00, an element type "
                         f"({', '.join(f'{code:02x}' for code in _TYPES)}) and the number of axes")
    if not 1 <= axes <= _MAX_AXES:
        raise ValueError(f"the header says {axes} axes, expected 1 to {_MAX_AXES}")
    extents = stream.read(4 * axes)
    if len(extents) < 4 * axes:
        raise ValueError(f"truncated within the extents of its {axes} axes")
    return np.dtype(_TYPES[kind]), tuple(int(n) for n in np.frombuffer(extents, ">u4"))
