"""Depthwise convolution against torch eager: y, and the gradients of x and w, on the shapes of light networks.

    python benchmarks/depthwise.py --threads 1 2 [--maps training]

Arrays only, no tape; harness.py says how time is taken.  Prints microseconds of ours and torch's time over ours.
"""
from __future__ import annotations

import argparse

import numpy as np
from harness import geometric_mean, interleave

import tinycnn
from tinycnn._kernels import ISA
from tinycnn.ops import depthwise
from tinycnn.ops.geometry import Window

SHAPES = {  # images, channels, size, kernel, stride
    "inference": [  # one image of 224 x 224
        (1, 32, 112, 3, 1), (1, 96, 112, 3, 2), (1, 144, 56, 3, 1), (1, 144, 56, 3, 2), (1, 192, 28, 3, 1),
        (1, 192, 28, 5, 1), (1, 384, 14, 3, 1), (1, 576, 14, 5, 2), (1, 960, 7, 3, 1), (1, 960, 7, 5, 1)],
    "training": [  # 16 images of 64 x 64
        (16, 32, 32, 3, 1), (16, 96, 32, 3, 2), (16, 144, 16, 3, 1), (16, 144, 16, 3, 2), (16, 192, 8, 3, 1),
        (16, 192, 8, 3, 2), (16, 384, 4, 3, 1), (16, 576, 4, 3, 2), (16, 960, 2, 3, 1), (16, 58, 8, 3, 1)]}
WHAT = ("y", "gx", "gw")


def problem(n: int, c: int, size: int, k: int, stride: int) -> tuple:
    """Arrays of one layer with k // 2 of padding, and its window."""
    rng = np.random.default_rng(0)
    window = Window((k, k), (stride, stride), (1, 1), (k//2,)*4)
    shapes = ((n, c, size, size), (c, 1, k, k), (n, c, *window.output(size, size)))
    return *(rng.standard_normal(shape, "f") for shape in shapes), window


def ours(x, w, gy, window) -> dict:
    """Calls that return y, gx and gw."""
    y, gx, gw = np.empty_like(gy), np.empty_like(x), np.empty_like(w)
    return {"y": lambda: depthwise.forward(x, w, None, y, window) or y,
            "gx": lambda: depthwise.backward_input(gy, w, gx, window) or gx,
            "gw": lambda: depthwise.backward_weight(x, gy, gw, window) or gw}


def theirs(torch, x, w, gy, window) -> dict:
    """The same, by torch."""
    x, w, gy = (torch.from_numpy(a) for a in (x, w, gy))
    stride, pads, groups = list(window.stride), list(window.pads[:2]), x.shape[1]

    def back(i):
        mask = [i == 0, i == 1, False]
        return torch.ops.aten.convolution_backward(gy, x, w, None, stride, pads, [1, 1], False, [0, 0], groups, mask)[i]
    return {"y": lambda: torch.conv2d(x, w, None, stride, pads, 1, groups),
            "gx": lambda: back(0), "gw": lambda: back(1)}


def line(torch, shape: tuple, rounds: int) -> list[float]:
    """Measure one layer and print it; torch's times over ours."""
    arrays = problem(*shape)
    mine, yours = ours(*arrays), theirs(torch, *arrays)
    ratios, cells = [], []
    for what in WHAT:
        want = yours[what]().numpy()
        np.testing.assert_allclose(mine[what](), want, rtol=0, atol=1e-4*np.abs(want).max())
        times = interleave({"tinycnn": mine[what], "torch": yours[what]}, rounds, calls=15)
        ratios.append(times["torch"].ratio(times["tinycnn"]))
        cells.append(f"{1e6*times['tinycnn'].median:9.1f} {ratios[-1]:6.2f}")
    n, c, size, k, stride = shape
    print(f"{n:2} x {c:3} @ {size:3}  {k}x{k} / {stride}  {'   '.join(cells)}", flush=True)
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--maps", choices=SHAPES, default="inference")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    import torch
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        tinycnn.set_num_threads(threads)
        print(f"{arguments.maps}, {threads} thread(s), float32, {ISA}: {', '.join(WHAT)}: us, torch/ours")
        ratios = [line(torch, shape, arguments.rounds) for shape in SHAPES[arguments.maps]]
        means = (f"{what} {geometric_mean(list(column)):.2f}" for what, column in zip(WHAT, zip(*ratios)))
        print(f"geometric means: {', '.join(means)}; least {min(map(min, ratios)):.2f}")


if __name__ == "__main__":
    main()
