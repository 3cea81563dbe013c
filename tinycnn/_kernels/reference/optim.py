"""Updates of parameters in place, over flat arrays."""
import numpy as np

SQUARES_CHUNK = 8192


def sgd_update(p, g, v, rate, momentum, dampening, weight_decay, nesterov):
    # IN and OUT (n,)  IN (n,)  IN and OUT (n,), zeros before the first step, or None
    """d = g + weight_decay p; v = momentum v + (1 - dampening) d; p -= rate (d + momentum v, or v; d without v)."""
    d = g + weight_decay * p
    if v is None:
        p -= rate * d
        return
    v[:] = momentum * v + (1 - dampening) * d
    p -= rate * (d + momentum * v if nesterov else v)


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


def adam_update(p, g, m, v, top, rate, beta1, beta2, eps, weight_decay, shrink, adaptive):
    # IN and OUT (n,)  IN (n,)  IN and OUT (n,) three times, of which top may be None
    """Means of gradients m and of their squares v; p = shrink p - rate m / (sqrt(v) + eps), or without the divisor."""
    d = g + weight_decay * p
    m[:] = beta1 * m + (1 - beta1) * d
    v[:] = beta2 * v + (1 - beta2) * d * d
    if top is not None:
        v = top[:] = np.maximum(top, v)
    p[:] = shrink * p - rate * (m / (np.sqrt(v) + eps) if adaptive else m)


def average_update(y, x, weight):  # IN and OUT (n,)  IN (n,)
    """y += weight (x - y)."""
    y += weight * (x - y)


def sum_of_squares(x, partial):  # IN (n,)  SCRATCH, a number for each SQUARES_CHUNK elements
    """The sum of x^2, in double."""
    return float(np.square(x, dtype=np.float64).sum())
