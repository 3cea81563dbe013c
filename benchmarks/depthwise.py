"""Depthwise convolution against torch eager: forward, and the gradients of x and w, on the shapes of light networks.

    python benchmarks/depthwise.py [--threads 1 2] [--rounds 15] [--training]

Rounds are interleaved (ours, torch, ours, torch, ...); a line gives the median microseconds of each, and the median
of the ratios within rounds (above 1: we are faster).
"""
from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

import tinycnn
from tinycnn.ops import depthwise
from tinycnn.ops.geometry import Window

SHAPES = [  # images, channels, size, kernel, stride
    (1, 32, 112, 3, 1), (1, 96, 112, 3, 2), (1, 144, 56, 3, 1), (1, 144, 56, 3, 2), (1, 192, 28, 3, 1),
    (1, 192, 28, 5, 1), (1, 384, 14, 3, 1), (1, 576, 14, 5, 2), (1, 960, 7, 3, 1), (1, 960, 7, 5, 1)]
TRAINING = [  # of a step on 16 images of 64 x 64
    (16, 32, 32, 3, 1), (16, 96, 32, 3, 2), (16, 144, 16, 3, 1), (16, 144, 16, 3, 2), (16, 192, 8, 3, 1),
    (16, 192, 8, 3, 2), (16, 384, 4, 3, 1), (16, 576, 4, 3, 2), (16, 960, 2, 3, 1), (16, 58, 8, 3, 1)]


def problem(n, c, size, k, stride):
    """Arrays of one layer with 'same' padding."""
    rng = np.random.default_rng(0)
    window = Window((k, k), (stride, stride), (1, 1), (k//2,)*4)
    x = rng.standard_normal((n, c, size, size), "f")
    w = rng.standard_normal((c, 1, k, k), "f")
    y = rng.standard_normal((n, c, *window.output(size, size)), "f")
    return x, w, y, window


def ours(x, w, y, window):
    """Calls that compute y, gx and gw."""
    out, gx, gw = np.empty_like(y), np.empty_like(x), np.empty_like(w)
    return {"y": lambda: depthwise.forward(x, w, None, out, window),
            "gx": lambda: depthwise.backward_input(y, w, gx, window),
            "gw": lambda: depthwise.backward_weight(x, y, gw, window)}


def theirs(torch, x, w, y, window):
    """The same, by torch."""
    tx, tw, ty = (torch.from_numpy(a) for a in (x, w, y))
    stride, pads, groups = list(window.stride), list(window.pads[:2]), x.shape[1]
    def back(*mask):
        return torch.ops.aten.convolution_backward(ty, tx, tw, None, stride, pads, [1, 1], False, [0, 0], groups,
                                                   [*mask, False])
    return {"y": lambda: torch.conv2d(tx, tw, None, stride, pads, 1, groups),
            "gx": lambda: back(True, False), "gw": lambda: back(False, True), "gx+gw": lambda: back(True, True)}


def seconds(call, repeats):
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start)/repeats


def compare(a, b, rounds):
    """(median of a, of b, median of b/a), interleaved."""
    repeats = max(1, int(1e-3/max(seconds(a, 2), seconds(b, 2), 1e-7)))
    pairs = [(seconds(a, repeats), seconds(b, repeats)) for _ in range(rounds)]
    return (*(statistics.median(p)*1e6 for p in zip(*pairs)), statistics.median(q/p for p, q in pairs))


def main():
    import torch
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--training", action="store_true", help="the maps of a training step instead")
    options.add_argument("--only", nargs="+", default=["y", "gx", "gw"])
    chosen = options.parse_args()
    print("images x channels @ size kernel stride: what, ours us, torch us, torch/ours; float32;", tinycnn._kernels.ISA)
    for threads in chosen.threads:
        torch.set_num_threads(threads)
        tinycnn.set_num_threads(threads)
        print(f"threads {threads}")
        for shape in TRAINING if chosen.training else SHAPES:
            arrays = problem(*shape)
            mine, yours = ours(*arrays), theirs(torch, *arrays)
            cells = ("{}: {:7.1f} {:7.1f} {:5.2f}".format(what, *compare(mine[what], yours[what], chosen.rounds))
                     for what in chosen.only)
            print("{:2d} x {:3d} @ {:3d} {}x{} s{}:  ".format(*shape[:4], *shape[3:]), "   ".join(cells))


if __name__ == "__main__":
    main()
