"""Masters: the parameters and buffers of a network as views of flat arrays, which plans read and optimisers move."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from ..graph import Graph, Value
from ..plan import aligned

LINE = 64  # bytes: each parameter begins at a line of the cache


class Entry(NamedTuple):
    """A parameter or buffer: its Tensor, the view that its `data` is, and where that begins."""

    name: str
    tensor: Any
    view: np.ndarray
    at: int
    is_parameter: bool


class Masters:
    """Parameters (and, apart from them, floating-point buffers) of a module, each a view of one flat array.

    Reading and writing a parameter from outside, `load_state_dict` included, is therefore seen by every plan at its
    next step.  Padding between parameters is zeros.  `gradients` has the layout of `parameters`.
    """

    def __init__(self, module: Any, dtype: np.dtype) -> None:
        self.dtype, self.step = dtype, LINE // dtype.itemsize
        self.by_view: dict[int, Entry] = {}
        self.parameters = self._adopt(dict(module.named_parameters()), True)
        buffers = {name: b for name, b in module.named_buffers() if b.data.dtype.kind == "f"}
        self.statistics = self._adopt(buffers, False)
        self.gradients = self._zeros(self.parameters.size)

    def _zeros(self, size: int) -> np.ndarray:
        array = aligned(size, self.dtype)
        array[:] = 0
        return array

    def _adopt(self, tensors: dict[str, Any], are_parameters: bool) -> np.ndarray:
        """A flat array with the numbers of some tensors, whose data become views of it."""
        flat = self._zeros(sum(map(self._padded, tensors.values())) + self.step)
        at = 0
        for name, tensor in tensors.items():
            if tensor.data.dtype != self.dtype:
                raise TypeError(f"compile_training_step: {name} is {tensor.data.dtype}, expected {self.dtype} as the "
                                "first parameter is")
            view = flat[at:at + tensor.data.size].reshape(tensor.data.shape)
            view[...] = tensor.data
            tensor.data = view
            self.by_view[id(view)] = Entry(name, tensor, view, at, are_parameters)
            at += self._padded(tensor)
        return flat

    def _padded(self, tensor: Any) -> int:
        return -(-max(tensor.data.size, 1) // self.step) * self.step

    # ---- what plans ask
    def entry(self, value: Value) -> Entry | None:
        """The parameter or buffer that a value of a graph is, if it is one."""
        return None if value.data is None else self.by_view.get(id(value.data))

    def at(self, value: Value) -> int:
        """Where a parameter or buffer begins."""
        entry = self.entry(value)
        assert entry is not None
        return entry.at

    def padded(self, value: Value) -> int:
        """Elements from a parameter's beginning to the next one's."""
        return self._padded(value)

    def trains(self, value: Value) -> bool:
        """Whether a value is a parameter that collects gradients."""
        entry = self.entry(value)
        return entry is not None and entry.is_parameter and entry.tensor.requires_grad

    def of(self, graph: Graph) -> Iterator[tuple[Value, Entry]]:
        """The parameters and buffers that a graph reads."""
        for value in graph.constants:
            entry = self.entry(value)
            if entry is not None:
                yield value, entry

    # ---- what steps ask
    def check(self) -> None:
        """Raise RuntimeError where the data of a parameter is no longer the view that plans know."""
        for entry in self.by_view.values():
            if entry.tensor.data is not entry.view:
                raise RuntimeError(f"{entry.name} has another array than compile_training_step gave it (by `to` or by "
                                   "`data = ...`); write into it, `p.data[...] = values`, or compile a new step")

    def room_for_gradients(self, size: int) -> np.ndarray:
        """The array of gradients, at least so long."""
        if self.gradients.size < size:
            self.gradients = self._zeros(size)
        return self.gradients

    def gradient(self, entry: Entry) -> np.ndarray:
        """The gradient of a parameter, a view."""
        return self.gradients[entry.at:entry.at + entry.view.size].reshape(entry.view.shape)


_known: WeakKeyDictionary[Any, Masters] = WeakKeyDictionary()


def masters_of(model: Any, module: Any, dtype: np.dtype) -> Masters:
    """The masters of a network, shared by all its steps as long as its parameters are the views that they made.

    model: what the masters live as long as; module: it and the loss, whose parameters are among them.
    """
    tensors = [t for _, t in (*module.named_parameters(), *module.named_buffers()) if t.data.dtype.kind == "f"]
    masters = _known.get(model)
    if masters is None or {id(t.data) for t in tensors} != masters.by_view.keys():
        masters = _known[model] = Masters(module, dtype)
    return masters
