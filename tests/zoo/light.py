"""Light networks that search, scaling, groups and cheap features made: EfficientNet, GhostNet, MnasNet, ShuffleNet."""
from types import MappingProxyType

from .facts import LATER, Facts

GHOST = {"options": MappingProxyType({"drop_rate": 0.0})}  # timm's has dropout by itself
EFFICIENT = {"dropout": True, "options": MappingProxyType({"stochastic_depth_prob": 0.0})}
FACTS = {
    "efficientnet_lite0": Facts(4_652_008, 385.2, 407, "timm:tf_efficientnet_lite0"),
    "efficientnet_lite1": Facts(5_416_680, 600.2, 631, "timm:tf_efficientnet_lite1", size=240, **LATER),
    "efficientnet_lite2": Facts(6_092_072, 859.7, 899, "timm:tf_efficientnet_lite2", size=260, **LATER),
    "efficientnet_lite3": Facts(8_197_096, 1383.3, 1440, "timm:tf_efficientnet_lite3", size=280, **LATER),
    "efficientnet_lite4": Facts(13_006_568, 2553.0, 2640, "timm:tf_efficientnet_lite4", size=300, **LATER),
    "efficientnet_b0": Facts(5_288_548, 385.8, 390, "torchvision:efficientnet_b0", **EFFICIENT),
    "efficientnet_b1": Facts(7_794_184, 686.8, 700, "torchvision:efficientnet_b1", size=240, **EFFICIENT, **LATER),
    "efficientnet_b2": Facts(9_109_994, 993.6, 1000, "torchvision:efficientnet_b2", size=260, **EFFICIENT, **LATER),
    "efficientnet_b3": Facts(12_233_232, 1827.1, 1800, "torchvision:efficientnet_b3", size=300, **EFFICIENT, **LATER),
    "efficientnet_b4": Facts(19_341_616, 4393.8, 4200, "torchvision:efficientnet_b4", size=380, **EFFICIENT, **LATER),
    "efficientnet_b5": Facts(30_389_784, 10266.4, 9900, "torchvision:efficientnet_b5", size=456, **EFFICIENT, **LATER),
    "efficientnet_b6": Facts(43_040_704, 19067.6, 19000, "torchvision:efficientnet_b6", size=528, **EFFICIENT, **LATER),
    "efficientnet_b7": Facts(66_347_960, 37745.9, 37000, "torchvision:efficientnet_b7", size=600, **EFFICIENT, **LATER),
    "ghostnet_050": Facts(2_587_292, 42.3, 42, "timm:ghostnet_050", **GHOST),
    "ghostnet_100": Facts(5_182_508, 141.2, 141, "timm:ghostnet_100", **GHOST, **LATER),
    "ghostnet_130": Facts(7_358_820, 227.0, 226, "timm:ghostnet_130", **GHOST, **LATER),
    "mnasnet0_5": Facts(2_218_512, 104.5, 104, "torchvision:mnasnet0_5", dropout=True),
    "mnasnet0_75": Facts(3_170_208, 215.5, 215, "torchvision:mnasnet0_75", dropout=True, **LATER),
    "mnasnet1_0": Facts(4_383_312, 314.4, 315, "torchvision:mnasnet1_0", dropout=True, **LATER),
    "mnasnet1_3": Facts(6_282_256, 526.4, 526, "torchvision:mnasnet1_3", dropout=True, **LATER),
    "mnasnet_a1": Facts(3_887_038, 311.6, 312, "timm:semnasnet_100", **LATER),
    "shufflenet_v1_g1": Facts(1_531_936, 143.1, 143, "pytorchcv:shufflenet_g1_w1", renamed=True, **LATER),
    "shufflenet_v1_g2": Facts(1_733_848, 140.8, 140, "pytorchcv:shufflenet_g2_w1", renamed=True, **LATER),
    "shufflenet_v1_g3": Facts(1_865_728, 137.5, 137, "pytorchcv:shufflenet_g3_w1", renamed=True),
    "shufflenet_v1_g4": Facts(1_968_344, 134.3, 133, "pytorchcv:shufflenet_g4_w1", renamed=True, **LATER),
    "shufflenet_v1_g8": Facts(2_434_768, 138.4, 137, "pytorchcv:shufflenet_g8_w1", renamed=True, **LATER),
}
