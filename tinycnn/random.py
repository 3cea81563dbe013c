"""Where chance comes from: one seed, for the random numbers inside networks and for everything around them.

Inside networks (dropout) numbers are counter-based: a function of the seed, the number of the draw, and the place in
the array, the same for any layout, thread count and build (Salmon et al., "Parallel random numbers: as easy as 1, 2,
3", 2011).  Initialisation and data use `generator()`, NumPy's.
"""
from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_lock = threading.Lock()
_seed = int.from_bytes(os.urandom(8), "little") >> 1
_draws = 0
_generator: np.random.Generator | None = None  # made when first wanted: numpy.random takes long to import


def manual_seed(seed: int) -> None:
    """Make everything random repeatable from here on: initialisation, dropout, and what draws from `generator()`.

    seed: 0 <= seed < 2^64; ValueError otherwise.

    >>> manual_seed(1); a = generator().normal(); manual_seed(1); a == generator().normal()
    True
    """
    global _seed, _draws, _generator
    if not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise ValueError(f"manual_seed: seed must be an integer with 0 <= seed < 2**64, got {seed!r}")
    with _lock:
        _seed, _draws, _generator = int(seed), 0, None


def generator() -> np.random.Generator:
    """NumPy's generator, for initialisation and data."""
    global _generator
    with _lock:
        if _generator is None:
            _generator = np.random.default_rng(_seed)
        return _generator


def next_draw() -> tuple[int, int]:
    """(seed, number of the draw): a key that no other draw has had since the seed was set."""
    global _draws
    with _lock:
        _draws += 1
        return _seed, _draws - 1


@contextmanager
def unchanged() -> Iterator[None]:
    """Draws within the block are taken back when it ends."""
    global _draws
    before = _draws
    try:
        yield
    finally:
        with _lock:
            _draws = before


def get_state() -> dict[str, Any]:
    """Everything that `set_state` needs to continue from here, as plain numbers and strings (a checkpoint keeps it)."""
    return {"seed": _seed, "draws": _draws, "generator": generator().bit_generator.state}


def set_state(state: dict[str, Any]) -> None:
    """Continue as from the moment of `get_state`; ValueError where the state is not one of its results."""
    global _seed, _draws, _generator
    fresh = np.random.default_rng(0)
    try:
        seed, draws = int(state["seed"]), int(state["draws"])
        fresh.bit_generator.state = state["generator"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"set_state: state is not one that get_state gave: {error}") from None
    with _lock:
        _seed, _draws, _generator = seed, draws, fresh
