"""The builder of training plans: forward, and back through the same nodes in reverse."""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..graph import Graph, Node, Value
from ..layout import Placed
from ..lowering import RULES
from ..lowering.elements import emit_alike
from ..lowering.rules import COMBINING, clipping
from ..plan import Builder, Plan
from ..views import View
from .host import on_host
from .masters import Masters
from .needs import Needs, differentiable, moves_statistics
from .rules import TRAINS
from .values import Into, Lazy, LazyGradient, Picked, Sums


class Host(NamedTuple):
    """A step between operations of a plan that Python runs: before the operation of a number."""

    before: int
    run: Callable[[list[np.ndarray]], None]
    label: str


class Dynamic(NamedTuple):
    """A field of an operation that changes from step to step."""

    row: int
    field: str
    value: Callable[[], int | float]


class TrainingBuilder(Builder):
    """Collects what training rules emit.  Numbers of the caller's arrays: the graph's inputs, then `parameters`,
    `statistics`, `gradients`, `seed`, then what `array` adds.
    """

    def __init__(self, graph: Graph, loss: Value, masters: Masters, threads: int, dtype: np.dtype) -> None:
        super().__init__(graph, threads, dtype)
        self.loss, self.masters, self.final = loss, masters, {}
        self.modules: dict[str, Any] = {}  # by their paths in the graph
        first = len(graph.inputs)
        self.parameters, self.statistics, self.gradients, self.seed = range(first, first + 4)
        self.arrays: list[np.ndarray] = []  # the caller's from `first` + 4 on
        self.needs_of = Needs(graph, loss, masters)
        self.lazies: dict[Value, Lazy] = {}
        self.by_plane: dict[Value, Lazy] = {}  # which only activations apply as they load
        self.sums: dict[Value, Sums] = {}  # of raw values, left by those who made them
        self.gradient_sums: dict[Value, Sums] = {}
        self.lazy_gradients: dict[Value, LazyGradient] = {}
        self.partial: dict[Value, Value] = {}  # value: its gradient, as far as it is known
        self.picks: Counter[Value] = Counter()  # how many picks of channels will still give to a value
        self.pieces: dict[Value, list[Picked]] = {}  # what those before have given, see rules/picks.py
        self.hosts: list[Host] = []
        self.dynamic: list[Dynamic] = []
        self.demands: list[Callable[[list[np.ndarray]], Any]] = []  # what inputs must be; they raise ValueError
        self.shared: list[tuple[int, int, int]] = []  # gradients of further uses of a parameter: (from, to, size)
        self.used_gradients: set[Value] = set()
        self.gradients_size = masters.parameters.size
        for value, entry in masters.of(graph):
            space = self.parameters if entry.is_parameter else self.statistics
            self.views[value] = View.plain(entry.view.size, start=entry.at, space=space)
        self.keys = {node: [0, 0] for node in graph.nodes if "draw" in node.attributes}  # seed and draw of a step

    # ---- parameters
    def needs(self, value: Value | None) -> bool:
        """Whether the gradient of a value is wanted."""
        return value is not None and value in self.needs_of

    def at(self, value: Value | None) -> int:
        """Where a parameter or buffer begins in the array of parameters or of statistics."""
        assert value is not None
        return self.masters.at(value)

    def gradient_at(self, value: Value | None) -> int:
        """Where a rule writes the gradient of a parameter in the array of gradients; to be asked once for each use."""
        assert value is not None
        at = self.at(value)
        if value not in self.used_gradients:
            self.used_gradients.add(value)
            return at
        size, begin = self.masters.padded(value), self.gradients_size
        self.shared.append((begin, at, int(np.prod(value.shape))))
        self.gradients_size += size
        return begin

    # ---- values
    def lazy(self, value: Value | None) -> Lazy:
        """What a rule reads that applies scale, shift and clip as it loads; channels side by side."""
        assert value is not None
        return self.lazies[value] if value in self.lazies else Lazy(self.whole(value))

    def placed(self, value: Value | None) -> Placed:
        """Where a value lies in blocks of channels; one that is computed on load is computed now, and kept."""
        assert value is not None
        self._materialise(value)
        return super().placed(value)

    def view(self, value: Value | None) -> View:
        """Where the elements of a value lie."""
        assert value is not None
        self._materialise(value)
        return super().view(value)

    def _materialise(self, value: Value) -> None:
        lazy = self.lazies.get(value) or self.by_plane.get(value)
        if lazy is not None and value not in self.where and value not in self.views:
            from .rules.norms import materialise
            materialise(self, value, lazy)

    # ---- gradients
    def gradient_value(self, value: Value) -> Value:
        """The gradient of a value, all contributions in it, as a value: for rules that only look at it otherwise."""
        if value in self.lazy_gradients and value not in self.partial:
            from .rules.norms import blend
            self.partial[value] = Value(f"g({value.name})", value.shape, value.dtype)
            blend(self, self.partial[value], self.lazy_gradients[value])
        return self.partial[value]

    def gradient(self, value: Value) -> Placed:
        """Where the gradient of a value lies, in whole blocks of channels."""
        return self.whole(self.gradient_value(value))

    def lazy_gradient(self, value: Value) -> LazyGradient:
        """The gradient of a value for rules that apply coefficients as they load it."""
        return self.lazy_gradients[value] if value in self.lazy_gradients else LazyGradient(self.gradient(value))

    def into(self, value: Value | None) -> Into | None:
        """Where a rule writes its contribution to the gradient of an input; None where none is needed.

        To be asked once for each time that a node reads the value, `done` before the next is asked.
        """
        if value is None or not self.needs(value):
            return None
        before = self.partial.get(value)
        gradient = Value(f"g({value.name})", value.shape, value.dtype)
        return Into(self, value, gradient, None if before is None else self.whole(before), self._gate(value))

    def give(self, value: Value | None, gradient: Value) -> None:
        """Contribute a gradient that lies somewhere already: that of another value, or a view of one."""
        if value is None or not self.needs(value):
            return
        before, gate = self.partial.get(value), self._gate(value)
        if gate is not None:
            from .rules.norms import gate_sums
            gradient, sums = gate_sums(self, gate, gradient, before)
            self.contributed(value, gradient, sums)
            return
        if before is not None:
            total = Value(f"g({value.name})", value.shape, value.dtype)
            self.add_up(total, before, gradient)
            gradient = total
        self.contributed(value, gradient)

    def pass_on(self, y: Value, x: Value) -> None:
        """The gradient of y is that of x too, and x is what y is but for its clip, which has been minded."""
        if x not in self.partial and self._gate(x) is not None and y in self.gradient_sums:
            self.contributed(x, self.partial[y], self.gradient_sums[y])
        else:
            self.give(x, self.gradient_value(y))

    def gated(self, value: Value) -> tuple[Placed, Sums]:
        """The gradient of a lazy value behind the gate of its clip, and the sums over it."""
        if value not in self.gradient_sums:
            from .rules.norms import gate_sums
            gradient, sums = gate_sums(self, self.lazies[value], self.partial[value], None)
            self.partial[value], self.gradient_sums[value] = gradient, sums
        return self.whole(self.partial[value]), self.gradient_sums[value]

    def contributed(self, value: Value, gradient: Value, sums: Sums | None = None) -> None:
        """A contribution has been emitted: so far the gradient is this."""
        gate = self._gate(value)
        self.needs_of.readers[value] -= 1
        if gate is not None and sums is None:
            from .rules.norms import gate_sums
            gradient, sums = gate_sums(self, gate, gradient, None)
        self.partial[value] = gradient
        if sums is not None:
            self.gradient_sums[value] = sums

    def _gate(self, value: Value) -> Lazy | None:
        last = self.needs_of.readers[value] == 1
        return self.lazies.get(value) if last else None

    def add_up(self, total: Value, a: Value, b: Value) -> None:
        """Two values of one shape to their sum."""
        first, second = self.whole(a), self.whole(b)
        emit_alike(self, total, first, [second], kind="combine", s=second, mode=COMBINING["add"], px=self.width,
                   **clipping())

    # ---- the caller's arrays, and what Python runs
    def array(self, shape: tuple[int, ...], dtype: Any) -> int:
        """The number of a new array that the caller keeps for the plan."""
        self.arrays.append(np.zeros(shape, dtype))
        return self.seed + len(self.arrays)

    def host(self, run: Callable[[list[np.ndarray]], None], label: str) -> None:
        """Let Python run something between the operations emitted so far and those to come."""
        self.hosts.append(Host(len(self.emitted), run, label))

    def changes(self, field: str, value: Callable[[], int | float]) -> None:
        """A field of the last operation is asked for before each step."""
        self.dynamic.append(Dynamic(len(self.emitted) - 1, field, value))

    # ---- the plan
    def build(self) -> Plan:
        """Forward through the nodes, results, back through them, memory."""
        backs: list[tuple[Node, Iterator[None]]] = []
        for node in self.graph.nodes:
            self.node, rule = node, self._rule(node)
            if rule is None:
                RULES[node.op](self, node)
            else:
                next(back := rule(self, node))
                backs.append((node, back))
        self.node = None
        self.results = {value: self._result(value) for value in self.graph.outputs}
        self._back(backs)
        self.node = None
        return self.finished()

    def _rule(self, node: Node) -> Callable[..., Iterator[None]] | None:
        """The training rule of a node; None: nothing comes back through it, inference knows how to run it."""
        if node.op in RULES and self.needs_of.trained.isdisjoint(node.outputs) and not moves_statistics(node):
            return None
        return TRAINS.get(node.op, on_host)

    def _back(self, backs: list[tuple[Node, Iterator[None]]]) -> None:
        seed = Value("seed", self.loss.shape, self.dtype)
        self.given[seed] = self.seed
        self.give(self.loss, seed)
        for node, back in reversed(backs):
            if self.needs_of.is_active(node):
                self.node = node
                left = Counter(v for v in differentiable(node) if self.needs(v))
                before = {value: self.needs_of.readers[value] for value in left}
                self._missing(node)
                next(back, None)
                for value, count in left.items():  # inputs to which the rule gave nothing
                    self.needs_of.readers[value] = before[value] - count
        for value in [v for v in self.partial if self.masters.trains(v)]:  # read by others than layers
            size = int(np.prod(value.shape))
            to = View.plain(size, start=self.gradient_at(value), space=self.gradients)
            self.move(self.view(self.partial[value]), to)

    def _missing(self, node: Node) -> None:
        """Outputs to which no gradient came, where another did, have zeros for it."""
        for value in node.outputs:
            if value not in self.partial and value not in self.lazy_gradients:
                number = self.array(value.shape, self.dtype)
                self.partial[value] = Value(f"g({value.name})", value.shape, self.dtype)
                self.given[self.partial[value]] = number

    def _result(self, value: Value) -> int:
        """The number of the array to which a result goes."""
        if value in self.given and value not in self.views and value not in self.where:
            return self.given[value]  # Python leaves it there
        number = self.array(value.shape, self.dtype)
        self.write(value, number)
        return number
