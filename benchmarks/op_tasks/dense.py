"""Element-wise operations, normalisation, pooling, softmax, resizing and their like, on maps that networks have."""
from __future__ import annotations

from collections.abc import Iterator

import torch

from tinycnn import functional as F

from .frame import Task, group, normal, uniform

T = torch.nn.functional
MAPS = (  # light networks: one image of 224x224, or a batch of 16 of 64x64
    (1, 232, 7, 7), (1, 96, 28, 28), (16, 232, 4, 4),               # small
    (1, 96, 112, 112), (16, 32, 32, 32), (16, 96, 16, 16))          # large
UNARY = ("relu", "relu6", "leaky_relu", "hardsigmoid", "hardswish", "sigmoid", "silu", "tanh", "mish")


@group("element-wise")
def elementwise() -> Iterator[Task]:
    for shape in MAPS:
        x, y = normal(*shape), uniform(*shape, low=0.5, high=2.0, seed=1)
        for name in UNARY:
            yield Task(name, lambda x, name=name: getattr(F, name)(x),
                       lambda x, name=name: getattr(torch if name in ("sigmoid", "tanh") else T, name)(x), [x])
        yield Task("add", lambda x, y: x + y, lambda x, y: x + y, [x, y], (0, 1))
        yield Task("mul", lambda x, y: x * y, lambda x, y: x * y, [x, y], (0, 1))
        yield Task("div", lambda x, y: x / y, lambda x, y: x / y, [x, y], (0, 1))
        yield Task("maximum", lambda x, y: F.maximum(x, y), torch.maximum, [x, y], (0, 1))
        yield Task("exp", lambda x: x.exp(), torch.exp, [x])
        yield Task("clip", lambda x: x.clip(-1, 1), lambda x: x.clip(-1, 1), [x])
        yield Task("prelu", lambda x, w: F.prelu(x, w), T.prelu, [x, normal(shape[1], seed=2)], (0, 1))


@group("reductions")
def reductions() -> Iterator[Task]:
    for shape in MAPS:
        x = normal(*shape)
        yield Task("sum", lambda x: x.sum(), lambda x: x.sum(), [x])
        yield Task("mean of planes", lambda x: x.mean((2, 3)), lambda x: x.mean((2, 3)), [x])
        yield Task("max of channels", lambda x: x.max(1), lambda x: x.amax(1), [x])


@group("linear")
def linear() -> Iterator[Task]:
    for n, features, out in ((1, 1280, 1000), (16, 1280, 1000), (64, 512, 10), (256, 512, 512)):
        yield Task(f"linear to {out}", lambda x, w, b: F.linear(x, w, b), T.linear,
                   [normal(n, features), normal(out, features), normal(out)], (0, 1, 2))


@group("channels")
def channels() -> Iterator[Task]:
    for shape in MAPS:
        x, scale = normal(*shape), uniform(*shape[:2], 1, 1)
        yield Task("channel_shuffle", lambda x: F.channel_shuffle(x, 2), lambda x: torch.channel_shuffle(x, 2), [x])
        yield Task("SE scale", lambda x, s: F.scale_channels(x, s), lambda x, s: x * s, [x, scale], (0, 1))
        yield Task("concat", lambda x, y: F.concat([x, y], 1), lambda x, y: torch.cat([x, y], 1), [x, x], (0, 1))
    for shape in ((1, 64, 48, 48), (16, 64, 16, 16)):
        yield Task("pixel_shuffle", lambda x: F.pixel_shuffle(x, 2), lambda x: T.pixel_shuffle(x, 2), [normal(*shape)])


@group("normalisation")
def normalisation() -> Iterator[Task]:
    for shape in MAPS:
        c = shape[1]
        x, w, b, mean, variance = normal(*shape), normal(c, seed=1), normal(c, seed=2), normal(c), uniform(c, low=0.5)
        for training in (False, True):  # statistics are the engine's own copies: running ones change
            yield Task(f"batch_norm {'train' if training else 'eval'}",
                       lambda x, m, v, w, b, training=training: F.batch_norm(x, m, v, w, b, training),
                       lambda x, m, v, w, b, training=training: T.batch_norm(x, m, v, w, b, training),
                       [x, mean, variance, w, b], (0, 3, 4))
        yield Task("instance_norm", lambda x, w, b: F.instance_norm(x, weight=w, bias=b),
                   lambda x, w, b: T.instance_norm(x, weight=w, bias=b), [x, w, b], (0, 1, 2))
        yield Task("group_norm", lambda x, w, b: F.group_norm(x, 8, w, b), lambda x, w, b: T.group_norm(x, 8, w, b),
                   [x, w, b], (0, 1, 2))
    for shape in ((1, 49, 96), (1, 196, 384), (8, 196, 384)):
        yield Task("layer_norm", lambda x, w, b: F.layer_norm(x, (x.shape[-1],), w, b),
                   lambda x, w, b: T.layer_norm(x, (x.shape[-1],), w, b),
                   [normal(*shape), normal(shape[-1], seed=1), normal(shape[-1], seed=2)], (0, 1, 2))
    for shape in ((1, 96, 27, 27), (1, 96, 55, 55)):    # AlexNet
        yield Task("local_response_norm", lambda x: F.local_response_norm(x, 5), lambda x: T.local_response_norm(x, 5),
                   [normal(*shape)])
    for shape in ((1, 128, 19, 19), (1, 512, 38, 38)):  # SSD
        yield Task("l2_norm", lambda x, w: F.l2_norm(x, w), lambda x, w: T.normalize(x, dim=1) * w[:, None, None],
                   [normal(*shape), uniform(shape[1], low=1.0, high=20.0)], (0, 1))


@group("pooling")
def pooling() -> Iterator[Task]:
    for shape in ((1, 232, 14, 14), (16, 24, 16, 16), (1, 64, 112, 112), (16, 64, 32, 32)):
        x = normal(*shape)
        yield Task("max_pool2d 3/2", lambda x: F.max_pool2d(x, 3, 2, 1), lambda x: T.max_pool2d(x, 3, 2, 1), [x])
        yield Task("max_pool2d 2/2", lambda x: F.max_pool2d(x, 2), lambda x: T.max_pool2d(x, 2), [x])
        yield Task("avg_pool2d 3/2", lambda x: F.avg_pool2d(x, 3, 2, 1), lambda x: T.avg_pool2d(x, 3, 2, 1), [x])
        yield Task("avg_pool2d 2/2", lambda x: F.avg_pool2d(x, 2), lambda x: T.avg_pool2d(x, 2), [x])
    for shape in ((1, 1024, 7, 7), (16, 1280, 2, 2), (1, 512, 38, 38), (16, 576, 16, 16)):
        x = normal(*shape)
        yield Task("global_avg_pool2d", lambda x: F.global_avg_pool2d(x), lambda x: x.mean((2, 3), True), [x])
        yield Task("adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, 3), lambda x: T.adaptive_avg_pool2d(x, 3),
                   [x])
        yield Task("adaptive_max_pool2d", lambda x: F.adaptive_max_pool2d(x, 3), lambda x: T.adaptive_max_pool2d(x, 3),
                   [x])


@group("softmax")
def softmax() -> Iterator[Task]:
    for shape in ((16, 1000), (64, 10), (256, 1000), (8732, 21)):
        x = normal(*shape)
        yield Task("softmax", lambda x: F.softmax(x, 1), lambda x: torch.softmax(x, 1), [x])
        yield Task("log_softmax", lambda x: F.log_softmax(x, 1), lambda x: torch.log_softmax(x, 1), [x])
    for shape in ((1, 21, 32, 32), (1, 21, 128, 128)):  # over the channels of a segmentation
        yield Task("softmax", lambda x: F.softmax(x, 1), lambda x: torch.softmax(x, 1), [normal(*shape)])


@group("resize")
def resize() -> Iterator[Task]:
    for shape in ((1, 96, 14, 14), (1, 24, 28, 28), (1, 128, 40, 40), (4, 64, 32, 32)):
        for name, how in (("nearest", {"mode": "nearest"}), ("bilinear", {"mode": "bilinear"}),
                          ("bilinear aligned", {"mode": "bilinear", "align_corners": True})):
            yield Task(f"interpolate {name}", lambda x, how=how: F.interpolate(x, scale_factor=2, **how),
                       lambda x, how=how: T.interpolate(x, scale_factor=2, **how), [normal(*shape)])


@group("conv_transpose")
def conv_transpose() -> Iterator[Task]:
    for shape, out, kernel in (((1, 64, 14, 14), 32, 2), ((1, 32, 28, 28), 32, 4), ((1, 128, 40, 40), 64, 2),
                               ((4, 64, 40, 40), 32, 4)):
        pad = kernel // 2 - 1  # twice the size
        yield Task(f"conv_transpose2d {kernel}/2 to {out}",
                   lambda x, w, b, pad=pad: F.conv_transpose2d(x, w, b, stride=2, padding=pad),
                   lambda x, w, b, pad=pad: T.conv_transpose2d(x, w, b, stride=2, padding=pad),
                   [normal(*shape), normal(shape[1], out, kernel, kernel), normal(out)], (0, 1, 2))
