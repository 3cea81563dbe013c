"""Scratch memory for kernels, kept between calls: a fresh array would cost page faults each time."""
from __future__ import annotations

import threading

import numpy as np

_local = threading.local()  # per thread: a kernel runs without the GIL while another thread may start one


def scratch(elements: int, dtype: np.dtype) -> np.ndarray:
    """An uninitialised array of at least `elements`, 64-byte aligned, valid until this thread's next call."""
    buffers = _local.__dict__.setdefault("buffers", {})
    buffer = buffers.get(dtype)
    if buffer is None or buffer.size < elements:
        raw = np.empty(elements * dtype.itemsize + 64, np.uint8)
        start = -raw.ctypes.data % 64
        buffer = buffers[dtype] = raw[start:start + elements * dtype.itemsize].view(dtype)
    return buffer
