"""A planned training step against torch eager, in the faster of its two memory formats.

    python benchmarks/training.py --threads 1 2

A step is forward, cross-entropy, backward and SGD with momentum.  Same weights, same batch; the losses of three steps
are compared before anything is timed.  See harness.py for how; needs torch and torchvision
(timm for networks that torchvision lacks).  Prints the ratio (above 1: tinycnn is faster), and the share of the
machine's measured peak of multiply-adds (three times the forward pass).
"""
from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from harness import fma_probe, interleave
from latency import multiply_adds

import tinycnn
from tinycnn import losses, models, optim
from tinycnn._kernels import ISA

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import torch
from torchvision_oracle import import_torchvision

SMALL, LARGE = (16, 64), (8, 224)  # batch, height and width
ROWS = (("shufflenet_v2_x1_0", SMALL), ("mobilenet_v2", SMALL), ("shufflenet_v2_x1_0", LARGE), ("mobilenet_v2", LARGE),
        ("mobilenet_v3_small", SMALL), ("efficientnet_lite0", SMALL), ("resnet18", SMALL), ("resnet18", LARGE))
TIMM = {"efficientnet_lite0": "tf_efficientnet_lite0", "ghostnet_100": "ghostnet_100"}
FORMATS = {"torch": torch.contiguous_format, "torch channels last": torch.channels_last}


def theirs(name: str):
    """The network as torchvision or timm has it, with random weights."""
    torch.manual_seed(0)
    if name in TIMM:
        import_torchvision()
        import timm
        return timm.create_model(TIMM[name])
    return getattr(import_torchvision().models, name)(weights=None)


def without_dropout(model) -> None:
    """Dropout off: the two would drop different elements."""
    for module in model.modules():
        if "Drop" in type(module).__name__:
            module.p = 0.0


def torch_step(model, memory_format, x: np.ndarray, labels: np.ndarray) -> Callable[[], float]:
    model = model.to(memory_format=memory_format).train()
    sgd = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    images, target = torch.from_numpy(x).contiguous(memory_format=memory_format), torch.from_numpy(labels)

    def step() -> float:
        sgd.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images), target)
        loss.backward()
        sgd.step()
        return loss.item()
    return step


def engines(name: str, batch: int, size: int, threads: int) -> tuple[dict[str, Callable[[], float]], int]:
    """Steps of the same network by each engine, and its multiply-adds."""
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((batch, 3, size, size), np.float32), rng.integers(0, 1000, batch)
    source = theirs(name)
    ours = models.create_model(name)
    ours.load_state_dict({key: value.numpy() for key, value in source.state_dict().items()})
    found: dict[str, Callable[[], float]] = {}
    without_dropout(ours)
    work = multiply_adds(tinycnn.trace(ours.eval(), x))
    step = tinycnn.compile_training_step(ours.train(), losses.CrossEntropyLoss(),
                                         optim.SGD(ours.parameters(), lr=0.01, momentum=0.9), (x, labels), threads)
    found["tinycnn"] = lambda: step(x, labels)
    for title, memory_format in FORMATS.items():
        twin = theirs(name)
        twin.load_state_dict(source.state_dict())
        without_dropout(twin)
        found[title] = torch_step(twin, memory_format, x, labels)
    first = {title: [run() for _ in range(3)] for title, run in found.items()}
    for title in FORMATS:
        np.testing.assert_allclose(first["tinycnn"], first[title], rtol=2e-2, err_msg=f"{name}: losses of {title}")
    return found, work


def peak_memory(engine: str, name: str, batch: int, size: int) -> int:
    """MB that a process of its own has had at most, which makes a network and three steps with it."""
    if engine == "tinycnn":
        body = """
import tinycnn
from tinycnn import losses, models, optim
model = models.create_model(name)
step = tinycnn.compile_training_step(model, losses.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.01,
                                     momentum=0.9), (x, labels))
"""
    else:
        body = """
import sys
sys.path.insert(0, "benchmarks")
import torch, training
model, form = training.theirs(name), training.FORMATS[engine]
step = lambda x, labels: training.torch_step(model, form, x, labels)()
"""
    code = f"""
import numpy as np
engine, name, rng = {engine!r}, {name!r}, np.random.default_rng(0)
x, labels = rng.standard_normal(({batch}, 3, {size}, {size}), np.float32), rng.integers(0, 1000, {batch})
{body}
for _ in range(3):
    step(x, labels)
with open("/proc/self/status") as status:  # ru_maxrss would begin with the parent's
    print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1000)
"""
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def memory() -> None:
    """Print a table of peak memory."""
    for name, (batch, size) in ROWS:
        found = {engine: peak_memory(engine, name, batch, size) for engine in ("tinycnn", *FORMATS)}
        print(f"{name:20} {batch:2}x{size:3}  " + "  ".join(f"{engine} {mb} MB" for engine, mb in found.items()),
              flush=True)


def main() -> None:
    """Time all of it and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help="what processes have had in memory at most, instead")
    arguments = parser.parse_args()
    if arguments.memory:
        memory()
        return
    print(f"{ISA}, float32; median ms (median ratio torch / tinycnn)")
    for threads in arguments.threads:
        tinycnn.set_num_threads(threads)
        torch.set_num_threads(threads)
        probe = fma_probe(threads)
        for name, (batch, size) in ROWS:
            if arguments.networks and name not in arguments.networks:
                continue
            found, work = engines(name, batch, size, threads)
            times = interleave(found, arguments.rounds, calls=2, probe=probe)
            ours = times.pop("tinycnn")
            peers = "  ".join(f"{title} {1e3 * t.median:7.1f} ({t.ratio(ours):.2f})" for title, t in times.items())
            ratio = min(t.ratio(ours) for t in times.values())
            print(f"{name:20} {threads} thread(s) {batch:2}x{size:3}  tinycnn {1e3 * ours.median:7.1f} "
                  f"of peak {6 * work / ours.median / probe():.2f}  {peers}  fastest / tinycnn {ratio:.2f}", flush=True)


if __name__ == "__main__":
    main()
