"""Channels picked from several values in training: what concatenations, splits and shuffles have become."""
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ...graph import Node
from ...layout import blocks
from ..values import Lazy
from .maps import OPEN, RUN, emit_gradient, read, whole_map
from .rule import trains

if TYPE_CHECKING:
    from ..builder import TrainingBuilder


@trains("pick")
def pick(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """Gathered, each channel computed as it is loaded; back, each source gathers the gradients of its channels."""
    sources = [value for value in node.inputs.values() if value is not None]
    number, channel = np.array(node.attributes["channels"]).T
    gather(plan, node, [plan.lazy(value) for value in sources], number, channel)
    yield
    for i, value in enumerate(sources):
        here = np.flatnonzero(number == i)
        if plan.needs(value) and len(here):
            gather_back(plan, node, value, here, channel[here])


def gather(plan: TrainingBuilder, node: Node, lazies: list[Lazy], number: np.ndarray, channel: np.ndarray) -> None:
    """Forward; the lanes that are no channels are zeros."""
    width, count = plan.width, blocks(len(number), plan.width) * plan.width
    def filled(values: np.ndarray | list[int]) -> np.ndarray:
        return np.append(values, np.full(count - len(values), -1))
    def offsets() -> np.ndarray:
        places = [lazy.raw.offsets(width) for lazy in lazies]
        return filled([places[i][c] for i, c in zip(number, channel)])
    def scales() -> np.ndarray:
        firsts = [-1 if lazy.coefficients is None else lazy.coefficients.offset for lazy in lazies]
        return filled([-1 if firsts[i] < 0 else firsts[i] + c // width * 4 * width + c % width
                       for i, c in zip(number, channel)])
    bounds = np.full((2, count), [[-np.inf], [np.inf]])
    bounds[:, :len(number)] = np.array([(lazies[i].low, lazies[i].high) for i in number]).T
    n, _, h, w = lazies[0].raw.shape
    plan.emit(node.y, kind="pick", blocks=count // width, images=n, n=h * w, off=plan.table(offsets),
              soff=plan.table(scales), w=plan.constant(bounds),
              reads=[store for lazy in lazies for store in read(lazy.raw, lazy.coefficients)])


def layers(count: int, channel: np.ndarray) -> np.ndarray:
    """For each of `count` channels the numbers of those picked from it, in as many rows as the most have; -1: none."""
    picked: list[list[int]] = [[] for _ in range(count)]
    for position, c in enumerate(channel):
        picked[c].append(position)
    rows = np.full((max(map(len, picked)), count), -1)
    for c, positions in enumerate(picked):
        rows[:len(positions), c] = positions
    return rows


def gather_back(plan: TrainingBuilder, node: Node, value: object, here: np.ndarray, channel: np.ndarray) -> None:
    """What was picked from a source gives its gradient back to it. here: channels of y, of the source's `channel`."""
    into = plan.into(value)  # type: ignore[arg-type]
    assert into is not None
    g, lazy = plan.gradient(node.y), into.gate
    shape = into.value.shape
    count = blocks(shape[1], plan.width) * plan.width
    rows = layers(count, channel)
    def offsets() -> np.ndarray:
        places = g.offsets(plan.width)[here]
        return np.where(rows < 0, -1, places[np.maximum(rows, 0)]).ravel()
    whole = whole_map(plan, g) | {"blocks": count // plan.width}
    clipping = OPEN if lazy is None else OPEN | {"low": lazy.low, "high": lazy.high}
    x = into.y if lazy is None else lazy.raw
    emit_gradient(plan, into, RUN, lazy, kind="pick_back", **whole, **clipping, k=len(rows), rows=RUN,
                  off=plan.table(offsets), x=x, reads=[g, x])
