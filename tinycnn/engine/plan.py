"""Plans: a graph as a flat list of kernel calls over one arena, every address of it known and checked."""
from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from .._kernels import kernels
from .graph import Graph, Node, Value
from .layout import Part, Placed, Storage, as_map, blocks
from .lowering import RULES, find_strips, refuse, strip
from .memory import lay_out
from .plain import PlainOrder
from .views import View

CACHE = 1 << 20  # bytes that a band of Winograd's algorithm may take: what a core's second-level cache holds, and some
MANY_PIXELS = 32  # from which a product waits less for its weights than it computes
PER_FETCH = 36  # multiply-adds in the time that an element takes to come from memory
FLOATING = ("low", "high")
ABSENT = ("r", "s", "mode", "a", "c", "ga", "sums", "add")  # fields that are -1 unless they are given


@dataclass
class Emitted:
    """A kernel call whose addresses are not all known yet: a Storage or Placed stands for where it will lie."""

    fields: dict[str, Any]
    label: str = ""
    nodes: tuple[int, ...] = ()


@dataclass
class Plan:
    """What the executor runs: rows of fields, constants, tables; and what reports tell about it."""

    ops: np.ndarray  # (operations, fields) int64
    constants: np.ndarray
    tables: np.ndarray  # int32
    arena: int  # elements
    labels: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    nodes: list[tuple[int, ...]] = field(default_factory=list)  # numbers of those of the graph that each computes
    storages: list[Storage] = field(default_factory=list)


class Builder(PlainOrder):
    """Collects what the rules of lowering emit, and makes a plan of it."""

    def __init__(self, graph: Graph, threads: int, dtype: np.dtype, consume: bool = False) -> None:
        super().__init__()
        self.graph, self.threads, self.dtype = graph, threads, dtype
        used = (value for node in graph.nodes for value in node.used())
        self.readers = Counter([*used, *graph.outputs]) if consume else Counter()
        self.kernels = kernels(dtype, "engine")
        self.width, self.cache = self.kernels.WIDTH, CACHE
        self.where: dict[Value, Placed] = {}
        self.given: dict[Value, int] = {value: i for i, value in enumerate(graph.inputs)}
        readers, outputs = graph.readers(), graph.outputs
        self.final: dict[Value, int] = {value: len(graph.inputs) + i for i, value in enumerate(outputs)
                                        if value not in readers and outputs.count(value) == 1}
        self.emitted: list[Emitted] = []
        self.storages: list[Storage] = []
        self.constants: deque[tuple[int, Callable[[np.ndarray], None]]] = deque()
        self.constant_size = 0
        self.tables: list[Callable[[], np.ndarray]] = []
        self.zero: int | None = None
        self.zero_size = 0
        self.node: Any = None
        self.covered: tuple[int, ...] = ()  # numbers of the nodes that are being lowered

    # ---- values
    def placed(self, value: Value | None) -> Placed:
        """Where a value lies in the blocked layout; one that lies otherwise is brought there."""
        assert value is not None
        if value not in self.where:
            if value in self.given and value not in self.views:
                self._read_input(value)
            else:
                self.blocked(value)
        return self.where[value]

    def whole(self, value: Value | None) -> Placed:
        """Where a value lies with its channels side by side; gathered there if they are not."""
        assert value is not None
        placed = self.placed(value)
        if not placed.is_whole:
            self.where[value] = placed = self._gathered(placed)
        return placed

    def as_given(self, value: Value) -> int | None:
        """The number of an input that is still only the caller's array; None for other values."""
        return self.given.get(value) if value not in self.where else None

    def place(self, value: Value, placed: Placed) -> None:
        """A value lies there."""
        self.see(value, View.of(placed, self.width))

    def _read_input(self, value: Value) -> None:
        n, c, h, w = as_map(value.shape)
        self.emit(value, kind="read_input", mode=self.given[value], blocks=blocks(c, self.width), images=n, k=c,
                  n=h * w)

    def _gathered(self, placed: Placed) -> Placed:
        n, c, _, _ = placed.shape
        count = blocks(c, self.width)
        storage = self.storage(count * self.width * n * placed.pixels)
        def offsets() -> np.ndarray:
            return np.append(placed.offsets(self.width), np.full(count * self.width - c, -1))
        self.emit_into(storage, kind="gather", blocks=count, images=n, n=placed.pixels, off=self.table(offsets),
                       reads=[placed])
        return Placed.whole(placed.shape, storage)

    # ---- memory
    def storage(self, size: int) -> Storage:
        """A new stretch of the arena."""
        self.storages.append(Storage(size))
        return self.storages[-1]

    def scratch(self, size: int) -> Storage:
        """Memory for the operation alone whose field `t` it is."""
        return self.storage(size)

    def constant(self, array: np.ndarray) -> int:
        """Where an array of constants lies; each begins at a line of the cache."""
        flat = np.asarray(array, self.dtype).ravel()
        return self.packed(flat.size, lambda memory: np.copyto(memory, flat))

    def packed(self, size: int, fill: Callable[[np.ndarray], None]) -> int:
        """Where so many constants lie that `fill` writes over zeros, once there is memory for those of the whole plan:
        packed weights then never lie beside it.
        """
        at, step = self.constant_size, 64 // self.dtype.itemsize
        self.constants.append((size, fill))
        self.constant_size += -(-size // step) * step
        return at

    def zeros(self, size: int) -> Callable[[], int]:
        """Where so many zeros lie: after all other constants."""
        self.zero_size = max(self.zero_size, size)
        return lambda: self.constant_size

    def table(self, entries: Callable[[], np.ndarray]) -> Callable[[], int]:
        """Where a table of integers lies; they are asked for once memory is laid out."""
        number = len(self.tables)
        self.tables.append(entries)
        return lambda: self.table_at[number]

    # ---- operations
    def emit(self, value: Value, **fields: Any) -> None:
        """An operation that computes a value, into a storage of its own."""
        n, c, h, w = as_map(value.shape)
        storage = self.storage(blocks(c, self.width) * self.width * n * h * w)
        self.place(value, Placed.whole(value.shape, storage))
        self.emit_into(storage, **fields)

    def emit_into(self, y: Any, **fields: Any) -> None:
        """An operation that writes y: a storage, part of one, or another place (whose storages are among `reads`).

        reads: what must still be there when it runs.
        """
        number = len(self.emitted)
        for used in (y, *fields.pop("reads", ()), fields.get("r"), fields.get("t")):
            for store in _storages(used):
                store.used_by(number)
        label = "" if self.node is None else self.node.path or self.node.op
        self.emitted.append(Emitted(fields | {"y": y}, label, self.covered))

    def build(self) -> Plan:
        """Lower every node, lay out memory, and write the plan down."""
        for node in self.graph.nodes:
            if node.op not in RULES:
                raise refuse(node, "no kernel of the engine runs this operation")
            if any(0 in value.shape for value in (*node.used(), *node.outputs)):
                raise refuse(node, "there are no elements in what it reads or gives")
        strips = find_strips(self.graph, self.width, CACHE // self.dtype.itemsize)
        numbers = {node: i for i, node in enumerate(self.graph.nodes)}
        for node in self.graph.nodes:
            self.node, self.covered = node, tuple([numbers[member] for member in strips.get(node, [node])])
            if node not in strips:
                RULES[node.op](self, node)
                self._let_go(node)
            elif node is strips[node][-1]:
                strip(self, strips[node])
                self._let_go(*strips[node])
        self.node, self.covered = None, ()
        self._look_ahead()
        for i, value in enumerate(self.graph.outputs):
            self.write(value, len(self.graph.inputs) + i)
        return self.finished()

    def finished(self) -> Plan:
        """Lay out memory and write down what has been emitted."""
        size = lay_out(self.storages, self.dtype.itemsize)
        entries = [np.asarray(entries(), np.int64) for entries in self.tables]
        entries = entries if sum(map(len, entries)) else [*entries, np.zeros(1, np.int64)]  # never empty
        self.table_at = np.cumsum([0, *[len(e) for e in entries]])
        constants = self._all_constants()
        rows = [self._row(e.fields) for e in self.emitted]
        ops = np.array(rows, np.int64).reshape(len(rows), len(self.kernels.FIELDS))
        return Plan(ops, constants, np.concatenate(entries).astype(np.int32), max(size, 1),
                    [e.label for e in self.emitted], [e.fields["kind"] for e in self.emitted],
                    [e.nodes for e in self.emitted], self.storages)

    def _look_ahead(self) -> None:
        """What products fetch while they compute: constants lie in the order of use.

        That is the rest of their own weights, the beginning of the next one's and, of products soon after that wait for
        their weights, as much as the time hides.
        """
        products = list(self._products())
        window, reached = self.cache // self.dtype.itemsize, 0
        for i, (fields, begin, end, pixels) in enumerate(products):
            panel = 2 * fields["k"] * self.width
            start, reached = max(reached, begin + panel), max(reached, end)
            waiting = [min(later, end + window) for _, first, later, few in products[i + 1:]
                       if few < MANY_PIXELS and first < end + window]
            hidden = (end - begin) * pixels // (PER_FETCH * self.threads)
            reached = max(reached, min(start + hidden, max(waiting, default=end + panel)))
            fields |= {"ahead": start, "fetch": reached - start}

    def _products(self) -> Iterator[tuple[dict[str, Any], int, int, int]]:
        """Products outside of strips: their fields, where their weights begin and end, their pixels."""
        members = 0
        for fields in (emitted.fields for emitted in self.emitted):
            members = fields["mode"] if fields["kind"] == "strip" else members - 1
            if fields["kind"] == "product" and members < 0:
                weights = fields["k"] * fields["blocks"] * self.width
                yield fields, fields["w"], fields["w"] + weights, fields["rows"] * fields["n"]

    def _let_go(self, *nodes: Node) -> None:
        """Take the constants out of a graph that is to be consumed, once they are packed for all who read them."""
        for value in (value for node in nodes for value in node.used()):
            if value in self.readers:
                self.readers[value] -= 1
                if not self.readers[value]:
                    value.data = None

    def write(self, value: Value, number: int) -> None:
        """Leave a value in one of the caller's arrays."""
        if value in self.written:
            return
        placed = self.view(value).placed
        if placed is None:
            self.move(self.view(value), View.plain(int(np.prod(value.shape)), space=number))
            self.emitted[-1].label = "output"
            return
        n, c, _, _ = placed.shape
        fields = {"kind": "write_output", "mode": number, "images": n, "k": c, "n": placed.pixels, "y": 0,
                  "off": self.table(lambda: placed.offsets(self.width))}
        for store in placed.stores:
            store.used_by(len(self.emitted))
        self.emitted.append(Emitted(fields, "output"))

    def _all_constants(self) -> np.ndarray:
        step = 64 // self.dtype.itemsize
        memory = aligned(self.constant_size + self.zero_size + step, self.dtype)
        memory[self.constant_size:] = 0
        at = 0
        while self.constants:  # what is packed is let go
            size, fill = self.constants.popleft()
            end = at + -(-size // step) * step
            memory[at:end] = 0
            fill(memory[at:at + size])
            at = end
        return memory

    def _row(self, fields: dict[str, Any]) -> np.ndarray:
        """A row of an operation's fields, each in its place."""
        names, kinds = _names(self.kernels)
        row = np.zeros(len(names), np.int64)
        row[[names[name] for name in ABSENT]] = -1
        for name, value in fields.items():
            if name == "kind":
                row[names[name]] = kinds[value]
            elif name in FLOATING:
                row[names[name]] = np.float64(value).view(np.int64)
            else:
                row[names[name]] = _address(value)
        return row


@cache
def _names(module: Any) -> tuple[dict[str, int], dict[str, int]]:
    return ({name: i for i, name in enumerate(module.FIELDS)}, {name: i for i, name in enumerate(module.KINDS)})


def _storages(used: Any) -> list[Storage]:
    if isinstance(used, Placed):
        return used.stores
    return [used.storage] if isinstance(used, Part) else [used] if isinstance(used, Storage) else []


def _address(value: Any) -> int:
    if isinstance(value, Placed):
        value = value.stores[0]
    if isinstance(value, Part):
        return value.storage.offset + value.start
    if isinstance(value, Storage):
        return value.offset
    return int(value()) if callable(value) else int(value)


def aligned(size: int, dtype: np.dtype) -> np.ndarray:
    """An array, not initialised, that begins at a line of the cache."""
    memory = np.empty(size * dtype.itemsize + 64, np.uint8)
    begin = -memory.ctypes.data % 64
    return memory[begin:begin + size * dtype.itemsize].view(dtype)


def plan(graph: Graph, threads: int, dtype: Any = np.float32, consume: bool = False) -> Plan:
    """The plan of a graph that passes have made ready. Raises CompileError naming a node that cannot run.

    consume: take its constants out of the graph as they are packed, to save memory.
    """
    return Builder(graph, threads, np.dtype(dtype), consume).build()
