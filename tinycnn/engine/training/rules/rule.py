"""How rules of training plans are entered."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ...graph import Node

if TYPE_CHECKING:
    from ..builder import TrainingBuilder

Rule = Callable[["TrainingBuilder", Node], Iterator[None]]
TRAINS: dict[str, Rule] = {}


def trains(*ops: str) -> Callable[[Rule], Rule]:
    """Make a generator the rule of some operations: it emits what goes forward, yields, and emits what goes back.

    What goes back is asked for only where a gradient reaches the node and one of its inputs needs one.
    """
    def enter(rule: Rule) -> Rule:
        TRAINS.update(dict.fromkeys(ops, rule))
        return rule
    return enter
