"""Steps of a training plan that Python runs on the tape: operations without a rule, and losses that no graph holds."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...autograd import OPS, Function
from ..graph import Node, Value, leaves, restructure

if TYPE_CHECKING:
    from .builder import TrainingBuilder

Arrays = list[np.ndarray]
Source = Callable[[Arrays], np.ndarray | None]


def on_host(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """Run a node's Function on arrays, forward and back."""
    sources = [source(plan, value) for value in node.inputs.values()]
    outputs = [given_by_host(plan, value) for value in node.outputs]
    call = node.attributes["tape"] if node.op == "tape" else Call(plan, node)
    def forward(arrays: Arrays) -> None:
        for number, result in zip(outputs, call.forward([read(arrays) for read in sources])):
            arrays[number][...] = result
    plan.host(forward, node.op)
    yield
    gradients = [source(plan, plan.gradient_value(value)) for value in node.outputs]
    targets = [target(plan, value) for value in node.inputs.values()]
    def backward(arrays: Arrays) -> None:
        for write, result in zip(targets, call.backward([read(arrays) for read in gradients])):
            if write is not None:
                write(arrays, result)
    plan.host(backward, node.op)
    for value, write in zip(node.inputs.values(), targets):
        if write is not None and isinstance(write, Contribution):
            plan.give(value, write.gradient)


class Call:
    """One node's Function, made anew in each step."""

    def __init__(self, plan: TrainingBuilder, node: Node) -> None:
        self.node, self.key = node, plan.keys.get(node)
        self.parents = tuple([value and SimpleNamespace(requires_grad=plan.needs(value), data=value.data)
                              for value in node.inputs.values()])
        self.function: Function | None = None

    def forward(self, inputs: list[np.ndarray | None]) -> list[np.ndarray]:
        """The outputs."""
        attributes = self.node.attributes
        if self.key is not None:
            attributes = attributes | {"seed": self.key[0], "draw": self.key[1]}
        function = self.function = OPS[self.node.op].like(inputs, attributes)
        function.parents = self.parents  # type: ignore[assignment]
        ready = [np.ascontiguousarray(a) if a is not None and function.contiguous and a.ndim else a for a in inputs]
        shapes = function.shapes(*[None if a is None else a.shape for a in ready])
        function.out_shapes = shapes if isinstance(shapes, list) else (shapes,)
        result = function.forward(*ready)
        return [np.asarray(y) for y in (result if isinstance(shapes, list) else [result])]

    def backward(self, received: list[np.ndarray | None]) -> tuple[np.ndarray | None, ...]:
        """The gradients of the inputs."""
        assert self.function is not None
        result = self.function.gradients(received)
        self.function = None
        return result


def source(plan: TrainingBuilder, value: Value | None) -> Source:
    """How Python finds the array of a value; one that lies in the arena is written to an array of the caller."""
    if value is None:
        return lambda arrays: None
    if value.data is not None:
        return lambda arrays: value.data
    if value in plan.given and value not in plan.where and value not in plan.views:
        number = plan.given[value]
    else:
        number = plan.array(value.shape, value.dtype)
        plan.write(value, number)
    return lambda arrays: arrays[number]


def given_by_host(plan: TrainingBuilder, value: Value) -> int:
    """The number of the array in which Python leaves a value."""
    plan.given[value] = number = plan.array(value.shape, value.dtype)
    return number


class Contribution:
    """Where Python leaves the gradient of an input."""

    def __init__(self, plan: TrainingBuilder, value: Value) -> None:
        self.gradient = Value(f"g({value.name})", value.shape, value.dtype)
        self.number = given_by_host(plan, self.gradient)

    def __call__(self, arrays: Arrays, result: np.ndarray | None) -> None:
        arrays[self.number][...] = 0 if result is None else result


def target(plan: TrainingBuilder, value: Value | None) -> Callable[[Arrays, Any], None] | None:
    """What takes the gradient of an input; None where none is needed."""
    if value is None or not plan.needs(value):
        return None
    if plan.masters.entry(value) is None:
        return Contribution(plan, value)
    at, size, gradients = plan.gradient_at(value), int(np.prod(value.shape)), plan.gradients
    def write(arrays: Arrays, result: np.ndarray | None) -> None:
        arrays[gradients][at:at + size] = 0 if result is None else result.ravel()
    return write




class Tape:
    """A loss that no graph can hold: it runs on the tape, from the outputs of the network on.

    own: parameters of the loss.  `target` is set before each step, `value` is what the loss gave.
    """

    def __init__(self, loss: Callable[..., Any], outputs: Any, own: list[Any]) -> None:
        self.loss, self.outputs, self.own = loss, outputs, own
        self.count = len(list(leaves(outputs)))
        self.target: Any = None
        self.value: Any = None

    def node(self, dtype: np.dtype) -> Node:
        """It as an operation of the outputs and of its parameters."""
        read = [*leaves(self.outputs), *[Value("loss", p.data.shape, dtype, p.data) for p in self.own]]
        node = Node("tape", {f"x{i}": value for i, value in enumerate(read)}, {"tape": self})
        node.outputs.append(Value("loss", (), dtype, node=node))
        return node

    def forward(self, inputs: list[Any]) -> list[np.ndarray]:
        """The loss, and the sum of its parts."""
        self.tensors = [Function.tensor(a, requires_grad=a.dtype.kind == "f") for a in inputs[:self.count]]
        each = iter(self.tensors)
        self.value = self.loss(restructure(self.outputs, lambda value: next(each)), self.target)
        self.total = total_of(self.value)
        return [self.total.data.reshape(())]

    def backward(self, received: list[Any]) -> list[np.ndarray | None]:
        """The gradients of the outputs and of the loss's parameters."""
        for p in self.own:
            p.grad = None
        self.total.backward(received[0].reshape(self.total.shape))
        gradients = [tensor.grad for tensor in (*self.tensors, *self.own)]
        for p in self.own:
            p.grad = None
        return gradients


def total_of(value: Any) -> Any:
    """A loss, or the sum of those in a dict; each must be a Tensor of one element."""
    terms = list(value.values()) if isinstance(value, dict) else [value]
    if not terms or not all(isinstance(term, Function.tensor) for term in terms):
        raise TypeError("compile_training_step: loss must give a Tensor, or a dict of them, got "
                        f"{type(value).__name__}{' of ' + type(terms[0]).__name__ if terms else ''}")
    for term in terms:
        if int(np.prod(term.shape)) != 1:
            raise ValueError(f"compile_training_step: loss must give one number, got a Tensor of shape {term.shape}; "
                             "take its mean or its sum")
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
