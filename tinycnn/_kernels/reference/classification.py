"""Losses of choosing one class of several, for each pixel of x (N, C, P)."""
import numpy as np


def _rows(x):
    """(N, C, P) as (N P, C)."""
    return x.transpose(0, 2, 1).reshape(-1, x.shape[1])


def _planes(rows, x):
    """(N P, C) as (N, C, P), like x."""
    return rows.reshape(x.shape[0], x.shape[2], x.shape[1]).transpose(0, 2, 1)


def _log_softmax(rows):
    rows = rows - rows.max(1, keepdims=True)
    return rows - np.log(np.exp(rows).sum(1, keepdims=True))


def _ones(weight, classes):
    return np.ones(classes) if weight is None else weight


def _counted(target, ignore):
    """Which targets count, and the targets with those to be ignored made classes."""
    counts = target != ignore
    return counts, np.where(counts, target, 0)


def _hard(x, target, weight, smoothing, ignore):
    """Each pixel's target distribution times the weights; 0 where it is ignored."""
    counts, classes = _counted(target, ignore)
    weight = _ones(weight, x.shape[1])
    a = np.tile(weight * smoothing / x.shape[1], (len(target), 1))
    a[np.arange(len(target)), classes] += weight[classes] * (1 - smoothing)
    return a * counts[:, None]


def _soft(target, weight, smoothing):
    """The same for targets that are distributions."""
    return _ones(weight, target.shape[1]) * (_rows(target) * (1 - smoothing) + smoothing / target.shape[1])


def _forward(x, a, loss, y):
    logs = _log_softmax(_rows(x))
    loss[:] = -np.where(a == 0, 0, a * logs).sum(1)
    y[:] = _planes(np.exp(logs), x)


def _backward(y, a, g, gx):
    counts = a.any(1)[:, None]
    rows = g[:, None] * (a.sum(1, keepdims=True) * np.where(counts, _rows(y), 0) - a)
    gx[:] = _planes(rows, y)


def first_wrong_class(target, classes, ignore):  # IN (n,)
    """Where the first target is that is neither a class nor to be ignored; -1 where there is none."""
    wrong = ((target < 0) | (target >= classes)) & (target != ignore)
    return int(wrong.argmax()) if wrong.any() else -1


def _total_weight(target, weight, classes, ignore):
    counts, chosen = _counted(target, ignore)
    return float((_ones(weight, classes)[chosen] * counts).sum())


def cross_entropy_forward(x, target, weight, smoothing, ignore, loss, y):  # IN (n, c, p) (n p,) (c,)  OUT (n p,) x's
    """loss = -sum a log softmax(x), a the weighted target distribution; y = softmax(x); returns the targets' weight."""
    _forward(x, _hard(x, target, weight, smoothing, ignore), loss, y)
    return _total_weight(target, weight, x.shape[1], ignore)


def cross_entropy_backward(y, target, weight, smoothing, ignore, g, gx):  # IN (n, c, p) (n p,) (c,) g  OUT (n, c, p)
    """gx = g (A y - a), A the sum of a."""
    _backward(y, _hard(y, target, weight, smoothing, ignore), g, gx)


def soft_cross_entropy_forward(x, target, weight, smoothing, loss, y):  # IN (n, c, p) twice (c,)  OUT (n p,) (n, c, p)
    """The same, the target a distribution."""
    _forward(x, _soft(target, weight, smoothing), loss, y)


def soft_cross_entropy_backward(y, target, weight, smoothing, g, gx):  # IN (n, c, p) twice (c,) g  OUT (n, c, p)
    """The same, the target a distribution."""
    _backward(y, _soft(target, weight, smoothing), g, gx)


def nll_forward(x, target, weight, ignore, loss):  # IN (n, c, p) (n p,) (c,)  OUT (n p,)
    """loss = -w x at the target; returns the targets' weight."""
    a = _hard(x, target, weight, 0, ignore)
    loss[:] = -np.where(a == 0, 0, a * _rows(x)).sum(1)
    return _total_weight(target, weight, x.shape[1], ignore)


def nll_backward(target, weight, ignore, g, gx):  # IN (n p,) (c,) g  OUT (n, c, p)
    """gx = -g w at the target."""
    gx[:] = _planes(-g[:, None] * _hard(gx, target, weight, 0, ignore), gx)


def _excess(x, target, margin):
    """margin - x_y + x_c, and -1, which counts for nothing, at the target."""
    rows = np.arange(len(x))
    z = margin - x[rows, target][:, None] + x
    z[rows, target] = -1
    return z


def multi_margin_forward(x, target, weight, p, margin, loss):  # IN (r, c) (r,) (c,)  OUT (r,)
    """loss = w_y / C sum over other classes of max(0, margin - x_y + x_c)^p."""
    z = np.maximum(0, _excess(x, target, margin))
    loss[:] = (z ** p).sum(1) * _ones(weight, x.shape[1])[target] / x.shape[1]


def multi_margin_backward(x, target, weight, p, margin, g, gx):  # IN (r, c) (r,) (c,) g  OUT (r, c)
    """gx = g w_y / C p max(0, z)^(p - 1) where z > 0; at the target minus their sum."""
    z = _excess(x, target, margin)
    slope = np.where(z > 0, p * np.maximum(z, 0) ** (p - 1), 0)
    slope[np.arange(len(x)), target] = -slope.sum(1)
    gx[:] = slope * (g * _ones(weight, x.shape[1])[target] / x.shape[1])[:, None]
