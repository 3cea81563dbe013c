"""Updates of parameters in place, over flat arrays."""


def sgd_update(p, g, v, rate, momentum, dampening, weight_decay, nesterov):
    # IN and OUT (n,)  IN (n,)  IN and OUT (n,), zeros before the first step
    """d = g + weight_decay p; v = momentum v + (1 - dampening) d; p -= rate (d + momentum v, or v)."""
    d = g + weight_decay * p
    v[:] = momentum * v + (1 - dampening) * d
    p -= rate * (d + momentum * v if nesterov else v)
