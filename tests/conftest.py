"""Settings that every test shares, and which tinycnn they test."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]
if not any((ROOT / "tinycnn" / "_kernels").glob("_eager_*")):
    # `python -m pytest` looks for modules in the working directory first.  Here that is a checkout whose kernels are
    # not compiled in place, so the tests are of the tinycnn that is installed.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]

from tinycnn._kernels import available, parallel, use  # noqa: E402  # now it is known which tinycnn

settings.register_profile("tinycnn", deadline=None, max_examples=int(os.environ.get("TINYCNN_EXAMPLES", "8")),
                          derandomize=True, database=None, print_blob=True,
                          suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large,
                                                 HealthCheck.differing_executors, HealthCheck.function_scoped_fixture])
settings.load_profile("tinycnn")


def pytest_report_header() -> str:
    """Which build is tested."""
    import tinycnn
    from tinycnn._kernels import ISA, built
    return f"tinycnn {tinycnn.__version__} ({', '.join(built())}; in use: {ISA}) from {Path(tinycnn.__file__).parent}"


@pytest.fixture
def photos(tmp_path):
    """A folder of small photos by class."""
    pytest.importorskip("PIL", reason="pillow is not installed: no photo can be read")
    from photos import write_folder
    return write_folder(tmp_path / "photos")


@pytest.fixture(params=available())
def isa(request):
    """Each instruction set that is built, in use while the test runs."""
    with use(request.param):
        yield request.param


@pytest.fixture
def share_out_everything():
    """Small arrays are shared out over threads too, as large ones always are; what sets 1, 2 and 3 threads in turn."""
    before = parallel.get_num_threads()
    parallel.set_grain(1)

    def numbers_of_threads():
        for threads in (1, 2, 3):
            parallel.set_num_threads(threads)
            yield threads
    yield numbers_of_threads
    parallel.set_grain(1 << 15)
    parallel.set_num_threads(before)


@pytest.fixture
def torch():
    """torch, or a skip that says so."""
    return pytest.importorskip("torch", reason="torch is not installed: its values are not compared")


@pytest.fixture
def run_python(tmp_path):
    """Run code, or a command's words, in a fresh Python that imports the same tinycnn, in an empty directory.

    -P: nothing is taken from the working directory, which the code may change to the checkout."""
    import tinycnn

    def run(*code: str, cwd: Path = tmp_path, **environment: str) -> subprocess.CompletedProcess[str]:
        command = ["-c", *code] if len(code) == 1 else list(code)
        paths = [str(Path(tinycnn.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        return subprocess.run([sys.executable, "-P", *command], cwd=cwd, capture_output=True, text=True, timeout=300,
                              env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **environment})

    return run


@pytest.fixture
def run(capsys):
    """Run a command in this process: its exit code, and what it printed on stdout and stderr."""
    import tinycnn
    from tinycnn import cli

    before = tinycnn.get_num_threads()

    def command(*arguments):
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as left:  # how argparse ends
            code = left.code
        return code, *capsys.readouterr()
    yield command
    tinycnn.set_num_threads(before)
