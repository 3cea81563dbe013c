"""Weights in files, read without trust and without torch.

`load` reads NumPy's `.npz`, torch's `.pth`/`.pt` in both of its formats, and `.safetensors` into a mapping from names
to arrays, and Darknet's `.weights` too where the `.cfg` of the same name, which has the shapes, lies beside it
(`models.load_weights` needs none: the network has them); `load_object` returns everything that a training checkpoint
holds; `save` writes `.npz` and `.safetensors`, `models.save_darknet` a network to `.weights`.
The format is recognised by content, not by the file's name. A torch file is a pickle, that is, a program: it is run by
an interpreter of our own (`pickle_machine`) that can reach nothing but a list of harmless names (`torch_objects`).

A file that is damaged, hostile, or that holds something else raises `CheckpointError`, in bounded time and memory
(`bounds`): the arrays take at most the larger of 32 MB and 16 times the file's size, a pickle's other objects at most
about 100 MB and a few seconds.

>>> import numpy, tempfile, pathlib
>>> with tempfile.TemporaryDirectory() as directory:
...     path = pathlib.Path(directory, "weights.npz")
...     save({"conv.weight": numpy.ones((2, 3))}, path)
...     load(path)["conv.weight"].shape
(2, 3)
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import numpy as np

from tinycnn.serialize.atomic import write_atomically
from tinycnn.serialize.bounds import NUMBER_CODES, Budget, CheckpointError, shown
from tinycnn.serialize.plain import StateDict, check_plain, select_state_dict

# The formats' own modules are imported where they are used: they would add a quarter to the time of `import tinycnn`.

__all__ = ["CheckpointError", "StateDict", "load", "load_object", "save"]

_DARKNET_STARTS = (b"\0\0\0\0\1\0\0\0", b"\0\0\0\0\2\0\0\0")  # versions 0.1 and 0.2, in 32-bit integers
_HEAD_BYTES = 512  # enough to recognise every format
_ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")  # with members, and empty
_TAR_MAGIC, _TAR_MAGIC_OFFSET = b"ustar", 257
_SAFETENSORS_BRACE = 8  # a 64-bit header length, then the header: a JSON object
_MAX_NAME_BYTES = 60_000  # a zip archive's names have 16-bit lengths


def load(path: str | os.PathLike[str], key: str | None = None) -> StateDict:
    """Read the arrays of a weights file, by name, in file order.

    The file's top object may be the state dict itself, or a training checkpoint that holds exactly one under a
    well-known key (`state_dict`, `model_state_dict`, `model`, `net`, `model_ema`, `state_dict_ema`, `ema`). `key`
    names the entry to take where that choice is not clear.

    Every array owns its memory (two tensors that share a torch storage come out independent), is writable, C-ordered
    and of native byte order. bfloat16 becomes float32, which holds the same values. A torch state dict's `_metadata`
    is the result's `metadata` attribute.

    A Darknet `.weights` file needs the `.cfg` of the same name beside it.  Its layers are counted as there: arrays are
    `layers.0.conv.weight`, `layers.0.bn.running_mean` and so on; a layer without normalisation has
    `layers.15.conv.bias`, linear layers `layers.29.linear.weight`.

    Raises `CheckpointError` for everything that is wrong with the content, a directory or a device included;
    `FileNotFoundError` and `PermissionError` as `open` does; `ImportError` for a `.safetensors` file without the
    extra `tinycnn[safetensors]`.
    """
    with _naming(path):
        return select_state_dict(_read(path), key)


def load_object(path: str | os.PathLike[str]) -> Any:
    """Read all that a checkpoint holds: nested dict, list, tuple, str, int, float, bool, None, bytes and arrays.

    An `OrderedDict` becomes a `StateDict`, a `Counter` a dict, a Parameter its array, `torch.Size` a tuple,
    `torch.device` and element types their names (`"cuda:0"`, `"torch.float32"`). Dict keys are strings or integers.
    Errors are those of `load`.
    """
    with _naming(path):
        return _read(path)


def save(state: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write arrays by name to a `.npz` or `.safetensors` file.

    Values are arrays of numbers or bool, tensors (anything with a `.numpy()` method), or what `numpy.asarray` takes.
    Names may be any text without NUL, dots and slashes included. The file appears whole or not at all: it is written
    under a temporary name in the same directory, then moved. Order is kept by `.npz` only.

    Raises `CheckpointError` for a name, a value or a suffix that cannot be written.
    """
    with _naming(path):
        write = _writer(os.path.splitext(os.fspath(path))[1])
        arrays = {_checked_name(name): _numbers(name, value) for name, value in state.items()}
        write_atomically(path, lambda file: write(file, arrays))


@contextmanager
def _naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Put the file's name before the message of a `CheckpointError`."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{os.fspath(path)}: {error}") from error


def _read(path: str | os.PathLike[str]) -> Any:
    if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for ever
        raise CheckpointError("a directory or device, not a file")
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(_HEAD_BYTES)
        if head.startswith(_DARKNET_STARTS):
            from tinycnn.serialize.darknet import read_by_cfg

            return read_by_cfg(path)
        file.seek(0)
        value = _read_format(file, head, size)
    check_plain(value)
    return value


def _read_format(file: IO[bytes], head: bytes, size: int) -> Any:
    budget = Budget.for_file(size)
    if head.startswith(_ZIP_MAGICS):
        return _read_zip(file, budget)
    if head[_SAFETENSORS_BRACE : _SAFETENSORS_BRACE + 1] == b"{" and _length_prefix(head) <= size:
        from tinycnn.serialize.safetensors_file import read_safetensors

        return read_safetensors(file)
    if head.startswith(b"\x80"):
        from tinycnn.serialize.torch_stream import read_torch_stream

        return read_torch_stream(file, size, budget)
    raise CheckpointError(_not_a_checkpoint(head))


def _read_zip(file: IO[bytes], budget: Budget) -> Any:
    from tinycnn.serialize.archive import Archive
    from tinycnn.serialize.npz import read_npz
    from tinycnn.serialize.torch_zip import pickles, read_torch_zip

    archive = Archive(file, budget)
    return read_torch_zip(archive) if pickles(archive) else read_npz(archive)


def _not_a_checkpoint(head: bytes) -> str:
    if head.startswith(_TAR_MAGIC, _TAR_MAGIC_OFFSET):
        return "a tar archive, the torch format of before 2017, is not read; save it again with torch.save"
    if not head:
        return "the file is empty"
    return f"not a weights file (.npz, .pth, .safetensors, .weights): it starts with {shown(head[:16])}"


def _length_prefix(head: bytes) -> int:
    return int.from_bytes(head[:_SAFETENSORS_BRACE], "little")


def _writer(suffix: str) -> Callable[[IO[bytes], Mapping[str, np.ndarray]], None]:
    if suffix in (".npz", ".tinycnn"):  # the latter: a compiled network, with its graph among the arrays
        from tinycnn.serialize.npz import write_npz

        return write_npz
    if suffix == ".safetensors":
        from tinycnn.serialize.safetensors_file import write_safetensors

        return write_safetensors
    if suffix in (".pth", ".pt"):
        raise CheckpointError(
            f"{suffix} files are read but not written (they are pickles): save to .npz or .safetensors"
        )
    if suffix == ".weights":
        raise CheckpointError(".weights files have no names: models.save_darknet(model, path) writes a network to one")
    raise CheckpointError(f"cannot tell the format from the suffix {shown(suffix)}; expected .npz or .safetensors")


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or "\0" in name or len(name.encode(errors="replace")) > _MAX_NAME_BYTES:
        raise CheckpointError(f"{shown(name)} cannot name an array: expected text without NUL, under 60 kB")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise CheckpointError(f"{shown(name)} cannot name an array: it has no UTF-8 form") from None
    return name


def _numbers(name: str, value: Any) -> np.ndarray:
    try:
        array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    except ValueError as error:  # lists of unequal length
        raise CheckpointError(f"{shown(name)} is not an array: {error}") from error
    if array.dtype.str[1:] not in NUMBER_CODES:
        raise CheckpointError(f"{shown(name)} is an array of {array.dtype}; only numbers and bool are written")
    return array
