"""Torch's two file formats written without torch, opcode by opcode, so that tests can write them sound or broken.

Functions named after values return the pickle code that pushes such a value; `program` makes a pickle of one.
"""

from __future__ import annotations

import io
import signal
import struct
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
HANG_SECONDS = 60  # a guard against reading for ever, not a measure of speed
NONE, TRUE, FALSE, EMPTY_TUPLE, EMPTY_LIST, EMPTY_DICT = b"N", b"\x88", b"\x89", b")", b"]", b"}"


def program(code: bytes) -> bytes:
    return b"\x80\x02" + code + b"."


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value: int) -> bytes:
    if 0 <= value < 1 << 8:
        return b"K" + bytes([value])
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def tuple_of(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def list_of(*items: bytes) -> bytes:
    return b"](" + b"".join(items) + b"e"


def dict_of(pairs: Mapping[str, bytes]) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in pairs.items()) + b"u"


def name(module: str, attribute: str) -> bytes:
    return b"c" + f"{module}\n{attribute}\n".encode()


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + tuple_of(*arguments) + b"R"


def ordered(pairs: Mapping[str, bytes], metadata: bytes | None = None) -> bytes:
    """An OrderedDict, with a `_metadata` attribute if given."""
    code = call(name("collections", "OrderedDict")) + b"(" + b"".join(text(k) + v for k, v in pairs.items()) + b"u"
    return code if metadata is None else code + dict_of({"_metadata": metadata}) + b"b"


def storage(
    key: str | bytes, count: int | bytes, kind: str = "FloatStorage", view: bytes | None = None, module: str = "torch"
) -> bytes:
    """A storage by persistent id; `bytes` for key and count are code."""
    parts = [text("storage"), name(module, kind), text(key) if isinstance(key, str) else key, text("cpu")]
    parts.append(number(count) if isinstance(count, int) else count)
    return tuple_of(*parts, *([] if view is None else [view])) + b"Q"


def tensor(
    storage_code: bytes, size: Iterable[int], stride: Iterable[int] | None = None, offset: int = 0, *extra: bytes
) -> bytes:
    size = tuple(size)
    stride = contiguous(size) if stride is None else tuple(stride)
    return call(
        name("torch._utils", "_rebuild_tensor_v2"),
        storage_code,
        number(offset),
        tuple_of(*map(number, size)),
        tuple_of(*map(number, stride)),
        FALSE,
        call(name("collections", "OrderedDict")),
        *extra,
    )


def contiguous(size: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a C-ordered tensor, in elements."""
    strides, step = [], 1
    for extent in reversed(size):
        strides.append(step)
        step *= extent
    return tuple(reversed(strides))


def zip_file(code: bytes, storages: Mapping[str, bytes] | None = None, **members: bytes) -> bytes:
    """A torch archive: the object pushed by `code`, storages by key, and further members of its directory."""
    contents = {"archive/data.pkl": program(code)}
    contents |= {f"archive/data/{key}": data for key, data in (storages or {}).items()}
    contents |= {f"archive/{member}": data for member, data in members.items()}
    return zip_of(contents.items())


def zip_of(members: Iterable[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for member, data in members:
            archive.writestr(member, data)
    return file.getvalue()


def stream_head(code: bytes, magic: int = MAGIC, version: int = 1001) -> bytes:
    """The older format up to and including the object."""
    facts = dict_of({"protocol_version": number(version), "little_endian": TRUE})
    return b"".join(map(program, (number(magic), number(version), facts, code)))


def stream_file(code: bytes, storages: Iterable[tuple[str, int, bytes]] = ()) -> bytes:
    """The older format: the object pushed by `code`, and storages as (key, count of elements, bytes)."""
    storages = list(storages)
    keys = program(list_of(*(text(key) for key, _, _ in storages)))
    return stream_head(code) + keys + b"".join(struct.pack("<q", count) + data for _, count, data in storages)


def same(array: np.ndarray, expected: np.ndarray) -> bool:
    """Equality of type, shape and bits."""
    return array.dtype == expected.dtype and array.shape == expected.shape and array.tobytes() == expected.tobytes()


def put(directory: Path, data: bytes) -> Path:
    path = directory / "file"
    path.write_bytes(data)
    return path


def numpy_array(shape: tuple[int, ...], data: bytes, state: bytes = b"") -> bytes:
    """A NumPy array of float32, as NumPy pickles it; `state` is code that changes its element type."""
    dtype = call(name("numpy", "dtype"), text("f4"), FALSE, TRUE)
    array = call(name("numpy.core.multiarray", "_reconstruct"), name("numpy", "ndarray"), tuple_of(b"K\x00"), b"N")
    parts = (
        number(1),
        tuple_of(*map(number, shape)),
        dtype + state,
        FALSE,
        b"C" + bytes([len(data)]) + data,
    )
    return array + tuple_of(*parts) + b"b"


def deflated(*members: tuple[str, bytes]) -> bytes:
    return zip_of(members, zipfile.ZIP_DEFLATED)


def saved(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@contextmanager
def alarmed() -> Iterator[None]:
    """Stops a block that hangs."""

    def hang(signum: int, frame: object) -> None:
        raise TimeoutError(f"still reading after {HANG_SECONDS} s")

    previous = signal.signal(signal.SIGALRM, hang) if hasattr(signal, "SIGALRM") else None
    if previous is not None:
        signal.alarm(HANG_SECONDS)
    try:
        yield
    finally:
        if previous is not None:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, previous)


# The smallest checkpoint: a tensor of one float32.
WEIGHT = tensor(storage("0", 1), (1,))
ONE = {"0": struct.pack("<f", 1)}
STREAM_HEAD = stream_head(dict_of({"w": WEIGHT}))
