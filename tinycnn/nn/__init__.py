"""Networks from parts: Module, the layers, and blocks of them."""
from . import init
from .activation import (
    Hardsigmoid,
    Hardswish,
    LeakyReLU,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from .attention import AdditiveAttention
from .blocks import ConvBNAct, DepthwiseBNAct
from .containers import ModuleList, Sequential
from .layers import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    ChannelShuffle,
    Conv2d,
    Flatten,
    GlobalAvgPool2d,
    Identity,
    Linear,
    MaxPool2d,
)
from .module import Module, Parameter, StateDictError
from .norm import (
    BatchNorm1d,
    BatchNorm2d,
    GroupNorm,
    InstanceNorm2d,
    L2Norm,
    LayerNorm,
    LocalResponseNorm,
    SwitchableNorm2d,
)
from .recurrent import GRU, LSTM, GRUCell, LSTMCell
from .regularisation import DropConnectLinear, Dropout, Dropout2d, DropPath, StochasticDepth
from .squeeze_excitation import SEInception, SEResidual, SqueezeExcitation, SqueezeExcitationFC
from .vision import (
    SPP,
    AdaptiveMaxPool2d,
    ConcatShuffleSplit,
    ConvTranspose2d,
    PixelShuffle,
    PixelUnshuffle,
    PSRoIPool,
    ReflectionPad2d,
    ReplicationPad2d,
    RoIAlign,
    RoIPool,
    SpaceToDepth,
    SpatialPyramidPooling,
    Upsample,
    ZeroPad2d,
)

__all__ = [
    "GRU", "LSTM", "SPP", "AdaptiveAvgPool2d", "AdaptiveMaxPool2d", "AdditiveAttention", "AvgPool2d", "BatchNorm1d",
    "BatchNorm2d", "ChannelShuffle", "ConcatShuffleSplit", "Conv2d", "ConvBNAct", "ConvTranspose2d", "DepthwiseBNAct",
    "DropConnectLinear", "DropPath", "Dropout", "Dropout2d", "Flatten", "GRUCell", "GlobalAvgPool2d", "GroupNorm",
    "Hardsigmoid", "Hardswish", "Identity", "InstanceNorm2d", "L2Norm", "LSTMCell", "LayerNorm", "LeakyReLU", "Linear",
    "LocalResponseNorm", "LogSoftmax", "MaxPool2d", "Mish", "Module", "ModuleList", "PReLU", "PSRoIPool", "Parameter",
    "PixelShuffle", "PixelUnshuffle", "ReLU", "ReLU6", "ReflectionPad2d", "ReplicationPad2d", "RoIAlign", "RoIPool",
    "SEInception", "SEResidual", "Sequential", "SiLU", "Sigmoid", "Softmax", "SpaceToDepth", "SpatialPyramidPooling",
    "SqueezeExcitation", "SqueezeExcitationFC", "StateDictError", "StochasticDepth", "SwitchableNorm2d", "Tanh",
    "Upsample", "ZeroPad2d", "init",
]
