"""What a run leaves behind: JSON files, each whole or not at all, and by which code it was made."""
from __future__ import annotations

import datetime
import json
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .._kernels import ISA, get_num_threads
from ..serialize.atomic import write_atomically
from ..versions import __version__


class RunFiles(NamedTuple):
    """The files of a run's directory."""

    directory: Path

    @property
    def checkpoint(self) -> Path:
        """From which the run goes on."""
        return self.directory / "checkpoint.npz"

    @property
    def log(self) -> Path:
        """A row per epoch."""
        return self.directory / "log.csv"

    @property
    def weights(self) -> Path:
        """What training came to."""
        return self.directory / "weights.npz"

    @property
    def network(self) -> Path:
        """What network the weights are of, its classes, and how it is shown an image."""
        return self.directory / "network.json"

    def require_free(self) -> None:
        """Raise FileExistsError where another run is in the way."""
        for path in (self.checkpoint, self.log):
            if path.is_file():
                raise FileExistsError(f"{path} exists: go on with that run (--resume), start anew in its place "
                                      "(--overwrite), or name another directory (--out)")

    def clear(self) -> None:
        """Take away another run, so that files of two never lie side by side."""
        for path in (self.checkpoint, self.log, self.weights, self.network):
            path.unlink(missing_ok=True)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document; a file that was there stays until this one is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=2) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def circumstances() -> dict[str, Any]:
    """Date, commit, versions and machine: what a figure means nothing without."""
    return {
        "date": datetime.date.today().isoformat(), "commit": commit(),
        "versions": {"tinycnn": __version__, "numpy": np.__version__, "python": platform.python_version()},
        "machine": platform.machine(), "isa": ISA, "threads": get_num_threads(),
    }


def commit() -> str | None:
    """The commit of the checkout that tinycnn runs from, marked where files differ from it; None outside of one."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():  # else the repository around an installation would answer
        return None
    try:
        return subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=12"], cwd=root,
                              capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
