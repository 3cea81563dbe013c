"""Reductions over the middle axis of x (O, N, I)."""


def sum_forward(x, y):  # IN (o, n, i)  OUT (o, i)
    """y = sum_n x."""
    y[:] = x.sum(1)


def mean_forward(x, y):  # IN (o, n, i)  OUT (o, i)
    """y = sum_n x / N."""
    y[:] = x.mean(1)


def max_forward(x, y):  # IN (o, n, i)  OUT (o, i)
    """y = max_n x."""
    y[:] = x.max(1)


def min_forward(x, y):  # IN (o, n, i)  OUT (o, i)
    """y = min_n x."""
    y[:] = x.min(1)


def extreme_backward(x, y, gy, gx):  # IN (o, n, i)  IN (o, i)  IN (o, i)  OUT (o, n, i)
    """gx = gy where x is y, the largest or the smallest, shared by as many as are."""
    hits = x == y[:, None]
    gx[:] = hits * (gy / hits.sum(1))[:, None]
