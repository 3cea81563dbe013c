"""`.safetensors` files, through the library of that name (the extra `tinycnn[safetensors]`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import ModuleType
from typing import IO

import numpy as np

from tinycnn.serialize.bounds import CheckpointError, shown
from tinycnn.serialize.plain import StateDict
from tinycnn.serialize.tensors import ELEMENTS, checked_shape, copy_elements

_ELEMENT_NAMES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
    "C64": "complex64",
}


def read_safetensors(file: IO[bytes]) -> StateDict:
    """The arrays in `file` by name."""
    library = _library()
    try:
        entries = library.deserialize(file.read())
    except library.SafetensorError as error:
        raise CheckpointError(f"damaged .safetensors file: {error}") from error
    return StateDict((name, _array(name, **entry)) for name, entry in sorted(entries))


def write_safetensors(file: IO[bytes], arrays: Mapping[str, np.ndarray]) -> None:
    """Write `arrays`, as `save` prepared them."""
    _library()
    import safetensors.numpy

    contiguous = {name: np.asarray(array, array.dtype.newbyteorder("="), order="C") for name, array in arrays.items()}
    file.write(safetensors.numpy.save(contiguous))


def _array(name: str, dtype: str, shape: list[int], data: bytes) -> np.ndarray:
    if dtype not in _ELEMENT_NAMES:
        raise CheckpointError(f"array {shown(name)} has element type {shown(dtype)}, which is not read")
    element = ELEMENTS[_ELEMENT_NAMES[dtype]]
    extents = checked_shape(tuple(shape))
    if math.prod(extents) * element.stored.itemsize != len(data):
        raise CheckpointError(f"array {shown(name)} of shape {extents} comes with {len(data)} bytes")
    array = np.empty(extents, element.result)
    copy_elements(array, element, np.frombuffer(data, element.stored).reshape(extents))
    return array


def _library() -> ModuleType:
    try:
        import safetensors
    except ImportError as error:
        raise ImportError('.safetensors files need the extra: pip install "tinycnn[safetensors]"') from error
    return safetensors
