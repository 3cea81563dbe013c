"""The complexity of a network, layer by layer: what its graph says before anything is run."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from ..autograd import Shape
from ..engine.graph import Graph, Node
from ..engine.passes import drop_dead
from ..engine.trace import trace
from .cost import cost_of
from .parts import part_namer
from .table import scaled, text_table

BYTES = {"fp32": 4, "fp16": 2, "int8": 1}  # of a parameter
UNUSED = "(not used here)"
TITLES = ("layer", "operation", "output", "window", "parameters", "multiply-adds", "FLOPs", "element-wise",
          "activations", "memory access", "bytes", "FLOPs/byte")


class Row(NamedTuple):
    """An operation of a network."""

    layer: str  # path of the module that runs it
    part: str  # of the network: backbone, neck, head, ...
    op: str
    kind: str
    shape: Shape  # of its output; of several, the first
    window: str  # kernel, stride, dilation, groups, where they are not 1
    params: int  # that no operation before has used
    macs: int  # multiply-adds
    elementwise: int
    activations: int
    memory_access: int  # elements
    bytes: int

    @property
    def flops(self) -> int:
        """2 x multiply-adds."""
        return 2 * self.macs

    @property
    def intensity(self) -> float:
        """FLOPs, element-wise operations included, for each byte read or written."""
        return (self.flops + self.elementwise) / self.bytes if self.bytes else 0.0

    def cells(self) -> list[str]:
        """As a table has it."""
        numbers = (self.params, self.macs, self.flops, self.elementwise, self.activations, self.memory_access,
                   self.bytes)
        return [self.layer, self.op, "x".join(map(str, self.shape)), self.window,
                *[f"{number:,}" for number in numbers], f"{self.intensity:.2f}"]


class Summary:
    """Rows, in the order in which they run, and their totals. `print` shows a table; `grouped` adds up parts of it.

    Totals: `params`; `macs`, multiply-adds of convolutions, linear layers and products of matrices, and `flops`, twice
    as many; `elementwise`, all other operations; `activations`, elements that those products give; `memory_access` and
    `bytes`, elements and bytes that the operations read and write, one by one, as the network is written: an engine
    that fuses them reads and writes less (`tinycnn.analysis.profile` tells how much).
    """

    params = property(lambda self: self._total("params"))
    macs = property(lambda self: self._total("macs"))
    flops = property(lambda self: self._total("flops"))
    elementwise = property(lambda self: self._total("elementwise"))
    activations = property(lambda self: self._total("activations"))
    memory_access = property(lambda self: self._total("memory_access"))
    bytes = property(lambda self: self._total("bytes"))

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = list(rows)

    def _total(self, name: str) -> int:
        return sum(getattr(row, name) for row in self.rows)

    def size(self, precision: str = "fp32") -> int:
        """Bytes of all parameters at "fp32", "fp16" or "int8", without a file's headers, statistics and scales."""
        if precision not in BYTES:
            raise ValueError(f"Summary.size: precision must be one of {', '.join(BYTES)}, got {precision!r}")
        return self.params * BYTES[precision]

    def grouped(self, key: Callable[[Row], str]) -> dict[str, Summary]:
        """The rows by what `key` says of each: `lambda row: row.kind`, `row.part`, `row.layer.split(".")[0]`."""
        groups: dict[str, list[Row]] = {}
        for row in self.rows:
            groups.setdefault(key(row), []).append(row)
        return {name: Summary(rows) for name, rows in groups.items()}

    def layers(self, depth: int) -> Summary:
        """Rows for modules `depth` levels below the network, each with all that is inside of it."""
        return Summary([_joined(name, group.rows) for name, group in self.grouped(
            lambda row: ".".join(row.layer.split(".")[:depth])).items()])

    def shares(self, key: Callable[[Row], str]) -> str:
        """A table of groups, and what share of the network each is; groups without anything are left out."""
        def cell(part: int, whole: int) -> str:
            return f"{scaled(part)} ({100 * part / whole if whole else 0:.2f} %)"
        names = ("params", "macs", "elementwise", "memory_access")
        rows = [[name, *[cell(getattr(group, field), getattr(self, field)) for field in names]]
                for name, group in self.grouped(key).items() if any(getattr(group, field) for field in names)]
        return text_table(["", "parameters", "multiply-adds", "element-wise", "memory access"], rows)

    def totals(self) -> str:
        """The totals, a line each."""
        sizes = ", ".join(f"{scaled(self.size(name), 'B')} {name}" for name in BYTES)
        return "\n".join([
            f"parameters      {self.params:,}: {sizes}",
            f"multiply-adds   {self.macs:,} (convolutions, linear layers, products of matrices)",
            f"FLOPs           {self.flops:,} = 2 x multiply-adds; {self.elementwise:,} element-wise operations apart",
            f"activations     {self.activations:,} elements",
            f"memory access   {self.memory_access:,} elements, {scaled(self.bytes, 'B')}, operation by operation"])

    def __str__(self) -> str:
        shares = [self.shares(key) for key in (lambda row: row.kind, lambda row: row.part)
                  if len(self.grouped(key)) > 1]
        return "\n\n".join([text_table(TITLES, [row.cells() for row in self.rows], left=4), self.totals(), *shares])


def summary(model: Any, *examples: Any) -> Summary:
    """What `model` costs in evaluation mode, operation by operation; it is traced, not run, and left in its mode.

    model: a Module, or any function of Tensors; what it gives back may be nested.  examples: for each input a shape
    (its batch is part of the counts), an array, or (shape, dtype).  Raises CostError naming an operation whose cost is
    not known, TraceError where the model reads numbers.

    >>> import tinycnn
    >>> found = summary(tinycnn.nn.Conv2d(3, 8, 3, stride=2, padding=1), (1, 3, 32, 32))
    >>> found.params, found.macs, found.flops, found.memory_access
    (224, 55296, 110592, 5344)
    """
    if not examples:
        raise TypeError("summary: expected the shape of each of the model's inputs after the model, got none")
    with evaluating(model):
        graph = drop_dead(trace(model, *examples))
    named = {id(p.data): p for _, p in getattr(model, "named_parameters", lambda: [])()}
    rows = list(_rows(graph, {key: p.size for key, p in named.items()}, part_namer(model)))
    left = sum(p.size for p in named.values()) - sum(row.params for row in rows)
    if left:
        rows.append(Row("", UNUSED, UNUSED, UNUSED, (), "", left, 0, 0, 0, 0, 0))
    return Summary(rows)


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """The model in evaluation mode, and then each of its modules in the mode that it was in."""
    modules = [(m, m.training) for m in getattr(model, "modules", lambda: [])()]
    for module, _ in modules:
        module.training = False
    try:
        yield
    finally:
        for module, training in modules:
            module.training = training


def _rows(graph: Graph, left: dict[int, int], part_of: Callable[[str], str]) -> Iterator[Row]:
    """A row for each node. left: sizes of the parameters that none has used yet, by the id of their arrays."""
    for node in graph.nodes:
        params = sum(left.pop(id(value.data), 0) for value in node.used() if value.data is not None)
        kind, macs, *counts = cost_of([node])
        yield Row(node.path, part_of(node.path), node.op, kind, node.outputs[0].shape, window_of(node), params, macs,
                  *counts)


def window_of(node: Node) -> str:
    """Kernel, stride, dilation and groups of a node that has a window, as a person writes them.

    >>> import tinycnn
    >>> [window_of(n) for n in tinycnn.trace(tinycnn.nn.Conv2d(8, 8, 3, 2, groups=8), (1, 8, 9, 9)).nodes]
    ['3x3 /2 g8']
    """
    window = node.attributes.get("window")
    if window is None:
        return ""
    def pair(two: tuple[int, int]) -> str:
        return str(two[0]) if two[0] == two[1] else f"{two[0]}x{two[1]}"
    text = f"{window.kernel[0]}x{window.kernel[1]}"
    text += f" /{pair(window.stride)}" if window.stride != (1, 1) else ""
    text += f" d{pair(window.dilation)}" if window.dilation != (1, 1) else ""
    groups = node.attributes.get("groups", 1)
    return text + (f" g{groups}" if groups > 1 else "")


def _joined(name: str, rows: Sequence[Row]) -> Row:
    """One row of several; its output is that of the last."""
    sums = [sum(getattr(row, field) for row in rows) for field in Row._fields[6:]]
    return Row(name, rows[0].part, f"{len(rows)} operation{'s' * (len(rows) > 1)}", "", rows[-1].shape, "", *sums)
