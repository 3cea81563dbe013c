"""Which values of a graph need gradients, and who contributes to each."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ...autograd import OPS
from ..graph import Graph, Node, Value
from .masters import Masters


class Needs:
    """The values between the parameters that train and the loss. readers: how often each is read on the way."""

    def __init__(self, graph: Graph, loss: Value, masters: Masters) -> None:
        self.trained = trained = after_parameters(graph, masters)
        wanted = {loss} & trained
        self.readers: Counter[Value] = Counter([loss])
        for node in reversed(graph.nodes):
            if not wanted.isdisjoint(node.outputs):
                read = [value for value in differentiable(node) if value in trained]
                wanted.update(read)
                self.readers.update(read)
        self.wanted = wanted

    def __contains__(self, value: Value) -> bool:
        return value in self.wanted

    def is_active(self, node: Node) -> bool:
        """Whether a gradient goes back through a node."""
        return not self.wanted.isdisjoint(node.outputs)

    def between(self, value: Value, source: Value | None) -> None:
        """A rule makes a value on the way from an input to its output, and reads it once."""
        if source in self.wanted:
            self.wanted.add(value)
            self.readers[value] = 1


def after_parameters(graph: Graph, masters: Masters) -> set[Value | None]:
    """The parameters that train, and what depends on them."""
    trained: set[Value | None] = {value for value in graph.constants if masters.trains(value)}
    for node in graph.nodes:
        if not trained.isdisjoint(differentiable(node)):
            trained.update(value for value in node.outputs if value.dtype.kind == "f")
    return trained


def differentiable(node: Node) -> Iterator[Value]:
    """The inputs of a node that may take part in differentiation; a value read twice comes twice."""
    if node.frozen or node.op == "detach":
        return
    indices = OPS[node.op].indices if node.op in OPS else ()
    for name, value in node.inputs.items():
        if value is not None and name not in indices and value.dtype.kind == "f":
            yield value


def moves_statistics(node: Node) -> bool:
    """Whether a node is a batch normalisation whose running statistics follow the batch."""
    return node.op == "batch_norm" and bool(node.attributes["training"])
