"""Networks: one file per paper, registered by name."""
from .alexnet import alexnet
from .backbone import Backbone, Stage
from .bn_inception import bn_inception, se_bn_inception
from .cspdarknet import cspdarknet53
from .darknet import darknet19, darknet53
from .darknet_files import save_darknet
from .densenet import densenet121, densenet161, densenet169, densenet201
from .efficientnet import (
    efficientnet_b0,
    efficientnet_b1,
    efficientnet_b2,
    efficientnet_b3,
    efficientnet_b4,
    efficientnet_b5,
    efficientnet_b6,
    efficientnet_b7,
)
from .efficientnet_lite import (
    efficientnet_lite0,
    efficientnet_lite1,
    efficientnet_lite2,
    efficientnet_lite3,
    efficientnet_lite4,
)
from .ghostnet import ghostnet, ghostnet_050, ghostnet_100, ghostnet_130
from .googlenet import googlenet
from .inception_resnet import inception_resnet_v1, inception_resnet_v2
from .inception_v3 import inception_v2, inception_v3
from .inception_v4 import inception_v4
from .mnasnet import mnasnet, mnasnet0_5, mnasnet0_75, mnasnet1_0, mnasnet1_3, mnasnet_a1
from .mobilenetv1 import mobilenet_v1, mobilenetv1_025, mobilenetv1_050, mobilenetv1_075, mobilenetv1_100
from .mobilenetv2 import mobilenet_v2
from .mobilenetv3 import mobilenet_v3_large, mobilenet_v3_small
from .registry import create_model, list_models, register_model
from .resnet import resnet18, resnet34, resnet50, resnet101, resnet152, resnext50_32x4d
from .resnet10 import resnet10a, resnet10b
from .seresnet import seresnet18, seresnet34, seresnet50, seresnet101, seresnet152, seresnext50_32x4d
from .shufflenetv1 import (
    shufflenet_v1,
    shufflenet_v1_g1,
    shufflenet_v1_g2,
    shufflenet_v1_g3,
    shufflenet_v1_g4,
    shufflenet_v1_g8,
)
from .shufflenetv2 import shufflenet_v2, shufflenet_v2_x0_5, shufflenet_v2_x1_0, shufflenet_v2_x1_5, shufflenet_v2_x2_0
from .squeezenet import squeezenet1_0, squeezenet1_1
from .vgg import vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn
from .weights import WEIGHTS, Preprocessing, Weights, WeightsNotFound, load_weights, preprocessing
from .xception import xception

__all__ = [
    "WEIGHTS",
    "Backbone",
    "Preprocessing",
    "Stage",
    "Weights",
    "WeightsNotFound",
    "alexnet",
    "bn_inception",
    "create_model",
    "cspdarknet53",
    "darknet19",
    "darknet53",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
    "efficientnet_b4",
    "efficientnet_b5",
    "efficientnet_b6",
    "efficientnet_b7",
    "efficientnet_lite0",
    "efficientnet_lite1",
    "efficientnet_lite2",
    "efficientnet_lite3",
    "efficientnet_lite4",
    "ghostnet",
    "ghostnet_050",
    "ghostnet_100",
    "ghostnet_130",
    "googlenet",
    "inception_resnet_v1",
    "inception_resnet_v2",
    "inception_v2",
    "inception_v3",
    "inception_v4",
    "list_models",
    "load_weights",
    "mnasnet",
    "mnasnet0_5",
    "mnasnet0_75",
    "mnasnet1_0",
    "mnasnet1_3",
    "mnasnet_a1",
    "mobilenet_v1",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "mobilenetv1_025",
    "mobilenetv1_050",
    "mobilenetv1_075",
    "mobilenetv1_100",
    "preprocessing",
    "register_model",
    "resnet10a",
    "resnet10b",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "save_darknet",
    "se_bn_inception",
    "seresnet18",
    "seresnet34",
    "seresnet50",
    "seresnet101",
    "seresnet152",
    "seresnext50_32x4d",
    "shufflenet_v1",
    "shufflenet_v1_g1",
    "shufflenet_v1_g2",
    "shufflenet_v1_g3",
    "shufflenet_v1_g4",
    "shufflenet_v1_g8",
    "shufflenet_v2",
    "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0",
    "shufflenet_v2_x1_5",
    "shufflenet_v2_x2_0",
    "squeezenet1_0",
    "squeezenet1_1",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "xception",
]
