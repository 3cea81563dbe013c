"""What a row is, and what rows draw their arguments from."""
from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st


@dataclass(frozen=True)
class Example:
    """Arguments of one call: arrays (floating ones in float64, the tests cast them; None where optional), keywords."""

    inputs: tuple[Any, ...]
    keywords: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OpCase:
    """One row.

    family: what the file of the row says of itself;
    call(*tensors, **keywords) -> Tensor or tuple of Tensors; examples(draw) -> Example, where draw is hypothesis's;
    torch(torch, *tensors, **keywords): the same in torch (None: torch does not have it); ops: names in autograd.OPS
    that the row covers; constant: positions of inputs that take no gradient; float32 and float64: tolerance relative
    to the largest magnitude; composed: made of NumPy alone, so that there is no kernel to compare with a twin;
    weighted: its gradient holds a factor of the function constant by definition, and is not what differences give.
    """

    name: str
    call: Callable[..., Any]
    examples: Callable[[Any], Example]
    torch: Callable[..., Any] | None = None
    family: str = ""
    ops: tuple[str, ...] = ()
    constant: tuple[int, ...] = ()
    float32: float = 1e-5
    float64: float = 1e-12
    composed: bool = False
    weighted: bool = False

    def __str__(self) -> str:
        return self.name


CASES: list[OpCase] = []
COMPOSED = {"add", "sub", "mul", "div", "maximum", "minimum", "neg", "pow", "exp", "log", "sqrt", "abs", "clip",
            "astype", "where", "reshape", "transpose", "expand", "getitem",
            "concat", "split", "pad"}


def case(name: str, call: Callable[..., Any], examples: Callable[[Any], Example], torch: Any = None,
         **more: Any) -> None:
    """Add a row; it covers the op of its own name unless `ops` says otherwise."""
    more.setdefault("family", sys._getframe(1).f_globals["__doc__"])
    more.setdefault("ops", (name,))
    more.setdefault("composed", name in COMPOSED)
    CASES.append(OpCase(name, call, examples, torch, **more))


# ---------------------------------------------------------------- what rows draw from
def normal(draw: Any, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Normal numbers of a shape, from a seed that hypothesis draws."""
    return np.asarray(np.random.default_rng(draw(st.integers(0, 2**32 - 1))).standard_normal(shape) * scale)


def away(x: np.ndarray, *points: float, by: float = 1e-2) -> np.ndarray:
    """x, moved off the points where the function has a kink."""
    for point in points:
        x = np.where(np.abs(x - point) < by, point + np.where(x >= point, by, -by), x)
    return x


def shape(draw: Any, least: int = 1, most: int = 4, extent: int = 9) -> tuple[int, ...]:
    """A shape of `least` to `most` axes."""
    return tuple(draw(st.lists(st.integers(1, extent), min_size=least, max_size=most)))


def any_shape(*kinks: float) -> Callable[[Any], Example]:
    """One array of any shape, long enough to fill vectors now and then, away from kinks."""
    def examples(draw: Any) -> Example:
        return Example((away(normal(draw, *shape(draw, extent=13), scale=3), *kinks),))
    return examples


def positive(draw: Any) -> Example:
    return Example((np.abs(normal(draw, *shape(draw))) + 0.1,))


def two_broadcast(draw: Any) -> Example:
    """Two arrays whose shapes broadcast: some extents 1, some leading axes missing; the second away from 0."""
    full = shape(draw, most=4, extent=5)
    def part() -> tuple[int, ...]:
        kept = full[draw(st.integers(0, len(full))):]
        return tuple(1 if draw(st.booleans()) else n for n in kept)
    return Example((normal(draw, *part()), away(normal(draw, *part()), 0, by=0.2)))


def with_axis(draw: Any) -> Example:
    """An array, and one axis, all, or several; now and then more elements than fill a few vectors."""
    x = normal(draw, *shape(draw, most=3, extent=5), draw(st.sampled_from([1, 2, 3, 16, 17, 70])))
    several = st.sets(st.integers(0, x.ndim - 1), min_size=1).map(tuple)
    axis = draw(st.none() | st.integers(-x.ndim, x.ndim - 1) | several)
    return Example((x,), {"axis": axis, "keepdims": draw(st.booleans())})
