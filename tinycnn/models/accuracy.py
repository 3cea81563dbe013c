"""What publishers state of their weights: accuracy on ImageNet's validation images, top-1, percent."""

TOP1 = {  # torchvision's documentation of each file that `published.WEIGHTS` names
    "alexnet": 56.522, "densenet121": 74.434, "densenet161": 77.138, "densenet169": 75.6, "densenet201": 76.896,
    "efficientnet_b0": 77.692, "efficientnet_b1": 78.642, "efficientnet_b2": 80.608, "efficientnet_b3": 82.008,
    "efficientnet_b4": 83.384, "efficientnet_b5": 83.444, "efficientnet_b6": 84.008, "efficientnet_b7": 84.122,
    "googlenet": 69.778, "inception_v3": 77.294, "mnasnet0_5": 67.734, "mnasnet0_75": 71.18, "mnasnet1_0": 73.456,
    "mnasnet1_3": 76.506, "mobilenet_v2": 71.878, "mobilenet_v3_large": 74.042, "mobilenet_v3_small": 67.668,
    "resnet18": 69.758, "resnet34": 73.314, "resnet50": 76.13, "resnet101": 77.374, "resnet152": 78.312,
    "resnext50_32x4d": 77.618, "shufflenet_v2_x0_5": 60.552, "shufflenet_v2_x1_0": 69.362,
    "shufflenet_v2_x1_5": 72.996, "shufflenet_v2_x2_0": 76.23, "squeezenet1_0": 58.092, "squeezenet1_1": 58.178,
    "vgg11": 69.02, "vgg11_bn": 70.37, "vgg13": 69.928, "vgg13_bn": 71.586, "vgg16": 71.592, "vgg16_bn": 73.36,
    "vgg19": 72.376, "vgg19_bn": 74.218,
    # The checkpoints in TensorFlow that these were converted from: github.com/tensorflow/tpu, efficientnet/lite.
    "efficientnet_lite0": 75.1, "efficientnet_lite1": 76.7, "efficientnet_lite2": 77.6,
}
