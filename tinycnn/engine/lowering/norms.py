"""Normalisation: by running statistics, by those of the map itself, and across the channels of a pixel."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import Node
from ..layout import blocks
from ..packing import pack_channels, vector
from ..passes import affine
from .rules import clipping, constant, last_store, lowers, map_by_map, map_fields, refuse

if TYPE_CHECKING:
    from ..plan import Builder

OF_CHANNEL, OF_IMAGE, OF_ELEMENT = range(3)  # where factors and summands lie, as the kernel `affine` has it
OF_GROUP = (0, 1, 0, 1)  # what plane and group have of the mean, and of the variance


@lowers("batch_norm")
def batch_norm(plan: Builder, node: Node) -> None:
    """A normalisation that no convolution took: a factor and a summand per channel, of maps that are joined each as it
    lies."""
    if node.attributes["training"]:
        raise refuse(node, "it computes the statistics of the batch; call eval() on the model first")
    x, adds = node.inputs["x"], any(step.op == "add" for step in node.after)
    placed, store = plan.whole(x) if adds else plan.placed(x), last_store(plan, node)
    scale, shift = (np.broadcast_to(v, placed.shape[1]) for v in affine(node))
    for here, channel, fields in map_by_map(plan, placed, node.y):
        lanes = np.zeros((2, fields["blocks"] * plan.width))
        lanes[:, channel] = scale[here], shift[here]
        plan.emit_into(kind="affine", mode=OF_CHANNEL, **fields, n=placed.pixels, w=plan.constant(lanes[0]),
                       b=plan.constant(lanes[1]), **store)


# ---------------------------------------------------------------- statistics of the map itself
def normalise(plan: Builder, node: Node, groups: int, weight: np.ndarray, bias: np.ndarray,
              shares: tuple[float, ...] = OF_GROUP, own: np.ndarray | None = None) -> None:
    """Moments of planes, factors of groups of channels, and the map made with these.

    weight, bias: a number per channel, or one per element of an image.  shares, own: see norm.pxi; own: (2, C).
    """
    placed = plan.whole(node.inputs["x"])
    n, c, _, _ = placed.shape
    fields: dict[str, Any] = {"blocks": blocks(c, plan.width), "images": n}
    moments, factors = (plan.storage(2 * fields["blocks"] * n * plan.width) for _ in range(2))
    each = weight.ndim == 1
    w, b = (weight, bias) if each else (np.ones(c), np.zeros(c))
    numbers = np.concatenate([shares, (np.zeros((2, c)) if own is None else own).ravel()])
    plan.emit_into(moments, kind="moments", **fields, x=placed, reads=[placed], n=placed.pixels)
    plan.emit_into(factors, kind="factors", **fields, s=moments, reads=[moments], k=c, rows=groups,
                   low=node.attributes["eps"], w=plan.constant(w), b=plan.constant(b), z=plan.constant(numbers))
    fields |= {"kind": "affine", "n": placed.pixels}
    scaled = {"mode": OF_IMAGE, "x": placed, "s": factors, "reads": [placed, factors]}
    if each:
        plan.emit(node.y, **fields, **scaled, **last_store(plan, node))
        return
    plain = plan.storage(fields["blocks"] * plan.width * n * placed.pixels)
    plan.emit_into(plain, **fields, **scaled, **clipping())
    packed = [plan.constant(pack_channels(filled(v, plan.width), plan.width)) for v in (weight, bias)]
    plan.emit(node.y, **fields, mode=OF_ELEMENT, x=plain, reads=[plain], w=packed[0], b=packed[1],
              **last_store(plan, node))


def filled(values: np.ndarray, width: int) -> np.ndarray:
    """(C, pixels), with zeros for the channels that fill up the last block."""
    return np.pad(values, ((0, -len(values) % width), (0, 0)))


def weight_and_bias(node: Node, count: int) -> tuple[np.ndarray, np.ndarray]:
    """As constants, 1 and 0 where they are not given."""
    return constant(node, "weight", np.ones(count)), constant(node, "bias", np.zeros(count))


@lowers("group_norm", "instance_norm")
def group_norm(plan: Builder, node: Node) -> None:
    """Groups of channels; of one channel each where instances are normalised."""
    channels = node.y.shape[1]
    groups = node.attributes["num_groups"] if node.op == "group_norm" else channels
    normalise(plan, node, groups, *weight_and_bias(node, channels))


def layer_norm_of_maps(plan: Builder, node: Node) -> None:
    """All of an image."""
    shape = node.y.shape
    weight, bias = (v.reshape(shape[1], -1) for v in weight_and_bias(node, int(np.prod(shape[1:]))))
    if all((v == v[:, :1]).all() for v in (weight, bias)):
        weight, bias = weight[:, 0], bias[:, 0]
    normalise(plan, node, 1, weight, bias)


@lowers("switchable_norm")
def switchable_norm(plan: Builder, node: Node) -> None:
    """The statistics of a plane, of its image and of the batches seen in training, mixed."""
    if node.attributes["training"]:
        raise refuse(node, "it computes the statistics of the batch; call eval() on the model first")
    means, variances = (softmax(constant(node, name)) for name in ("mean_weight", "var_weight"))
    own = np.stack([means[2] * constant(node, "running_mean"), variances[2] * constant(node, "running_var")])
    normalise(plan, node, 1, *weight_and_bias(node, node.y.shape[1]), shares=(*means[:2], *variances[:2]), own=own)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Shares that add up to 1."""
    e = np.exp(logits.astype(np.float64) - logits.max())
    return e / e.sum()


# ---------------------------------------------------------------- across the channels of a pixel
@lowers("l2_norm")
def l2_norm(plan: Builder, node: Node) -> None:
    """To length 1, then a weight per channel."""
    placed = plan.whole(node.inputs["x"])
    weight = constant(node, "weight", np.ones(placed.shape[1]))
    plan.emit(node.y, kind="l2_norm", **map_fields(plan, placed, node.y), k=placed.shape[1], n=placed.pixels,
              low=node.attributes["eps"], w=plan.constant(vector(weight, plan.width)))


@lowers("local_response_norm")
def local_response_norm(plan: Builder, node: Node) -> None:
    """Against the squares of the channels near by."""
    placed, a = plan.whole(node.inputs["x"]), node.attributes
    fields, size = map_fields(plan, placed, node.y), min(a["size"], 2 * placed.shape[1] + 1)
    plan.emit(node.y, kind="local_response", **fields, k=placed.shape[1], n=placed.pixels, rows=size,
              w=plan.constant(np.array([a["alpha"] / a["size"], a["k"], a["beta"]])),
              t=plan.scratch(plan.threads * (fields["blocks"] * plan.width + size)))
