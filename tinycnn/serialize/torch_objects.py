"""The names that a torch checkpoint may use: the whole list, and what each one means here.

Nothing is imported by name. A name that is not in `TorchWorld.globals` is refused with a message that gives it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinycnn.serialize.bounds import OBJECT_BYTES, CheckpointError, equals, shown
from tinycnn.serialize.numpy_objects import NumpyObjects
from tinycnn.serialize.pickle_machine import Constructor, checked_key
from tinycnn.serialize.plain import StateDict
from tinycnn.serialize.tensors import ELEMENTS, Element, Storage, TensorBuilder

_PAIR = 2
_LONGEST_DEVICE = 32
_STORAGE_ID_LENGTHS = (5, 6)

_STORAGE_ELEMENTS = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
}
_TENSOR_CLASSES = {
    ("torch", "Tensor"),
    ("torch.nn.parameter", "Parameter"),
    ("torch.nn.parameter", "Buffer"),
}


class StorageType(NamedTuple):
    """Stands for a storage class of torch."""

    element: Element


class TensorClass(NamedTuple):
    """Stands for a tensor class of torch; which one does not matter here."""

    name: str


class TorchWorld:
    """What a torch file's pickle can reach: see `pickle_machine.World`."""

    def __init__(self, tensors: TensorBuilder) -> None:
        self.tensors = tensors
        self.numpy = NumpyObjects(tensors.budget)
        self.globals: dict[tuple[str, str], object] = {
            **_torch_names(),
            **self._containers(),
            **self._tensor_functions(),
            **self._numpy_functions(),
        }

    def find_global(self, module: str, name: str) -> object:
        """The object of ours that stands for `module.name`."""
        if (module, name) not in self.globals:
            raise CheckpointError(
                f"the file refers to {shown(f'{module}.{name}')}, which is not on the list of harmless names; only "
                "tensors, NumPy numbers and plain containers are read (save the module's state_dict(), not the module)"
            )
        return self.globals[module, name]

    def persistent_load(self, identifier: object) -> Storage:
        """The storage that `("storage", type, key, device, count[, view])` names."""
        if type(identifier) is not tuple or len(identifier) not in _STORAGE_ID_LENGTHS:
            raise CheckpointError(f"a persistent id is {shown(identifier)}; expected a tuple of 5 or 6")
        if not equals(identifier[0], "storage"):
            raise CheckpointError(f"a persistent id names {shown(identifier[0])}; expected a storage")
        _, kind, key, _device, count = identifier[:5]
        if type(kind) is not StorageType:
            raise CheckpointError(f"a storage's type is {shown(kind)}")
        storage = self.tensors.storage(key, kind.element, count)
        view = identifier[5] if len(identifier) > _STORAGE_ID_LENGTHS[0] else None
        if view is None:
            return storage
        if type(view) is not tuple or len(view) != 3:
            raise CheckpointError(f"a storage's view is {shown(view)}; expected key, offset and length")
        return self.tensors.storage_view(storage, view[1], view[2])

    def build(self, target: object, state: object) -> None:
        """BUILD: a state dict's `_metadata` is kept, NumPy's objects are filled, all else is refused."""
        if type(target) is StateDict and type(state) is dict:
            metadata = state.get("_metadata", {})
            if not isinstance(metadata, dict):
                raise CheckpointError(f"a state dict's _metadata is {shown(metadata)}, not a dict")
            target.metadata = metadata
        elif not self.numpy.build(target, state):
            raise CheckpointError(f"attributes are set on {shown(target)}, which has none here")

    def _containers(self) -> dict[tuple[str, str], object]:
        return _constructors(
            ("collections", "OrderedDict", self._ordered_dict, 0, 1),
            ("collections", "Counter", self._counter, 0, 1),
            ("__builtin__", "bytes", bytes, 0, 0),  # protocol 2 has no other way to write an empty one
            ("torch", "Size", _size, 1, 1),
            ("torch", "device", _device, 1, 2),
        )

    def _tensor_functions(self) -> dict[tuple[str, str], object]:
        return _constructors(
            ("torch._utils", "_rebuild_tensor", self.tensors.rebuild, 4, 4),
            ("torch._utils", "_rebuild_tensor_v2", self._tensor_v2, 6, 7),
            ("torch._utils", "_rebuild_tensor_v3", self._tensor_v3, 7, 8),
            ("torch._utils", "_rebuild_parameter", _unwrap, 3, 3),
            ("torch._utils", "_rebuild_parameter_with_state", _unwrap, 4, 4),
            ("torch._tensor", "_rebuild_from_type_v2", self._from_type, 4, 4),
        )

    def _numpy_functions(self) -> dict[tuple[str, str], object]:
        modules = ("numpy.core.multiarray", "numpy._core.multiarray")  # before and since NumPy 2
        rows = [
            row
            for module in modules
            for row in (
                (module, "_reconstruct", self.numpy.reconstruct, 3, 3),
                (module, "scalar", self.numpy.scalar, 2, 2),
            )
        ]
        return _constructors(
            *rows, ("numpy", "dtype", self.numpy.dtype, 1, 3), ("_codecs", "encode", self.numpy.encode, 2, 2)
        )

    def _ordered_dict(self, pairs: object = None) -> StateDict:
        """`OrderedDict()`, or with the list of pairs that Python 2 wrote."""
        self.tensors.budget.spend(OBJECT_BYTES, "an OrderedDict")
        if pairs is None:
            return StateDict()
        if type(pairs) is not list or not all(type(pair) in (list, tuple) and len(pair) == _PAIR for pair in pairs):
            raise CheckpointError(f"an OrderedDict is made from {shown(pairs)}; expected a list of pairs")
        self.tensors.budget.spend(OBJECT_BYTES * len(pairs), "an OrderedDict")
        return StateDict((checked_key(key), value) for key, value in pairs)

    def _counter(self, counts: object = None) -> dict[object, object]:
        """`collections.Counter(counts)` (schedulers keep their milestones in one) as a dict."""
        if counts is not None and type(counts) is not dict:
            raise CheckpointError(f"a Counter is made from {shown(counts)}; expected a dict")
        self.tensors.budget.spend(OBJECT_BYTES * (1 + len(counts or ())), "a Counter")
        return dict(counts or {})

    def _tensor_v2(self, storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> np.ndarray:
        """`rest` is requires_grad, hooks and, since torch 2, a dict of flags."""
        _refuse_lazy_flags(rest[2:])
        return self.tensors.rebuild(storage, offset, size, stride)

    def _tensor_v3(self, storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> np.ndarray:
        """`rest` is requires_grad, hooks, element type and a dict of flags."""
        _refuse_lazy_flags(rest[3:])
        name = rest[2].removeprefix("torch.") if type(rest[2]) is str else None
        if name not in ELEMENTS:
            raise CheckpointError(f"a tensor's element type is {shown(rest[2])}")
        return self.tensors.rebuild(storage, offset, size, stride, ELEMENTS[name])

    def _from_type(self, function: object, cls: object, arguments: object, _attributes: object) -> np.ndarray:
        """A tensor that carries Python attributes: the tensor alone."""
        allowed = [self.globals["torch._utils", f"_rebuild_{kind}"] for kind in ("tensor_v2", "tensor_v3", "parameter")]
        if type(function) is not Constructor or function not in allowed or type(cls) is not TensorClass:
            raise CheckpointError(f"a tensor is rebuilt by {shown(function)} as {shown(cls)}")
        array: np.ndarray = function(arguments)
        return array


def _torch_names() -> dict[tuple[str, str], object]:
    """Names that stand for a thing, not for a function. Element types become their names: "torch.float32"."""
    storages: dict[tuple[str, str], object] = {
        ("torch", name): StorageType(ELEMENTS[element]) for name, element in _STORAGE_ELEMENTS.items()
    }
    untyped = StorageType(ELEMENTS["uint8"])
    return {
        **storages,
        **{("torch", name): f"torch.{name}" for name in ELEMENTS},
        **{names: TensorClass(".".join(names)) for names in _TENSOR_CLASSES},
        ("torch", "UntypedStorage"): untyped,
        ("torch.storage", "UntypedStorage"): untyped,
        ("numpy", "ndarray"): "numpy.ndarray",
    }


def _constructors(*rows: tuple[str, str, Any, int, int]) -> dict[tuple[str, str], object]:
    return {
        (module, name): Constructor(f"{module}.{name}", function, fewest, most)
        for module, name, function, fewest, most in rows
    }


def _size(sizes: object) -> tuple[object, ...]:
    if type(sizes) is not tuple:
        raise CheckpointError(f"torch.Size is made from {shown(sizes)}")
    return sizes


def _device(kind: object, index: object = None) -> str:
    """`torch.device(...)` as text such as "cuda:0"."""
    if type(kind) is not str or len(kind) > _LONGEST_DEVICE or type(index) not in (int, type(None)):
        raise CheckpointError(f"torch.device is called with {shown(kind)} and {shown(index)}")
    return kind if index is None else f"{kind}:{index}"


def _unwrap(data: object, *_flags: object) -> np.ndarray:
    """A Parameter is its tensor here."""
    if not isinstance(data, np.ndarray):
        raise CheckpointError(f"a Parameter wraps {shown(data)}, not a tensor")
    return data


def _refuse_lazy_flags(flags: tuple[object, ...]) -> None:
    """Torch can store a tensor unconjugated or unnegated, with a flag; nobody saves weights so."""
    if flags and (type(flags[0]) not in (dict, type(None)) or flags[0]):
        raise CheckpointError(
            "a tensor carries a conjugate or negative flag; save it after .resolve_conj().resolve_neg()"
        )
