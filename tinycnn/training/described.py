"""What a file of a classifier's weights is of: it says so itself, or training wrote it beside it.

In `network.json`, and in the text that a file holds as its array `network`, stand a JSON object with the name of the
registered network, the options of its function that data do not decide, its classes, and how it is shown an image.
"""
from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..data.tasks import View
from ..models.weights import DESCRIPTION
from ..serialize import CheckpointError, load, save
from .results import RunFiles

HOLDING = (".npz", ".safetensors")  # suffixes of files that can hold one


@dataclass(frozen=True)
class Described:
    """model: a registered name.  options: of its function, plain values.  classes: names by label."""

    model: str
    options: dict[str, Any]
    classes: list[str]
    view: View

    @classmethod
    def read(cls, text: str | bytes, path: str | os.PathLike[str]) -> Described:
        """What a text says. Raises CheckpointError, naming the file `path`, for one that says something else."""
        try:
            found = json.loads(text)
            shown: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value
                                     for name, value in found["view"].items()}
            return cls(str(found["model"]), dict(found["options"]), [str(name) for name in found["classes"]],
                       View(**shown))
        except (KeyError, TypeError, AttributeError, ValueError) as error:  # ValueError: not UTF-8, not JSON
            raise CheckpointError(f"{os.fspath(path)}: not a description of a network: {error!r}") from error

    @classmethod
    def of(cls, weights: str | os.PathLike[str]) -> Described | None:
        """What a file of weights is of, if that is known.

        Raises CheckpointError for a description that is none, and what `tinycnn.load` raises.
        """
        path, beside = Path(weights), RunFiles(Path(weights).parent).network
        said = load(path).get(DESCRIPTION) if path.suffix in HOLDING else None
        if said is not None:
            return cls.read(np.asarray(said).tobytes(), path)
        return cls.read(beside.read_bytes(), beside) if beside.is_file() else None

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def save_described(path: str | os.PathLike[str], state: Mapping[str, Any], described: Described,
                   more: Mapping[str, Any]) -> None:
    """Write weights with what they are of, whole or not at all; more: what else is to be kept, plain values by name."""
    text = json.dumps({**described.document(), **more})
    save({DESCRIPTION: np.frombuffer(text.encode(), np.uint8), **state}, path)
