"""SSDLite: SSD whose new layers are depthwise and pointwise ones, on light networks: Sandler, Howard, Zhu, Zhmoginov,
Chen, "MobileNetV2: Inverted residuals and linear bottlenecks", CVPR 2018, section 6.2,
https://arxiv.org/abs/1801.04381; on MobileNet V3: Howard et al., "Searching for MobileNetV3", ICCV 2019, section 6.3.

Names of parameters, default boxes, thresholds and normalisation are those of torchvision's
ssdlite320_mobilenet_v3_large: the cells of all maps have six default boxes, with evenly spaced scales of 0.2 to 0.95.
"""
from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ...models.backbone import Backbone
from ...models.mobilenetv2 import MobileNetV2
from ...models.mobilenetv3 import LARGE, LARGE_LAST, MobileNetV3
from ...models.registry import register_model
from ...nn import BatchNorm2d, Conv2d, ConvBNAct, DepthwiseBNAct, Module, ReLU6, Sequential, init
from ...tensor import Tensor
from ..anchors import ssd_scales
from ..inputs import Inputs
from ..necks import Maps
from .ssd import SSD, DefaultBoxes, MoreMaps, maps_of

EPS, MOMENTUM = 1e-3, 0.03  # of batch normalisation
RATIOS = (2.0, 3.0)
EXTRAS = (512, 256, 256, 128)  # channels of the maps behind the backbone's
MAPS = 6
LOWEST = 0.1  # scale of the one square of the first map's cells, in TensorFlow
SIGNED = Inputs(mean=0.5, std=0.5)  # colours from -1 to 1
REDUCED = (*LARGE[:12], LARGE[12]._replace(out=80), *[row._replace(hidden=480, out=80) for row in LARGE[13:]])
REDUCED_LAST = LARGE_LAST // 2
normalised = partial(ConvBNAct, activation=ReLU6, eps=EPS, momentum=MOMENTUM)
depthwise = partial(DepthwiseBNAct, activation=ReLU6, eps=EPS, momentum=MOMENTUM)


def start_lite(module: Module) -> None:
    """Convolutions normal with deviation 0.03, biases 0; `module.apply(start_lite)`."""
    if isinstance(module, Conv2d):
        init.normal(module.weight, 0.03)
        if module.bias is not None:
            init.constant(module.bias, 0.0)


def lite_predictor(in_channels: int, outputs: int) -> Module:
    """A map's layers: each channel by 3x3, then 1x1."""
    return Sequential(depthwise(in_channels), Conv2d(in_channels, outputs, 1)).apply(start_lite)


def lite_block(in_channels: int, out_channels: int) -> Module:
    """A map half as wide: to half the channels, each by 3x3 with stride 2, to all of them."""
    middle = out_channels // 2
    return Sequential(normalised(in_channels, middle, 1), depthwise(middle, 3, 2),
                      normalised(middle, out_channels, 1)).apply(start_lite)


class LiteMaps(MoreMaps):
    """The maps of a network, and further ones behind the last, by layers that are depthwise and pointwise."""

    def __init__(self, features: Module, channels: Sequence[int], extras: Sequence[int] = EXTRAS) -> None:
        super().__init__(features, channels, extras, lite_block)


class Taps(Sequential):
    """Parts of a network that run one after the other: a list of what each of them gives."""

    def forward(self, x: Tensor) -> Maps:  # type: ignore[override]
        maps: Maps = []
        for part in self:
            maps.append(part(maps[-1] if maps else x))
        return maps


def opened(features: Sequential, at: int, block: Sequential) -> Taps:
    """A MobileNet's layers in two parts: up to where the block at `at`, which halves the map, is widest, and the rest.

    The first map of SSDLite has stride 16 and the expanded channels of the block that makes stride 32.
    """
    layers = list(features)
    rest = Sequential(**{str(i): layer for i, layer in enumerate(block) if i})
    return Taps(Sequential(*layers[:at], block[0]), Sequential(rest, *layers[at + 1:]))


def _ssdlite(maps: LiteMaps, num_classes: int, size: int | tuple[int, int], smallest: float = 0.2,
             largest: float = 0.95, lowest: float | None = None, inputs: Inputs | None = None, top_k: int = 300,
             score_threshold: float = 0.001, iou_threshold: float = 0.55, max_detections: int = 300) -> SSD:
    count = len(maps.channels)
    boxes = DefaultBoxes((RATIOS[:1] if lowest else RATIOS, *[RATIOS] * (count - 1)),
                         ssd_scales(count, smallest, largest), lowest=lowest)
    return SSD(maps, num_classes, size, boxes, lite_predictor, top_k, score_threshold, iou_threshold, max_detections,
               inputs or SIGNED)


@partial(register_model, task="detection")
def ssdlite(backbone: str | Backbone = "mobilenet_v2", num_classes: int = 90, size: int | tuple[int, int] = 320,
            strides: Sequence[int] = (16, 32), maps: int = MAPS, **options: Any) -> SSD:
    """SSDLite on any classification network.

    backbone: a registered name, or a network built with features_only=True, all of whose maps are taken.  strides: of
    its maps that are taken, where it is a name.  maps: how many there are in all, with those added behind.  options:
    smallest, largest: sides of default boxes over the image's side (0.2, 0.95); lowest: see `DefaultBoxes`; inputs;
    top_k 300, score_threshold 0.001, iou_threshold 0.55, max_detections 300.

    Raises ValueError for a stride that the network does not have, and where there are more maps than SSDLite has.

    >>> net = ssdlite("shufflenet_v2_x0_5", num_classes=10, size=160, strides=(8, 16, 32), maps=5)
    >>> net.default_boxes.shape  # six in each cell of 20 x 20, 10 x 10, 5 x 5, 3 x 3, 2 x 2
    (3228, 4)
    """
    net = maps_of("ssdlite", backbone, strides, maps, len(EXTRAS))
    return _ssdlite(LiteMaps(net, net.channels, EXTRAS[:maps - len(net.channels)]), num_classes, size, **options)


@partial(register_model, task="detection")
def ssdlite320_mobilenet_v3_large(num_classes: int = 90, size: int | tuple[int, int] = 320, **options: Any) -> SSD:
    """SSDLite on MobileNet V3 Large, the last blocks of which have half the channels: 3.4 M parameters.

    As section 6.3 has it: maps of strides 16 and 32 are taken behind the expansion of the first of these blocks, and
    behind the network's last convolution.  options: see `ssdlite`.
    """
    net = MobileNetV3(REDUCED, REDUCED_LAST, num_classes=0)
    for module in net.apply(start_lite).modules():
        if isinstance(module, BatchNorm2d):
            module.momentum = MOMENTUM
    features: Any = net.features
    maps = LiteMaps(opened(features, 13, features[13].block), (LARGE[12].hidden, 6 * REDUCED[-1].out))
    return _ssdlite(maps, num_classes, size, **options)


@partial(register_model, task="detection")
def ssdlite320_mobilenet_v2(num_classes: int = 90, size: int | tuple[int, int] = 320, **options: Any) -> SSD:
    """SSDLite on MobileNet V2: 0.8 G multiply-adds, 4.3 M parameters for the 80 classes of COCO.

    Maps of strides 16 and 32 are taken behind the expansion of layer 15, counted from 1, and behind the last layer.
    The first map's cells have three default boxes, as in the paper's TensorFlow code.  options: see `ssdlite`.
    """
    features: Any = MobileNetV2(num_classes=0).features
    maps = LiteMaps(opened(features, 14, features[14].conv), (576, 1280))
    return _ssdlite(maps, num_classes, size, **{"lowest": LOWEST, **options})
