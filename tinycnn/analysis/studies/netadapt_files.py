"""What a search by NetAdapt leaves behind, and goes on from: a network that says how it came to be, and tables."""
from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from ...models.weights import DESCRIPTION
from ...serialize import CheckpointError, load
from ...serialize.atomic import write_atomically
from ...training.described import Described, save_described
from ...training.results import RunFiles, circumstances, write_json
from ..machine import description
from .netadapt_tuning import Tuner

MEMBER = "netadapt"  # of the description
NOT_IN_CSV = ("widths", "proposals")


@dataclass(frozen=True)
class Row:
    """A step: the layer that got narrower, what was asked for, what came out.

    predicted_ms: of the table of blocks; measured_ms: of the whole network.  accuracy: on images that were held out,
    after the short fine-tune.  widths: of all layers.  proposals: all that were compared.  Row 0 is the first network.
    """

    step: int
    layer: str
    width_before: int
    width: int
    target_ms: float
    predicted_ms: float
    measured_ms: float
    accuracy: float
    widths: list[int]
    proposals: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class State:
    """How far a search is: weights, rows; the accuracy on the images to test with when it has ended."""

    weights: Mapping[str, Any]
    rows: list[Row]
    accuracy: float | None = None

    @property
    def finished(self) -> bool:
        """Whether the long fine-tune is done."""
        return self.accuracy is not None


@dataclass(frozen=True)
class AdaptFiles:
    """The files of a search's directory; settings: on which its course depends, plain values."""

    directory: Path
    settings: dict[str, Any]

    @property
    def network(self) -> Path:
        """The network as it is so far, and all that the search needs to go on."""
        return self.directory / "adapted.npz"

    @property
    def start(self) -> Path:
        """The run that trains the first network."""
        return self.directory / "start"

    @property
    def long(self) -> Path:
        """The run that trains the last one."""
        return self.directory / "long"

    def require_free(self) -> None:
        """Raise FileExistsError where another search is in the way."""
        for path in (self.network, RunFiles(self.start).checkpoint, RunFiles(self.long).checkpoint):
            if path.exists():
                raise FileExistsError(f"{path} exists: go on with that search (--resume), or name another directory "
                                      "(--out)")

    def write(self, state: State, tuner: Tuner) -> None:
        """Keep a state; the tables follow from it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        described = Described(tuner.network.model, {**tuner.network.options, "widths": state.rows[-1].widths},
                              list(tuner.task.classes), tuner.task.view)
        said = {"settings": self.settings, "rows": [asdict(row) for row in state.rows], "accuracy": state.accuracy}
        save_described(self.network, state.weights, described, {MEMBER: said})
        text = _csv(state.rows)
        write_atomically(self.directory / "steps.csv", lambda file: file.write(text.encode()))
        write_json(self.directory / "steps.json", self.result(state))

    def read(self) -> State | None:
        """The state that was kept, if there is one.

        Raises CheckpointError for a file that is none, or of a search with other settings.
        """
        if not self.network.is_file():
            return None
        weights = dict(load(self.network))
        try:
            said = json.loads(weights.pop(DESCRIPTION).tobytes())[MEMBER]
            rows = [Row(**row) for row in said["rows"]]
            begun, accuracy = dict(said["settings"]), said["accuracy"]
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise CheckpointError(f"{self.network}: not a network of a search by netadapt: {error!r}") from error
        now = json.loads(json.dumps(self.settings))
        changed = [f"{name}={begun.get(name)!r} (now {now.get(name)!r})" for name in sorted(begun.keys() | now.keys())
                   if begun.get(name) != now.get(name)]
        if changed:
            raise CheckpointError(f"{self.network}: the search was begun with {', '.join(changed)}")
        return State({name: np.asarray(value) for name, value in weights.items()}, rows, accuracy)

    def result(self, state: State) -> dict[str, Any]:
        """What a search came to so far: the machine, settings, rows, accuracy when it has ended."""
        return {**circumstances(), "machine": description(), "settings": self.settings, "accuracy": state.accuracy,
                "rows": [asdict(row) for row in state.rows]}


def _csv(rows: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    own = [f.name for f in fields(Row) if f.name not in NOT_IN_CSV]
    writer.writerow([*own, "widths"])
    writer.writerows([*[getattr(row, name) for name in own], " ".join(map(str, row.widths))] for row in rows)
    return text.getvalue()
