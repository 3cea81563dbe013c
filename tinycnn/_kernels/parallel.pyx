# cython: language_level=3
"""The one place that owns threads.

A kernel asks `team(work)` how many threads its loop deserves and passes the answer to `prange(num_threads=...)`.
The answer is 1 for small work, in a child after a fork (OpenMP's workers do not survive one, entering it would hang),
and in a build without OpenMP, where `prange` is a plain loop.
"""
import os

cdef extern from *:
    """
    #ifdef _OPENMP
    static const int openmp_version = _OPENMP;
    #else
    static const int openmp_version = 0;
    #endif
    """
    const int openmp_version

cdef int threads = 1
cdef bint forked = False
cdef Py_ssize_t grain = 1 << 15


cdef int team(Py_ssize_t work) noexcept nogil:
    """Threads for a loop of `work` elementary steps (elements moved, or multiply-adds of a vector)."""
    if alone() or work < 2*grain:
        return 1
    return <int>min(<Py_ssize_t>threads, work // grain)


cdef bint alone() noexcept nogil:
    """Whether there can be one thread only: after a fork, and without OpenMP."""
    return forked or openmp_version == 0


def set_num_threads(int n):
    """Let the kernels use at most `n` threads."""
    global threads
    if n < 1:
        raise ValueError(f"set_num_threads: n must be at least 1, got {n}")
    threads = n


def get_num_threads() -> int:
    """The most threads that a kernel may use."""
    return threads


def set_grain(Py_ssize_t n):
    """Work below which a loop is not shared out. Tests lower it, to run small arrays on several threads."""
    global grain
    if n < 1:
        raise ValueError(f"set_grain: n must be at least 1, got {n}")
    grain = n


def openmp() -> int:
    """OpenMP's version as the yyyymm that the compiler states, 0 in a build without it."""
    return openmp_version


def usable_cpus() -> int:
    """CPUs that this process may use: its affinity mask, and the quota of its control group (version 2 or 1)."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for quota in (_quota_v2(), _quota_v1()):
        if quota is not None:
            cpus = min(cpus, max(1, int(quota)))
    return cpus


def _read(path):
    try:
        with open(path) as file:
            return file.read().split()
    except OSError:
        return []


def _quota_v2():
    words = _read("/sys/fs/cgroup/cpu.max")
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0] != "max" else None


def _quota_v1():
    quota = _read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
    period = _read("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
    return int(quota[0]) / int(period[0]) if quota and period and int(quota[0]) > 0 else None


def _after_fork():
    global forked
    forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
threads = usable_cpus()
