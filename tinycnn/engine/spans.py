"""What checks of a plan speak of: fields of operations, and the stretches of memory that they touch."""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class PlanError(RuntimeError):
    """A plan would touch memory that is not its own: a defect of the engine, or a damaged file."""


class Span(NamedTuple):
    """Elements [start, stop) of "arena", "constants", "tables", or of the caller's array of a number."""

    space: str | int
    start: int
    stop: int
    written: bool = False


class Fields:
    """The fields of an operation, by name, and what else a check needs."""

    def __init__(self, names: dict[str, int], kinds: Sequence[str], rows: np.ndarray, number: int, tables: np.ndarray,
                 width: int, threads: int) -> None:
        self._names, self._kinds, self._rows, self.number = names, kinds, rows, number
        self.tables, self.width, self.threads = tables, width, threads

    def __getattr__(self, name: str) -> int:
        return int(self._rows[self.number, self._names[name]])

    @property
    def name(self) -> str:
        """What kind of operation it is."""
        if not 0 <= self.kind < len(self._kinds):
            raise PlanError(f"there is no kind {self.kind}")
        return self._kinds[self.kind]

    def real(self, name: str) -> float:
        """A field that holds a floating number."""
        return float(self._rows[self.number, self._names[name]].view(np.float64))

    def member(self, i: int) -> Fields:
        """The fields of the i-th operation after this one."""
        if not 0 < i < len(self._rows) - self.number:
            raise PlanError(f"{i} members, but the plan ends before")
        return Fields(self._names, self._kinds, self._rows, self.number + i, self.tables, self.width, self.threads)

    def table(self, start: int, count: int) -> tuple[int, int]:
        """Least and largest of the entries of a table."""
        if not 0 <= start <= start + count <= len(self.tables) or count < 1:
            raise PlanError(f"a table [{start}, {start + count}) of {len(self.tables)} entries")
        part = self.tables[start:start + count]
        return int(part.min()), int(part.max())


def arena(start: int, size: int, written: bool = False) -> Span:
    """So many elements of the arena."""
    return Span("arena", start, start + size, written)


def constants(start: int, size: int) -> Span:
    """So many constants."""
    return Span("constants", start, start + size)


def positive(f: Fields, *names: str) -> None:
    """Refuse fields that must be at least 1 and are not."""
    for name in names:
        if getattr(f, name) < 1:
            raise PlanError(f"{name} is {getattr(f, name)}, expected at least 1")


def not_negative(f: Fields, *names: str) -> None:
    """Refuse steps that go back."""
    for name in names:
        if getattr(f, name) < 0:
            raise PlanError(f"{name} is {getattr(f, name)}, expected at least 0")
