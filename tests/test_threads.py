"""How many threads kernels use, and that a process may fork."""
from __future__ import annotations

import os

import numpy as np
import pytest

import tinycnn
from tinycnn import functional as F
from tinycnn._kernels import parallel, waiting

BIG = 1 << 20  # elements: work enough that a kernel uses every thread it may


@pytest.fixture
def threads_restored():
    before = tinycnn.get_num_threads()
    yield
    tinycnn.set_num_threads(before)


def test_set_num_threads(threads_restored):
    tinycnn.set_num_threads(3)
    assert tinycnn.get_num_threads() == 3


@pytest.mark.parametrize(("n", "error"), [(0, ValueError), (-1, ValueError), ("two", TypeError), (None, TypeError)])
def test_set_num_threads_refuses(n, error, threads_restored):
    before = tinycnn.get_num_threads()
    with pytest.raises(error):
        tinycnn.set_num_threads(n)
    assert tinycnn.get_num_threads() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_computes_after_a_fork(threads_restored):
    """OpenMP's threads do not survive a fork; a child that entered it would hang for ever."""
    tinycnn.set_num_threads(2)
    x = np.linspace(-1, 1, BIG, dtype=np.float32)
    want = F.relu(x).numpy()  # the parent's OpenMP has started its threads
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(F.relu(x).numpy(), want) else 1)
    assert wait(child) == 0
    np.testing.assert_array_equal(F.relu(x).numpy(), want)  # and the parent goes on as before


def wait(child: int, seconds: float = 60) -> int:
    """The exit code of a child; kills one that hangs."""
    import time
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        finished, status = os.waitpid(child, os.WNOHANG)
        if finished:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    raise AssertionError("the child hangs")


def test_usable_cpus_is_at_most_what_the_machine_has():
    assert 1 <= parallel.usable_cpus() <= os.cpu_count()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity masks")
def test_threads_follow_the_affinity_mask(run_python):
    result = run_python("import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
                        "import tinycnn; print(tinycnn.get_num_threads())")
    assert result.stdout == "1\n"


@pytest.mark.parametrize(("files", "cpus"), [
    ({"/sys/fs/cgroup/cpu.max": "max 100000"}, 64),
    ({"/sys/fs/cgroup/cpu.max": "250000 100000"}, 2),
    ({"/sys/fs/cgroup/cpu.max": "50000 100000"}, 1),
    ({"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "300000", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 3),
    ({"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 64),
    ({}, 64),
])
def test_usable_cpus_reads_the_quota_of_its_control_group(files, cpus, monkeypatch):
    monkeypatch.setattr(parallel, "_read", lambda path: files.get(path, "").split())
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert parallel.usable_cpus() == cpus


def test_an_unknown_instruction_set_is_refused_with_the_choice(run_python):
    result = run_python("import tinycnn", TINYCNN_ISA="sse9")
    assert result.returncode == 1
    assert "ImportError: TINYCNN_ISA='sse9': expected one of " in result.stderr


def test_an_instruction_set_can_be_forced(run_python):
    from tinycnn._kernels import available
    for isa in available():
        assert run_python("from tinycnn._kernels import ISA; print(ISA)", TINYCNN_ISA=isa).stdout == f"{isa}\n"


@pytest.mark.parametrize("chosen", [{}, {"OMP_WAIT_POLICY": "active"}, {"GOMP_SPINCOUNT": "7"}])
def test_how_openmp_waits_is_told_to_it_alone(chosen, run_python, monkeypatch):
    """Set while OpenMP is loaded, gone for child processes; what the user chose is left as it is."""
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    result = run_python("import os, tinycnn\n"
                        "print({n: os.environ[n] for n in ('GOMP_SPINCOUNT', 'OMP_WAIT_POLICY') if n in os.environ})",
                        **chosen)
    assert result.stdout == f"{chosen}\n"


def test_openmp_is_told_to_wait_briefly(monkeypatch):
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    with waiting.brief_waiting():
        assert os.environ["GOMP_SPINCOUNT"] == waiting.SPINS
    assert "GOMP_SPINCOUNT" not in os.environ
