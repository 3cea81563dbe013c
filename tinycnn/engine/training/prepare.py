"""What is planned: the graph of a network and its loss in training, the part that is frozen optimised as for use."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..graph import Graph, Node, Value, restructure
from ..passes import address_channels, drop_dead, optimise
from ..trace import TraceError, trace
from .host import Tape, total_of
from .masters import Masters
from .needs import after_parameters, moves_statistics

Spec = tuple[tuple[int, ...], np.dtype]


class Joined:
    """A network and its loss as one module, as far as a trace looks at modules."""

    def __init__(self, model: Any, loss: Any) -> None:
        self.model, self.loss = model, loss

    def _named(self, what: str) -> Iterator[tuple[str, Any]]:
        yield from getattr(self.model, what)()
        for name, value in getattr(self.loss, what, lambda: [])():
            yield f"loss.{name}" if name else "loss", value

    def named_modules(self) -> Iterator[tuple[str, Any]]:
        """Modules of both."""
        return self._named("named_modules")

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        """Parameters of both."""
        return self._named("named_parameters")

    def named_buffers(self) -> Iterator[tuple[str, Any]]:
        """Buffers of both."""
        return self._named("named_buffers")


class Composed(Joined):
    """The two as a function of the leaves of (x, target)."""

    def __init__(self, model: Any, loss: Any, rebuild: Callable[[list[Any]], tuple[Any, Any]]) -> None:
        super().__init__(model, loss)
        self.rebuild = rebuild

    def __call__(self, *arrays: Any) -> dict[str, Any]:
        x, target = self.rebuild(list(arrays))
        outputs = self.model(*(x if isinstance(x, (tuple, list)) else (x,)))
        value = self.loss(outputs, target)
        parts = value if isinstance(value, dict) else {}
        return {"loss": total_of(value), "parts": parts, "outputs": outputs}


class Forward(Composed):
    """The network alone, of the leaves of x."""

    def __call__(self, *arrays: Any) -> dict[str, Any]:
        x, _ = self.rebuild(list(arrays))
        return {"outputs": self.model(*(x if isinstance(x, (tuple, list)) else (x,)))}


@dataclass
class Prepared:
    """A graph to be planned, and which of its values are wanted."""

    graph: Graph
    traced: Graph  # as the tape has it, for replay
    loss: Value
    parts: dict[str, Value]
    outputs: Any  # None: not asked for
    tape: Tape | None  # the loss, where it runs on the tape
    modules: dict[str, Any]  # by path


def prepare(model: Any, loss: Any, rebuild: Callable[[list[Any]], tuple[Any, Any]], specs: list[Spec],
            masters: Masters, keep_outputs: bool) -> Prepared:
    """Trace, and rewrite what may be rewritten without a change to any gradient."""
    try:
        traced = trace(Composed(model, loss, rebuild), *specs)
        tape = None
    except TraceError:  # the loss does what a graph cannot hold
        traced = trace(Forward(model, loss, rebuild), *specs)
        own = [p for _, p in getattr(loss, "named_parameters", lambda: [])()]
        tape = Tape(loss, traced.result["outputs"], own)
        traced.nodes.append(node := tape.node(masters.dtype))
        traced.result["loss"] = node.y
    if not keep_outputs:
        del traced.result["outputs"]
    graph = traced
    for change in (with_moving, drop_dead, address_channels):
        graph = change(graph)
    graph = frozen_part_optimised(graph, masters)
    graph.counters = traced.counters
    del graph.result["moving"]
    found = graph.result
    return Prepared(graph, traced, found["loss"], found.get("parts", {}), found.get("outputs"), tape,
                    dict(Joined(model, loss).named_modules()))


def with_moving(graph: Graph) -> Graph:
    """Batch normalisations that move their statistics among the results: passes then leave them alone."""
    moving = [node.y for node in graph.nodes if moves_statistics(node)]
    return Graph(graph.inputs, graph.nodes, {**graph.result, "moving": moving})


def frozen_part_optimised(graph: Graph, masters: Masters) -> Graph:
    """What no parameter that trains can change runs as in use: folded and fused, its weights packed once."""
    trained = after_parameters(graph, masters)
    moved: set[Value] = set()
    frozen: list[Node] = []
    rest: list[Node] = []
    for node in graph.nodes:
        alive = (not trained.isdisjoint(node.outputs) or not moved.isdisjoint(node.used())
                 or moves_statistics(node) or "draw" in node.attributes)
        moved.update(node.outputs if alive else ())
        (rest if alive else frozen).append(node)
    if not frozen:
        return graph
    read = {value for node in rest for value in node.used()} | set(graph.outputs)
    seen = [value for node in frozen for value in node.outputs if value in read]
    use = optimise(Graph(graph.inputs, frozen, seen))
    for old, new in zip(seen, use.result):
        for node in rest:
            node.replace(old, new)
        graph.result = restructure(graph.result, lambda v, old=old, new=new: new if v is old else v)  # type: ignore[misc]
    return Graph(graph.inputs, [*use.nodes, *rest], graph.result)
