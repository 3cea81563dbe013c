"""NumPy arrays, scalars and bytes inside a pickle, of plain number types only.

NumPy pickles an array in three steps (`ndarray.__reduce__`): an empty array by `_reconstruct`, an element type by
`dtype` plus BUILD, then BUILD on the array with shape, type, order and bytes. All three are checked here before NumPy
sees them.
"""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import numpy as np

from tinycnn.serialize.bounds import MAX_DIMENSIONS, NUMBER_CODES, OBJECT_BYTES, Budget, CheckpointError, equals, shown
from tinycnn.serialize.tensors import checked_shape

_Byteorder = Literal["<", ">", "|", "="]
_ARRAY_STATE_LENGTH = 5
_PLAIN_DTYPE_STATE_LENGTH = 8
_DTYPE_STATE_VERSION = 3


class ElementType:
    """An element type under construction: a code such as "f4", and later a byte order."""

    __slots__ = ("byteorder", "code")

    def __init__(self, code: str) -> None:
        self.code = code
        self.byteorder: _Byteorder = "="

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy type meant."""
        return np.dtype(self.code).newbyteorder(self.byteorder)


class NumpyObjects:
    """Makes the NumPy objects of one pickle, charged to `budget`."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._unbuilt: dict[int, np.ndarray] = {}  # arrays from `reconstruct` that BUILD may still fill, by id

    def encode(self, text: object, encoding: object) -> bytes:
        """`_codecs.encode(text, "latin1")`, by which protocol 2 writes bytes."""
        if type(text) is not str or not (equals(encoding, "latin1") or equals(encoding, "latin-1")):
            raise CheckpointError(f"_codecs.encode is called with {shown(text)} and {shown(encoding)}")
        self.budget.spend(len(text), "a bytes object")
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError:
            raise CheckpointError(f"a bytes object is written as {shown(text)}, which is not latin-1") from None

    def dtype(self, code: object, align: object = False, copy: object = True) -> ElementType:
        """`numpy.dtype(code)`; the other two arguments change nothing for numbers."""
        if type(code) is not str or code not in NUMBER_CODES:
            raise CheckpointError(f"a NumPy element type {shown(code)}; only numbers and bool are read")
        return ElementType(code)

    def reconstruct(self, cls: object, shape: object, code: object) -> np.ndarray:
        """An empty array, to be filled by `build_array`."""
        if not equals(cls, "numpy.ndarray"):
            raise CheckpointError(f"NumPy's _reconstruct is called for {shown(cls)}; only plain arrays are read")
        self.budget.spend(OBJECT_BYTES, "an array")
        array = np.empty(0, np.uint8)
        self._unbuilt[id(array)] = array
        return array

    def scalar(self, element: object, data: object) -> np.generic:
        """One number of type `element`."""
        dtype = _dtype_of(element)
        if type(data) is not bytes or len(data) != dtype.itemsize:
            raise CheckpointError(f"a NumPy scalar of type {dtype} comes with {shown(data)}")
        self.budget.spend(OBJECT_BYTES, "a scalar")
        scalar: np.generic = _numbers(data, dtype)[0]
        return scalar

    def build(self, target: object, state: object) -> bool:
        """BUILD on `target`; False if it is no unfinished object of ours."""
        if type(target) is ElementType:
            _set_byteorder(target, state)
        elif isinstance(target, np.ndarray) and id(target) in self._unbuilt:
            self._build_array(self._unbuilt.pop(id(target)), state)
        else:
            return False
        return True

    def _build_array(self, array: np.ndarray, state: object) -> None:
        if type(state) is not tuple or len(state) != _ARRAY_STATE_LENGTH:
            raise CheckpointError(f"a NumPy array's state is {shown(state)}; expected {_ARRAY_STATE_LENGTH} fields")
        _, shape, element, fortran, data = state
        dtype = _dtype_of(element)
        if type(shape) is not tuple or len(shape) > MAX_DIMENSIONS or type(data) is not bytes:
            raise CheckpointError(f"a NumPy array has shape {shown(shape)} and data {shown(data)}")
        shape = checked_shape(shape)
        if math.prod(shape) * dtype.itemsize != len(data):
            raise CheckpointError(f"a NumPy array of shape {shape}, type {dtype} comes with {len(data)} bytes")
        self.budget.spend(2 * len(data), f"an array of shape {shape}")
        values = _numbers(data, dtype).reshape(shape, order="F" if fortran is True else "C")
        # __setstate__ keeps the bytes object it gets as the array's memory: tobytes() makes one of the array's own.
        array.__setstate__((1, shape, values.dtype, False, values.tobytes()))  # type: ignore[arg-type]


def _dtype_of(element: object) -> np.dtype[Any]:
    if type(element) is not ElementType:
        raise CheckpointError(f"a NumPy element type is {shown(element)}")
    return element.dtype


def _numbers(data: bytes, dtype: np.dtype[Any]) -> np.ndarray:
    """The numbers in `data`, in native byte order; bool from any byte but 0."""
    stored = np.frombuffer(data, np.dtype(np.uint8) if dtype == np.bool_ else dtype)
    return stored.astype(dtype.newbyteorder("="))


def _set_byteorder(element: ElementType, state: object) -> None:
    if type(state) is not tuple or len(state) != _PLAIN_DTYPE_STATE_LENGTH:
        raise CheckpointError(f"a NumPy element type's state is {shown(state)}")
    version, byteorder, *composite = state[:5]
    known = type(byteorder) is str and byteorder in get_args(_Byteorder)
    if not equals(version, _DTYPE_STATE_VERSION) or not known or any(part is not None for part in composite):
        raise CheckpointError("a NumPy element type has fields or a sub-array; only numbers and bool are read")
    element.byteorder = byteorder
