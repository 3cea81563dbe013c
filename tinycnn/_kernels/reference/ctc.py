"""Connectionist temporal classification, as the paper's recursions read, in logarithms."""
import numpy as np


def _symbols(labels, blank):
    """blank, label, blank, label, ..., blank."""
    symbols = np.full(2 * len(labels) + 1, blank)
    symbols[1::2] = labels
    return symbols


def _skips(symbols):
    """States that may follow the one before the last: a label after a different one."""
    return np.array([0 if s > 2 and s % 2 and symbols[s] != symbols[s - 2] else -np.inf for s in range(len(symbols))])


def _log_add(*rows):
    with np.errstate(divide="ignore"):
        return np.logaddexp.reduce(rows)


def _later(row, steps):
    """The row, so many places later; -inf comes in."""
    return np.concatenate([np.full(steps, -np.inf), row])[:len(row)]


def _earlier(row, steps):
    return _later(row[::-1], steps)[::-1]


def _sequence(log_probs, symbols, skip, alpha):
    """alpha of frames (t, c); returns the loss."""
    start = np.where(np.arange(len(symbols)) < 2, 0, -np.inf)
    for t, frame in enumerate(log_probs):
        reached = start if t == 0 else _log_add(alpha[t - 1], _later(alpha[t - 1], 1), _later(alpha[t - 1], 2) + skip)
        alpha[t] = frame[symbols] + reached
    if len(log_probs) == 0:
        return 0 if len(symbols) == 1 else np.inf
    return -np.logaddexp.reduce(alpha[len(log_probs) - 1, -2:])


def ctc_loss_forward(log_probs, targets, input_lengths, target_lengths, blank, alpha, skip, loss):
    # IN (t, n, c)  IN (n, s)  IN (n,)  IN (n,)  OUT (n, t, 2s + 3)  OUT (n, 2s + 3)  OUT (n,)
    """loss = -log of the sum, over all walks, of the product of what they emit."""
    for i in range(len(loss)):
        symbols = _symbols(targets[i, :target_lengths[i]], blank)
        skip[i, :len(symbols)] = _skips(symbols)
        frames = log_probs[:input_lengths[i], i]
        loss[i] = _sequence(frames, symbols, skip[i, :len(symbols)], alpha[i, :, 2:len(symbols) + 2])


def _sequence_gradient(log_probs, symbols, skip, alpha, loss, gx):
    """gx += d loss / d log_probs."""
    beta = np.where(np.arange(len(symbols)) >= len(symbols) - 2, 0, -np.inf)
    for t in reversed(range(len(log_probs))):
        np.subtract.at(gx[t], symbols, np.exp(alpha[t] + beta + loss))
        q = log_probs[t, symbols] + beta
        beta = _log_add(q, _earlier(q, 1), _earlier(q + skip, 2))


def ctc_loss_backward(log_probs, targets, input_lengths, target_lengths, blank, alpha, skip, loss, g, work, gx):
    # IN (t, n, c)  IN (n, s)  IN (n,)  IN (n,)  IN ..., from forward  IN (n,)  OUT (n, 2, 2s + 3)  OUT (t, n, c)
    """gx = -g times how likely each frame is in a state of each symbol; NaN where there is no walk, 0 where g is."""
    gx[:] = 0
    for i in range(len(loss)):
        frames = slice(input_lengths[i])
        symbols = _symbols(targets[i, :target_lengths[i]], blank)
        if np.isinf(loss[i]):
            gx[frames, i] = np.nan if g[i] else 0
        else:
            _sequence_gradient(log_probs[frames, i], symbols, skip[i, :len(symbols)],
                               alpha[i, :, 2:len(symbols) + 2], loss[i], gx[:, i])
            gx[:, i] *= g[i]
