"""Updates of parameters in place, over flat arrays or stretches of them."""
import functools
import inspect

import numpy as np

SQUARES_CHUNK = 8192


def _over_spans(rule):
    """spans: (k, 2) bounds of the stretches that the rule is for; None: all of its arrays."""
    @functools.wraps(rule)
    def update(*arguments, spans=None):
        given = len(arguments) - rule.__code__.co_argcount
        arguments, spans = (arguments[:-1], arguments[-1]) if given else (arguments, spans)
        for start, stop in [(0, None)] if spans is None else spans:
            rule(*[a[start:stop] if isinstance(a, np.ndarray) else a for a in arguments])
    own = inspect.signature(rule)
    spans = inspect.Parameter("spans", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None)
    update.__signature__ = own.replace(parameters=[*own.parameters.values(), spans])
    return update


@_over_spans
def sgd_update(p, g, v, rate, momentum, dampening, weight_decay, nesterov):
    # IN and OUT (n,)  IN (n,)  IN and OUT (n,), zeros before the first step, or None
    """d = g + weight_decay p; v = momentum v + (1 - dampening) d; p -= rate (d + momentum v, or v; d without v)."""
    d = g + weight_decay * p
    if v is None:
        p -= rate * d
        return
    v[:] = momentum * v + (1 - dampening) * d
    p -= rate * (d + momentum * v if nesterov else v)


@_over_spans
def rmsprop_update(p, g, s, a, b, rate, inner_rate, alpha, momentum, eps, inner_eps, weight_decay):
    # IN and OUT (n,)  IN (n,)  IN and OUT (n,) three times, of which a and b may be None
    """Means of squares s, and of gradients a where centred; b = momentum b + the step; p -= rate b."""
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


@_over_spans
def adam_update(p, g, m, v, top, rate, beta1, beta2, eps, weight_decay, shrink, adaptive):
    # IN and OUT (n,)  IN (n,)  IN and OUT (n,) three times, of which top may be None
    """Means of gradients m and of their squares v; p = shrink p - rate m / (sqrt(v) + eps), or without the divisor."""
    d = g + weight_decay * p
    m[:] = beta1 * m + (1 - beta1) * d
    v[:] = beta2 * v + (1 - beta2) * d * d
    if top is not None:
        v = top[:] = np.maximum(top, v)
    p[:] = shrink * p - rate * (m / (np.sqrt(v) + eps) if adaptive else m)


@_over_spans
def average_update(y, x, weight):  # IN and OUT (n,)  IN (n,)
    """y += weight (x - y)."""
    y += weight * (x - y)


@_over_spans
def lookahead_update(y, x, weight):  # IN and OUT (n,) twice
    """y += weight (x - y), and x becomes y."""
    y += weight * (x - y)
    x[:] = y


@_over_spans
def scale_update(x, factor):  # IN and OUT (n,)
    """x times a factor."""
    with np.errstate(invalid="ignore"):  # infinity times 0
        x *= factor


@_over_spans
def limit_update(x, most):  # IN and OUT (n,)
    """x within [-most, most]; NaN stays NaN."""
    np.clip(x, -most, most, out=x)


def sum_of_squares(x, partial, pieces=None):
    # IN (n,)  OUT a number for each chunk  IN (chunks, 2), None: SQUARES_CHUNK elements each
    """The sum of x^2 of each chunk, in double, and of all of them."""
    if pieces is None:
        pieces = [(start, start + SQUARES_CHUNK) for start in range(0, len(x), SQUARES_CHUNK)]
    for c, (start, stop) in enumerate(pieces):
        partial[c] = np.square(x[start:stop], dtype=np.float64).sum()
    return float(partial[:len(pieces)].sum())
