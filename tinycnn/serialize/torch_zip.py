"""Torch's zip format (the default of `torch.save` since version 1.6).

An archive with one directory: `data.pkl` is the object, `data/KEY` the storage named KEY in it, `byteorder` says
"little" or "big" (absent: little).
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from tinycnn.serialize.archive import Archive
from tinycnn.serialize.bounds import MAX_PICKLE_BYTES, CheckpointError, shown
from tinycnn.serialize.pickle_machine import PickleMachine
from tinycnn.serialize.tensors import TensorBuilder
from tinycnn.serialize.torch_objects import TorchWorld

_PICKLE = "data.pkl"
_BYTEORDERS: dict[bytes, Literal["<", ">"]] = {b"little": "<", b"big": ">"}
_LONGEST_BYTEORDER = 16


def pickles(archive: Archive) -> list[str]:
    """The members that are the object of a torch file; a sound one has exactly one."""
    return [name for name in archive.names if name == _PICKLE or name.endswith("/" + _PICKLE)]


def read_torch_zip(archive: Archive) -> Any:
    """The object in `archive`, with arrays for tensors."""
    root = _root(archive)
    tensors = TensorBuilder(archive.budget, partial(_check_size, archive, root))
    byteorder = _byteorder(archive, root)
    value = PickleMachine(bytes(archive.read(root + _PICKLE, MAX_PICKLE_BYTES)), TorchWorld(tensors)).run()
    for key in list(tensors.views):
        tensors.fill(key, archive.read(f"{root}data/{key}"), byteorder)
    return value


def _check_size(archive: Archive, root: str, key: str, nbytes: int) -> None:
    present = archive.size(f"{root}data/{key}")
    if present != nbytes:
        raise CheckpointError(f"storage {shown(key)} must have {nbytes} bytes; the archive holds {present}")


def _root(archive: Archive) -> str:
    found = pickles(archive)
    if len(found) != 1:
        raise CheckpointError(f"a torch archive has exactly one {_PICKLE}; this one has {len(found)}")
    root = found[0].removesuffix(_PICKLE)
    if any(name == root + "constants.pkl" or name.startswith(root + "code/") for name in archive.names):
        raise CheckpointError("a TorchScript program, not a checkpoint; save the module's state_dict() with torch.save")
    return root


def _byteorder(archive: Archive, root: str) -> Literal["<", ">"]:
    if root + "byteorder" not in archive.names:
        return "<"
    written = bytes(archive.read(root + "byteorder", _LONGEST_BYTEORDER))
    if written not in _BYTEORDERS:
        raise CheckpointError(f"the byte order is {shown(written)}; expected little or big")
    return _BYTEORDERS[written]
