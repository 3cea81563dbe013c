"""CSVLog: a row per epoch in a file that a kill at any moment leaves readable."""
from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..serialize.atomic import write_atomically

Row = dict[str, float | str]


class CSVLog:
    """Rows of numbers under a header, each on the disk before `write` returns.

    The columns are those of the first row; one of them must be `epoch`.  A file that exists is gone on with.
    Raises ValueError where a row, or the header that the file has, does not fit.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def write(self, row: Mapping[str, float]) -> None:
        """Append a row."""
        columns = list(row)
        if "epoch" not in row:
            raise ValueError(f"{self.path}: a row needs a column epoch, got {columns}")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        header = self._lines()[:1]
        if header and _split(header[0]) != columns:
            raise ValueError(f"{self.path}: its columns are {_split(header[0])}, the row's are {columns}")
        with open(self.path, "a", newline="") as file:
            file.write(("" if header else _line(columns)) + _line(row.values()))  # one write: a kill cuts one line
            file.flush()
            os.fsync(file.fileno())

    def keep(self, epochs: int) -> None:
        """Drop the rows of epochs after number `epochs`: that work is about to be done again."""
        lines = self._lines()
        if not lines:
            return
        columns = _split(lines[0])
        if "epoch" not in columns:
            raise ValueError(f"{self.path}: not a log of epochs, its columns are {columns}")
        kept = lines[:1] + [line for line in lines[1:] if int(_split(line)[columns.index("epoch")]) <= epochs]
        if kept != lines:
            write_atomically(self.path, lambda file: file.write("".join(kept).encode()))

    def exists(self) -> bool:
        """Whether the file has anything in it."""
        return self.path.is_file() and self.path.stat().st_size > 0

    def _lines(self) -> list[str]:
        """The complete lines; one that a kill cut short is taken off the file."""
        if not self.exists():
            return []
        data = self.path.read_bytes()
        complete = data.rfind(b"\n") + 1
        if complete < len(data):
            os.truncate(self.path, complete)
        return data[:complete].decode().splitlines(keepends=True)


def _line(values: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()


def _split(line: str) -> list[str]:
    return next(csv.reader(io.StringIO(line)))


def read_log(path: str | os.PathLike[str]) -> list[Row]:
    """The rows of a log, numbers as floats, what is no number as text."""
    with open(path, newline="") as file:
        return [{name: _number(text) for name, text in row.items()} for row in csv.DictReader(file)]


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
