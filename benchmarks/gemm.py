"""Our matrix product against np.matmul (OpenBLAS), on the convolutions of two light networks at 3x224x224.

    python benchmarks/gemm.py --threads 1 2 --product ab

A pointwise convolution of one image, or a dense one after im2col, is W (M, K) times X (K, N); a fully connected layer
has N = 1.  Packing is part of our time.  --product atb and abt time the gradients' products of the same layers, Wᵀ gY
and gY Xᵀ.  Each number of threads gets a process of its own, because OpenBLAS reads its own once; harness.py says how
time is taken.  Prints GFLOP/s (2 for a multiply-add), the fraction of the measured peak, and numpy's time over ours.
"""
from __future__ import annotations

import argparse
import os
import subprocess
import sys

import numpy as np
from harness import geometric_mean, interleave

import tinycnn
from tinycnn._kernels import kernels, scratch

SHAPES = {  # M, N, K
    "shufflenet_v2_x1_0": [
        (24, 12544, 27), (58, 784, 24), (58, 3136, 24), (58, 784, 58), (116, 784, 116), (116, 196, 116),
        (232, 196, 232), (232, 49, 232), (1024, 49, 464), (1000, 1, 1024)],
    "mobilenet_v2": [
        (32, 12544, 27), (16, 12544, 32), (96, 12544, 16), (24, 3136, 96), (144, 3136, 24), (24, 3136, 144),
        (32, 784, 144), (192, 784, 32), (32, 784, 192), (64, 196, 192), (384, 196, 64), (64, 196, 384),
        (96, 196, 384), (576, 196, 96), (96, 196, 576), (160, 49, 576), (960, 49, 160), (160, 49, 960),
        (320, 49, 960), (1280, 49, 320), (1000, 1, 1280)]}


def engines(m: int, n: int, k: int, product: str) -> dict:
    """Two functions that compute the same product, and say so."""
    if product == "atb":
        m, k = k, m
    if product == "abt":
        n, k = k, n
    rng = np.random.default_rng(0)
    a = rng.standard_normal((k, m) if product == "atb" else (m, k), np.float32)
    b = rng.standard_normal((n, k) if product == "abt" else (k, n), np.float32)
    ours, theirs, kernel = np.empty((1, m, n), np.float32), np.empty((m, n), np.float32), kernels(a.dtype)
    room = scratch(kernel.gemm_scratch(1, m, n, k), a.dtype)
    seen_a, seen_b = a.T if product == "atb" else a, b.T if product == "abt" else b

    def run_ours():
        kernel.gemm(a[None], b[None], ours, product == "atb", product == "abt", room)

    def run_theirs():
        np.matmul(seen_a, seen_b, out=theirs)

    run_ours()
    run_theirs()
    np.testing.assert_allclose(ours[0], theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())
    return {"tinycnn": run_ours, "numpy": run_theirs}


def measure(threads: int, product: str, rounds: int) -> None:
    """One table, in this process."""
    tinycnn.set_num_threads(threads)
    peak = threads * max(kernels(np.dtype(np.float32)).probe_fma(100_000) for _ in range(10))
    ratios = []
    print(f"{product}, {threads} thread(s), measured peak {peak / 1e9:.0f} GFLOP/s")
    print(f"{'':20} {'M':>5} {'N':>6} {'K':>5} {'us':>8} {'numpy us':>9} {'GFLOP/s':>8} {'of peak':>8} {'ratio':>6}")
    for network, shapes in SHAPES.items():
        for m, n, k in shapes:
            times = interleave(engines(m, n, k, product), rounds, calls=20)
            ours, theirs = times["tinycnn"], times["numpy"]
            ratios.append(theirs.ratio(ours))
            rate = 2 * m * n * k / ours.median
            print(f"{network:20} {m:5} {n:6} {k:5} {1e6 * ours.median:8.1f} {1e6 * theirs.median:9.1f} "
                  f"{rate / 1e9:8.1f} {rate / peak:8.2f} {ratios[-1]:6.2f}", flush=True)
    print(f"geometric mean of the ratios {geometric_mean(ratios):.2f}, least {min(ratios):.2f}")


def main() -> None:
    """Run each number of threads in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--product", choices=("ab", "atb", "abt"), default="ab")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        measure(arguments.threads[0], arguments.product, arguments.rounds)
        return
    for threads in arguments.threads:
        subprocess.run([sys.executable, __file__, "--child", "--threads", str(threads), "--product",
                        arguments.product, "--rounds", str(arguments.rounds)], check=True,
                       env={**os.environ, "OPENBLAS_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)})


if __name__ == "__main__":
    main()
