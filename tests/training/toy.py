"""A network of one matrix, trained by NumPy alone; run as a program, it is the victim of a kill.

    python toy.py DIRECTORY EPOCHS [pause in seconds after each step]
"""
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from tinycnn import random
from tinycnn.data import Loader
from tinycnn.training import Checkpoint, fit


class Toy:
    """Least squares by gradient descent with momentum, on noisy inputs: model, optimiser and random state matter."""

    def __init__(self):
        self.w, self.v = np.zeros((4, 3)), np.zeros((4, 3))

    def step(self, x, y):
        error = (x + 0.1 * random.generator().standard_normal(x.shape)) @ self.w - np.eye(3)[y]
        self.v = 0.9 * self.v + x.T @ error / len(x)
        self.w = self.w - 0.1 * self.v
        return float((error ** 2).mean())

    def state_dict(self):
        return {"w": self.w.copy(), "groups": [{"momentum": 0.9, "v": self.v.copy()}]}

    def load_state_dict(self, state):
        self.w, self.v = state["w"], state["groups"][0]["v"]


class Schedule:
    """Counts steps, as schedules do."""

    def __init__(self):
        self.steps, self.optimizer = 0, SimpleNamespace(param_groups=[{"lr": 1.0}])

    def step(self):
        self.steps += 1
        self.optimizer.param_groups[0]["lr"] = 1 / self.steps

    def state_dict(self):
        return {"steps": self.steps}

    def load_state_dict(self, state):
        self.steps = state["steps"]


def make_loader(n=50):
    rng = np.random.default_rng(1)
    return Loader(rng.standard_normal((n, 4)), rng.integers(0, 3, n), batch_size=8, shuffle=True, seed=2)


def run(directory, epochs, step=None, **options):
    """Train in a directory, from where it was left; the toy and the rows of this run."""
    random.manual_seed(3)
    toy, schedule = Toy(), Schedule()
    checkpoint = Checkpoint(Path(directory, "checkpoint.npz"), toy=toy, schedule=schedule)
    rows = fit(step(toy) if step else toy.step, make_loader(), epochs, schedule=schedule, checkpoint=checkpoint,
               log=Path(directory, "log.csv"), resume=True, progress=False, **options)
    return toy, rows


if __name__ == "__main__":
    pause = float(sys.argv[3])

    def slow(toy):
        def step(x, y):
            time.sleep(pause)
            print("step", flush=True)
            return toy.step(x, y)
        return step
    run(sys.argv[1], int(sys.argv[2]), slow)
