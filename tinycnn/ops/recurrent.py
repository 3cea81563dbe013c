"""LSTM and GRU: a layer in one direction over a whole sequence, each one operation."""
from __future__ import annotations

from typing import Any

import numpy as np

from .._kernels import kernels, scratch
from ..autograd import Function, Shape
from .contracts import require_elements
from .linear import product


class Recurrent(Function):
    """What recurrent layers share: the sequence, its shapes, and the products that need no state."""

    attributes = ("reverse",)
    indices = ("lengths",)
    reverse: bool
    gates: int  # of a unit
    states: tuple[str, ...]  # what goes from step to step

    def shapes(self, x, *others):
        """(T, N, H), and (N, H) for each state."""
        given = dict(zip(self.inputs[1:], others, strict=True))
        if len(x) != 3:
            raise ValueError(f"{self.op}: x must be (T, N, I), got the shape {x}")
        require_elements(self.op, "x", x)
        size = given["w_hh"][-1] if given["w_hh"] else 0
        if size == 0:
            raise ValueError(f"{self.op}: w_hh of shape {given['w_hh']} has no elements")
        expected = self.expected(x, size)
        for name, shape in given.items():
            if shape is not None and shape != expected[name]:
                raise ValueError(f"{self.op}: {name} has shape {shape}, expected {expected[name]} "
                                 f"for x of shape {x} and {size} units")
        return [(*x[:2], size), *[(x[1], size)] * len(self.states)]

    def expected(self, x: Shape, size: int) -> dict[str, Shape]:
        """The shapes of the inputs besides x, for so many units."""
        rows = self.gates * size
        return {**dict.fromkeys(self.states, (x[1], size)), "w_ih": (rows, x[2]), "w_hh": (rows, size),
                "b_ih": (rows,), "b_hh": (rows,), "lengths": (x[1],)}

    def checked_lengths(self, lengths: np.ndarray | None, x: np.ndarray) -> np.ndarray:
        """The steps of each row, as int64; ValueError where there are none, or more than x has."""
        if lengths is None:
            return np.full(x.shape[1], len(x), np.int64)
        if lengths.dtype.kind not in "iu":
            raise TypeError(f"{self.op}: lengths must be integers, got {lengths.dtype}")
        if lengths.min() < 1 or lengths.max() > len(x):
            raise ValueError(f"{self.op}: lengths must lie within [1, {len(x)}], the steps of x, "
                             f"got {lengths.tolist()}")
        return np.ascontiguousarray(lengths, np.int64)

    def slots(self, first: np.ndarray | None, x: np.ndarray) -> np.ndarray:
        """Room for a state before and after each step, with the first one in its slot."""
        states = np.empty((len(x) + 1, *self.out_shapes[1]), x.dtype)
        states[-1 if self.reverse else 0] = 0 if first is None else first
        return states

    def projected(self, x: np.ndarray, w_ih: np.ndarray) -> np.ndarray:
        """x w_ih^T for all steps at once."""
        return product(x.reshape(-1, x.shape[2]), w_ih, transpose_b=True).reshape(*x.shape[:2], -1)

    def outputs(self, hidden: np.ndarray, lengths: np.ndarray, *states: np.ndarray) -> tuple[np.ndarray, ...]:
        """The hidden state after each step, 0 in steps that a row does not have; and each last state."""
        y = hidden[:-1] if self.reverse else hidden[1:]
        if lengths.min() < len(y):
            y = np.where((np.arange(len(y))[:, None] < lengths)[..., None], y, y.dtype.type(0))
        return y, *(s[0 if self.reverse else -1] for s in states)

    def hidden_before(self, hidden: np.ndarray) -> np.ndarray:
        """The hidden state before each step, as (T N, H)."""
        return (hidden[1:] if self.reverse else hidden[:-1]).reshape(-1, hidden.shape[2])

    def product_gradients(self, x: np.ndarray, hidden: np.ndarray, w_ih: np.ndarray, g_ih: np.ndarray,
                          g_hh: np.ndarray) -> tuple[np.ndarray | None, ...]:
        """gx, gw_ih, gw_hh, gb_ih, gb_hh from the gradients of both products, (T, N, gates H), of all steps at once."""
        g_ih, g_hh = g_ih.reshape(-1, g_ih.shape[2]), g_hh.reshape(-1, g_hh.shape[2])
        return (product(g_ih, w_ih).reshape(x.shape) if self.needs("x") else None,
                product(g_ih, x.reshape(-1, x.shape[2]), transpose_a=True) if self.needs("w_ih") else None,
                product(g_hh, self.hidden_before(hidden), transpose_a=True) if self.needs("w_hh") else None,
                g_ih.sum(0) if self.needs("b_ih") else None,
                g_hh.sum(0) if self.needs("b_hh") else None)


def _zeros_for(bias: np.ndarray | None, weight: np.ndarray) -> np.ndarray:
    return np.zeros(len(weight), weight.dtype) if bias is None else bias


def _step_scratch(kernel: Any, rows: int, columns: int, inner: int, dtype: np.dtype) -> np.ndarray:
    """Scratch memory for the product of a step, (rows, inner) by (inner, columns)."""
    return scratch(kernel.gemm_scratch(1, rows, columns, inner), dtype)


class LSTM(Recurrent, op="lstm"):
    """Gates i, f, g, o: c' = f c + i g, h' = o tanh(c')."""

    inputs = ("x", "h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh", "lengths")
    gates = 4
    states = ("h0", "c0")

    def forward(self, x, h0, c0, w_ih, w_hh, b_ih, b_hh, lengths):
        """y and the last states, by the kernel; the input's product comes before it."""
        kernel, (n, size) = kernels(x.dtype), self.out_shapes[1]
        lengths, gates = self.checked_lengths(lengths, x), self.projected(x, w_ih)
        hidden, cell = self.slots(h0, x), self.slots(c0, x)
        bias = _zeros_for(b_ih, w_hh) + _zeros_for(b_hh, w_hh)
        kernel.lstm_forward(gates, np.ascontiguousarray(w_hh.T), bias, lengths, hidden, cell,
                            _step_scratch(kernel, n, 4 * size, size, x.dtype), self.reverse)
        self.save(x=x, w_ih=w_ih, w_hh=w_hh, lengths=lengths, gates=gates, hidden=hidden, cell=cell)
        return self.outputs(hidden, lengths, hidden, cell)

    def backward(self, gy, gh, gc):
        s, (n, size), kernel = self.saved, gh.shape, kernels(gy.dtype)
        gh0, gc0, ggates = gh.copy(), gc.copy(), np.empty_like(s.gates)
        kernel.lstm_backward(s.gates, s.cell, gy, s.w_hh, s.lengths, gh0, gc0, ggates,
                             _step_scratch(kernel, n, size, 4 * size, gy.dtype), self.reverse)
        gx, *weights = self.product_gradients(s.x, s.hidden, s.w_ih, ggates, ggates)
        return gx, gh0, gc0, *weights, None


class GRU(Recurrent, op="gru"):
    """Gates r, z, n: h' = (1 - z) n + z h."""

    inputs = ("x", "h0", "w_ih", "w_hh", "b_ih", "b_hh", "lengths")
    gates = 3
    states = ("h0",)

    def forward(self, x, h0, w_ih, w_hh, b_ih, b_hh, lengths):
        """y and the last state, by the kernel; the input's product comes before it."""
        kernel, (n, size) = kernels(x.dtype), self.out_shapes[1]
        lengths, gates, hidden = self.checked_lengths(lengths, x), self.projected(x, w_ih), self.slots(h0, x)
        inner, room = np.empty(self.out_shapes[0], x.dtype), np.empty((n, 3 * size), x.dtype)
        kernel.gru_forward(gates, np.ascontiguousarray(w_hh.T), _zeros_for(b_ih, w_hh), _zeros_for(b_hh, w_hh), lengths,
                           hidden, inner, room, _step_scratch(kernel, n, 3 * size, size, x.dtype), self.reverse)
        self.save(x=x, w_ih=w_ih, w_hh=w_hh, lengths=lengths, gates=gates, hidden=hidden, inner=inner)
        return self.outputs(hidden, lengths, hidden)

    def backward(self, gy, gh):
        s, (n, size), kernel = self.saved, gh.shape, kernels(gy.dtype)
        gh0, g_ih, g_hh = gh.copy(), np.empty_like(s.gates), np.empty_like(s.gates)
        kernel.gru_backward(s.gates, s.inner, s.hidden, gy, s.w_hh, s.lengths, gh0, g_ih, g_hh,
                            _step_scratch(kernel, n, size, 3 * size, gy.dtype), self.reverse)
        gx, *weights = self.product_gradients(s.x, s.hidden, s.w_ih, g_ih, g_hh)
        return gx, gh0, *weights, None


def lstm(x, h0, c0, w_ih, w_hh, b_ih=None, b_hh=None, lengths=None, reverse: bool = False):
    """One layer of an LSTM in one direction over x (T, N, I): returns y (T, N, H), h_n (N, H), c_n (N, H).

    With the gates i, f, g, o, each H of the 4 H rows of the weights, in this order:
    [i f g o] = [sigmoid sigmoid tanh sigmoid](w_ih x_t + b_ih + w_hh h + b_hh), c' = f c + i g, h' = o tanh(c').

    h0, c0: (N, H), the first state, or None for zeros.  w_ih: (4 H, I); w_hh: (4 H, H); b_ih, b_hh: (4 H,) or None.
    lengths: integers (N,), the steps that each row has (as torch's packed sequences): y is 0 after them, the last state
    is that of the row's last step, and in reverse a row begins with that step.  reverse: the sequence is read from its
    end; y stays in x's order.  Gradients go through all steps (Werbos, "Backpropagation through time", 1990).

    Raises ValueError naming the argument that does not fit, also for lengths outside [1, T].
    Hochreiter and Schmidhuber, "Long short-term memory", 1997; Gers et al., "Learning to forget", 2000.

    >>> import numpy as np
    >>> x, w, zeros = np.ones((2, 1, 1), "f"), np.zeros((4, 1), "f"), np.zeros((4,), "f")
    >>> y, h, c = lstm(x, None, np.ones((1, 1), "f"), w, w, zeros, zeros)  # each gate 1/2, g 0: c halves
    >>> c.tolist(), y.shape
    ([[0.25]], (2, 1, 1))
    """
    return LSTM.apply(x, h0, c0, w_ih, w_hh, b_ih, b_hh, lengths, reverse=bool(reverse))


def gru(x, h0, w_ih, w_hh, b_ih=None, b_hh=None, lengths=None, reverse: bool = False):
    """One layer of a GRU in one direction over x (T, N, I): returns y (T, N, H) and h_n (N, H).

    With the gates r, z, n, each H of the 3 H rows of the weights, in this order, p = w_ih x_t + b_ih and
    q = w_hh h + b_hh: r = sigmoid(p_r + q_r), z = sigmoid(p_z + q_z), n = tanh(p_n + r q_n), h' = (1 - z) n + z h.

    Arguments as those of `lstm`, with weights of 3 H rows.  Raises ValueError naming the argument that does not fit.
    Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014; the reset gate acts after the
    product, as in torch and cuDNN.

    >>> import numpy as np
    >>> x, w = np.ones((2, 1, 1), "f"), np.zeros((3, 1), "f")
    >>> y, h = gru(x, np.ones((1, 1), "f"), w, w)  # z is 1/2, n is 0: h halves
    >>> y.numpy().ravel().tolist()
    [0.5, 0.25]
    """
    return GRU.apply(x, h0, w_ih, w_hh, b_ih, b_hh, lengths, reverse=bool(reverse))
