"""Networks: one file per paper, registered by name."""
from .backbone import Backbone, Stage
from .bn_inception import bn_inception, se_bn_inception
from .efficientnet_lite import efficientnet_lite0
from .googlenet import googlenet
from .inception_resnet import inception_resnet_v1, inception_resnet_v2
from .inception_v3 import inception_v2, inception_v3
from .inception_v4 import inception_v4
from .mobilenetv1 import mobilenet_v1, mobilenetv1_025, mobilenetv1_050, mobilenetv1_075, mobilenetv1_100
from .mobilenetv2 import mobilenet_v2
from .mobilenetv3 import mobilenet_v3_large, mobilenet_v3_small
from .registry import create_model, list_models, register_model
from .resnet import resnet18, resnet34, resnet50, resnet101, resnet152, resnext50_32x4d
from .shufflenetv2 import shufflenet_v2, shufflenet_v2_x0_5, shufflenet_v2_x1_0, shufflenet_v2_x1_5, shufflenet_v2_x2_0
from .squeezenet import squeezenet1_0, squeezenet1_1
from .vgg import vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn
from .weights import WEIGHTS, Preprocessing, Weights, WeightsNotFound, load_weights, preprocessing

__all__ = [
    "WEIGHTS",
    "Backbone",
    "Preprocessing",
    "Stage",
    "Weights",
    "WeightsNotFound",
    "bn_inception",
    "create_model",
    "efficientnet_lite0",
    "googlenet",
    "inception_resnet_v1",
    "inception_resnet_v2",
    "inception_v2",
    "inception_v3",
    "inception_v4",
    "list_models",
    "load_weights",
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
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "se_bn_inception",
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
]
