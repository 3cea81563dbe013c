"""LSTM and GRU over a sequence, one layer in one direction: gates (T, N, ...), states in T + 1 slots."""
import numpy as np

from .activation import _sigmoid


def _steps(gates, lengths, reverse):
    """Of each step in the order of reading: its number, the slots of the state before and after, who has it."""
    steps = range(len(gates))
    for t in reversed(steps) if reverse else steps:
        before, after = (t + 1, t) if reverse else (t, t + 1)
        yield t, before, after, (t < lengths)[:, None]


def lstm_forward(gates, weight, bias, lengths, hidden, cell, scratch, reverse):
    # INOUT (t, n, 4 h)  IN (h, 4 h)  IN (4 h,)  IN (n,)  INOUT (t + 1, n, h)  INOUT (t + 1, n, h)
    """c' = f c + i g, h' = o tanh(c'), with the gates from what `gates` holds plus h weight plus bias."""
    for t, before, after, has in _steps(gates, lengths, reverse):
        i, f, g, o = np.split(gates[t] + hidden[before] @ weight + bias, 4, 1)
        i, f, g, o = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
        gates[t] = np.concatenate([i, f, g, o], 1)
        cell[after] = np.where(has, f * cell[before] + i * g, cell[before])
        hidden[after] = np.where(has, o * np.tanh(cell[after]), hidden[before])


def lstm_backward(gates, cell, gy, weight, lengths, gh, gc, ggates, scratch, reverse):
    # IN (t, n, 4 h)  IN (t + 1, n, h)  IN (t, n, h)  IN (4 h, h)  IN (n,)  INOUT (n, h)  INOUT (n, h)  OUT (t, n, 4 h)
    """Gradients of what the gates were made from, and of the first state."""
    for t, before, after, has in reversed(list(_steps(gates, lengths, reverse))):
        i, f, g, o = np.split(gates[t], 4, 1)
        tanh, dh = np.tanh(cell[after]), gh + gy[t]
        dc = gc + dh * o * (1 - tanh**2)
        parts = dc * g * i * (1 - i), dc * cell[before] * f * (1 - f), dc * i * (1 - g**2), dh * tanh * o * (1 - o)
        ggates[t] = np.where(has, np.concatenate(parts, 1), 0)
        gc[:] = np.where(has, dc * f, gc)
        gh[:] = np.where(has, 0, gh) + ggates[t] @ weight


def gru_forward(gates, weight, bias_ih, bias_hh, lengths, hidden, inner, recurrent, scratch, reverse):
    # INOUT (t, n, 3 h)  IN (h, 3 h)  IN (3 h,)  IN (3 h,)  IN (n,)  INOUT (t + 1, n, h)  OUT (t, n, h)
    """h' = (1 - z) n + z h; r and z from the sum of both products, n = tanh(x W_n + b_n + r inner)."""
    for t, before, after, has in _steps(gates, lengths, reverse):
        h = hidden[before]
        r, z, n = np.split(gates[t] + bias_ih, 3, 1)
        r_h, z_h, inner[t] = np.split(h @ weight + bias_hh, 3, 1)
        r, z = _sigmoid(r + r_h), _sigmoid(z + z_h)
        n = np.tanh(n + r * inner[t])
        gates[t] = np.concatenate([r, z, n], 1)
        hidden[after] = np.where(has, (1 - z) * n + z * h, h)


def gru_backward(gates, inner, hidden, gy, weight, lengths, gh, gprojected, grecurrent, scratch, reverse):
    # IN (t, n, 3 h)  IN (t, n, h)  IN (t + 1, n, h)  IN (t, n, h)  IN (3 h, h)  IN (n,)  INOUT (n, h)
    # OUT (t, n, 3 h)  OUT (t, n, 3 h)
    """Gradients of x W + b, of h R + b, and of the first state."""
    for t, before, _, has in reversed(list(_steps(gates, lengths, reverse))):
        r, z, n = np.split(gates[t], 3, 1)
        dh = gh + gy[t]
        dz, dn = dh * (hidden[before] - n) * z * (1 - z), dh * (1 - z) * (1 - n**2)
        dr = dn * inner[t] * r * (1 - r)
        gprojected[t] = np.where(has, np.concatenate([dr, dz, dn], 1), 0)
        grecurrent[t] = np.where(has, np.concatenate([dr, dz, dn * r], 1), 0)
        gh[:] = np.where(has, dh * z, gh) + grecurrent[t] @ weight
