"""The networks that came first: mobile ones, ResNet, SqueezeNet, VGG."""
from types import MappingProxyType

from .facts import LATER, Facts

VGG = {"dropout": True, "light": MappingProxyType({"hidden": 64}), "reductions": (1, 2, 4, 8, 16, 32)}
SQUEEZENET = {"dropout": True, "plain": True, "learning_rate": 0.002, "reductions": (2, 4, 8, 16)}
FACTS = {
    "shufflenet_v2_x0_5": Facts(1_366_792, 40.5, 41, "torchvision:shufflenet_v2_x0_5"),
    "shufflenet_v2_x1_0": Facts(2_278_604, 144.9, 146, "torchvision:shufflenet_v2_x1_0"),
    "shufflenet_v2_x1_5": Facts(3_503_624, 295.8, 299, "torchvision:shufflenet_v2_x1_5", **LATER),
    "shufflenet_v2_x2_0": Facts(7_393_996, 583.3, 591, "torchvision:shufflenet_v2_x2_0", **LATER),
    "mobilenetv1_025": Facts(470_072, 41.0, 41, "timm:mobilenetv1_100", width=0.25),
    "mobilenetv1_050": Facts(1_331_592, 149.5, 149, "timm:mobilenetv1_100", width=0.5, **LATER),
    "mobilenetv1_075": Facts(2_585_560, 325.4, 325, "timm:mobilenetv1_100", width=0.75, **LATER),
    "mobilenetv1_100": Facts(4_231_976, 568.7, 569, "timm:mobilenetv1_100", **LATER),
    "mobilenet_v2": Facts(3_504_872, 300.8, 300, "torchvision:mobilenet_v2", dropout=True),
    "mobilenet_v3_large": Facts(5_483_032, 216.6, 219, "torchvision:mobilenet_v3_large", dropout=True, **LATER),
    "mobilenet_v3_small": Facts(2_542_856, 56.5, 56, "torchvision:mobilenet_v3_small", dropout=True),
    "squeezenet1_0": Facts(1_248_424, 818.9, 819, "torchvision:squeezenet1_0", lost=(3, 2, 1, 1), seed=1, **SQUEEZENET,
                           **LATER),
    "squeezenet1_1": Facts(1_235_496, 349.2, 349, "torchvision:squeezenet1_1", lost=(1, 1, 1, 1), **SQUEEZENET),
    "resnet18": Facts(11_689_512, 1814.1, 1800, "torchvision:resnet18"),
    "resnet34": Facts(21_797_672, 3663.8, 3600, "torchvision:resnet34", **LATER),
    # the papers' 3.8, 7.6, 11.3 G and ResNeXt's 4.2 are with the stride in the first 1x1; torchvision's are not
    "resnet50": Facts(25_557_032, 4089.2, 4089, "torchvision:resnet50", **LATER),
    "resnet101": Facts(44_549_160, 7801.4, 7801, "torchvision:resnet101", learning_rate=0.002, **LATER),
    "resnet152": Facts(60_192_808, 11513.6, 11514, "torchvision:resnet152", learning_rate=0.002, **LATER),
    "resnext50_32x4d": Facts(25_028_904, 4230.5, 4230, "torchvision:resnext50_32x4d", **LATER),
    "vgg11": Facts(132_863_336, 7609.1, 7609, "torchvision:vgg11", plain=True, **VGG),
    "vgg11_bn": Facts(132_868_840, 7609.1, 7609, "torchvision:vgg11_bn", **VGG, **LATER),
    "vgg13": Facts(133_047_848, 11308.5, 11308, "torchvision:vgg13", plain=True, **VGG, **LATER),
    "vgg13_bn": Facts(133_053_736, 11308.5, 11308, "torchvision:vgg13_bn", **VGG, **LATER),
    "vgg16": Facts(138_357_544, 15470.3, 15470, "torchvision:vgg16", plain=True, **VGG, **LATER),
    "vgg16_bn": Facts(138_365_992, 15470.3, 15470, "torchvision:vgg16_bn", **VGG, **LATER),
    "vgg19": Facts(143_667_240, 19632.1, 19632, "torchvision:vgg19", plain=True, seed=1, **VGG, **LATER),
    "vgg19_bn": Facts(143_678_248, 19632.1, 19632, "torchvision:vgg19_bn", **VGG, **LATER),
}
