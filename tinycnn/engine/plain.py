"""The part of the builder of plans that knows values element by element: views, plain order, and moves between them."""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .graph import Value
from .layout import Part, Placed, Storage, as_map, blocks
from .views import ARENA, AXES, CONSTANTS, Axis, Pair, View, compact, paired


class PlainOrder:
    """Values in row-major order, or as views of what others wrote: nothing is copied before a kernel needs it."""

    width: int
    where: dict[Value, Placed]
    given: dict[Value, int]
    final: dict[Value, int]  # results that nobody else reads: the caller's array of each
    if TYPE_CHECKING:  # what the builder adds
        def emit_into(self, y: Any, **fields: Any) -> None: ...
        def storage(self, size: int) -> Storage: ...
        def constant(self, array: np.ndarray) -> int: ...
        def table(self, entries: Callable[[], np.ndarray]) -> Callable[[], int]: ...

    def __init__(self) -> None:
        self.views: dict[Value, View] = {}
        self.written: set[Value] = set()  # results that lie in the caller's arrays already

    # ---- where elements lie
    def view(self, value: Value | None) -> View:
        """Where the elements of a value lie: an array of the caller, a constant, blocks of channels, or plain order."""
        assert value is not None
        if value not in self.views:
            if value in self.where:
                return View.of(self.where[value], self.width)
            size = int(np.prod(value.shape))
            if value.data is not None:
                self.views[value] = View.plain(size, start=self.constant(value.data), space=CONSTANTS)
            else:
                self.views[value] = View.plain(size, space=self.given[value])
        return self.views[value]

    def see(self, value: Value, view: View) -> None:
        """A value's elements lie there."""
        self.views[value] = view
        self.where.pop(value, None)
        if view.placed is not None and view.placed.shape == as_map(value.shape):
            self.where[value] = view.placed

    def padded(self, size: int) -> int:
        """Elements of whole vectors that hold so many."""
        return -(-size // self.width) * self.width

    def plain(self, value: Value | None) -> Part:
        """A value in row-major order in the arena, where vectors may be read whole; remembered."""
        assert value is not None
        view = self.view(value)
        if view.part(self.padded(view.size)) is None:
            view = self.views[value] = self.copied(view)
        part = view.part(0)
        assert part is not None
        return part

    def blocked(self, value: Value) -> Placed:
        """A value in blocks of channels; remembered."""
        n, c, h, w = as_map(value.shape)
        storage = self.storage(blocks(c, self.width) * self.width * n * h * w)
        placed = Placed.whole(value.shape, storage)
        self.move(self.view(value), View.of(placed, self.width))
        self.where[value] = placed
        return placed

    def copied(self, view: View) -> View:
        """The same elements in plain order."""
        result = View.plain(view.size, self.storage(self.padded(view.size) + self.width))
        self.move(view, result)
        return result

    def result(self, value: Value) -> dict[str, Any]:
        """The fields of an operation that say where the elements of its output go, in plain order."""
        if value in self.final:
            self.written.add(value)
            return {"y": 0, "r": self.final[value]}
        size = int(np.prod(value.shape))
        storage = self.storage(self.padded(size) + self.width)
        self.see(value, View.plain(size, storage))
        return {"y": storage}

    def target(self, value: Value) -> View:
        """The same as a view to move parts to."""
        fields = self.result(value)
        return View.plain(int(np.prod(value.shape)), space=fields["r"]) if "r" in fields else self.views[value]

    # ---- moves
    def move(self, x: View, y: View) -> None:
        """An operation that copies the elements of a view to where those of another lie."""
        pairs = paired(x.axes, y.axes)
        if pairs is None:
            x = self.copied(x)
            pairs = paired(x.axes, y.axes)
            assert pairs is not None
        if y.table is not None:  # channels last, where the other side has them side by side
            pairs.sort(key=lambda pair: pair.y_entry != 0 and pair.x == 1)
        self._move(x, y, pairs)

    def _move(self, x: View, y: View, pairs: list[Pair]) -> None:
        if len(pairs) > AXES:  # more than the kernel takes: one operation for each index of the first
            [extent, *steps], rest = pairs[0], pairs[1:]
            for i in range(extent):
                self._move(x.moved(Axis(1, *steps[:2]), i), y.moved(Axis(1, *steps[2:]), i), rest)
            return
        x_entries, x_size, x_table = compact(x, [(p.extent, p.x_entry) for p in pairs])
        y_entries, y_size, y_table = compact(y, [(p.extent, p.y_entry) for p in pairs])
        pairs = joined([Pair(p.extent, p.x, e, p.y, f) for p, e, f in zip(pairs, x_entries, y_entries)])
        axes = np.array([Pair(1, 0, 0, 0, 0)] * (AXES - len(pairs)) + pairs, np.int64).ravel()
        into = {} if y.space == ARENA else {"r": y.space}
        self.emit_into(y.address, kind="move", x=x.address, mode=x.space, **into, k=x_size, n=y_size,
                       off=self.table(lambda: np.concatenate([axes, x_table(), y_table()])),
                       reads=[*x.stores, *y.stores])


def joined(pairs: list[Pair]) -> list[Pair]:
    """Axes that continue each other on both sides made one."""
    result: list[Pair] = []
    for p in pairs:
        last = result[-1] if result else None
        if last and tuple(last[1:]) == tuple([p.extent * step for step in p[1:]]):
            result[-1] = p._replace(extent=last.extent * p.extent)
        elif p.extent > 1:
            result.append(p)
    return result
