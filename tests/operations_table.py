"""Writes docs/operations.md, what is known of every operation, from the rows of `op_cases.py`.

    python tests/operations_table.py

Nothing in it depends on the machine, on torch or on luck: kernels are noted as the twins are called, with arguments
made of the two simplest values of whatever a row draws.
"""
from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample, UnsatisfiedAssumption
from op_cases import CASES, Example, OpCase

from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn._kernels import dispatch, use

PAGE = Path(__file__).parents[1] / "docs" / "operations.md"
HEAD = """\
# Operations

Every operation, the kernels it calls, and what holds it in place. Written by `python tests/operations_table.py` from
the rows of `tests/op_rows/`; `F` is `tinycnn.functional`, `x` a `Tensor`.

- **kernels**: in `tinycnn/_kernels/eager/` and `losses/`, as called with the simplest arguments and with variations of
  them; others may take other kernels of the family (large 3x3 convolutions: Winograd's). "NumPy": none is called.
- **twin**: the kernels, of every build, are compared with their NumPy twins in float64.
- **gradient**: backward is compared with central differences in float64; "none": there is no gradient.
- **oracle**: values and gradients are compared with torch or torchvision where these are installed; "formula": neither
  has it, or not this way, and its twin and its own tests have the formula written out.
"""
COLUMNS = ("operation", "kernels forward", "kernels backward", "twin", "gradient", "oracle")
MANY = 1000  # more draws than any row makes
OPERATORS = {"add": "x + y", "sub": "x - y", "mul": "x * y", "div": "x / y", "pow": "x ** 2", "neg": "-x",
             "abs": "abs(x)", "getitem": "x[...]", "matmul": "x @ y"}


_SIMPLEST: dict[str, tuple[Any, Any]] = {}  # by what a strategy is written as


class Recorder:
    """A module of kernels that notes the names of those called."""

    def __init__(self, module: Any, called: set[str]) -> None:
        self._module, self._called = module, called

    def __getattr__(self, name: str) -> Any:
        kernel = getattr(self._module, name)
        if not callable(kernel):
            return kernel

        def call(*arguments: Any, **keywords: Any) -> Any:
            if not name.endswith("_scratch"):  # those only say how much memory a kernel wants
                self._called.add(name)
            return kernel(*arguments, **keywords)
        return call


@contextmanager
def recorded() -> Iterator[set[str]]:
    """Run on the twins, and collect which."""
    called: set[str] = set()
    with use("reference"):
        for dtype in dispatch.SUFFIX:
            for unit in dispatch.UNITS:
                dispatch._loaded[dtype, unit] = Recorder(dispatch.load("reference", dtype, unit), called)
        yield called


def _two_simplest(strategy: st.SearchStrategy) -> tuple[Any, Any]:
    """What hypothesis tries first, and what it shrinks to if that is forbidden (the same if there is nothing else);
    searched for once of all the strategies that are written alike."""
    if repr(strategy) not in _SIMPLEST:
        _SIMPLEST[repr(strategy)] = _search(strategy)
    return _SIMPLEST[repr(strategy)]


def _search(strategy: st.SearchStrategy) -> tuple[Any, Any]:
    quietly = settings(max_examples=50, phases=[Phase.generate], database=None, derandomize=True)
    first = find(strategy, lambda _: True, settings=quietly)
    quietly = settings(quietly, phases=[Phase.generate, Phase.shrink])
    try:
        return first, find(strategy, lambda value: repr(value) != repr(first), settings=quietly)
    except NoSuchExample:
        return first, first


class Choices:
    """Stands for hypothesis's `draw`: the simplest value each time, but the second at the draws of some numbers."""

    def __init__(self, second: Container[int] = ()) -> None:
        self._second, self.drawn = second, 0

    def __call__(self, strategy: st.SearchStrategy) -> Any:
        value = _two_simplest(strategy)[self.drawn in self._second]
        self.drawn += 1
        return copy.deepcopy(value)


def examples(case: OpCase) -> Iterator[Example]:
    """The simplest arguments; then each draw in turn, and all of them, at their second simplest."""
    draw = Choices()
    yield case.examples(draw)
    for second in [*([i] for i in range(draw.drawn)), range(MANY)]:
        with suppress(UnsatisfiedAssumption):
            yield case.examples(Choices(second))


def kernels_of(case: OpCase) -> tuple[set[str], set[str] | None]:
    """Names of the kernels of forward and of backward; None for backward where there is no gradient."""
    pairs = [kernels_called(case, example) for example in examples(case)]
    backward = [names for _, names in pairs if names is not None]
    return set().union(*[names for names, _ in pairs]), set().union(*backward) if backward else None


def kernels_called(case: OpCase, example: Example) -> tuple[set[str], set[str] | None]:
    """The same, for one example."""
    inputs = [x if x is None or i in case.constant else Tensor(x, requires_grad=True)
              for i, x in enumerate(example.inputs)]
    with recorded() as forward:
        result = case.call(*inputs, **example.keywords)
    outputs = [y for y in (result if isinstance(result, (tuple, list)) else [result])
               if isinstance(y, Tensor) and y.requires_grad]
    if not outputs:
        return forward, None
    with recorded() as backward:
        for y in outputs:
            y.backward(np.ones(y.shape), retain_graph=True)
    return forward, backward


def shown(case: OpCase) -> str:
    """How users write it, or the name of an op that several calls share."""
    name = case.ops[0] if case.ops else case.name
    for of_its_own in (getattr(case.call, "__name__", ""), case.name):
        if getattr(F, of_its_own, None) is case.call:
            name = of_its_own
    if name in OPERATORS:
        return f"`{OPERATORS[name]}`"
    return f"`F.{name}`" if hasattr(F, name) else f"`x.{name}`" if hasattr(Tensor, name) else f"`{name}`"


def oracle(case: OpCase) -> str:
    """What it is compared with besides its twin."""
    if case.torch is None:
        return "formula"
    return "torchvision" if any("torchvision" in text for text in sources(case.torch)) else "torch"


def sources(function: Callable[..., Any]) -> Iterator[str]:
    """The source of a function, and of the functions beside it that it calls."""
    yield inspect.getsource(function)
    for name in function.__code__.co_names:
        other = function.__globals__.get(name)
        if inspect.isfunction(other) and other.__module__ == function.__module__:
            yield inspect.getsource(other)


def line(operation: str, cases: list[OpCase]) -> str:
    """One row of a table, for all the rows that test an operation."""
    pairs = [kernels_of(case) for case in cases]
    forward = set().union(*[names for names, _ in pairs])
    gradients = [names for _, names in pairs if names is not None]
    backward = listed(set().union(*gradients)) if gradients else ""
    twin = "" if all(case.composed for case in cases) else "yes"
    oracles = {oracle(case) for case in cases}
    if len(oracles) > 1:  # some of its rows are of arguments that torch does not take
        oracles.discard("formula")
    cells = (operation, listed(forward), backward, twin, "yes" if gradients else "none", ", ".join(sorted(oracles)))
    return f"| {' | '.join(cells)} |"


def listed(names: set[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) or "NumPy"


def page() -> str:
    """The text of the page."""
    parts = [HEAD]
    for family, rows in groupby(sorted(CASES, key=lambda case: case.family), lambda case: case.family):
        title = family.strip().splitlines()[0].removeprefix("Rows of ").rstrip(".")
        operations: dict[str, list[OpCase]] = {}
        for case in rows:
            operations.setdefault(shown(case), []).append(case)
        table = [line(operation, cases) for operation, cases in operations.items()]
        parts.append("\n".join((f"## {title[:1].upper()}{title[1:]}\n", f"| {' | '.join(COLUMNS)} |",
                                "|---" * len(COLUMNS) + "|", *table, "")))
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
