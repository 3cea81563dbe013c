"""How large the maps of a network are, found out without computing them."""
from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import Function, traced_by
from ..nn import Module
from ..random import unchanged
from ..tensor import Tensor

IMAGES = 2  # batch normalisation in training takes no single value for a channel


class ShapesAlone:
    """What operations are handed to in place of being run: results have the shape that is due, and any numbers."""

    def inside(self, module: Any, inputs: tuple[Any, ...]) -> Any:
        """Run the forward of a module."""
        return module.forward(*inputs)

    def count(self, counter: Any) -> None:
        """A batch that is none does not count."""

    def record(self, function: Function) -> tuple[Any, ...]:
        """Tensors for the outputs of a Function whose shapes are known."""
        dtype = next(p.dtype for p in function.parents if p is not None)
        return tuple([Tensor._result(np.empty(shape, dtype), None, 0) for shape in function.out_shapes])


def map_sizes(network: Module, size: tuple[int, int], in_chans: int = 3) -> list[tuple[int, int]]:
    """(height, width) of each map that a network gives, a list, for an image of size (height, width).

    Nothing is computed, and nothing in the network changes, whichever mode it is in.

    >>> from tinycnn import models
    >>> map_sizes(models.shufflenet_v2_x0_5(features_only=True), (320, 300))
    [(160, 150), (80, 75), (40, 38), (20, 19), (10, 10)]
    """
    dtype = next(network.parameters()).dtype
    with traced_by(ShapesAlone()), unchanged():
        maps = network(np.empty((IMAGES, in_chans, *size), dtype))
    return [x.shape[2:] for x in maps]
