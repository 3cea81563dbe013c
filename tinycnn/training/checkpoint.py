"""Checkpoint: all that a run needs to go on, in one .npz without pickles.

Arrays are members named by the path to them (`model/conv1.0.weight`, `optimizer/state/0/momentum_buffer`); everything
else is one JSON text, the member `state`, in which `{"array": path}` stands where an array belongs.
"""
from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .. import random
from ..serialize import CheckpointError, load, save

_FORMAT = "tinycnn training checkpoint"
_VERSION = 1
_STATE = "state"
_REFERENCE = "array"


class Checkpoint:
    """The file `path` (.npz) and the parts of a run whose state it holds.

    parts: by name, whatever has `state_dict()`, of arrays, numbers, strings, lists and dicts in any nesting, and
    `load_state_dict(state)`, which takes them back (tuples as lists, integers among a dict's keys as text): a model,
    an optimiser, a schedule.  The library's random state is always among them.
    settings: plain values on which the course of the run depends (batch size, seed, ...): a run can only go on under
    the settings it was begun with.

    >>> import tempfile
    >>> from tinycnn import nn
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     checkpoint = Checkpoint(directory + "/run.npz", settings={"seed": 1}, model=nn.Linear(2, 1))
    ...     checkpoint.save(epoch=3)
    ...     checkpoint.load()
    3
    """

    def __init__(self, path: str | os.PathLike[str], settings: Mapping[str, Any] | None = None, **parts: Any) -> None:
        self.path = Path(path)
        self.settings = json.loads(json.dumps(dict(settings or {})))  # as it will come back: tuples become lists
        self.parts = parts

    def exists(self) -> bool:
        """Whether the file is there."""
        return self.path.is_file()

    def save(self, epoch: int) -> None:
        """Write the state after `epoch` epochs; the file before it stays until this one is complete."""
        arrays: dict[str, np.ndarray] = {}
        state = {"format": _FORMAT, "version": _VERSION, "epoch": epoch, "settings": self.settings,
                 "random": _take(random.get_state(), "random", arrays),
                 "parts": {name: _take(part.state_dict(), name, arrays) for name, part in self.parts.items()}}
        text = np.frombuffer(json.dumps(state).encode(), np.uint8)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        save({_STATE: text, **arrays}, self.path)

    def load(self) -> int:
        """Give every part its state back; returns the number of epochs done.

        Raises FileNotFoundError without a file, CheckpointError where it is damaged, no training checkpoint, or one
        of other parts or settings, and whatever a part raises for a state that does not fit it.
        """
        arrays = load(self.path)
        state = self._described(arrays)
        try:
            parts = {name: _give(state["parts"][name], arrays) for name in self.parts}
            randomness, epoch = _give(state["random"], arrays), int(state["epoch"])
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{self.path}: the checkpoint is incomplete: {error!r}") from error
        for name, part in self.parts.items():
            part.load_state_dict(parts[name])
        random.set_state(randomness)
        return epoch

    def _described(self, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """The JSON text of the file, checked to be ours and to belong to this run."""
        try:
            state = json.loads(arrays[_STATE].tobytes())
            known = state["format"] == _FORMAT and state["version"] == _VERSION
            parts, settings = dict(state["parts"]), dict(state["settings"])
        except (KeyError, TypeError, ValueError) as error:  # ValueError: not UTF-8, not JSON
            raise CheckpointError(f"{self.path}: not a training checkpoint of tinycnn") from error
        if not known:
            raise CheckpointError(f"{self.path}: not a training checkpoint of version {_VERSION}")
        if parts.keys() != self.parts.keys():
            raise CheckpointError(f"{self.path}: holds the state of {sorted(parts)}, expected {sorted(self.parts)}")
        changed = sorted(name for name in settings.keys() | self.settings.keys()
                         if settings.get(name) != self.settings.get(name))
        if changed:
            raise CheckpointError(f"{self.path}: the run was begun with " + ", ".join(
                f"{name}={settings.get(name)!r} (now {self.settings.get(name)!r})" for name in changed))
        return state


def _take(value: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    """`value` as JSON can say it; arrays in it go to `arrays` under their path."""
    if isinstance(value, np.ndarray):
        arrays[path] = value
        return {_REFERENCE: path}
    if isinstance(value, Mapping):
        if not all(isinstance(key, (str, int)) for key in value) or value.keys() == {_REFERENCE}:
            raise TypeError(f"checkpoint: {path} has keys that cannot be saved: {list(value)}")
        return {str(key): _take(item, f"{path}/{key}", arrays) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_take(item, f"{path}/{i}", arrays) for i, item in enumerate(value)]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"checkpoint: {path} is a {type(value).__name__}; arrays, numbers, strings, lists and dicts "
                    "can be saved")


def _give(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """What `_take` was given; tuples come back as lists, keys that were integers as text."""
    if isinstance(value, dict):
        if value.keys() == {_REFERENCE}:
            return arrays[value[_REFERENCE]]
        return {key: _give(item, arrays) for key, item in value.items()}
    return [_give(item, arrays) for item in value] if isinstance(value, list) else value
