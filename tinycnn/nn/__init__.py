"""Networks from parts: Module, the layers, and blocks of them."""
from . import init
from .activation import Hardsigmoid, Hardswish, ReLU, ReLU6, Sigmoid, SiLU, Softmax, Tanh
from .blocks import ConvBNAct, DepthwiseBNAct
from .containers import ModuleList, Sequential
from .layers import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm1d,
    BatchNorm2d,
    ChannelShuffle,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Identity,
    Linear,
    MaxPool2d,
)
from .module import Module, Parameter, StateDictError

__all__ = [
    "AdaptiveAvgPool2d", "AvgPool2d", "BatchNorm1d", "BatchNorm2d", "ChannelShuffle", "Conv2d", "ConvBNAct",
    "DepthwiseBNAct", "Dropout", "Flatten", "GlobalAvgPool2d", "Hardsigmoid", "Hardswish", "Identity", "Linear",
    "MaxPool2d", "Module", "ModuleList", "Parameter", "ReLU", "ReLU6", "Sequential", "SiLU", "Sigmoid", "Softmax",
    "StateDictError", "Tanh", "init",
]
