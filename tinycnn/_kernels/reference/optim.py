"""Updates of parameters in place, over flat arrays or stretches of them."""
import numpy as np

SQUARES_CHUNK = 8192


def _stretches(spans, *arrays):
    """The parts of arrays (some may be None) that spans (k, 2) bound, one after the other; None: all of them."""
    for start, stop in [(0, None)] if spans is None else spans:
        yield [None if a is None else a[start:stop] for a in arrays]


def sgd_update(p, g, v, rate, momentum, dampening, weight_decay, nesterov, spans=None):
    # IN and OUT (n,)  IN (n,)  IN and OUT (n,), zeros before the first step, or None
    """d = g + weight_decay p; v = momentum v + (1 - dampening) d; p -= rate (d + momentum v, or v; d without v)."""
    parts = _stretches(spans, p, g, v)
    for p, g, v in parts:
        d = g + weight_decay * p
        if v is None:
            p -= rate * d
            continue
        v[:] = momentum * v + (1 - dampening) * d
        p -= rate * (d + momentum * v if nesterov else v)


def rmsprop_update(p, g, s, a, b, rate, inner_rate, alpha, momentum, eps, inner_eps, weight_decay, spans=None):
    # IN and OUT (n,)  IN (n,)  IN and OUT (n,) three times, of which a and b may be None
    """Means of squares s, and of gradients a where centred; b = momentum b + the step; p -= rate b."""
    parts = _stretches(spans, p, g, s, a, b)
    for p, g, s, a, b in parts:
        d = g + weight_decay * p
        s[:] = alpha * s + (1 - alpha) * d * d
        variance = s
        if a is not None:
            a[:] = alpha * a + (1 - alpha) * d
            variance = np.maximum(s - a * a, 0)
        step = inner_rate * d / (np.sqrt(variance + inner_eps) + eps)
        if b is not None:
            b[:] = momentum * b + step
            step = b
        p -= rate * step


def adam_update(p, g, m, v, top, rate, beta1, beta2, eps, weight_decay, shrink, adaptive, spans=None):
    # IN and OUT (n,)  IN (n,)  IN and OUT (n,) three times, of which top may be None
    """Means of gradients m and of their squares v; p = shrink p - rate m / (sqrt(v) + eps), or without the divisor."""
    parts = _stretches(spans, p, g, m, v, top)
    for p, g, m, v, top in parts:
        d = g + weight_decay * p
        m[:] = beta1 * m + (1 - beta1) * d
        v[:] = beta2 * v + (1 - beta2) * d * d
        if top is not None:
            v = top[:] = np.maximum(top, v)
        p[:] = shrink * p - rate * (m / (np.sqrt(v) + eps) if adaptive else m)


def average_update(y, x, weight, spans=None):  # IN and OUT (n,)  IN (n,)
    """y += weight (x - y)."""
    parts = _stretches(spans, y, x)
    for y, x in parts:
        y += weight * (x - y)


def lookahead_update(y, x, weight, spans=None):  # IN and OUT (n,) twice
    """y += weight (x - y), and x becomes y."""
    average_update(y, x, weight, spans)
    parts = _stretches(spans, y, x)
    for y, x in parts:
        x[:] = y


def scale_update(x, factor, spans=None):  # IN and OUT (n,)
    """x times a factor."""
    with np.errstate(invalid="ignore"):  # infinity times 0
        parts = _stretches(spans, x)
        for [x] in parts:
            x *= factor


def limit_update(x, most, spans=None):  # IN and OUT (n,)
    """x within [-most, most]; NaN stays NaN."""
    parts = _stretches(spans, x)
    for [x] in parts:
        np.clip(x, -most, most, out=x)


def sum_of_squares(x, partial, pieces=None):
    # IN (n,)  OUT a number for each chunk  IN (chunks, 2), None: SQUARES_CHUNK elements each
    """The sum of x^2 of each chunk, in double, and of all of them."""
    if pieces is None:
        pieces = [(start, start + SQUARES_CHUNK) for start in range(0, len(x), SQUARES_CHUNK)]
    for c, (start, stop) in enumerate(pieces):
        partial[c] = np.square(x[start:stop], dtype=np.float64).sum()
    return float(partial[:len(pieces)].sum())
