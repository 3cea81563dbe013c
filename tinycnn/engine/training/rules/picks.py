"""Channels picked from several values: on the way back each value has the channels that were its own, where they lie.

A value that several picks read, as both halves of a split are, gets its gradient once the last of them has come: pieces
that have no channel in common are one gradient then, of several storages, and nothing has been added or moved.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...graph import Node, Value
from ...layout import Placed, Storage
from ...lowering import RULES
from .rule import trains
from .views import like

if TYPE_CHECKING:
    from ..builder import TrainingBuilder

MISSING = -1


@dataclass
class Piece:
    """Where the gradient of each channel of a value lies: the number of a storage, or MISSING, and a channel there."""

    stores: list[Storage]
    store: np.ndarray
    channel: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Of which channels it knows."""
        return self.store != MISSING

    def joined(self, other: Piece) -> Piece:
        """Both, which have no channel in common."""
        stores = self.stores + other.stores
        theirs = np.where(other.known, other.store + len(self.stores), MISSING)
        channel = np.where(self.known, self.channel, other.channel)
        return Piece(stores, np.where(self.known, self.store, theirs), channel)


@trains("pick")
def pick(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """Nothing moves, neither way."""
    RULES[node.op](plan, node)
    sources = [x for x in node.inputs.values() if x is not None]
    wanted = [x for x in sources if plan.needs(x) and plan.needs_of.is_active(node)]
    plan.picks.update(wanted)
    yield
    g = plan.placed(plan.gradient_value(node.y))
    number, channel = np.array(node.attributes["channels"]).T
    for i, x in enumerate(sources):
        if x in wanted:
            plan.picks[x] -= 1
            pieces = plan.pieces.setdefault(x, [])
            for piece in pieces_of(x, g, np.flatnonzero(number == i), channel[number == i]):
                add_piece(pieces, piece)
            if not plan.picks[x]:
                plan.give(x, gathered(plan, x, plan.pieces.pop(x)))


def pieces_of(x: Value, g: Placed, at: np.ndarray, channel: np.ndarray) -> Iterator[Piece]:
    """Where g has channels of x, at some of its own; one piece for each time that a channel was picked."""
    while len(at):
        _, first = np.unique(channel, return_index=True)
        piece = Piece(g.stores, np.full(x.shape[1], MISSING), np.zeros(x.shape[1], int))
        piece.store[channel[first]] = g.store[at[first]]
        piece.channel[channel[first]] = g.channel[at[first]]
        yield piece
        at, channel = np.delete(at, first), np.delete(channel, first)


def add_piece(pieces: list[Piece], piece: Piece) -> None:
    """Join a piece to the first with which it has nothing in common."""
    for i, other in enumerate(pieces):
        if not (other.known & piece.known).any():
            pieces[i] = other.joined(piece)
            return
    pieces.append(piece)


def gathered(plan: TrainingBuilder, x: Value, pieces: list[Piece]) -> Value:
    """The gradient of x: the sum of pieces, which is one as a rule."""
    total = placed_as(plan, x, pieces[0])
    for piece in pieces[1:]:
        both = like(x)
        plan.add_up(both, total, placed_as(plan, x, piece))
        total = both
    return total


def placed_as(plan: TrainingBuilder, x: Value, piece: Piece) -> Value:
    """A piece as a gradient of x; channels that it does not know are zeros."""
    n, c, h, w = x.shape
    known = piece.known
    if not known.all():
        zeros = plan.storage(plan.width * n * h * w)
        plan.emit_into(zeros, kind="fill", n=zeros.size, low=0.0)
        piece = piece.joined(Piece([zeros], np.where(known, MISSING, 0), np.zeros(c, int)))
    used, store = np.unique(piece.store, return_inverse=True)
    gx = like(x)
    plan.place(gx, Placed((n, c, h, w), [piece.stores[i] for i in used], store, piece.channel))
    return gx
