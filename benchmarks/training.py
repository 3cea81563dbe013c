"""A planned training step against torch eager, in the faster of its two memory formats.

    python benchmarks/training.py --threads 1 2

A step is forward, cross-entropy, backward and SGD with momentum.  `--set light` and `--set classic` take one network of
every family, at 16 images of 64x64.  Same weights, same batch; the losses of three steps
are compared before anything is timed.  See harness.py for how; needs torch and torchvision
(timm for networks that torchvision lacks).  Prints the ratio (above 1: tinycnn is faster), and the share of the
machine's measured peak of multiply-adds (three times the forward pass).
"""
from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
from harness import fma_probe, geometric_mean, interleave
from latency import multiply_adds

import tinycnn
from tinycnn import losses, models, optim
from tinycnn._kernels import ISA

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import torch
from model_oracles import oracle
from zoo import FACTS

SMALL, LARGE = (16, 64), (8, 224)  # batch, height and width
ROWS = (("shufflenet_v2_x1_0", SMALL), ("mobilenet_v2", SMALL), ("shufflenet_v2_x1_0", LARGE), ("mobilenet_v2", LARGE),
        ("mobilenet_v3_small", SMALL), ("ghostnet_100", SMALL), ("efficientnet_lite0", SMALL), ("resnet18", SMALL),
        ("resnet18", LARGE))
LIGHT = ("mobilenetv1_100", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "shufflenet_v1_g3",
         "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "ghostnet_100", "mnasnet1_0", "mnasnet_a1",
         "efficientnet_lite0", "squeezenet1_1")
CLASSIC = ("efficientnet_b0", "resnet18", "resnet50", "resnext50_32x4d", "seresnet18", "vgg11_bn", "densenet121",
           "googlenet", "bn_inception", "inception_v3", "inception_v4", "xception", "darknet19", "darknet53",
           "cspdarknet53", "alexnet")
SIZES = {"inception_v3": (4, 299), "inception_v4": (8, 160)}  # that take no 64 x 64
SETS = {"targets": ROWS, "light": [(name, SMALL) for name in LIGHT],
        "classic": [(name, SIZES.get(name, SMALL)) for name in CLASSIC]}
RATE = 1e-3  # small: at 0.01 rounding grows to percents of the third loss in networks that end in maps of 2x2
AUXILIARY = 0.3  # weight of the losses of auxiliary classifiers
FORMATS = {"torch": torch.contiguous_format, "torch channels last": torch.channels_last}


def theirs(name: str, state: Mapping[str, np.ndarray]):
    """The network as torchvision, timm or pytorchcv has it, with these weights; their names may be others."""
    model = oracle(name).to_empty(device="cpu")
    named = model.state_dict()  # filled in place: it also carries versions of modules, which loading asks for
    for key, value in zip(tuple(named), state.values(), strict=True):
        named[key] = torch.as_tensor(np.array(value))
    model.load_state_dict(named)
    return model


def without_dropout(model) -> None:
    """Dropout off: the two would drop different elements."""
    for module in model.modules():
        if "Drop" in type(module).__name__:
            module.p = 0.0


def torch_step(model, memory_format, x: np.ndarray, labels: np.ndarray) -> Callable[[], float]:
    model = model.to(memory_format=memory_format).train()
    sgd = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9)
    images, target = torch.from_numpy(x).contiguous(memory_format=memory_format), torch.from_numpy(labels)

    def step() -> float:
        sgd.zero_grad()
        outputs = model(images)
        first, *others = outputs if isinstance(outputs, tuple) else (outputs,)
        loss = torch.nn.functional.cross_entropy(first, target)
        for logits in others:
            loss = loss + AUXILIARY * torch.nn.functional.cross_entropy(logits, target)
        loss.backward()
        sgd.step()
        return loss.item()
    return step


def engines(name: str, batch: int, size: int, threads: int) -> tuple[dict[str, Callable[[], float]], int]:
    """Steps of the same network by each engine, and its multiply-adds."""
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((batch, 3, size, size), np.float32), rng.integers(0, 1000, batch)
    tinycnn.manual_seed(0)
    ours = models.create_model(name, **FACTS[name].undropped)
    state = ours.state_dict()
    found: dict[str, Callable[[], float]] = {}
    without_dropout(ours)
    work = multiply_adds(tinycnn.trace(ours.eval(), x))
    step = tinycnn.compile_training_step(ours.train(), losses.AuxiliaryLoss(weights=AUXILIARY),
                                         optim.SGD(ours.parameters(), lr=RATE, momentum=0.9), (x, labels), threads)
    found["tinycnn"] = lambda: step(x, labels)
    for title, memory_format in FORMATS.items():
        twin = theirs(name, state)
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
step = tinycnn.compile_training_step(model, losses.AuxiliaryLoss(), optim.SGD(model.parameters(), lr=1e-3,
                                     momentum=0.9), (x, labels))
"""
    else:
        body = """
import sys
sys.path.insert(0, "benchmarks")
import torch, training
from tinycnn import models
model, form = training.theirs(name, models.create_model(name).state_dict()), training.FORMATS[engine]
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


def memory(rows: Iterable[tuple[str, tuple[int, int]]]) -> None:
    """Print a table of peak memory."""
    for name, (batch, size) in rows:
        found = {engine: peak_memory(engine, name, batch, size) for engine in ("tinycnn", *FORMATS)}
        print(f"{name:20} {batch:2}x{size:3}  " + "  ".join(f"{engine} {mb} MB" for engine, mb in found.items()),
              flush=True)


def main() -> None:
    """Time all of it and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--set", choices=SETS, default="targets")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help="what processes have had in memory at most, instead")
    arguments = parser.parse_args()
    if arguments.memory:
        memory(SETS[arguments.set])
        return
    print(f"{ISA}, float32; median ms (median ratio torch / tinycnn)")
    for threads in arguments.threads:
        tinycnn.set_num_threads(threads)
        torch.set_num_threads(threads)
        probe = fma_probe(threads)
        fastest = []
        for name, (batch, size) in SETS[arguments.set]:
            if arguments.networks and name not in arguments.networks:
                continue
            found, work = engines(name, batch, size, threads)
            times = interleave(found, arguments.rounds, calls=2, probe=probe)
            ours = times.pop("tinycnn")
            peers = "  ".join(f"{title} {1e3 * t.median:7.1f} ({t.ratio(ours):.2f})" for title, t in times.items())
            ratio = min(t.ratio(ours) for t in times.values())
            fastest.append(ratio)
            print(f"{name:20} {threads} thread(s) {batch:2}x{size:3}  tinycnn {1e3 * ours.median:7.1f} "
                  f"of peak {6 * work / ours.median / probe():.2f}  {peers}  fastest / tinycnn {ratio:.2f}", flush=True)
        if fastest:
            print(f"fastest / tinycnn: geometric mean {geometric_mean(fastest):.2f}, least {min(fastest):.2f}")


if __name__ == "__main__":
    main()
