"""Every light network trained on Fashion-MNIST by one recipe: accuracy, size, work, latency and seconds side by side.

    python benchmarks/zoo.py                      train those that have no result yet; goes on where it was stopped
    python benchmarks/zoo.py ghostnet_100         only these
    python benchmarks/zoo.py --timing             time the networks that have results again, one after the other
    python benchmarks/zoo.py --write              put the table of all results into docs/zoo.md

Images are 28x28, grey; the first convolution has a stride of 1 (`stem_stride=1`), nothing else about the networks is
changed.  MobileNet V1 and MnasNet-B1 are of half width.  The recipe is `RECIPE`; its five epochs take some 15 minutes
of the slowest network on two cores without AVX-512.  efficientnet_lite0_imagenet is the one network whose ImageNet
weights an installed package has: it begins with these, and is shown the grey images in three channels.  Accuracy is
that on the 10,000 test images after the last epoch; "with mirror image": by the mean of the probabilities of an image
and its mirror image, which costs twice the time.  Latency: one image, compiled, one thread.  Seconds of an epoch: those
of its steps on two threads, with nothing beside them, from the median of some; two networks may be trained at once, on
a core each.  Runs are kept in runs/zoo, results with date and commit in benchmarks/results/zoo.json.
"""
from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from harness import median_seconds, write_between
from latency import multiply_adds

import tinycnn
from tinycnn import models
from tinycnn.data.tasks import Task
from tinycnn.training.choices import DataChoice, NetworkChoice
from tinycnn.training.engines import Engine
from tinycnn.training.evaluate import share_right
from tinycnn.training.jobs import run_training
from tinycnn.training.recipe import Recipe
from tinycnn.training.results import RunFiles, write_json

LIGHT = ("mobilenetv1_050", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "shufflenet_v1_g3",
         "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "ghostnet_100", "mnasnet0_5", "efficientnet_lite0",
         "squeezenet1_1")
RECIPE = Recipe(epochs=5, batch_size=64, optimizer="sgd", lr=0.05, weight_decay=5e-4, warmup=0.05, clip=2.0,
                label_smoothing=0.1, augment="flip")
OPTIONS = {"stem_stride": 1}
SIZE, BATCH = 28, 100  # of what is tested
DATA = DataChoice("fashion-mnist", size=SIZE)
PLANNED = Engine(tinycnn.compile_training_step, tinycnn.compile)
CALLS, STEPS = 200, 20  # timed
RUNS, RESULTS = Path("runs/zoo"), Path(__file__).parent / "results" / "zoo.json"
PAGE = Path(__file__).parents[1] / "docs" / "zoo.md"
BEGIN, END = "<!-- results: python benchmarks/zoo.py --write -->", "<!-- end of results -->"


@dataclass(frozen=True)
class Entry:
    """A row of the table: a network, and whether it begins with its ImageNet weights."""

    model: str
    pretrained: bool = False

    @property
    def network(self) -> NetworkChoice:
        """What is trained."""
        return NetworkChoice(self.model, pretrained=self.pretrained, options=OPTIONS)

    @property
    def task(self) -> Task:
        """The images as it is shown them."""
        return DATA.garments(self.network)

    def build(self) -> models.Backbone:
        """The network before it is trained."""
        return self.network.build(10, self.task.view.channels, other_classes=True)


ENTRIES = {name: Entry(name) for name in LIGHT} | {
    "efficientnet_lite0_imagenet": Entry("efficientnet_lite0", True)}


def train(name: str, workers: int) -> dict[str, Any]:
    """The result of a run, which goes on where it was stopped."""
    entry, out = ENTRIES[name], RUNS / name
    return run_training(entry.network, DATA, RECIPE, out, engine=PLANNED, workers=workers,
                        resume=RunFiles(out).checkpoint.exists())


def mirrored(name: str) -> float:
    """The trained network's accuracy where it has seen each image and its mirror image."""
    task, model = ENTRIES[name].task, ENTRIES[name].build().eval()
    models.load_weights(model, RunFiles(RUNS / name).weights)
    net = tinycnn.compile(model, (BATCH, task.view.channels, SIZE, SIZE))

    def probabilities(x: np.ndarray) -> np.ndarray:
        scores = np.array([net(x), net(np.ascontiguousarray(x[..., ::-1]))], np.float64)
        shares = np.exp(scores - scores.max(2, keepdims=True))
        return (shares / shares.sum(2, keepdims=True)).mean(0)

    return share_right(probabilities, task.loader(True, BATCH))


def work(name: str) -> dict[str, float]:
    """Parameters, multiply-adds of an image, the milliseconds that the compiled network takes for it, and an epoch's
    seconds."""
    model = ENTRIES[name].build().eval()
    x = np.random.default_rng(0).standard_normal((1, ENTRIES[name].task.view.channels, SIZE, SIZE), np.float32)
    net = tinycnn.compile(model, x, threads=1)
    return {"parameters": sum(p.size for p in model.parameters()), "macs": multiply_adds(tinycnn.trace(model, x)),
            "ms": round(1e3 * median_seconds(lambda: net(x), CALLS), 3), "epoch": round(epoch_seconds(name), 1)}


def epoch_seconds(name: str) -> float:
    """Of all steps of an epoch, on two threads."""
    before, entry = tinycnn.get_num_threads(), ENTRIES[name]
    tinycnn.set_num_threads(2)
    batches = entry.task.train_loader(RECIPE.batch_size, RECIPE.augment)
    x, y = next(iter(batches))
    model = entry.build().train()
    optimizer = RECIPE.make_parts(model, len(batches))["optimizer"]
    step = PLANNED.make_step(model, RECIPE.make_loss(), optimizer, (x, y), RECIPE.clip)
    seconds = median_seconds(lambda: step(x, y), STEPS)
    tinycnn.set_num_threads(before)
    return len(batches) * seconds


def known() -> dict[str, Any]:
    """The results that there are."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def table(results: dict[str, Any]) -> str:
    """The results as a page has them, the most accurate first."""
    rows = ["| network | test accuracy | with mirror image | parameters | multiply-adds | ms an image "
            "| s an epoch | date, commit |", "|---|---|---|---|---|---|---|---|"]
    for name, r in sorted(results.items(), key=lambda item: -item[1]["accuracy"]):
        rows.append(f"| {name} | {100 * r['accuracy']:.2f} % | {100 * r['mirrored']:.2f} % "
                    f"| {r['parameters'] / 1e6:.2f} M | {r['macs'] / 1e6:.1f} M "
                    f"| {r['ms']:.2f} | {r['epoch']:.0f} | {r['date']}, {r['commit']} |")
    return "\n".join(rows)


def main() -> None:
    """Train what is asked for, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=list(ENTRIES), metavar="NETWORK",
                        help=", ".join(ENTRIES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--timing", action="store_true", help="only time the networks that have results, again")
    parser.add_argument("--write", action="store_true", help="only put the table into docs/zoo.md")
    arguments = parser.parse_args()
    if unknown := set(arguments.networks) - ENTRIES.keys():
        parser.error(f"expected some of {', '.join(ENTRIES)}, got {', '.join(sorted(unknown))}")
    tinycnn.set_num_threads(arguments.threads)
    if arguments.timing:
        write_json(RESULTS, {name: result | work(name) for name, result in known().items()})
    for name in () if arguments.write or arguments.timing else arguments.networks:
        if name not in known():
            result = train(name, arguments.workers) | {"mirrored": mirrored(name)} | work(name)
            write_json(RESULTS, known() | {name: result})  # others may have been written meanwhile
    if arguments.write:
        write_between(PAGE, BEGIN, END, table(known()))
    print(table(known()))


if __name__ == "__main__":
    main()
