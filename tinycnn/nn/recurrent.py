"""LSTM and GRU as modules, with torch's names, arguments and state; the formulas are with `F.lstm` and `F.gru`."""
from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from .. import ops as F
from ..ops.contracts import as_tensor
from . import init
from .layers import _positive
from .module import Module, Parameter


class Weights(Module):
    """What recurrent modules share: weights and biases of `gates` times hidden_size rows, under torch's names."""

    shown: ClassVar[tuple[str, ...]] = ("input_size", "hidden_size")
    gates: ClassVar[int]

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        _positive(type(self).__name__, input_size=input_size, hidden_size=hidden_size)
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias

    def _make(self, input_size: int, suffix: str = "") -> None:
        """weight_ih, weight_hh, bias_ih, bias_hh, with a suffix, uniform within 1 / sqrt(hidden_size)."""
        rows, bound = self.gates * self.hidden_size, 1 / math.sqrt(self.hidden_size)
        shapes = {"weight_ih": (rows, input_size), "weight_hh": (rows, self.hidden_size), "bias_ih": (rows,),
                  "bias_hh": (rows,)}
        for name, shape in shapes.items():
            if self.bias or name.startswith("weight"):
                parameter = Parameter(np.zeros(shape))
                init.uniform(parameter, bound)
                setattr(self, name + suffix, parameter)

    def _weights(self, suffix: str = "") -> list[Any]:
        return [getattr(self, name + suffix, None) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]


class Recurrent(Weights):
    """What LSTM and GRU share: layers one on the other, each in one direction or in both.

    input_size, hidden_size: features of the input, and of the state in each direction.  num_layers: the next one reads
    the outputs of the one before.  batch_first: input and output are (N, T, ...) instead of (T, N, ...).  dropout: of
    the outputs of every layer but the last, in training.  bidirectional: a second direction reads from the end, and
    its outputs stand beside the first one's.
    """

    shown = (*Weights.shown, "num_layers", "bidirectional")

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
                 batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False) -> None:
        super().__init__(input_size, hidden_size, bias)
        _positive(type(self).__name__, num_layers=num_layers)
        if not 0 <= dropout <= 1:
            raise ValueError(f"{type(self).__name__}: dropout must lie in [0, 1], got {dropout}")
        self.num_layers, self.batch_first, self.dropout = num_layers, batch_first, dropout
        self.bidirectional, self.directions = bidirectional, 2 if bidirectional else 1
        for layer in range(num_layers):
            for suffix in self._suffixes(layer):
                self._make(input_size if layer == 0 else hidden_size * self.directions, suffix)

    def _suffixes(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"][:self.directions]

    def _run(self, x: Any, states: tuple[Any, ...] | None, lengths: Any, function: Any, count: int) -> Any:
        """The outputs, and `count` last states, each (num_layers directions, N, hidden_size)."""
        single = len(x.shape) == 2
        if len(x.shape) not in (2, 3) or x.shape[-1] != self.input_size:
            raise ValueError(f"{type(self).__name__}: x must be (T, N, {self.input_size}), (N, T, {self.input_size}) "
                             f"where batch_first, or (T, {self.input_size}), got the shape {x.shape}")
        x = x.unsqueeze(1) if single else x.transpose(1, 0, 2) if self.batch_first else x
        first = self._first(states, x.shape[1], single, count)
        last: list[Any] = []
        for layer in range(self.num_layers):
            outputs = []
            for k, suffix in enumerate(self._suffixes(layer)):
                own = [None if s is None else s[layer * self.directions + k] for s in first]
                y, *end = function(x, *own, *self._weights(suffix), lengths, k == 1)
                outputs.append(y)
                last.append(end)
            x = F.concat(outputs, 2) if len(outputs) > 1 else outputs[0]
            if layer < self.num_layers - 1:
                x = F.dropout(x, self.dropout, self.training)
        ends = [F.stack(each) for each in zip(*last)]
        if single:
            return x[:, 0], [end[:, 0] for end in ends]
        return x.transpose(1, 0, 2) if self.batch_first else x, ends

    def _first(self, states: tuple[Any, ...] | None, n: int, single: bool, count: int) -> list[Any]:
        """The first states as (num_layers directions, N, hidden_size), or None for each."""
        if states is None:
            return [None] * count
        given = [as_tensor(s).unsqueeze(1) if single else as_tensor(s) for s in states]
        expected = (self.num_layers * self.directions, n, self.hidden_size)
        for name, state in zip(("h_0", "c_0"), given):
            if state.shape != expected:
                raise ValueError(f"{type(self).__name__}: {name} has shape {state.shape}, expected {expected}")
        return given


class LSTM(Recurrent):
    """Long short-term memory: x (T, N, input_size) -> output (T, N, directions hidden_size), (h_n, c_n).

    forward(x, (h_0, c_0), lengths): the states are (num_layers directions, N, hidden_size), or None for zeros; lengths
    (N,) are the steps that each row has, None for all T.  x may be (T, input_size), without a batch.
    Parameters: weight_ih_l0 (4 hidden_size, input_size), weight_hh_l0 (4 hidden_size, hidden_size), bias_ih_l0,
    bias_hh_l0 (4 hidden_size), then _l0_reverse, _l1, ...

    >>> y, (h, c) = LSTM(8, 5, num_layers=2, bidirectional=True)(np.zeros((7, 3, 8), np.float32))
    >>> y.shape, h.shape, c.shape
    ((7, 3, 10), (4, 3, 5), (4, 3, 5))
    """

    gates = 4

    def forward(self, x: Any, state: Any = None, lengths: Any = None) -> Any:
        y, (h, c) = self._run(x, state, lengths, F.lstm, 2)
        return y, (h, c)


class GRU(Recurrent):
    """Gated recurrent unit: x (T, N, input_size) -> output (T, N, directions hidden_size), h_n.

    forward(x, h_0, lengths) and parameters as LSTM's, with 3 hidden_size rows.

    >>> y, h = GRU(8, 5, batch_first=True)(np.zeros((3, 7, 8), np.float32))
    >>> y.shape, h.shape
    ((3, 7, 5), (1, 3, 5))
    """

    gates = 3

    def forward(self, x: Any, state: Any = None, lengths: Any = None) -> Any:
        y, (h,) = self._run(x, None if state is None else (state,), lengths, F.gru, 1)
        return y, h


class Cell(Weights):
    """What LSTMCell and GRUCell share: one step, for decoders that feed back what they said."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        super().__init__(input_size, hidden_size, bias)
        self._make(input_size)


class LSTMCell(Cell):
    """One step of an LSTM: x (N, input_size), (h, c) (N, hidden_size) or None for zeros -> (h', c').

    Parameters: weight_ih (4 hidden_size, input_size), weight_hh (4 hidden_size, hidden_size), bias_ih, bias_hh.
    """

    gates = 4

    def forward(self, x: Any, state: Any = None) -> Any:
        h, c = (None, None) if state is None else state
        return F.lstm(_one_step(x, self), h, c, *self._weights())[1:]


class GRUCell(Cell):
    """One step of a GRU: x (N, input_size), h (N, hidden_size) or None for zeros -> h'; see LSTMCell."""

    gates = 3

    def forward(self, x: Any, state: Any = None) -> Any:
        return F.gru(_one_step(x, self), state, *self._weights())[1]


def _one_step(x: Any, cell: Cell) -> Any:
    if len(x.shape) != 2 or x.shape[1] != cell.input_size:
        raise ValueError(f"{type(cell).__name__}: x must be (N, {cell.input_size}), got the shape {x.shape}")
    return x.unsqueeze(0)
