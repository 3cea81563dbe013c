"""Whether time grows as work does: networks at many input sizes and batches, against the same network at 1x224x224.

    python benchmarks/scaling.py mobilenet_v2 --threads 1 2 --rounds 7

Prints, for each, milliseconds per image and how many times as long a multiply-add takes as at 1x224x224, the median of
ratios within rounds (harness.py).  A cliff is where that is beyond 1.5.
"""
from __future__ import annotations

import argparse

import numpy as np
from harness import interleave
from latency import multiply_adds

import tinycnn
from tinycnn._kernels import ISA
from tinycnn.engine.passes import drop_dead
from tinycnn.models import create_model

NETWORKS = ("shufflenet_v2_x1_0", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_lite0")
USUAL = (1, 224)  # batch, height and width
SIZES = (128, 160, 192, 256, 288, 320, 384, 448, 512)
BATCHES = (2, 3, 4, 8, 16)
CLIFF = 1.5


def measure(name: str, threads: int, rounds: int) -> list[str]:
    """The table of one network; its cliffs."""
    tinycnn.manual_seed(0)
    model = create_model(name).eval()
    cases = [USUAL, *[(1, size) for size in SIZES], *[(batch, USUAL[1]) for batch in BATCHES]]
    calls, work = {}, {}
    for batch, size in cases:
        x = np.random.default_rng(0).standard_normal((batch, 3, size, size), np.float32)
        net = tinycnn.compile(model, x, threads=threads, shapes="fixed")
        calls[batch, size] = lambda net=net, x=x: net(x)
        work[batch, size] = multiply_adds(drop_dead(tinycnn.trace(model, x)))
    times, cliffs = interleave(calls, rounds, calls=3), []
    print(f"\n{name}, {threads} thread(s)\n{'batch':>5} {'size':>5} {'ms per image':>13} {'per multiply-add':>17}")
    for case, timing in times.items():
        ratio = timing.ratio(times[USUAL]) * work[USUAL] / work[case]
        mark = "  CLIFF" if ratio > CLIFF else ""
        print(f"{case[0]:5} {case[1]:5} {1e3 * timing.median / case[0]:13.2f} {ratio:17.2f}{mark}", flush=True)
        if mark:
            cliffs.append(f"{name} {case[0]}x{case[1]}x{case[1]}, {threads} thread(s): {ratio:.2f}")
    return cliffs


def main() -> None:
    """Every network with every number of threads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    print(f"{ISA}, float32")
    cliffs = [cliff for threads in arguments.threads for name in arguments.networks
              for cliff in measure(name, threads, arguments.rounds)]
    print(f"\ncliffs beyond {CLIFF}: {'; '.join(cliffs) or 'none'}")


if __name__ == "__main__":
    main()
