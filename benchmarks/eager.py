"""Eager tinycnn against eager torch: inference of one image, and a training step.

    python benchmarks/eager.py --threads 1 2

Same weights, same input, outputs compared before anything is timed; see harness.py for how.  Needs torch and
torchvision.  Prints the ratio (above 1: tinycnn is faster) and the fraction of the machine's measured peak.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from harness import interleave

import tinycnn
from tinycnn import functional as F
from tinycnn import models, optim
from tinycnn._kernels import kernels

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import torch
from torchvision_oracle import import_torchvision

MULTIPLY_ADDS = {"shufflenet_v2_x1_0": 144.9e6, "mobilenet_v2": 300.8e6}  # one 3x224x224 image, convolutions and fc


def pair(name: str):
    """(ours, torchvision's), with the same random weights."""
    theirs = getattr(import_torchvision().models, name)(weights=None)
    ours = models.create_model(name)
    ours.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    return ours, theirs


def inference(name: str) -> dict:
    """One 3x224x224 image, evaluation mode, nothing recorded."""
    ours, theirs = pair(name)
    ours.eval()
    theirs.eval()
    x = np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32)
    tx = torch.from_numpy(x)

    def run_ours():
        with tinycnn.no_grad():
            return ours(x)

    def run_theirs():
        with torch.inference_mode():
            return theirs(tx)

    np.testing.assert_allclose(run_ours().numpy(), run_theirs().numpy(), rtol=1e-3, atol=1e-4)
    return {"tinycnn": run_ours, "torch": run_theirs}


def training_step(name: str) -> dict:
    """Batch 16 at 3x64x64: forward, cross-entropy, backward, SGD with momentum."""
    ours, theirs = pair(name)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((16, 3, 64, 64), np.float32), rng.integers(0, 1000, 16)
    tx, ty = torch.from_numpy(x), torch.from_numpy(y)
    sgd = optim.SGD(ours.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    torch_sgd = torch.optim.SGD(theirs.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)

    def run_ours():
        sgd.zero_grad()
        loss = F.cross_entropy(ours(x), y)
        loss.backward()
        sgd.step()
        return loss.item()

    def run_theirs():
        torch_sgd.zero_grad()
        loss = torch.nn.functional.cross_entropy(theirs(tx), ty)
        loss.backward()
        torch_sgd.step()
        return loss.item()

    if name != "mobilenet_v2":  # its dropout draws other numbers than torch's
        np.testing.assert_allclose(run_ours(), run_theirs(), rtol=1e-3)
    return {"tinycnn": run_ours, "torch": run_theirs}


def main() -> None:
    """Time all of it and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", choices=("inference", "training"))
    arguments = parser.parse_args()
    tasks = {"inference": inference, "training": training_step}
    print(f"{'task':10} {'network':20} threads  tinycnn ms   torch ms   ratio   of peak")
    for threads in arguments.threads:
        tinycnn.set_num_threads(threads)
        torch.set_num_threads(threads)
        peak = kernels(np.dtype(np.float32)).probe_fma(1_000_000) * threads
        for task, build in tasks.items():
            if arguments.only not in (None, task):
                continue
            for name, madds in MULTIPLY_ADDS.items():
                times = interleave(build(name), arguments.rounds)
                ours, theirs = times["tinycnn"], times["torch"]
                work = 2 * madds * (1 if task == "inference" else 3 * 16 * (64 / 224) ** 2)
                print(f"{task:10} {name:20} {threads:7d} {1e3 * ours.median:11.2f} {1e3 * theirs.median:10.2f} "
                      f"{theirs.ratio(ours):7.2f} {work / ours.best / peak:9.2f}", flush=True)


if __name__ == "__main__":
    main()
