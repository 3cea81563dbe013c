"""Darknet's networks as its own: configurations, and what they compute, layer by layer, by the plain functions."""
from __future__ import annotations

import numpy as np

from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn.serialize.darknet_cfg import parse_cfg


def section(kind, **options):
    return f"[{kind}]\n" + "".join(f"{key}={value}\n" for key, value in options.items())


def conv(filters, size=3, stride=1, activation="leaky"):
    return section("convolutional", batch_normalize=1, filters=filters, size=size, stride=stride, pad=1,
                   activation=activation)


def linear_conv(filters):
    return section("convolutional", filters=filters, size=1, stride=1, pad=1, activation="linear")


def route(*layers):
    return section("route", layers=", ".join(map(str, layers)))


POOL, SAME_POOL = section("maxpool", size=2, stride=2), section("maxpool", size=2, stride=1)
ADD, UP = section("shortcut", **{"from": -3, "activation": "linear"}), section("upsample", stride=2)
MEANS = "[avgpool]\n"


def net(*layers):
    return "[net]\n# anything\nchannels=3\nheight=64\nwidth=64 ; pixels\n\n" + "\n".join(layers)


def pairs(channels, count):
    return [conv(channels), *[conv(channels // 2, 1), conv(channels)] * count]


def darknet19_trunk(c):
    trunk = [conv(c)]
    for i, count in enumerate((0, 1, 1, 2, 2)):
        trunk += [POOL, *pairs(c << i + 1, count)]
    return trunk


def darknet53_trunk(c, blocks=(1, 2, 8, 8, 4)):
    trunk = [conv(c)]
    for i, count in enumerate(blocks):
        trunk += [conv(c << i + 1, 3, 2), *[conv(c << i, 1), conv(c << i + 1), ADD] * count]
    return trunk


def cspdarknet53_trunk(c):
    """As in the configuration of YOLO v4: one half by a route of its own, the other through the blocks."""
    trunk = [conv(c, activation="mish")]
    for i, count in enumerate((1, 2, 8, 8, 4)):
        whole = c << i + 1
        half, inner = (whole, whole // 2) if i == 0 else (whole // 2, whole // 2)
        trunk += [conv(whole, 3, 2, "mish"), conv(half, 1, 1, "mish"), route(-2), conv(half, 1, 1, "mish")]
        trunk += [conv(inner, 1, 1, "mish"), conv(half, 3, 1, "mish"), ADD] * count
        trunk += [conv(half, 1, 1, "mish"), route(-1, -(3 * count + 4)), conv(whole, 1, 1, "mish")]
    return trunk


def yolov2(c, outputs):
    return net(*darknet19_trunk(c), *[conv(32 * c)] * 2, route(-9), conv(64, 1), section("reorg", stride=2),
               route(-1, -4), conv(32 * c), linear_conv(outputs), "[region]\n")


def yolov3(c, outputs):
    def level(width):
        return [*[conv(width, 1), conv(2 * width)] * 3, linear_conv(outputs), "[yolo]\n"]
    return net(*darknet53_trunk(c), *level(16 * c), route(-4), conv(8 * c, 1), UP, route(-1, 61), *level(8 * c),
               route(-4), conv(4 * c, 1), UP, route(-1, 36), *level(4 * c))


def yolov3_tiny(outputs):
    trunk = [layer for i in range(5) for layer in (conv(16 << i), POOL)]
    return net(*trunk, conv(512), SAME_POOL, conv(1024), conv(256, 1), conv(512), linear_conv(outputs), "[yolo]\n",
               route(-4), conv(128, 1), UP, route(-1, 8), conv(256), linear_conv(outputs), "[yolo]\n")


def yolov4(c, outputs):
    def windows(size):
        return section("maxpool", size=size, stride=1)

    def five(width):
        return [*[conv(width, 1), conv(2 * width)] * 2, conv(width, 1)]

    def down(width, tap):
        return [conv(width, 1), UP, route(tap), conv(width, 1), route(-1, -3), *five(width)]

    def head(width):
        return [conv(2 * width), linear_conv(outputs), "[yolo]\n"]

    def up(width, tap):
        return [route(-4), conv(width, 3, 2), route(-1, tap), *five(width), *head(width)]
    ends = [conv(16 * c, 1), conv(32 * c), conv(16 * c, 1)]
    pooled = [windows(5), route(-2), windows(9), route(-4), windows(13), route(-1, -3, -5, -6)]
    return net(*cspdarknet53_trunk(c), *ends, *pooled, *ends, *down(8 * c, 85), *down(4 * c, 54), *head(4 * c),
               *up(8 * c, -16), *up(16 * c, -37))


# ---- what they compute
def leaky(x):
    return F.leaky_relu(x, 0.1)


ACTIVATIONS = {"leaky": leaky, "mish": F.mish, "linear": lambda x: x}


def run(text, arrays, x):
    """The results of the layers [yolo] and [region], or, where there are none, of the last one."""
    _, *layers = parse_cfg(text)
    results, heads = [], []
    for i, layer in enumerate(layers):
        before = results[-1] if results else Tensor(x)
        results.append(step(layer, f"layers.{i}", arrays, before, results))
        if layer.kind in ("yolo", "region"):
            heads.append(results[-1])
    return heads or results[-1:]


def step(layer, name, arrays, x, results):
    options = layer.options
    if layer.kind == "convolutional":
        size, stride = int(options["size"]), int(options["stride"])
        x = F.conv2d(x, arrays[f"{name}.conv.weight"], arrays.get(f"{name}.conv.bias"), stride, size // 2)
        if "batch_normalize" in options:
            mean, var, scale, shift = (Tensor(arrays[f"{name}.bn.{leaf}"]) for leaf in
                                       ("running_mean", "running_var", "weight", "bias"))
            x = F.batch_norm(x, mean, var, scale, shift, False, 0.1, 1e-5)
        return ACTIVATIONS[options["activation"]](x)
    if layer.kind == "maxpool":
        size, stride = int(options["size"]), int(options["stride"])
        if size % 2:
            return F.max_pool2d(x, size, stride, size // 2)
        y = x.numpy() if stride == 2 else np.pad(x.numpy(), ((0, 0), (0, 0), (0, 1), (0, 1)),
                                                 constant_values=-np.inf)
        return F.max_pool2d(Tensor(y), 2, stride)
    if layer.kind == "route":
        return F.concat([results[int(n)] for n in options["layers"].split(",")])
    if layer.kind == "shortcut":
        return x + results[int(options["from"])]
    if layer.kind == "upsample":
        return Tensor(x.numpy().repeat(2, 2).repeat(2, 3))
    if layer.kind == "reorg":
        return Tensor(reorg(x.numpy()))
    return F.global_avg_pool2d(x) if layer.kind == "avgpool" else x


def reorg(x):
    """The output's memory is the input's, read as (C / 4, 2 H, 2 W), its pixels taken by parity of row and column."""
    n, channels, h, w = x.shape
    memory = x.reshape(n, channels // 4, 2 * h, 2 * w)
    taken = [memory[:, :, row::2, column::2] for row in (0, 1) for column in (0, 1)]
    return np.concatenate(taken, 1).reshape(n, 4 * channels, h // 2, w // 2)
