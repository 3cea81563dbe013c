"""What a question is answered with: so many images, and several runs of each variant from different starts."""
from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from ...._kernels import get_num_threads
from ...machine import description
from ...table import scaled, text_table

Say = Callable[[str], None]  # shows how far a run is


class Budget(NamedTuple):
    """How much is spent. root: of Fashion-MNIST, None: where it is installed."""

    images: int = 4000  # to train on
    tests: int = 2000
    epochs: int = 3
    seeds: int = 4  # runs of each variant
    scenes: int = 400  # to train detectors on
    scene_tests: int = 100
    scene_epochs: int = 25
    scene_seeds: int = 4
    side: int = 96  # of a scene, pixels
    seconds: float = 2.0  # of timing
    root: str | os.PathLike[str] | None = None


SCHEMA = 1  # of the document; a number that changes when its keys do
RARE = 20  # what chance brings more often than once in so many times is not called clear
OWN = ("variant", "against", "scores")  # keys of rows that are no columns of their own
FULL = Budget()
QUICK = Budget(images=64, tests=32, epochs=1, seeds=2, scenes=8, scene_tests=4, scene_epochs=1, scene_seeds=1, side=64,
               seconds=0.05)


class Answer(NamedTuple):
    """Rows of plain values.

    measure: what `scores` of the rows are, one for each run; `against`: the variant that a row is compared with.
    reading: what they say.
    """

    name: str
    title: str
    measure: str
    rows: list[dict[str, Any]]
    reading: str

    def __str__(self) -> str:
        extras = list(dict.fromkeys(key for row in self.rows for key in row if key not in OWN))
        rows = [[row["variant"], *_scores(row["scores"]), *[_cell(key, row.get(key)) for key in extras]]
                for row in self.rows]
        named = [key.replace("multiply_adds", "multiply-adds").replace("_", " ") for key in extras]
        titles = ["variant", self.measure, "least", "greatest", *named]
        return f"{self.title}\n\n{text_table(titles, rows)}\n\n{self.reading}"


def document(answers: Sequence[Answer], budget: Budget) -> dict[str, Any]:
    """Answers as plain values, with what they were found on and with how much."""
    spent = {key: value for key, value in budget._asdict().items() if key != "root"}
    return {"schema": SCHEMA, "study": "questions", "date": date.today().isoformat(), "machine": description(),
            "threads": get_num_threads(), "budget": spent, "questions": [answer._asdict() for answer in answers]}


def _scores(scores: Sequence[float]) -> list[str]:
    return [f"{score:.2f}" for score in (mean(scores), min(scores), max(scores))]


def _cell(key: str, value: Any) -> str:
    if value is None:
        return ""
    return scaled(value) if key in ("parameters", "multiply_adds") else f"{value:.3g}"


def mean(values: Sequence[float]) -> float:
    """Of some numbers."""
    return sum(values) / len(values)


def answered(name: str, title: str, measure: str, rows: list[dict[str, Any]]) -> Answer:
    """An answer with its reading."""
    return Answer(name, title, measure, rows, reading_of(rows))


def reading_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line on each variant beside the one that it is compared with, the first where a row does not say which.

    Clear is what sets all runs of one above all runs of the other, if chance does so less than once in 20 times.

    >>> reading_of([{"variant": "a", "scores": [1, 2]}, {"variant": "b", "scores": [3, 4]}])
    'b beside a: +2.00, not clear: every run is above, but chance does that once in 3 times'
    """
    named = {row["variant"]: row for row in rows}
    pairs = [(named[row.get("against", rows[0]["variant"])], row) for row in rows]
    return "\n".join(_beside(first, row) for first, row in pairs if first is not row)


def _beside(first: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    one, two = first["scores"], row["scores"]
    return f"{row['variant']} beside {first['variant']}: {mean(two) - mean(one):+.2f}, {_sure(one, two)}"


def _sure(one: Sequence[float], two: Sequence[float]) -> str:
    above = min(two) > max(one)
    if not (above or max(two) < min(one)):
        return "not clear: the runs of both overlap"
    odds = math.comb(len(one) + len(two), len(two)) // 2  # of as many orders two set all of one side apart
    apart = f"every run is {'above' if above else 'below'}"
    if odds < RARE:
        return f"not clear: {apart}, but chance does that once in {odds} times"
    return f"clear: {apart}, which chance does once in {odds} times"
