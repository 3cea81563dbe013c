"""The classic networks: AlexNet, DenseNet, the Darknets, the kin of ResNet, Xception."""
from types import MappingProxyType

from .facts import LATER, Facts
from .inception_cuts import lighter

MISH, NARROW = MappingProxyType({"act_layer": "mish"}), MappingProxyType({"width": 0.25})


def lighter_stages(model, width=1.0):
    """timm's CSPDarknet, of stages that know how wide their halves are."""
    lighter(model, width)
    for stage in model.stages:
        stage.expand_chs = int(stage.expand_chs * width)


FACTS = {
    "densenet121": Facts(7_978_856, 2834.2, 2834, "torchvision:densenet121"),
    "densenet161": Facts(28_681_000, 7727.9, 7728, "torchvision:densenet161", **LATER),
    "densenet169": Facts(14_149_480, 3359.8, 3360, "torchvision:densenet169", **LATER),
    "densenet201": Facts(20_013_928, 4291.4, 4291, "torchvision:densenet201", **LATER),
    # the papers have 5.58 G at 224, 18.7 G at 256 and 52 G at 512, all counting 2 per multiply-add
    "darknet19": Facts(20_842_376, 2791.0, 2790, "pytorchcv:darknet19", renamed=True, cut=lighter, light=NARROW),
    "darknet53": Facts(41_609_928, 7109.2, 7160, "timm:darknet53", **LATER),
    "cspdarknet53": Facts(27_642_184, 5002.6, 4977, "timm:cspdarknet53", options=MISH, cut=lighter_stages,
                          light=NARROW),
    # no work is published for one image of 224, but see test_resnet.py
    "resnet10a": Facts(1_844_956, 310.5, 310.5, None, **LATER),
    "resnet10b": Facts(700_531, 121.9, 121.9, None),
    # the paper has figures from 50 layers on, with strides in the 1x1; ResNet's without squeeze and excitation before
    "seresnet18": Facts(11_779_624, 1814.2, 1800, "timm:seresnet18", **LATER),
    "seresnet34": Facts(21_960_416, 3663.9, 3600, "timm:seresnet34", **LATER),
    "seresnet50": Facts(28_088_024, 4091.7, 3870, "timm:seresnet50", **LATER),
    "seresnet101": Facts(49_326_872, 7806.1, 7600, "timm:seresnet101", learning_rate=0.002, **LATER),
    "seresnet152": Facts(66_821_848, 11520.2, 11320, "timm:seresnet152", learning_rate=0.002, **LATER),
    "seresnext50_32x4d": Facts(27_559_896, 4233.0, 4250, "timm:seresnext50_32x4d", **LATER),
    "alexnet": Facts(61_100_840, 714.2, 714, "torchvision:alexnet", dropout=True, plain=True, least=63,
                     uneven=(75, 65), light=MappingProxyType({"hidden": 64}), reductions=(4, 8, 16, 32),
                     lost=(1, 1, 1, 1)),
    # the paper has its parameters alone
    "xception": Facts(22_855_952, 8357.4, 8357.4, "timm:legacy_xception", size=299, lost=(3, 1, 0, 0, 0),
                      cut=lighter, light=NARROW),
}
