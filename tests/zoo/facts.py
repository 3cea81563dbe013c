"""What is known of a network: a row of it for every registered one."""
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

UNDROPPED = MappingProxyType({"drop_rate": 0.0, "drop_path_rate": 0.0})


class Facts(NamedTuple):
    """What is known of a network with 1000 classes, at its own size."""

    parameters: int
    macs: float  # multiply-adds of convolutions and linear layers, millions
    published: float  # the paper's figure, millions, or where it has none, torchvision's
    oracle: str | None  # "package:name there"; None: nothing that installs has it
    dropout: bool = False  # whether the oracle's function takes a probability of dropout
    everyday: bool = True  # whether it stands for its family in the everyday tests; the slow ones take all
    renamed: bool = False  # whether the oracle's state has other names; the order is the same
    width: float | None = None  # of the oracle, which has no name for it
    options: Mapping[str, Any] = MappingProxyType({})  # for the oracle's function
    light: Mapping[str, Any] = MappingProxyType({})  # options that make it fit for tests of its blocks
    undropped: Mapping[str, Any] = UNDROPPED  # options with which nothing is dropped
    cut: Callable[..., None] | None = None  # makes the oracle as light: a function of it and of those options
    size: int = 224  # side of the image, in pixels
    uneven: tuple[int, int] = (75, 49)  # an image of odd height and width that the oracle takes
    reductions: tuple[int, ...] = (2, 4, 8, 16, 32)  # of its feature maps
    size: int = 224  # side of the images that it is meant for
    least: int = 32  # side of the smallest image that it takes
    lost: tuple[int, ...] = (0,) * 6  # pixels that each map of an image of 64 x 96 lacks on a side, for want of padding
    plain: bool = False  # whether it has no batch normalisation: it then learns colours quickly, but not noise
    learning_rate: float = 0.02  # that halves the loss of a few images quickly
    seed: int = 0  # of a start that learns soon; plain ones may not, and SqueezeNet's last ReLU can hold a class at 0


LATER: dict[str, Any] = {"everyday": False}
