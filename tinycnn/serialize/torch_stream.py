"""Torch's older format: a plain stream, still written by `_use_new_zipfile_serialization=False`.

Five pickles (a magic number, the version, facts on the writing machine, the object, the list of storage keys), then
for each key a 64-bit count of elements and the elements, all little-endian.
"""

from __future__ import annotations

from functools import partial
from typing import IO, Any

from tinycnn.serialize.bounds import MAX_PICKLE_BYTES, Budget, CheckpointError, equals, shown
from tinycnn.serialize.pickle_machine import PickleMachine
from tinycnn.serialize.tensors import TensorBuilder
from tinycnn.serialize.torch_objects import TorchWorld

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001

_COUNT_BYTES = 8


def read_torch_stream(file: IO[bytes], size: int, budget: Budget) -> Any:
    """The object in `file`, of `size` bytes, with arrays for tensors."""
    tensors = TensorBuilder(budget, partial(_check_size, size))
    program = _Pickles(file.read(min(size, MAX_PICKLE_BYTES)), TorchWorld(tensors))
    if not equals(program.next(), MAGIC_NUMBER):
        raise CheckpointError("a pickle, but not a torch file: the magic number is missing")
    version = program.next()
    if not equals(version, PROTOCOL_VERSION):
        raise CheckpointError(f"version {shown(version)} of torch's stream format; expected {PROTOCOL_VERSION}")
    program.next()  # sizes of C types on the writing machine: the storages are little-endian whatever it says
    value = program.next()
    keys = program.next()
    file.seek(program.position)
    _read_storages(file, keys, tensors)
    return value


def _check_size(present: int, key: str, nbytes: int) -> None:
    """A first bound; `_read_storage` compares with what is left of the file."""
    if nbytes > present:
        raise CheckpointError(f"storage {shown(key)} must have {nbytes} bytes; the file has {present} in all")


class _Pickles:
    """The pickles of one file, one after the other."""

    def __init__(self, data: bytes, world: TorchWorld) -> None:
        self.data = data
        self.world = world
        self.position = 0

    def next(self) -> Any:
        """The value of the next pickle."""
        machine = PickleMachine(self.data, self.world, self.position)
        value = machine.run()
        self.position = machine.position
        return value


def _read_storages(file: IO[bytes], keys: object, tensors: TensorBuilder) -> None:
    if type(keys) is not list:
        raise CheckpointError(f"the list of storages is {shown(keys)}")
    unread = dict(tensors.storages)
    for key in keys:
        storage = unread.pop(key, None) if type(key) is str else None
        if storage is None:
            raise CheckpointError(f"the list of storages names {shown(key)}, which no tensor uses or which came before")
        tensors.fill(key, _read_storage(file, key, storage.count, storage.element.stored.itemsize))
    if unread:
        raise CheckpointError(f"storage {shown(next(iter(unread)))} is used by a tensor, but is not in the file")


def _read_storage(file: IO[bytes], key: str, count: int, width: int) -> bytes:
    announced = file.read(_COUNT_BYTES)
    if len(announced) == _COUNT_BYTES and int.from_bytes(announced, "little", signed=True) != count:
        raise CheckpointError(f"storage {shown(key)} must have {count} elements; its own count differs")
    block = file.read(count * width)  # no more than the file's size: _check_size
    if len(block) != count * width:
        raise CheckpointError(f"cut short: storage {shown(key)} has {len(block)} of {count * width} bytes")
    return block
