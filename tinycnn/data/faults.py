"""What is wrong with a data set: all of it, before anything is trained."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_SHOWN = 20  # faults that an error spells out


class Fault(NamedTuple):
    """A file or folder that is no part of a data set, or an entry in a file ("" for all of it), and why."""

    file: Path
    reason: str
    entry: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.entry}: {self.reason}" if self.entry else f"{self.file}: {self.reason}"


class BadDataError(ValueError):
    """A data set has faults; the message lists the first ones, `faults` holds them all.

    what: what of `root` they are.  skippable: whether the rest can be used without them.
    """

    def __init__(self, root: Path, faults: Sequence[Fault], what: str = "files and folders",
                 skippable: bool = True) -> None:
        self.root, self.faults, self.what, self.skippable = root, list(faults), what, skippable
        rest = len(faults) - _SHOWN
        remedy = " (skip_bad=True, --skip-bad, leaves them out)" if skippable else ""
        super().__init__("\n  ".join([f"{root}: {len(faults)} of its {what} cannot be used{remedy}:",
                                      *map(str, faults[:_SHOWN]), *([f"and {rest} more"] if rest > 0 else [])]))
