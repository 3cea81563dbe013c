"""Milliseconds for one image, compiled, against the other engines, float32: all in one run, round by round.

    python benchmarks/latency.py mobilenet_v2 shufflenet_v2_x1_0 --threads 1 2 --rounds 9

Outputs are compared before anything is timed.  `ratio` is the median over the rounds of peer / tinycnn; `peak`, the
share of this machine's multiply-adds, probed in the same run, that the network's own (direct) ones would take.
torch.compile takes a minute for each network and a C++ compiler, so it must be asked for: `--engines torch.compile`.
"""
from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from harness import fma_probe, interleave
from peers import ENGINES, Engine

import tinycnn
from tinycnn._kernels import ISA
from tinycnn.engine.graph import Graph
from tinycnn.engine.passes import drop_dead
from tinycnn.models import create_model

LIGHT = ("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "mobilenetv1_100", "mobilenet_v2",
         "mobilenet_v3_small", "mobilenet_v3_large", "efficientnet_lite0", "squeezenet1_1", "shufflenet_v1_g3",
         "ghostnet_100", "mnasnet1_0", "mnasnet_a1", "efficientnet_b0")
HEAVY = ("resnet18", "vgg16")
TOLERANCE = 1e-3  # of the largest logit: another result means another network


def multiply_adds(graph: Graph) -> int:
    """Of convolutions and linear layers, computed directly."""
    return sum(int(np.prod(node.y.shape)) * int(np.prod(node.inputs["w"].shape[1:])) for node in graph.nodes
               if node.op in ("conv2d", "linear"))


def engines(graph: Graph, model, x: np.ndarray, threads: int, names: list[str], folder: Path) -> dict[str, Engine]:
    """Those that are installed and can run it, each seen to give our result."""
    net = tinycnn.compile(model, x, threads=threads)
    want, found = net(x), {"tinycnn": net}
    for name in names:
        try:
            run = ENGINES[name](graph, folder, threads)
            error = np.abs(run(x) - want).max() / np.abs(want).max()
        except Exception as problem:  # an engine that fails is reported, the others go on
            print(f"  skipped: {name}: {type(problem).__name__}: {str(problem).splitlines()[0][:90]}")
            continue
        if error > TOLERANCE:
            print(f"  skipped: {name}: its output differs by {error:.1e}")
        else:
            found[name] = run
    return found


def measure(name: str, threads: int, arguments: argparse.Namespace) -> dict[str, float]:
    """One network: its line of the table; the ratios by peer."""
    tinycnn.manual_seed(0)
    tinycnn.set_num_threads(threads)
    model = create_model(name).eval()
    size = arguments.size
    x = np.random.default_rng(0).standard_normal((arguments.batch, 3, size, size), np.float32)
    graph = drop_dead(tinycnn.trace(model, x))
    with tempfile.TemporaryDirectory() as folder:
        found = engines(graph, model, x, threads, arguments.engines, Path(folder))
        probe = fma_probe(threads)
        peak = max(probe() for _ in range(20))
        calls = {key: (lambda run=run: run(x)) for key, run in found.items()}
        times = interleave(calls, arguments.rounds, calls=5, probe=probe)
    ours = times["tinycnn"]
    share = 2 * multiply_adds(graph) / ours.best / peak
    ratios = {key: other.ratio(ours) for key, other in times.items() if key != "tinycnn"}
    cells = "  ".join(f"{key} {1e3 * times[key].median:7.2f} ({ratio:4.2f})" for key, ratio in ratios.items())
    print(f"{name:20} {threads}  {1e3 * ours.median:7.2f} ms  peak {share:4.2f}  {cells}"
          f"  {len(ours.rounds)} rounds{' of an unsteady machine' * (len(ours.rounds) > arguments.rounds)}", flush=True)
    return ratios


def main() -> None:
    """Time all of it and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=[*LIGHT, *HEAVY])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES)[:-1])
    arguments = parser.parse_args()
    for threads in arguments.threads:
        shape = f"{arguments.batch} x 3 x {arguments.size} x {arguments.size}"
        print(f"{ISA}, float32, {threads} thread(s), {shape}: median ms (median ratio peer / tinycnn)")
        fastest = {name: min(ratios.values()) for name in arguments.networks
                   if (ratios := measure(name, threads, arguments))}
        light = [ratio for name, ratio in fastest.items() if name in LIGHT]
        if light:
            print(f"light networks, fastest peer / tinycnn: geometric mean {np.exp(np.mean(np.log(light))):.2f}, "
                  f"least {min(light):.2f}")


if __name__ == "__main__":
    main()
