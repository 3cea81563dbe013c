"""A zip archive read with suspicion: nothing is extracted, every size is checked and charged before it is read."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from tinycnn.serialize.bounds import Budget, CheckpointError, shown

if TYPE_CHECKING:
    import zipfile

_ENCRYPTED = 0x1  # bit of a member's flags
_CHUNK_BYTES = 1 << 20


class Archive:
    """The members of the zip archive in `file`, by name. What is read is charged to `budget`."""

    def __init__(self, file: IO[bytes], budget: Budget) -> None:
        import zipfile

        self.budget = budget
        with _zip_errors():
            self._zip = zipfile.ZipFile(file)
        self._members: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            if info.filename in self._members:
                raise CheckpointError(f"the archive has two members named {shown(info.filename)}")
            if info.flag_bits & _ENCRYPTED:
                raise CheckpointError(f"member {shown(info.filename)} is encrypted")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise CheckpointError(f"member {shown(info.filename)} is compressed by method {info.compress_type}")
            self._members[info.filename] = info

    @property
    def names(self) -> list[str]:
        """The members' names, in the archive's order."""
        return list(self._members)

    def size(self, name: str) -> int:
        """How many bytes member `name` has when read."""
        if name not in self._members:
            raise CheckpointError(f"the archive has no member {shown(name)}")
        return self._members[name].file_size

    def read(self, name: str, limit: int | None = None) -> bytearray:
        """All bytes of member `name`; refused if there are more than `limit`."""
        size = self.size(name)
        if limit is not None and size > limit:
            raise CheckpointError(f"member {shown(name)} has {size} bytes; the limit is {limit}")
        self.budget.spend(size, f"member {shown(name)}")
        data = bytearray(size)
        with self.open(name) as member:
            read_into(member, memoryview(data))
        return data

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """A stream over member `name`. Its errors, checksum included, come out as `CheckpointError`."""
        self.size(name)
        with _zip_errors(f"member {shown(name)}: "), self._zip.open(self._members[name]) as member:
            yield member


def read_into(stream: IO[bytes], target: memoryview) -> None:
    """Fill the bytes of `target` from `stream`."""
    filled = 0
    while filled < len(target):
        chunk = stream.read(min(_CHUNK_BYTES, len(target) - filled))
        if not chunk:
            raise CheckpointError(f"cut short: {len(target)} bytes announced, {filled} present")
        target[filled : filled + len(chunk)] = chunk
        filled += len(chunk)


@contextmanager
def _zip_errors(where: str = "") -> Iterator[None]:
    """Turn everything that `zipfile` raises on damaged archives into `CheckpointError`."""
    import zipfile

    damage = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OSError, RuntimeError, OverflowError)
    try:
        yield
    except CheckpointError:
        raise
    except damage as error:  # NotImplementedError (an unknown zip feature) is a RuntimeError
        raise CheckpointError(f"{where}damaged or unusual zip archive: {error}") from error
