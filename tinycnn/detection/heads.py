"""Heads that say of each place of a pyramid what is there, and where: RetinaNet's and FCOS's, in torchvision's names.

Maps (N, channels, H, W) of all levels in; a dict of Tensors of all places out, in the order of `anchors`:

    cls_logits       (N, P, num_classes)
    bbox_regression  (N, P, 4)
    bbox_ctrness     (N, P, 1), where the head says how far a place is from the middle of its object
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .. import ops as F
from ..nn import Conv2d, GroupNorm, Module, ModuleList, ReLU, Sequential, init
from ..tensor import Tensor
from .necks import Maps, PerLevel, Scale, flatten_levels, prior_bias

Raw = dict[str, Tensor]
Norm = Callable[[int], Module]  # from a number of channels, what normalises them
OUTPUTS = {"cls_logits": "cls_logits", "bbox_reg": "bbox_regression", "bbox_ctrness": "bbox_ctrness"}
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"none": lambda x: x, "relu": F.relu, "exp": lambda x: x.exp()}
BRANCHES = ("none", "classification", "regression")  # where centre-ness may come from


def group_norm(channels: int) -> GroupNorm:
    """32 groups, as Wu and He, "Group normalization", ECCV 2018, section 3; or as many as divide 32 and the channels.

    >>> group_norm(256).num_groups, group_norm(72).num_groups
    (32, 8)
    """
    return GroupNorm(math.gcd(32, channels), channels)


def start_head(module: Module) -> None:
    """Convolutions normal with deviation 0.01, biases 0; Lin et al., "Focal loss", ICCV 2017, section 4.1."""
    if isinstance(module, Conv2d):
        init.normal(module.weight, 0.01)
        if module.bias is not None:
            init.constant(module.bias, 0.0)


def tower(channels: int, depth: int, norm: Norm | None, nested: bool) -> Sequential:
    """So many times a convolution of 3x3, a norm and ReLU.

    nested: these are blocks, and a convolution before a norm has no bias (RetinaNet); else they stand in one row, each
    convolution with its bias (FCOS).
    """
    parts: list[Module] = []
    for _ in range(depth):
        conv = Conv2d(channels, channels, 3, padding=1, bias=norm is None or not nested)
        layers = [conv, *([] if norm is None else [norm(channels)]), ReLU()]
        parts += [Sequential(*layers)] if nested else layers
    return Sequential(*parts)


class Branch(Module):
    """A tower and the convolutions of 3x3 that end it: a map -> a dict of maps.

    outputs: their names, and the channels of each.
    """

    def __init__(self, conv: Sequential, channels: int, **outputs: int) -> None:
        self.conv, self.outputs = conv, tuple(outputs)
        for name, count in outputs.items():
            setattr(self, name, Conv2d(channels, count, 3, padding=1))
        self.apply(start_head)

    def forward(self, x: Tensor) -> Raw:
        features = self.conv(x)
        return {name: getattr(self, name)(features) for name in self.outputs}


class DenseHead(Module):
    """A branch for classes and one for boxes, which all levels share.

    channels: of the maps and of the towers.  anchors: at each place of a map.  depth, norm, nested: of each `tower`.
    centerness: which branch says it besides: "classification" (FCOS), "regression" (its second version) or "none".
    scales: levels that multiply what they say of boxes by a number of their own, which is trained; 0: none does.
    activation: of boxes, after that: "none", "relu" or "exp".  box_bias: what boxes start from.

    Lin et al., "Focal loss for dense object detection", ICCV 2017, section 4; Tian et al., "FCOS", ICCV 2019, 3.2.

    >>> import numpy as np
    >>> head = DenseHead(16, num_classes=3, anchors=9, depth=1)
    >>> raw = head([Tensor(np.zeros((1, 16, size, size), np.float32)) for size in (4, 2)])
    >>> {name: y.shape for name, y in raw.items()}
    {'cls_logits': (1, 180, 3), 'bbox_regression': (1, 180, 4)}
    """

    def __init__(self, channels: int, num_classes: int, anchors: int = 1, depth: int = 4, norm: Norm | None = None,
                 nested: bool = False, centerness: str = "none", scales: int = 0, activation: str = "none",
                 box_bias: float = 0.0) -> None:
        if centerness not in BRANCHES:
            raise ValueError(f"DenseHead: centerness must be one of {', '.join(BRANCHES)}, got {centerness!r}")
        if activation not in ACTIVATIONS:
            raise ValueError(f"DenseHead: activation must be one of {', '.join(ACTIVATIONS)}, got {activation!r}")
        def branch(name: str, **outputs: int) -> Any:
            more = {"bbox_ctrness": anchors} if centerness == name else {}
            return Branch(tower(channels, depth, norm, nested), channels, **outputs, **more)
        self.classification_head = branch("classification", cls_logits=anchors * num_classes)
        self.regression_head = branch("regression", bbox_reg=anchors * 4)
        init.constant(self.classification_head.cls_logits.bias, prior_bias())
        init.constant(self.regression_head.bbox_reg.bias, box_bias)
        self.scales = ModuleList(Scale() for _ in range(scales)) if scales else None
        self.widths = {"cls_logits": num_classes, "bbox_reg": 4, "bbox_ctrness": 1}
        self.activation = activation

    def forward(self, maps: Maps) -> Raw:
        if self.scales is not None and len(maps) != len(self.scales):
            raise ValueError(f"DenseHead: {len(maps)} maps for {len(self.scales)} scales")
        levels = [self.classification_head(x) | self.regression_head(x) for x in maps]
        for i, level in enumerate(levels):
            boxes = level["bbox_reg"]
            level["bbox_reg"] = ACTIVATIONS[self.activation](boxes if self.scales is None else self.scales[i](boxes))
        return {OUTPUTS[name]: flatten_levels([level[name] for level in levels], width)
                for name, width in self.widths.items() if name in levels[0]}


class SeparateHeads(PerLevel):
    """Heads that share nothing, one for each level.

    >>> import numpy as np
    >>> heads = SeparateHeads(DenseHead(16, num_classes=3, depth=1) for level in range(2))
    >>> heads([Tensor(np.zeros((1, 16, size, size), np.float32)) for size in (4, 2)])["cls_logits"].shape
    (1, 20, 3)
    """

    def forward(self, maps: Maps) -> Raw:  # type: ignore[override]
        levels = super().forward([[x] for x in maps])  # type: ignore[misc]
        return {name: F.concat([level[name] for level in levels], 1) for name in levels[0]}


def heads(make: Callable[[int], Module], levels: Sequence[int], shared: bool) -> Module:
    """What make(so many levels) gives, for all levels together or for each of them."""
    return make(len(levels)) if shared else SeparateHeads(make(1) for _ in levels)
