"""Backbones of detectors: a registered network by name, as the feature maps that a neck takes."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...models.backbone import Backbone
from ...models.registry import create_model

Grids = list[tuple[int, int]]
REDUCTIONS = (8, 16, 32)  # of the maps that pyramids start from


def feature_backbone(name: str, reductions: Sequence[int] = REDUCTIONS, **options: Any) -> Backbone:
    """A registered network without its head that gives its maps at these reductions; options: the network's own.

    Raises ValueError for a network that has no such maps.

    >>> feature_backbone("mobilenet_v3_small").channels
    [24, 48, 96]
    """
    network = create_model(name, features_only=True, **options)
    return at_reductions(network, reductions)


def at_reductions(network: Backbone, reductions: Sequence[int] = REDUCTIONS) -> Backbone:
    """The same network, built with features_only, cut down to its maps at these reductions."""
    missing = sorted(set(reductions) - set(network.reduction))
    if missing:
        raise ValueError(f"feature_backbone: {type(network).__name__} has maps at the reductions {network.reduction}, "
                         f"expected {list(reductions)} among them")
    network.out_indices = [network.reduction.index(reduction) for reduction in reductions]
    network.set_stages(network.trunk)
    return network


def require_maps_of(detector: str, backbone: Backbone, reductions: Sequence[int] = REDUCTIONS) -> None:
    """Refuse a backbone that gives logits, or other maps."""
    if not backbone.features_only or list(backbone.reduction) != list(reductions):
        got = f"maps at {backbone.reduction}" if backbone.features_only else "logits"
        raise ValueError(f"{detector}: backbone must be built with features_only and give maps at the reductions "
                         f"{list(reductions)}, got {type(backbone).__name__} with {got}")


def grids_of(size: tuple[int, int], levels: int, first: int = 8) -> Grids:
    """(H, W) of the maps of a pyramid: the image over `first`, then halves, rounded up.

    >>> grids_of((160, 96), 4)
    [(20, 12), (10, 6), (5, 3), (3, 2)]
    """
    height, width = (-(-side // first) for side in size)
    grids = []
    for _ in range(levels):
        grids.append((height, width))
        height, width = -(-height // 2), -(-width // 2)
    return grids
