"""The kernels: everything that touches every element of an array, compiled once per instruction set."""
from .waiting import brief_waiting

with brief_waiting():
    from .dispatch import ISA, available, built, kernels, use
from .parallel import get_num_threads, set_num_threads
from .workspace import scratch

__all__ = ["ISA", "available", "built", "get_num_threads", "kernels", "scratch", "set_num_threads", "use"]
