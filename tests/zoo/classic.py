"""The classic networks: DenseNet."""
from .facts import LATER, Facts

FACTS = {
    "densenet121": Facts(7_978_856, 2834.2, 2834, "torchvision:densenet121"),
    "densenet161": Facts(28_681_000, 7727.9, 7728, "torchvision:densenet161", **LATER),
    "densenet169": Facts(14_149_480, 3359.9, 3360, "torchvision:densenet169", **LATER),
    "densenet201": Facts(20_013_928, 4291.4, 4291, "torchvision:densenet201", **LATER),
}
