"""What the rules share that go over maps: their fields, runs of pixels, sums."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...graph import Value
from ...layout import Placed, Storage, blocks
from ..values import Into, Lazy, Sums

if TYPE_CHECKING:
    from ..builder import TrainingBuilder

RUN = 512  # pixels of a run of sums: what the first-level cache holds of a block of channels
OPEN: dict[str, Any] = {"activation": 0, "low": -np.inf, "high": np.inf}
COPY = 6  # affine_clip: nothing is combined with


def whole_map(plan: TrainingBuilder, placed: Placed, by_plane: bool = False) -> dict[str, Any]:
    """The fields of an operation that goes through all pixels of all images.

    by_plane: where coefficients are those of planes, each is a block to it.
    """
    n, c, _, _ = placed.shape
    count, images = (blocks(c, plan.width) * n, 1) if by_plane else (blocks(c, plan.width), n)
    return {"blocks": count, "images": images, "n": placed.pixels}


def loading(lazy: Lazy) -> dict[str, Any]:
    """The fields of an operation that computes its x as it loads it."""
    return {"x": lazy.raw, "a": -1 if lazy.coefficients is None else lazy.coefficients, "low": lazy.low,
            "high": lazy.high}


def read(*used: Placed | Storage | Sums | None) -> list[Placed | Storage]:
    """Storages that must be there, of those that are given."""
    return [u.storage if isinstance(u, Sums) else u for u in used if u is not None]


def room_for_sums(plan: TrainingBuilder, placed: Placed, pixels: int = RUN) -> Sums:
    """Sums over runs of so many pixels."""
    n, c, _, _ = placed.shape
    runs = -(-n * placed.pixels // pixels)
    return Sums(plan.storage(runs * blocks(c, plan.width) * 2 * plan.width), runs, pixels)


def is_open(lazy: Lazy) -> bool:
    """Whether nothing is clipped."""
    return lazy.low == -np.inf and lazy.high == np.inf


def emit_gradient(plan: TrainingBuilder, into: Into, pixels: int, gate: Lazy | None, y: Any = None,
                  **fields: Any) -> None:
    """An operation that writes the gradient of an input; with sums over runs of `pixels` where it is the last one.

    gate: what it then minds.

    y: what the operation calls so, where that is not the gradient.  fields: its others, `reads` among them; low and
    high are those of the gate.
    """
    sums = None if gate is None else room_for_sums(plan, gate.raw, pixels)
    reads = [*fields.pop("reads"), *read(into.add, sums), *([] if gate is None else read(gate.raw, gate.coefficients))]
    gated: dict[str, Any] = {} if gate is None or sums is None else {"ga": gate.coefficients, "sums": sums.storage}
    if into.add is not None:
        gated["add"] = into.add
    plan.emit_into(into.y if y is None else y, **fields, **gated, gx=into.y, reads=[*reads, into.y])
    into.done(sums)


def as_value(value: Value, what: str = "g") -> Value:
    """A value of the same shape: its gradient, say."""
    return Value(f"{what}({value.name})", value.shape, value.dtype)
