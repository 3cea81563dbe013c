"""What NetAdapt has to know of a network: which channels can go, and what arrays and blocks they are part of."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ...autograd import Shape
from ...models.mobilenetv1 import DepthwiseSeparable, MobileNetV1
from ...models.mobilenetv2 import InvertedResidual, MobileNetV2
from ...nn import BatchNorm2d, Conv2d, Flatten, GlobalAvgPool2d, Linear, Module, Sequential

ALIASES = {"mobilenet_v1": "mobilenetv1_100"}  # what papers call it
NORMALISED = ("weight", "bias", "running_mean", "running_var")  # of a batch normalisation: a number for each channel


class Width(NamedTuple):
    """Channels that can only go together: filters of a convolution, and all that has numbers for each of them.

    name: path of the convolution.  arrays: names in the state dict, with the axis of these channels; the filters first.
    """

    name: str
    channels: int
    arrays: tuple[tuple[str, int], ...]

    def narrowed(self, state: Mapping[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
        """The arrays with the channels of the `count` filters of largest l2 norm, in their order.

        NetAdapt, section 3.2, "choose which filters".
        """
        filters = np.asarray(state[self.arrays[0][0]], np.float64)
        norms = np.sqrt((filters.reshape(len(filters), -1)**2).sum(1))
        kept = np.sort(np.argsort(-norms, kind="stable")[:count])
        return {**state, **{name: np.take(state[name], kept, axis) for name, axis in self.arrays}}


class Part(NamedTuple):
    """What is timed by itself: a block of a network.

    kind, channels (input, in the middle if it has a middle, output), stride and shape, that of its input (1, C, H, W),
    say all of it; make: build it.
    """

    kind: str
    channels: tuple[int, ...]
    stride: int
    shape: Shape
    make: Callable[[], Module]

    @property
    def key(self) -> str:
        """Of its row in a table: "separable 32>64 /1 @28x28"."""
        return f"{self.kind} {'>'.join(map(str, self.channels))} /{self.stride} @{self.shape[2]}x{self.shape[3]}"


Parts = Callable[[Any, Sequence[int], Shape], list[Part]]


class Structure(NamedTuple):
    """Of a sort of network: the widths that it has, and its parts for a choice of them and an image (1, C, H, W)."""

    widths: Callable[[Any], list[Width]]
    parts: Parts


def structure(model: Any, name: str) -> Structure:
    """What is known of a network.

    Raises ValueError for one of which nothing is.
    """
    for sort, known in STRUCTURES.items():
        if isinstance(model, sort):
            return known
    raise ValueError(f"netadapt: {name} cannot be shrunk layer by layer; expected a MobileNet V1 (mobilenet_v1, "
                     "mobilenetv1_100 and its widths) or mobilenet_v2")


def after(shape: Shape, stride: int, channels: int) -> Shape:
    """The shape of a map behind a convolution that rounds sizes up."""
    return (shape[0], channels, -(-shape[2] // stride), -(-shape[3] // stride))


def _of_norm(name: str) -> tuple[tuple[str, int], ...]:
    return tuple((f"{name}.{leaf}", 0) for leaf in NORMALISED)


def _classifier(channels: int, shape: Shape, classes: int) -> Part:
    return Part("classifier", (channels, classes), 1, shape,
                lambda: Sequential(GlobalAvgPool2d(), Flatten(), Linear(channels, classes)))


# ---------------------------------------------------------------- MobileNet V1: all output channels
def _v1_blocks(model: Any) -> list[tuple[str, Any]]:
    return [(f"blocks.{i}.{k}", block) for i, row in enumerate(model.blocks) for k, block in enumerate(row)]


def _v1_widths(model: Any) -> list[Width]:
    """Of the first convolution and of every pointwise one; the depthwise one that follows has the same channels."""
    blocks = _v1_blocks(model)
    makers = [("conv_stem", "bn1", model.conv_stem),
              *[(f"{path}.conv_pw", f"{path}.bn2", block.conv_pw) for path, block in blocks]]
    takers = [((f"{path}.conv_dw.weight", 0), *_of_norm(f"{path}.bn1"), (f"{path}.conv_pw.weight", 1))
              for path, _ in blocks]
    return [Width(conv, made.out_channels, ((f"{conv}.weight", 0), *_of_norm(norm), *taken))
            for (conv, norm, made), taken in zip(makers, [*takers, (("classifier.weight", 1),)])]


def _v1_stem(model: Any, channels: int) -> Module:
    return Sequential(Conv2d(model.in_chans, channels, 3, model.stem_stride, padding=1, bias=False),
                      BatchNorm2d(channels), type(model.activation)())


def _v1_parts(model: Any, widths: Sequence[int], image: Shape) -> list[Part]:
    stem, stride = widths[0], model.stem_stride
    parts = [Part("convolution", (model.in_chans, stem), stride, image, partial(_v1_stem, model, stem))]
    shape = after(image, stride, stem)
    for out, (_, block) in zip(widths[1:], _v1_blocks(model)):
        stride = block.conv_dw.stride[0]
        parts.append(Part("separable", (shape[1], out), stride, shape,
                          partial(DepthwiseSeparable, shape[1], out, stride, type(block.activation))))
        shape = after(shape, stride, out)
    return [*parts, _classifier(shape[1], shape, model.num_classes)]


# ---------------------------------------------------------------- MobileNet V2: the channels in the middle of blocks
def _v2_blocks(model: Any) -> Iterator[tuple[str, Any]]:
    return ((f"features.{i}", block) for i, block in enumerate(model.features) if isinstance(block, InvertedResidual))


def _expands(block: Any) -> bool:
    return isinstance(block.conv[1], Sequential)  # a depthwise convolution, behind the one that expands


def _v2_widths(model: Any) -> list[Width]:
    """What blocks add up is tied through all of them and stays; in the middle a block is free."""
    return [Width(f"{path}.conv.0.0", block.conv[0][0].out_channels, (
        (f"{path}.conv.0.0.weight", 0), *_of_norm(f"{path}.conv.0.1"), (f"{path}.conv.1.0.weight", 0),
        *_of_norm(f"{path}.conv.1.1"), (f"{path}.conv.2.weight", 1)))
        for path, block in _v2_blocks(model) if _expands(block)]


def _v2_parts(model: Any, widths: Sequence[int], image: Shape) -> list[Part]:
    own, stem = iter(widths), model.features[0]
    first, last = stem[0].out_channels, model.features[-1]
    parts = [Part("convolution", (model.in_chans, first), model.stem_stride, image, lambda: stem)]
    shape = after(image, model.stem_stride, first)
    for _, block in _v2_blocks(model):
        expands = _expands(block)
        stride, out = block.conv[int(expands)][0].stride[0], block.conv[-2].out_channels
        hidden = next(own) if expands else shape[1]
        parts.append(Part("inverted residual", (shape[1], hidden, out), stride, shape, partial(
            InvertedResidual, shape[1], out, stride, 0 if expands else 1, 0.0, hidden)))
        shape = after(shape, stride, out)
    parts.append(Part("convolution", (shape[1], last[0].out_channels), 1, shape, lambda: last))
    shape = after(shape, 1, last[0].out_channels)
    return [*parts, _classifier(shape[1], shape, model.num_classes)]


STRUCTURES: dict[type[Any], Structure] = {
    MobileNetV1: Structure(_v1_widths, _v1_parts), MobileNetV2: Structure(_v2_widths, _v2_parts)}
