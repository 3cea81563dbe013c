"""Darknet's `.weights`: a header, then nothing but numbers; which are whose, its `.cfg` says, or the network.

The header is three 32-bit integers, the version's major, minor and revision, and how many images were seen in
training: 32 bits in version 0.1, 64 from 0.2 on.  The numbers are float32.  All is little-endian, as on the machines
that write such files.  A convolution with normalisation has its bias, scale, running mean and variance, then the
weights; one without has its bias, then the weights (`darknet_cfg.Stored`).
"""
from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterable, Sequence
from typing import IO, NamedTuple

import numpy as np

from tinycnn.serialize.atomic import write_atomically
from tinycnn.serialize.bounds import CheckpointError
from tinycnn.serialize.darknet_cfg import Stored, read_cfg, stored_layers
from tinycnn.serialize.plain import StateDict

VERSIONS = ((0, 1), (0, 2))
NUMBER = np.dtype("<f4")
_VERSION, _SEEN = struct.Struct("<3i"), {1: struct.Struct("<I"), 2: struct.Struct("<Q")}  # by the minor version


class DarknetHeader(NamedTuple):
    """What stands before the numbers of a Darknet file."""

    major: int = 0
    minor: int = 2
    revision: int = 0
    seen: int = 0  # images, in training

    @property
    def nbytes(self) -> int:
        """Its length in a file."""
        return _VERSION.size + _SEEN[self.minor].size


NEW = DarknetHeader()


def is_darknet(head: bytes) -> bool:
    """Whether a file that begins so is one of Darknet's.

    >>> is_darknet(bytes([0, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0])), is_darknet(b"PK")
    (True, False)
    """
    return head.startswith(tuple(struct.pack("<2i", *version) for version in VERSIONS))


def has_darknet_header(path: str | os.PathLike[str]) -> bool:
    """Whether a file is one of Darknet's, by how it begins; a device is not, nor is a directory."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        return False
    with open(path, "rb") as file:
        return is_darknet(file.read(_VERSION.size))


def read_darknet(path: str | os.PathLike[str]) -> tuple[DarknetHeader, np.ndarray]:
    """The header of a `.weights` file, and all its numbers, float32 (K,).

    Raises CheckpointError for what is no such file or ends within its header or within a number; FileNotFoundError and
    PermissionError as `open` does.
    """
    try:
        return _open(path)
    except CheckpointError as error:
        raise CheckpointError(f"{os.fspath(path)}: {error}") from None


def _open(path: str | os.PathLike[str]) -> tuple[DarknetHeader, np.ndarray]:
    if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for ever
        raise CheckpointError("a directory or device, not a file")
    with open(path, "rb") as file:
        return _read(file, os.fstat(file.fileno()).st_size)


def _read(file: IO[bytes], size: int) -> tuple[DarknetHeader, np.ndarray]:
    head = file.read(_VERSION.size)
    if not is_darknet(head):
        raise CheckpointError("not a .weights file of Darknet, which begins with a version of 0.1 or 0.2: "
                              f"this one begins with {head!r}")
    seen = _SEEN[head[4]]
    head += file.read(seen.size)
    if len(head) < _VERSION.size + seen.size:
        raise CheckpointError(f"the header takes {_VERSION.size + seen.size} bytes, the file has {size}")
    header = DarknetHeader(*_VERSION.unpack_from(head), *seen.unpack_from(head, _VERSION.size))
    if (size - header.nbytes) % NUMBER.itemsize:
        raise CheckpointError(f"the {size - header.nbytes:,} bytes behind the header are no whole float32 numbers: the "
                              "file is cut off")
    numbers = np.fromfile(file, NUMBER)
    return header, numbers.astype(np.float32, copy=False)


def write_darknet(path: str | os.PathLike[str], arrays: Iterable[np.ndarray], header: DarknetHeader = NEW) -> None:
    """Write a header and arrays, one after the other, as float32, to a `.weights` file; whole or not at all.

    Raises CheckpointError for a header of another version than 0.1 or 0.2, or with a number that does not fit.
    """
    if (header.major, header.minor) not in VERSIONS:
        raise CheckpointError(f"write_darknet: header must be of version 0.1 or 0.2, got {header}")
    try:
        head = _VERSION.pack(*header[:3]) + _SEEN[header.minor].pack(header.seen)
    except struct.error as error:
        raise CheckpointError(f"write_darknet: {header} cannot be written: {error}") from None

    def write(file: IO[bytes]) -> None:
        file.write(head)
        for array in arrays:
            file.write(np.ascontiguousarray(array, NUMBER).data)

    write_atomically(path, write)


def cut(numbers: np.ndarray, layers: Sequence[Stored]) -> StateDict:
    """The numbers of a file (K,) by name, for layers in its order: views.

    Raises CheckpointError unless there are just as many as the layers have; it names the layer in which they end.

    >>> from tinycnn.serialize.darknet_cfg import Stored
    >>> arrays = cut(np.arange(4, dtype=np.float32), [Stored("layers.0", (2, 1, 1, 1), False)])
    >>> {name: array.ravel().tolist() for name, array in arrays.items()}
    {'layers.0.conv.bias': [0.0, 1.0], 'layers.0.conv.weight': [2.0, 3.0]}
    """
    expected, at, arrays = sum(layer.size for layer in layers), 0, StateDict()
    for layer in layers:
        if at + layer.size > len(numbers):
            raise CheckpointError(f"{len(numbers):,} numbers stand behind the header, expected are {expected:,}: they "
                                  f"end within {layer.name} with weights {layer.shape}")
        for owner, leaf, shape in layer.arrays():
            size = int(np.prod(shape))
            arrays[f"{layer.name}.{owner}.{leaf}"] = numbers[at:at + size].reshape(shape)
            at += size
    if at < len(numbers):
        raise CheckpointError(f"{len(numbers):,} numbers stand behind the header, expected are {expected:,}: "
                              f"{len(numbers) - at:,} are left over behind the last of {len(layers)} layers")
    return arrays


def read_by_cfg(path: str | os.PathLike[str]) -> StateDict:
    """The arrays of a `.weights` file, named by the `.cfg` of the same name that lies beside it: layers.0.conv.weight.

    Layers are counted as Darknet does.  Raises CheckpointError where there is none, or the two do not fit; it does not
    name the file, which `load` does.
    """
    cfg = f"{os.path.splitext(os.fspath(path))[0]}.cfg"
    if not os.path.exists(cfg):
        raise CheckpointError("a file of Darknet holds numbers without names or shapes: models.load_weights(model, "
                              "path) puts them into a network; or let the configuration "
                              f"{os.path.basename(cfg)} lie beside it")
    layers = stored_layers(read_cfg(cfg))
    return StateDict((name, array.copy()) for name, array in cut(_open(path)[1], layers).items())
