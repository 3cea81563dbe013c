"""What a network costs besides its time: import, making it ready, the first call, memory, Python around a call.

    python benchmarks/footprint.py

Each line is of fresh processes, its times their median; the peers load and run the same network (their files are
written before) and import nothing of tinycnn.  Importing is timed after NumPy's import; memory is the resident set's
peak.
"""
from __future__ import annotations

import argparse
import importlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from peers import ENGINES

SHAPE = (1, 3, 224, 224)
FILE = "network.tinycnn"
PEERS = ("onnxruntime", "ncnn")


# ---------------------------------------------------------------- in the measured process
def child(what: str, network: str, folder: Path) -> dict[str, float]:
    """Seconds and MB of this process: `what` is "code", "file" or a peer."""
    told: dict[str, float] = {}

    def timed(name: str, act: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = act()
        told[name] = time.perf_counter() - start
        return result

    module = timed("import", lambda: importlib.import_module(what if what in PEERS else "tinycnn"))
    if what == "code":
        model = module.models.create_model(network).eval()
        run = timed("ready", lambda: module.compile(model, SHAPE, threads=1))
    elif what == "file":
        run = timed("ready", lambda: module.load_compiled(folder / FILE, threads=1))
    else:
        run = timed("ready", lambda: ENGINES[what](None, folder, 1))  # type: ignore[arg-type]  # it has its files
    import numpy as np
    x = np.zeros(SHAPE, np.float32)
    timed("first", lambda: run(x))
    told["peak"] = peak()
    calls = []
    for _ in range(20):
        timed("call", lambda: run(x))
        calls.append(told["call"])
    return told | {"warm": statistics.median(calls)}


def peak() -> float:
    """MB of this process alone: what `getrusage` tells on Linux begins with the peak of the one that started it."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 ** (2 if sys.platform == "darwin" else 1)


def write_files(network: str, folder: Path) -> None:
    """The network as a file of each engine; an engine that cannot is named."""
    import numpy as np

    import tinycnn
    from tinycnn.engine.passes import drop_dead
    model = tinycnn.models.create_model(network).eval()
    tinycnn.compile(model, SHAPE).save(folder / FILE)
    graph = drop_dead(tinycnn.trace(model, SHAPE))
    for peer in PEERS:
        try:
            ENGINES[peer](graph, folder, 1)(np.zeros(SHAPE, np.float32))
        except Exception as problem:  # the others go on
            print(f"skipped: {peer}: {type(problem).__name__}: {str(problem).splitlines()[0][:90]}", file=sys.stderr)
        else:
            (folder / peer).touch()


def overhead() -> dict[str, float]:
    """Seconds that a call of a network takes that computes next to nothing: the least of many."""
    import numpy as np

    import tinycnn
    net = tinycnn.compile(tinycnn.nn.Linear(3, 2), (1, 3), threads=1)
    x, times = np.zeros((1, 3), np.float32), []
    for _ in range(20_000):
        start = time.perf_counter()
        net(x)
        times.append(time.perf_counter() - start)
    return {"least": min(times), "median": statistics.median(times)}


# ---------------------------------------------------------------- in the process that asks
def ask(*words: str) -> dict[str, float]:
    """What a fresh process answers."""
    run = subprocess.run([sys.executable, __file__, "--child", *words], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout)


def line(what: str, network: str, folder: Path, processes: int) -> None:
    """A line of the table."""
    told = [ask(what, network, str(folder)) for _ in range(processes)]
    middle = {name: statistics.median(one[name] for one in told) for name in told[0]}
    name = {"code": "tinycnn, compiled", "file": "tinycnn, loaded"}.get(what, what)
    print(f"{network:20} {name:18} {1e3 * middle['import']:9.0f} {1e3 * middle['ready']:9.0f} "
          f"{1e3 * middle['first']:9.2f} {1e3 * middle['warm']:9.2f} {middle['peak']:9.1f}", flush=True)


def main() -> None:
    """Ask for every line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=["shufflenet_v2_x1_0", "mobilenet_v2"])
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        what, *rest = arguments.child
        act = {"write": lambda: write_files(rest[0], Path(rest[1])), "overhead": overhead}
        print(json.dumps(act[what]() or {} if what in act else child(what, rest[0], Path(rest[1]))))
        return
    print(f"{'1 thread, 1x3x224x224':39} import ms  ready ms  first ms   warm ms   peak MB")
    for network in arguments.networks:
        with tempfile.TemporaryDirectory() as folder:
            ask("write", network, folder)
            for what in ("code", "file", *[peer for peer in PEERS if Path(folder, peer).exists()]):
                line(what, network, Path(folder), arguments.processes)
    told = ask("overhead")
    print(f"Python around a call: {1e6 * told['least']:.1f} us at least, {1e6 * told['median']:.1f} us in the middle")


if __name__ == "__main__":
    main()
