"""The classic networks: DenseNet, the Darknets."""
from types import MappingProxyType

from .facts import LATER, Facts

MISH = MappingProxyType({"act_layer": "mish"})
FACTS = {
    "densenet121": Facts(7_978_856, 2834.2, 2834, "torchvision:densenet121"),
    "densenet161": Facts(28_681_000, 7727.9, 7728, "torchvision:densenet161", **LATER),
    "densenet169": Facts(14_149_480, 3359.9, 3360, "torchvision:densenet169", **LATER),
    "densenet201": Facts(20_013_928, 4291.4, 4291, "torchvision:densenet201", **LATER),
    # the papers have 5.58 G at 224, 18.7 G at 256 and 52 G at 512, all counting 2 per multiply-add
    "darknet19": Facts(20_842_376, 2791.0, 2790, "pytorchcv:darknet19", renamed=True),
    "darknet53": Facts(41_609_928, 7109.2, 7160, "timm:darknet53", **LATER),
    "cspdarknet53": Facts(27_642_184, 5002.6, 4977, "timm:cspdarknet53", options=MISH),
}
