"""Which build of the kernels answers: chosen once at import, from what the processor can do.

`kernels(dtype)` is the module of kernels for an element type; `kernels(dtype, "losses")` is that of another unit, which
is loaded when it is first wanted.  Every build has the same functions with the same signatures, and so has
`tinycnn._kernels.reference`, their definition in plain NumPy.
"""
from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np

NOT_COMPILED = (f"the kernels of tinycnn are not compiled in {os.path.dirname(__file__)}: install it (`pip install .`) "
                "or compile them there (`python setup.py build_ext --inplace`)")
try:
    from . import cpu  # type: ignore[attr-defined]  # compiled
except ImportError as error:
    raise ImportError(NOT_COMPILED) from error

NEEDS = {  # instruction set: features of the processor without which its build must not run
    "generic": frozenset(),
    "neon": frozenset({"neon"}),
    "avx2": frozenset({"avx2", "fma"}),
    "avx512": frozenset({"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl"}),
}
# A unit is one source, `<unit>/<unit>.pyx`; the kernels of these have twins.  "engine", the third, is tested against
# the operations that it stands for; in float64 it exists in development builds only.
UNITS = ("eager", "losses")
SUFFIX = {np.dtype(np.float32): "f32", np.dtype(np.float64): "f64"}


def _module_name(isa: str, dtype: np.dtype, unit: str) -> str:
    return f"{__package__}._{unit}_{isa}_{SUFFIX[dtype]}"


def built() -> list[str]:
    """Instruction sets that this installation was compiled for, from the plainest to the fastest."""
    return [isa for isa in NEEDS if find_spec(_module_name(isa, np.dtype(np.float32), UNITS[0]))]


def available() -> list[str]:
    """Instruction sets that are built and that this processor can run, the fastest last."""
    return [isa for isa in built() if NEEDS[isa] <= cpu.features()]


def _chosen() -> str:
    if not available():
        raise ImportError(NOT_COMPILED)
    wanted = os.environ.get("TINYCNN_ISA")
    if wanted is None:
        return available()[-1]
    if wanted not in available():
        raise ImportError(f"TINYCNN_ISA={wanted!r}: expected one of {', '.join(available())} "
                          f"(built: {', '.join(built())}; the others need a processor that has them)")
    return wanted


@cache
def load(isa: str, dtype: Any, unit: str = "eager") -> ModuleType:
    """A unit of kernels built for an instruction set (or "reference", the NumPy twins) and an element type."""
    if isa == "reference":
        return importlib.import_module(f"{__package__}.reference.{unit}")
    dtype = np.dtype(dtype)
    if dtype == np.float64 and find_spec(_module_name(isa, dtype, unit)) is None:
        isa = "generic"  # float64 checks gradients; setup.py spares some builds of it
    return importlib.import_module(_module_name(isa, dtype, unit))


ISA = _chosen()
_isa = ISA
_loaded: dict[tuple[np.dtype, str], ModuleType] = {}


def kernels(dtype: np.dtype, unit: str = "eager") -> ModuleType:
    """The module of a unit's kernels for `dtype`.

    Raises TypeError for an element type other than float32 and float64.
    """
    try:
        return _loaded[dtype, unit]
    except KeyError:
        if dtype not in SUFFIX:
            raise TypeError(f"kernels exist for float32 and float64, got {dtype}") from None
        _loaded[dtype, unit] = load(_isa, dtype, unit)
        return _loaded[dtype, unit]


kernels(np.dtype(np.float32))  # now, for the sake of the time that the first call takes; the others when wanted


@contextmanager
def use(isa: str) -> Iterator[None]:
    """Run the block with another build, or with the twins (`isa="reference"`): how the builds are compared."""
    global _isa
    before, _isa = _isa, isa
    _loaded.clear()
    try:
        yield
    finally:
        _isa = before
        _loaded.clear()
