"""The tape: operations that remember what they did, and the walk back through them.

An operation is one class with its shape contract, its forward and its backward side by side::

    class Square(Function, op="square"):
        inputs = ("x",)

        def shapes(self, x):
            return x

        def forward(self, x):
            self.save(x=x)
            return x * x

        def backward(self, gy):
            return 2 * self.saved.x * gy

`Square.apply(x)` runs it and leaves a node: the instance itself, which holds its inputs, its attributes and what it
saved as named fields.  The nodes reachable from a result are the graph that everything else reads.  Backward is
reverse-mode differentiation (Griewank and Walther, "Evaluating Derivatives", 2008, chapter 3).
"""
from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import wraps
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from .tensor import Tensor

Shape = tuple[int, ...]
KERNEL_TYPES = (np.dtype(np.float32), np.dtype(np.float64))  # what kernels exist for
OPS: dict[str, type[Function]] = {}  # an op's name: its Function
ATTRIBUTE_TYPES: dict[str, Any] = {}  # named tuples among the attributes, for graphs that are read from files


class _Mode(threading.local):
    enabled = True  # until a thread says otherwise
    tracer: Any = None


_mode = _Mode()


def is_grad_enabled() -> bool:
    """Whether operations are recorded in this thread."""
    return _mode.enabled


class set_grad_enabled:
    """Record operations within the block (or the decorated function), or do not."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def __enter__(self) -> None:
        self.before, _mode.enabled = _mode.enabled, self.enabled

    def __exit__(self, *error: object) -> None:
        _mode.enabled = self.before

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def wrapped(*arguments: Any, **keywords: Any) -> Any:
            with set_grad_enabled(self.enabled):
                return function(*arguments, **keywords)
        return wrapped


def tracer() -> Any:
    """Who notes down the operations of this thread instead of running them (`engine/trace.py`), or None."""
    return _mode.tracer


class traced_by:
    """Within the block operations are not run but handed to `tracer.record(function)`, which gives their results."""

    def __init__(self, tracer: Any) -> None:
        self.tracer = tracer

    def __enter__(self) -> None:
        self.before, _mode.tracer = _mode.tracer, self.tracer

    def __exit__(self, *error: object) -> None:
        _mode.tracer = self.before


def no_grad():
    """Record nothing within the block (or the decorated function): results need no gradient, memory is freed early."""
    return set_grad_enabled(False)


class Function:
    """One operation: shape contract, forward, backward, and, once applied, its own record on the tape.

    Class attributes: `op`, its name in `OPS`; `inputs`, the names of its array arguments in order; `attributes`, the
    names of its plain-valued ones; `contiguous`, whether arrays must be C-contiguous (kernels need it, views do not);
    `indices`, inputs that are not of the common floating type (labels, masks).
    """

    op: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]] = ("x",)
    attributes: ClassVar[tuple[str, ...]] = ()
    indices: ClassVar[tuple[str, ...]] = ()
    contiguous: ClassVar[bool] = True
    parents: tuple[Tensor | None, ...] = ()
    saved: Any = None
    out_shapes: Sequence[Shape] = ()
    tensor: ClassVar[Any]  # the class of results; tensor.py sets it, so that this file imports nothing above it

    def __init_subclass__(cls, op: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if op is not None:
            if op in OPS:
                raise ValueError(f"op {op!r} is defined twice: {OPS[op].__qualname__} and {cls.__qualname__}")
            cls.op = op
            OPS[op] = cls

    def __init__(self, **attributes: Any) -> None:
        if tuple(attributes) != self.attributes and attributes.keys() != set(self.attributes):
            raise TypeError(f"{self.op}: expected the attributes {self.attributes}, got {tuple(attributes)}")
        for name, value in attributes.items():
            setattr(self, name, value)

    # ---- what an operation defines
    def shapes(self, *inputs: Any, **_: Any) -> Any:
        """Shapes of the outputs (a list where there are several); raises ValueError naming a misfit argument."""
        raise NotImplementedError(f"{self.op}: shapes")

    def forward(self, *inputs: Any, **_: Any) -> Any:
        """Output arrays from input arrays; `save` what backward needs."""
        raise NotImplementedError(f"{self.op}: forward")

    def backward(self, *gradients: Any, **_: Any) -> Any:
        """Gradients of the inputs, in their order, from the gradients of the outputs; None where there is none."""
        raise NotImplementedError(f"{self.op} has no gradient")

    def result_dtype(self, dtype: np.dtype) -> np.dtype:
        """Element type of the outputs, given that of the inputs."""
        return dtype

    @classmethod
    def like(cls, inputs: Sequence[Any], attributes: dict[str, Any]) -> Function:
        """A Function with these attributes, for these inputs: how a recorded one is made again."""
        return cls(**attributes)

    # ---- what an operation uses
    def save(self, **arrays: Any) -> None:
        """Keep arrays for backward, under their names, in `self.saved`."""
        self.saved = SimpleNamespace(**arrays)

    def needs(self, name: str) -> bool:
        """Whether the input of this name takes part in differentiation."""
        parent = self.parents[self.inputs.index(name)]
        return parent is not None and parent.requires_grad

    def empty(self, dtype: np.dtype, output: int = 0) -> np.ndarray:
        """An uninitialised array for an output, of the shape that `shapes` promised."""
        return np.empty(self.out_shapes[output], dtype)

    # ---- how it runs
    @classmethod
    def apply(cls, *inputs: Any, **attributes: Any) -> Any:
        """Run the operation on Tensors, arrays or None; returns a Tensor, or a tuple of them."""
        function = cls(**attributes)
        tensor = cls.tensor
        parents = tuple([x if x is None or isinstance(x, tensor) else tensor(x) for x in inputs])
        arrays = function._arrays(parents)
        shapes = function.shapes(*[None if a is None else a.shape for a in arrays])
        several = isinstance(shapes, list)
        function.out_shapes = shapes if several else (shapes,)
        if (note := tracer()) is not None:
            function.parents = parents
            results = note.record(function)
            return results if several else results[0]
        record = is_grad_enabled() and True in [p is not None and p.requires_grad for p in parents]
        function.parents = parents
        result = function.forward(*arrays)
        node = function if record else None
        if not record:
            function.parents, function.saved = (), None
        if several:
            return tuple([tensor._result(y, node, i) for i, y in enumerate(result)])
        return tensor._result(result, node, 0)

    def _arrays(self, parents: Sequence[Tensor | None]) -> list[np.ndarray | None]:
        """The inputs as arrays that forward can take: of one floating type, contiguous where it matters."""
        if len(parents) != len(self.inputs):
            raise TypeError(f"{self.op}: expected the inputs {self.inputs}, got {len(parents)} of them")
        dtype = None
        arrays: list[np.ndarray | None] = []
        for name, parent in zip(self.inputs, parents, strict=True):
            array = None if parent is None else parent.data
            if array is not None:
                if name not in self.indices:
                    if dtype is None:
                        dtype, first = array.dtype, name
                        if self.contiguous and dtype not in KERNEL_TYPES:
                            raise TypeError(f"{self.op}: {name} must be float32 or float64, got {dtype}")
                    elif array.dtype != dtype:
                        raise TypeError(f"{self.op}: {name} has the type {array.dtype}, but {first} has {dtype}")
                if self.contiguous and not array.flags.c_contiguous:
                    array = np.ascontiguousarray(array)
            arrays.append(array)
        return arrays

    def gradients(self, received: list[np.ndarray | None]) -> tuple[np.ndarray | None, ...]:
        """`backward`, given the gradient of each output (None: nothing flowed there), as a tuple."""
        if self.saved is RELEASED:
            raise RuntimeError(f"{self.op}: backward ran through this graph before and freed it; "
                               "pass retain_graph=True the first time")
        some = next(g for g in received if g is not None)
        full = [np.zeros(shape, some.dtype) if g is None else g
                for g, shape in zip(received, self.out_shapes, strict=True)]
        if self.contiguous:
            full = [g if g.flags.c_contiguous else np.ascontiguousarray(g) for g in full]
        result = self.backward(*full)
        return result if isinstance(result, tuple) else (result,)

    def __repr__(self) -> str:
        attributes = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.attributes)
        return f"<{self.op}({attributes})>"


RELEASED = SimpleNamespace()  # stands in `saved` once backward has used and freed it


def topological(root: Function) -> list[Function]:
    """Every node that `root` depends on, each after all of its own inputs, `root` last. Iterative: depth is free."""
    order: list[Function] = []
    seen: set[Function] = set()
    stack: list[tuple[Function, bool]] = [(root, False)]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((p.node, False) for p in node.parents if p is not None and p.node is not None)
    return order


def backward(root: Tensor, gy: np.ndarray, retain_graph: bool = False) -> None:
    """Add d(root . gy)/d(leaf) to the `grad` of every leaf below `root`."""
    given = {id(gy)}  # arrays that a leaf holds, or the caller does: another leaf gets a copy, never an alias
    if root.node is None:
        _accumulate(root, gy, given)
        return
    pending: dict[Function, list[np.ndarray | None]] = {root.node: [None] * len(root.node.out_shapes)}
    pending[root.node][root.index] = gy
    for node in reversed(topological(root.node)):
        received = pending.pop(node, None)
        if received is None:
            continue  # every path to it ended in an input that takes no gradient
        for parent, gx in zip(node.parents, node.gradients(received), strict=True):
            if gx is None or parent is None or not parent.requires_grad:
                continue
            if parent.node is None:
                _accumulate(parent, gx, given)
            else:
                slots = pending.setdefault(parent.node, [None] * len(parent.node.out_shapes))
                before = slots[parent.index]
                slots[parent.index] = gx if before is None else before + gx
        if not retain_graph:
            node.saved = RELEASED


def _accumulate(leaf: Tensor, gx: np.ndarray, given: set[int]) -> None:
    if gx.shape != leaf.data.shape:
        raise RuntimeError(f"a gradient of shape {gx.shape} reached a leaf of shape {leaf.data.shape}")
    if leaf.grad is not None:
        leaf.grad = leaf.grad + gx
    else:
        leaf.grad = gx.copy() if gx.base is not None or id(gx) in given else gx
    given.add(id(leaf.grad))


def gradcheck(function: Callable[..., Any], inputs: Sequence[Tensor], eps: float = 1e-6,
              atol: float = 1e-6, rtol: float = 1e-5) -> bool:
    """Compare the tape's gradients of `function(*inputs)` with central differences, in float64, element by element.

    Every input that requires a gradient is checked, against a fixed random weighting of the output.  Returns True;
    raises AssertionError with the input, the place and both numbers where they differ by more than
    `atol + rtol * |numeric|`, and TypeError for an input that is not float64.

    >>> from tinycnn import Tensor
    >>> gradcheck(lambda x: x * x, [Tensor([1.0, -2.0], dtype="float64", requires_grad=True)])
    True
    """
    checked = [(i, x) for i, x in enumerate(inputs) if x.requires_grad]
    for i, x in checked:
        if x.data.dtype != np.float64:
            raise TypeError(f"gradcheck: inputs[{i}] must be float64 for differences to mean anything, got {x.dtype}")
        x.grad = None
    y = function(*inputs)
    weights = np.random.default_rng(0).standard_normal(y.shape)
    backward(y, weights)
    for i, x in checked:
        analytic = np.zeros_like(x.data) if x.grad is None else x.grad
        numeric = _differences(function, inputs, x, weights, eps)
        wrong = ~(np.abs(analytic - numeric) <= atol + rtol * np.abs(numeric))
        if wrong.any():
            at = tuple(int(k) for k in np.argwhere(wrong)[0])
            raise AssertionError(f"gradcheck: inputs[{i}] at {at}: backward gives {analytic[at]:.9g}, "
                                 f"differences give {numeric[at]:.9g} ({wrong.sum()} of {wrong.size} differ)")
    return True


def _differences(function, inputs, x, weights, eps):
    """d(function . weights)/dx by central differences, one element at a time."""
    original = x.data
    numeric = np.empty(original.shape)
    with no_grad():
        for at in np.ndindex(original.shape):
            sides = []
            for step in (eps, -eps):
                x.data = original.copy()
                x.data[at] += step
                sides.append((function(*inputs).data * weights).sum())
            numeric[at] = (sides[0] - sides[1]) / (2 * eps)
    x.data = original
    return numeric
