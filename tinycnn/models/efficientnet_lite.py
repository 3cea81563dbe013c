"""EfficientNet-Lite: Tan and Le, "EfficientNet: Rethinking model scaling for convolutional neural networks", ICML 2019,
https://arxiv.org/abs/1905.11946, without squeeze-and-excitation and with ReLU6, as published for phones at
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite.

Neither the first and the last convolution nor the repeats of the first and the last row grow with the scale.

Names of parameters as in timm's tf_efficientnet_lite*: TensorFlow's padding, batch normalisation with eps 1e-3.
"""
from __future__ import annotations

from typing import Unpack

from ..nn import ReLU6
from .backbone import Options
from .efficientnet import TABLE, Scale, scaled
from .inverted import InvertedResidualNet, Row, Style
from .registry import register_model

STYLE = Style(ReLU6, eps=1e-3, tf_same=True)
STEM = 32  # channels of the first convolution
SCALES = (  # of Lite0 to Lite4
    Scale(width=1.0, depth=1.0, resolution=224, dropout=0.2),
    Scale(width=1.0, depth=1.1, resolution=240, dropout=0.2),
    Scale(width=1.1, depth=1.2, resolution=260, dropout=0.3),
    Scale(width=1.2, depth=1.4, resolution=280, dropout=0.3),
    Scale(width=1.4, depth=1.8, resolution=300, dropout=0.3),
)


class EfficientNetLite(InvertedResidualNet):
    """EfficientNet-Lite at a scale, which `scale` holds; options: see Backbone, drop_rate the scale's."""

    def __init__(self, scale: Scale, **options: Unpack[Options]) -> None:
        self.scale, self.default_drop_rate = scale, scale.dropout
        super().__init__(STYLE, STEM, rows(scale), **options)


def rows(scale: Scale) -> list[Row]:
    """The table's rows at a scale."""
    ends = (0, len(TABLE) - 1)
    return [row._replace(squeeze=False, repeats=TABLE[i].repeats if i in ends else row.repeats)
            for i, row in enumerate(scaled(TABLE, scale))]


@register_model
def efficientnet_lite0(**options: Unpack[Options]) -> EfficientNetLite:
    """EfficientNet-Lite0, 224 x 224 pixels: 407 M multiply-adds, 4.7 M parameters; options: EfficientNetLite.

    >>> import numpy as np
    >>> efficientnet_lite0(num_classes=10).eval()(np.zeros((1, 3, 64, 64), np.float32)).shape
    (1, 10)
    """
    return EfficientNetLite(SCALES[0], **options)


@register_model
def efficientnet_lite1(**options: Unpack[Options]) -> EfficientNetLite:
    """EfficientNet-Lite1, 240 x 240 pixels: 631 M multiply-adds, 5.4 M parameters; options: EfficientNetLite."""
    return EfficientNetLite(SCALES[1], **options)


@register_model
def efficientnet_lite2(**options: Unpack[Options]) -> EfficientNetLite:
    """EfficientNet-Lite2, 260 x 260 pixels: 899 M multiply-adds, 6.1 M parameters; options: EfficientNetLite."""
    return EfficientNetLite(SCALES[2], **options)


@register_model
def efficientnet_lite3(**options: Unpack[Options]) -> EfficientNetLite:
    """EfficientNet-Lite3, 280 x 280 pixels: 1.44 G multiply-adds, 8.2 M parameters; options: EfficientNetLite."""
    return EfficientNetLite(SCALES[3], **options)


@register_model
def efficientnet_lite4(**options: Unpack[Options]) -> EfficientNetLite:
    """EfficientNet-Lite4, 300 x 300 pixels: 2.64 G multiply-adds, 13 M parameters; options: EfficientNetLite."""
    return EfficientNetLite(SCALES[4], **options)
