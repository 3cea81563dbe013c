"""Which part of a network a module belongs to, by its path."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

NECKS = frozenset({"neck", "fpn", "pan", "bifpn"})  # what mixes the feature maps of a backbone, wherever it hangs
OUTSIDE = "(network)"  # what the network's own forward does


def part_namer(model: Any) -> Callable[[str], str]:
    """What names the part that a path belongs to.

    A network with an attribute `backbone` has a backbone, a neck (modules named as in NECKS) and a head, all the rest;
    one with `head_modules` has a backbone and a head; any other has the modules that it consists of.
    """
    if hasattr(model, "backbone"):
        return _detector_part
    heads = getattr(model, "head_modules", None)
    if heads is not None:
        return lambda path: "head" if any(f"{path}.".startswith(f"{head}.") for head in heads) else "backbone"
    return lambda path: path.split(".")[0] or OUTSIDE


def _detector_part(path: str) -> str:
    names = path.split(".")
    if not NECKS.isdisjoint(names):
        return "neck"
    return "backbone" if names[0] == "backbone" else "head"
