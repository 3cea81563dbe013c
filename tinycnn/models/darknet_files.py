"""Networks and Darknet's `.weights` files: whose the numbers are, in which order.

A file holds layers in the order of its network's configuration.  Our modules come in that order, but where one of ours
is several of theirs, or where maps are joined in another order than there: such a module tells by `darknet_order`.
"""
from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..nn import BatchNorm2d, Conv2d, Linear, Module
from ..serialize import CheckpointError
from ..serialize.darknet import DarknetHeader, cut, read_darknet, write_darknet
from ..serialize.darknet_cfg import Stored, read_cfg, stored_layers

ALL = slice(None)
State = dict[str, np.ndarray]


class Part(NamedTuple):
    """A layer of a file: all of a layer of ours, or some of its outputs, or with its inputs in another order."""

    layer: str  # paths
    norm: str | None = None
    rows: slice = ALL  # outputs
    columns: Any = ALL  # of the weights: which of our inputs each of theirs is

    def below(self, path: str) -> Part:
        """The same, told from a module above."""
        return self._replace(layer=f"{path}.{self.layer}", norm=self.norm and f"{path}.{self.norm}")

    def stored(self, state: State) -> Stored:
        """How a file has it."""
        return Stored(self.layer, state[f"{self.layer}.weight"][self.rows].shape, self.norm is not None)

    def keys(self, state: State) -> list[str]:
        """Names of its arrays, in the file's order."""
        return [f"{self.norm if owner == 'bn' else self.layer}.{leaf}" for owner, leaf, _ in
                self.stored(state).arrays()]

    def arrays(self, state: State) -> Iterator[tuple[np.ndarray, Any]]:
        """Its arrays, views, in the file's order, and which of their elements follow each other there."""
        for key in self.keys(state):
            array = state[key][self.rows]
            yield array, (ALL, self.columns) if array.ndim > 1 else ALL


def darknet_parts(module: Module) -> list[Part]:
    """The layers of a network in the order of Darknet's files; CheckpointError where such a file cannot hold it."""
    if hasattr(module, "darknet_order"):
        return list(module.darknet_order())
    parts: list[Part] = []
    for name, child in module.named_children():
        if isinstance(child, (Conv2d, Linear)):
            parts.append(Part(name))
        elif isinstance(child, BatchNorm2d):
            if not parts or parts[-1].norm:
                raise CheckpointError(f"a .weights file has no normalisation but behind a convolution: {name}")
            parts[-1] = parts[-1]._replace(norm=name)
        else:
            parts += [part.below(name) for part in darknet_parts(child)]
    return parts


def _parts_and_state(model: Module) -> tuple[list[Part], State]:
    parts, state = darknet_parts(model), model.state_dict()
    held = {key for part in parts for key in part.keys(state)}
    other = held ^ {key for key in state if not key.endswith(".num_batches_tracked")}
    if other:
        raise CheckpointError(f"a .weights file cannot hold {type(model).__name__}: it has biases, normalisation and "
                              f"weights of convolutions and linear layers, all of them; see {sorted(other)[0]}")
    return parts, state


def darknet_state(model: Module, path: str | os.PathLike[str], cfg: str | os.PathLike[str] | None = None) -> State:
    """What a `.weights` file means for a network, as a state dict.

    cfg: a configuration to hold against the network first.  Raises CheckpointError for a file that is none, too short
    or too long, and for a configuration of another network, naming the first layer that differs.
    """
    parts, state = _parts_and_state(model)
    layers = [part.stored(state)._replace(name=f"{part.layer} ({i})") for i, part in enumerate(parts)]
    if cfg is not None:
        _require_same(layers, stored_layers(read_cfg(cfg)), type(model).__name__, os.fspath(cfg))
    _, numbers = read_darknet(path)
    try:
        arrays = iter(cut(numbers, layers).values())
    except CheckpointError as error:
        raise CheckpointError(f"{os.fspath(path)} does not fit {type(model).__name__}: {error}") from None
    for part in parts:
        for array, place in part.arrays(state):
            array[place] = next(arrays)
    return state


def _require_same(ours: list[Stored], theirs: list[Stored], model: str, cfg: str) -> None:
    for own, other in zip(ours, theirs):
        if (_extents(own), own.normalised) != (_extents(other), other.normalised):
            raise CheckpointError(f"{cfg} is of another network than {model}: {other.name} has {_said(other)}, "
                                  f"{own.name} {_said(own)}")
    if len(ours) != len(theirs):
        raise CheckpointError(f"{cfg} is of another network than {model}: it has {len(theirs)} layers with weights, "
                              f"expected {len(ours)}")


def _extents(layer: Stored) -> tuple[int, ...]:
    """A linear layer and a convolution of 1x1 are stored alike."""
    return layer.shape[:2] if layer.shape[2:] == (1, 1) else layer.shape


def _said(layer: Stored) -> str:
    return f"weights {layer.shape} {'with' if layer.normalised else 'without'} normalisation"


def save_darknet(model: Module, path: str | os.PathLike[str], seen: int = 0) -> None:
    """Write a network to a Darknet `.weights` file of version 0.2, whole or not at all.

    seen: images, in training.  Raises CheckpointError for a network that such a file cannot hold.
    """
    parts, state = _parts_and_state(model)
    write_darknet(path, (array[place] for part in parts for array, place in part.arrays(state)),
                  DarknetHeader(seen=seen))
