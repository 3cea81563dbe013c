"""How long OpenMP's threads wait awake for the next loop before they sleep."""
from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

SPINS = "1000"  # some 50 microseconds: longer than Python takes from one kernel to the next
CHOSEN_BY_USER = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


@contextmanager
def brief_waiting() -> Iterator[None]:
    """Within the block GNU's OpenMP, if it is loaded there, learns to wait awake only briefly.

    Its default is some milliseconds, which a thread burns at the end of each loop where others want the CPU too: a
    network of a hundred loops then took 50 times as long on a machine that had more to do.  There is no call for it,
    and the library reads the environment once, when it is loaded; what the user chose there stands.
    """
    if any(name in os.environ for name in CHOSEN_BY_USER):
        yield
        return
    os.environ["GOMP_SPINCOUNT"] = SPINS
    try:
        yield
    finally:
        del os.environ["GOMP_SPINCOUNT"]  # not for the programs that this one starts
