"""Activations, batch norm and channel shuffle against torch eager, on maps that light networks have.

    python benchmarks/elementwise.py --threads 1 2

Through the public calls, so that what Python costs is in it.  "forward": nothing recorded; "step": forward and
backward.  Above 1: tinycnn is faster.
"""
from __future__ import annotations

import argparse

import numpy as np
import torch
from harness import interleave

import tinycnn
from tinycnn import Tensor
from tinycnn import functional as F

T = torch.nn.functional
SHAPES = [(16, 32, 32, 32), (16, 96, 16, 16), (16, 232, 4, 4), (16, 1280, 2, 2), (1, 96, 112, 112), (1, 232, 7, 7)]
ACTIVATIONS = {"relu": torch.relu, "relu6": T.relu6, "hardswish": T.hardswish, "silu": T.silu}


def tasks(shape: tuple[int, ...]) -> dict:
    """name: (our function of x, torch's) for one shape."""
    rng = np.random.default_rng(0)
    vectors = [rng.standard_normal(shape[1], np.float32) for _ in range(3)] + [np.ones(shape[1], np.float32)]
    weight, bias, mean, variance = (Tensor(v, requires_grad=i < 2) for i, v in enumerate(vectors))
    theirs = [torch.tensor(v, requires_grad=i < 2) for i, v in enumerate(vectors)]
    rows = {name: (getattr(F, name), function) for name, function in ACTIVATIONS.items()}
    for name, training in (("batch_norm eval", False), ("batch_norm train", True)):
        rows[name] = (lambda x, training=training: F.batch_norm(x, mean, variance, weight, bias, training),
                      lambda x, training=training: T.batch_norm(x, theirs[2], theirs[3], *theirs[:2], training))
    rows["channel_shuffle"] = lambda x: F.channel_shuffle(x, 2), lambda x: torch.channel_shuffle(x, 2)
    return rows


def engines(ours, theirs, x: np.ndarray, gy: np.ndarray, step: bool) -> dict:
    """Two calls that do the same, checked against each other."""
    a, b, gb = Tensor(x, requires_grad=step), torch.tensor(x, requires_grad=step), torch.tensor(gy)

    def run_ours():
        if step:
            a.grad = None
            ours(a).backward(gy)
            return a.grad
        with tinycnn.no_grad():
            return ours(a).numpy()

    def run_theirs():
        if step:
            b.grad = None
            theirs(b).backward(gb)
            return b.grad.numpy()
        with torch.no_grad():
            return theirs(b).numpy()

    np.testing.assert_allclose(run_ours(), run_theirs(), rtol=1e-3, atol=1e-4)
    return {"tinycnn": run_ours, "torch": run_theirs}


def main() -> None:
    """Time all of it and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=11)
    arguments = parser.parse_args()
    print(f"{'operation':17} {'shape':18} {'what':8} threads  tinycnn us  torch us   ratio  of the best rounds")
    for threads in arguments.threads:
        tinycnn.set_num_threads(threads)
        torch.set_num_threads(threads)
        for shape in SHAPES:
            rng = np.random.default_rng(0)
            x, gy = (rng.standard_normal(shape, np.float32) for _ in range(2))
            for name, functions in tasks(shape).items():
                for step in (False, True):
                    times = interleave(engines(*functions, x, gy, step), arguments.rounds, calls=9)
                    ours, theirs = times["tinycnn"], times["torch"]
                    print(f"{name:17} {'x'.join(map(str, shape)):18} {'step' if step else 'forward':8} {threads:7d} "
                          f"{1e6 * ours.median:11.1f} {1e6 * theirs.median:9.1f} {theirs.ratio(ours):7.2f} "
                          f"{theirs.best / ours.best:7.2f}", flush=True)


if __name__ == "__main__":
    main()
