"""Channels picked from several values in training: what concatenations, splits and shuffles have become."""
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ...graph import Node, Value
from ...layout import Placed, blocks
from ..values import Lazy, Picked
from .maps import OPEN, RUN, emit_gradient, read, whole_map
from .rule import trains

if TYPE_CHECKING:
    from ..builder import TrainingBuilder


@trains("pick")
def pick(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """Gathered, each channel computed as it is loaded; back, each source gathers the gradients of its channels.

    A source of several picks, as every unit of a ShuffleNet is, gathers once, when the last of them has its gradient.
    """
    sources = [value for value in node.inputs.values() if value is not None]
    number, channel = np.array(node.attributes["channels"]).T
    gather(plan, node, [plan.lazy(value) for value in sources], number, channel)
    if plan.needs_of.is_active(node):
        plan.picks.update(sources)
    yield
    for i, value in enumerate(sources):
        here = np.flatnonzero(number == i)
        plan.picks[value] -= 1
        if plan.needs(value):
            plan.pieces.setdefault(value, []).append(Picked(plan.gradient(node.y), here, channel[here]))
            if not plan.picks[value]:
                gather_back(plan, value, plan.pieces.pop(value))


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


def layers(count: int, channels: np.ndarray) -> np.ndarray:
    """For each of `count` channels the numbers of those picked from it, in as many rows as the most have; -1: none."""
    picked: list[list[int]] = [[] for _ in range(count)]
    for number, c in enumerate(channels):
        picked[c].append(number)
    rows = np.full((max(map(len, picked)), count), -1)
    for c, numbers in enumerate(picked):
        rows[:len(numbers), c] = numbers
    return rows


def gather_back(plan: TrainingBuilder, value: Value, picked: list[Picked]) -> None:
    """What was picked from a value gives its gradient back to it."""
    into = plan.into(value)
    assert into is not None
    lazy, whole = into.gate, whole_map(plan, Placed.whole(value.shape, into.y))
    rows = layers(whole["blocks"] * plan.width, np.concatenate([p.channels for p in picked]))
    def offsets() -> np.ndarray:
        places = np.concatenate([p.g.offsets(plan.width)[p.places] for p in picked])
        return np.where(rows < 0, -1, places[np.maximum(rows, 0)]).ravel()
    clipping = OPEN if lazy is None else OPEN | {"low": lazy.low, "high": lazy.high}
    x = into.y if lazy is None else lazy.raw
    emit_gradient(plan, into, RUN, lazy, kind="pick_back", **whole, **clipping, k=len(rows), rows=RUN,
                  off=plan.table(offsets), x=x, reads=[*(p.g for p in picked), x])
