"""What each registered network is held to: published facts, and the same network in torchvision or timm."""
from typing import NamedTuple

import numpy as np
from torchvision_oracle import import_timm, import_torchvision


class Facts(NamedTuple):
    """What is known of a network with 1000 classes, at 224 x 224."""

    parameters: int
    macs: float  # multiply-adds of convolutions and linear layers, millions
    published: float  # the paper's figure, millions
    oracle: str  # "torchvision" or "timm", and the name there
    dropout: bool = False  # whether its function takes a probability of dropout


FACTS = {
    "shufflenet_v2_x0_5": Facts(1_366_792, 40.5, 41, "torchvision:shufflenet_v2_x0_5"),
    "shufflenet_v2_x1_0": Facts(2_278_604, 144.9, 146, "torchvision:shufflenet_v2_x1_0"),
    "shufflenet_v2_x1_5": Facts(3_503_624, 295.8, 299, "torchvision:shufflenet_v2_x1_5"),
    "shufflenet_v2_x2_0": Facts(7_393_996, 583.3, 591, "torchvision:shufflenet_v2_x2_0"),
    "mobilenet_v2": Facts(3_504_872, 300.8, 300, "torchvision:mobilenet_v2", dropout=True),
    "efficientnet_lite0": Facts(4_652_008, 385.2, 407, "timm:tf_efficientnet_lite0", dropout=True),
}


def oracle(name):
    """The same network in torch, without dropout; skips where the package is missing."""
    package, _, theirs = FACTS[name].oracle.partition(":")
    if package == "timm":
        return import_timm().create_model(theirs)  # timm's have no dropout unless it is asked for
    return getattr(import_torchvision().models, theirs)(**({"dropout": 0.0} if FACTS[name].dropout else {}))


def random_state(shapes, rng):
    """Values for every name of a state dict: convolutions that keep the scale, statistics of a trained look."""
    def value(name, shape):
        kind = name.rpartition(".")[2]
        if kind == "num_batches_tracked":
            return np.int64(rng.integers(1, 1000))
        if kind == "running_var" or (kind == "weight" and len(shape) == 1):
            return rng.uniform(0.5, 1.5, shape)
        if kind == "weight":
            return rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        return rng.standard_normal(shape) * 0.1
    return {name: value(name, shape) for name, shape in shapes.items()}
