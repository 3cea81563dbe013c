"""Probes of the machine: nothing to compute, something to time."""
import time

import numpy as np


def probe_fma(steps):
    """Floating-point operations per second of one thread, 2 for each multiply-add, over `steps` of y = y/2 + 1/2."""
    y = np.ones(4096)
    start = time.perf_counter()
    for _ in range(steps):
        y = 0.5 * y + 0.5
    return 2 * y.size * steps / (time.perf_counter() - start)
