"""Probes of the machine: nothing to compute, something to time."""


def probe_fma(y, steps):  # INOUT (24*WIDTH or more,)
    """y = y/2 + 1/2, `steps` times, over as many elements as the kernel takes at once (here: all)."""
    for _ in range(steps):
        y[:] = 0.5 * y + 0.5
