"""What rules of training plans hand to each other: values that are computed on load, sums, gradients."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..layout import Placed, Storage, blocks

if TYPE_CHECKING:
    from ..graph import Value
    from .builder import TrainingBuilder


class Lazy(NamedTuple):
    """clip(scale raw + shift, low, high), computed where it is read: what batch normalisation leaves.

    coefficients: [block][scale, shift, mean, 1 / std][lanes]; None: the value is raw itself.  by_plane: each image has
    its own, [block][image][...], as group normalisation leaves them.
    """

    raw: Placed
    coefficients: Storage | None = None
    low: float = -np.inf
    high: float = np.inf
    by_plane: bool = False


class Sums(NamedTuple):
    """Two sums for each run of pixels and channel: [run][block][2][lanes]; all runs but the last are as long."""

    storage: Storage
    runs: int
    pixels: int  # of a run


class LazyGradient(NamedTuple):
    """c0 g + c1 y + c2, computed where it is read; coefficients [block][3][lanes], None: it is g itself."""

    g: Placed
    y: Placed | None = None
    coefficients: Storage | None = None


class Picked(NamedTuple):
    """A gradient some of whose channels were picked from a value: places[i] of g from its channel channels[i]."""

    g: Placed
    places: np.ndarray
    channels: np.ndarray


@dataclass
class Into:
    """Where a rule writes its contribution to the gradient of a value.

    add: what other readers have left there, to be added.  gate: this is the last contribution to a lazy value; a kernel
    that lets only those elements pass that its clip did not hold back, and leaves sums of g and g (raw - mean) / std,
    says so by `done(sums)`; after a bare `done()` that becomes an operation of its own.
    """

    plan: TrainingBuilder
    value: Value
    gradient: Value
    add: Placed | None
    gate: Lazy | None
    _y: Storage | None = None

    @property
    def y(self) -> Storage:
        """Whole blocks of channels, to be written."""
        if self._y is None:
            n, c, h, w = (placed := Placed.whole(self.value.shape, Storage(0))).shape
            self._y = self.plan.storage(blocks(c, self.plan.width) * self.plan.width * n * h * w)
            self.plan.place(self.gradient, Placed.whole(placed.shape, self._y))
        return self._y

    def done(self, sums: Sums | None = None) -> None:
        """The contribution has been emitted, `add` included."""
        self.plan.contributed(self.value, self.gradient, sums)
