"""Backbones of detectors: a network as the feature maps that a neck or a head takes, and how large these are."""
from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ...models.backbone import Backbone
from ...models.registry import create_model
from ..anchors import as_grids

REDUCTIONS = (8, 16, 32)  # of the maps that pyramids start from


def feature_backbone(backbone: str | Backbone, reductions: Sequence[int] = REDUCTIONS, **options: Any) -> Backbone:
    """A network without its head that gives its maps at these reductions, and what lies behind the last is gone.

    backbone: a registered name, or a network built with features_only, which is changed.  options: of the function of
    that name.  Raises ValueError for a network that has no such maps.

    >>> feature_backbone("mobilenet_v3_small").channels
    [24, 48, 96]
    """
    network = create_model(backbone, features_only=True, **options) if isinstance(backbone, str) else backbone
    require_maps_among("feature_backbone", network, reductions)
    every = list(dict.fromkeys(stage.reduction for stage in network.trunk))
    network.out_indices = sorted(every.index(reduction) for reduction in reductions)
    network.set_stages(network.trunk)
    return network


def require_maps_among(caller: str, backbone: Backbone, reductions: Sequence[int]) -> None:
    """Refuse a backbone that gives logits, or not all of these maps."""
    if not backbone.features_only or not set(reductions) <= set(backbone.reduction):
        raise _other_maps(caller, backbone, f"maps at the reductions {list(reductions)}")


def require_maps_of(caller: str, backbone: Backbone, reductions: Sequence[int] = REDUCTIONS) -> None:
    """Refuse a backbone that gives logits, or other maps."""
    if not backbone.features_only or list(backbone.reduction) != list(reductions):
        raise _other_maps(caller, backbone, f"maps at the reductions {list(reductions)} and no others")


def _other_maps(caller: str, backbone: Backbone, expected: str) -> ValueError:
    got = f"maps at {backbone.reduction}" if backbone.features_only else "logits"
    return ValueError(f"{caller}: backbone must be built with features_only=True and give {expected}, got "
                      f"{type(backbone).__name__} with {got}")


@lru_cache(maxsize=64)
def grid_sizes(size: tuple[int, int], strides: tuple[int, ...]) -> list[tuple[int, int]]:
    """(height, width) of the maps of a pyramid: the image over each stride, rounded up.

    >>> grid_sizes((160, 96), (8, 16, 32, 64))
    [(20, 12), (10, 6), (5, 3), (3, 2)]
    """
    return as_grids("grid_sizes", [(-(-size[0] // stride), -(-size[1] // stride)) for stride in strides])
