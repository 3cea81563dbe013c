"""Passes: each takes a graph and gives an equivalent one that costs less to run.

They leave the graph they are given alone, and `Graph.run` gives the same numbers (to rounding) before and after.
"""
from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from functools import wraps
from itertools import pairwise, permutations

import numpy as np

from .graph import Graph, Node, Step, Value, compute, restructure

ACTIVATIONS = frozenset({"relu", "relu6", "hardsigmoid", "hardswish", "sigmoid", "silu", "tanh", "leaky_relu", "mish",
                         "clip"})
VECTORS = ACTIVATIONS | {"linear", "batch_norm", "add"}  # whose results (N, C) may be joined as channels
PRODUCTS = frozenset({"conv2d", "conv_transpose2d", "linear"})
NORMS = frozenset({"batch_norm", "group_norm", "instance_norm", "layer_norm", "switchable_norm"})
COMBINED = frozenset({"add", "sub", "mul", "div", "maximum", "minimum", "scale_channels"})
STORING = PRODUCTS | NORMS | COMBINED  # whose kernels take steps after their own work
# What a last store can do: an activation A, the addition R of a residual, or both in either order.
STORES = ("", "A", "R", "RA", "AR")


def copied(graph: Graph) -> Graph:
    """The same graph, of nodes and values of its own; constants and inputs are shared."""
    new: dict[Value, Value] = {}
    nodes = []
    for node in graph.nodes:
        twin = dataclasses.replace(node, inputs=dict(node.inputs), outputs=[])
        for old in set(node.used()):
            if old in new:
                twin.replace(old, new[old])
        for value in node.outputs:
            new[value] = dataclasses.replace(value, node=twin)
            twin.outputs.append(new[value])
        nodes.append(twin)
    twin_graph = Graph(graph.inputs, nodes, restructure(graph.result, lambda value: new.get(value, value)))
    twin_graph.counters = graph.counters
    return twin_graph


def rewriting(change: Callable[[Graph], Graph]) -> Callable[[Graph], Graph]:
    """A pass from a function that may write into the graph it is given."""
    @wraps(change)
    def on_a_copy(graph: Graph) -> Graph:
        return change(copied(graph))
    return on_a_copy


def substitute(graph: Graph, old: Value, new: Value) -> None:
    """Let everyone read `new` who read `old`, the result included."""
    for node in graph.nodes:
        if any(value is old for value in node.used()):
            node.replace(old, new)
    graph.result = restructure(graph.result, lambda value: new if value is old else value)


def sole_reader(value: Value, readers: dict[Value, list[Node]], outputs: set[Value]) -> Node | None:
    """The node that alone reads a value, once; None where others do, or the caller wants to see it."""
    found = readers.get(value, [])
    return found[0] if len(found) == 1 and value not in outputs else None


@rewriting
def drop_dead(graph: Graph) -> Graph:
    """Without the nodes that no output depends on."""
    alive, kept = set(graph.outputs), []
    for node in reversed(graph.nodes):
        if not alive.isdisjoint(node.outputs):
            kept.append(node)
            alive.update(node.used())
    graph.nodes = kept[::-1]
    return graph


@rewriting
def fold_constants(graph: Graph) -> Graph:
    """Nodes that read constants alone become constants."""
    kept = []
    for node in graph.nodes:
        used = list(node.used())
        if used and not node.before and not node.after and all(value.data is not None for value in used):
            arrays = [None if value is None else value.data for value in node.inputs.values()]
            for value, array in zip(node.outputs, compute(node.op, arrays, node.attributes)):
                value.data, value.node = array, None
        else:
            kept.append(node)
    graph.nodes = kept
    return graph


# ---------------------------------------------------------------- factors into weights
def affine(node: Node) -> tuple[np.ndarray, np.ndarray]:
    """A batch normalisation at evaluation as y = scale x + shift, in float64."""
    def of(name: str, default: float) -> np.ndarray:
        value = node.inputs[name]
        return np.asarray(default if value is None else value.data, np.float64)
    scale = of("weight", 1) / np.sqrt(of("running_var", 1) + node.attributes["eps"])
    return scale, of("bias", 0) - of("running_mean", 0) * scale


def _scaled(node: Node) -> tuple[Value, np.ndarray, np.ndarray] | None:
    """x, scale and shift where a node is y = scale x + shift, channel by channel, of running statistics or a number."""
    if node.op == "batch_norm" and not node.attributes["training"] and node.inputs["x"] is not None:
        return (node.inputs["x"], *affine(node))
    if node.op == "mul":
        for x, number in permutations(node.used()):
            if number.data is not None and number.data.size == 1 and len(x.shape) > 1 and x.shape == node.y.shape:
                channels = np.zeros(x.shape[1])
                return x, channels + number.data.item(), channels
    return None


@rewriting
def fold_scales(graph: Graph) -> Graph:
    """A batch normalisation (of running statistics), or a number that multiplies, goes into the weights of the
    convolution or the linear layer before it.

    Jacob et al., "Quantization and training of neural networks", CVPR 2018, section 3.2.
    """
    readers, outputs, kept = graph.readers(), set(graph.outputs), []
    for node in graph.nodes:
        x, *factors = _scaled(node) or (None,)
        source = None if x is None else x.node
        if (x is None or source is None or source.op not in PRODUCTS or source.after or node.after
                or source.inputs["w"].data is None  # type: ignore[union-attr]
                or sole_reader(x, readers, outputs) is not node):
            kept.append(node)
            continue
        _scale_weights(source, *factors)
        source.outputs = node.outputs
        node.y.node = source
    graph.nodes = kept
    return graph


def _scale_weights(node: Node, scale: np.ndarray, shift: np.ndarray) -> None:
    """y = w x + b becomes y = scale (w x + b) + shift."""
    w, b = node.inputs["w"], node.inputs["b"]
    assert w is not None
    assert w.data is not None
    if node.op == "conv_transpose2d":  # (C, O/groups, kh, kw): outputs are counted group by group
        groups = node.attributes["groups"]
        each = scale.reshape(groups, 1, -1, *[1] * (w.data.ndim - 2))
        folded = (w.data.reshape(groups, -1, *w.shape[1:]) * each).reshape(w.shape)
    else:
        folded = w.data * scale.reshape(-1, *[1] * (w.data.ndim - 1))
    bias = shift if b is None or b.data is None else shift + scale * b.data
    node.inputs["w"] = Value(f"{w.name} (folded)", w.shape, w.dtype, folded.astype(w.dtype))
    node.inputs["b"] = Value(f"{w.name} (bias)", bias.shape, w.dtype, bias.astype(w.dtype))


# ---------------------------------------------------------------- channels as bookkeeping
Channels = list[tuple[Value, int]]  # of a value: for each channel the value it comes from, and which one it is there


def _structure(node: Node, channels: Callable[[Value], Channels]) -> list[Channels] | None:
    """For each output of an operation that only moves channels, where they come from; None for other operations."""
    attributes, xs = node.attributes, [value for value in node.inputs.values() if value is not None]
    if not all(_has_channels(x) for x in xs):
        return None
    if node.op == "concat" and attributes["axis"] % len(xs[0].shape) == 1:
        return [[c for x in xs for c in channels(x)]]
    if node.op == "split" and attributes["axis"] % len(xs[0].shape) == 1:
        ends = np.cumsum([0, *attributes["sizes"]])
        return [channels(xs[0])[a:b] for a, b in pairwise(ends)]
    if node.op == "concat_shuffle_split":
        mixed = [c for pair in zip(*map(channels, xs), strict=True) for c in pair]
        return [mixed[:len(mixed) // 2], mixed[len(mixed) // 2:]]
    if node.op == "channel_shuffle":
        order = np.arange(xs[0].shape[1]).reshape(attributes["groups"], -1).T.ravel()
        of_x = channels(xs[0])
        return [[of_x[i] for i in order]]
    if node.op == "getitem":
        index = attributes["index"]
        if (isinstance(index, tuple) and len(index) >= 2 and index[0] == slice(None) and isinstance(index[1], slice)
                and all(i == slice(None) or i is Ellipsis for i in index[2:])):
            return [channels(xs[0])[index[1]]]
    return None


def _has_channels(x: Value) -> bool:
    """Whether a value is a map, or a vector per image that was computed as one: what lies in blocks of channels."""
    vector = len(x.shape) == 2 and x.node is not None and x.node.op in VECTORS
    return x.data is None and (len(x.shape) == 4 or vector)


@rewriting
def address_channels(graph: Graph) -> Graph:
    """Concatenations, splits and shuffles of channels, in any chain, become one `pick` of channels where others read.

    A kernel that finds each of its input channels by an offset needs no copy for it.
    """
    known: dict[Value, Channels] = {}
    def channels(value: Value) -> Channels:
        if value not in known:
            known[value] = [(value, c) for c in range(value.shape[1])]
        return known[value]
    moving = {}
    for node in graph.nodes:
        found = _structure(node, channels)
        if found is not None and all(found):
            known.update(zip(node.outputs, found))
            moving.update(dict.fromkeys(node.outputs))
    wanted = set(graph.outputs) | {value for node in graph.nodes if moving.keys().isdisjoint(node.outputs)
                                   for value in node.used()}
    kept: list[Node] = []
    whole: list[tuple[Value, Value]] = []
    for node in graph.nodes:
        if moving.keys().isdisjoint(node.outputs):
            kept.append(node)
            continue
        for value in node.outputs:
            if value not in wanted:
                continue
            source = known[value][0][0]
            if known[value] == [(source, c) for c in range(source.shape[1])]:
                whole.append((value, source))
            else:
                kept.append(_pick(value, known[value], node.path))
    graph.nodes = kept
    for value, source in whole:
        substitute(graph, value, source)
    return graph


def _pick(value: Value, channels: Channels, path: str) -> Node:
    sources = list(dict.fromkeys(source for source, _ in channels))
    number = {source: i for i, source in enumerate(sources)}
    node = Node("pick", {f"xs[{i}]": source for i, source in enumerate(sources)},
                {"channels": tuple([(number[source], c) for source, c in channels])}, [value], path)
    value.node = node
    return node


# ---------------------------------------------------------------- element-wise operations into their neighbours
@rewriting
def one_slope(graph: Graph) -> Graph:
    """A PReLU with one slope for all channels is a leaky ReLU, which any last store can do."""
    for node in graph.nodes:
        slope = node.inputs["weight"] if node.op == "prelu" else None
        if slope is not None and slope.data is not None and slope.data.size == 1:
            node.op, node.attributes = "leaky_relu", {"negative_slope": float(slope.data.item())}
            node.inputs = {"x": node.inputs["x"]}
    return graph


@rewriting
def fuse_steps(graph: Graph) -> Graph:
    """Activations and residual additions become steps of the operation before them that ends in a last store."""
    readers, outputs = graph.readers(), set(graph.outputs)
    place = {node: i for i, node in enumerate(graph.nodes)}
    order: dict[int, Node] = dict(enumerate(graph.nodes))
    for node in graph.nodes:
        if order.get(place[node]) is not node:
            continue  # another has taken it in
        while node.op in STORING:
            reader = sole_reader(node.y, readers, outputs)
            step = None if reader is None else _step(node, reader, readers, outputs, place)
            if reader is None or step is None or reader.after:
                break
            node.after += (step,)
            node.outputs, reader.y.node = reader.outputs, node
            order[place[reader]] = node  # it now reads what the reader read, and so runs in its place
            del order[place[node]]
            place[node] = place[reader]
            for value in step.inputs:
                if value is not None:
                    readers[value] = [node if r is reader else r for r in readers[value]]
    graph.nodes = [order[i] for i in sorted(order)]
    return graph


def _step(node: Node, reader: Node, readers: dict[Value, list[Node]], outputs: set[Value],
          place: dict[Node, int]) -> Step | None:
    """What `reader` does to the output of `node`, as a step of it, if its last store can do it."""
    done = "".join("R" if step.op == "add" else "A" for step in node.after)
    if reader.op in ACTIVATIONS and done + "A" in STORES:
        return Step(reader.op, reader.attributes)
    if reader.op != "add" or done + "R" not in STORES:
        return None
    other = next((v for v in reader.inputs.values() if v is not node.y), None)
    if other is None or other.shape != node.y.shape or other.data is not None:
        return None
    rival = other.node  # of two convolutions that are added, the later one takes the addition
    if (rival is not None and rival.op in PRODUCTS and place[rival] > place[node]
            and sole_reader(other, readers, outputs) is reader):
        return None
    return Step("add", {}, (None, other))


@rewriting
def fuse_scales(graph: Graph) -> Graph:
    """A factor per image and channel (squeeze-and-excitation) in front of a 1x1 convolution becomes its first step."""
    readers, outputs, gone = graph.readers(), set(graph.outputs), set()
    for node in graph.nodes:
        if node.op not in ("mul", "scale_channels") or node.after:
            continue
        reader = sole_reader(node.y, readers, outputs)
        x, scale = sorted((v for v in node.inputs.values() if v is not None), key=lambda v: -int(np.prod(v.shape)))
        if (reader is None or reader.op != "conv2d" or reader.inputs["x"] is not node.y or reader.before
                or reader.attributes["groups"] != 1 or reader.inputs["w"].shape[2:] != (1, 1)  # type: ignore[union-attr]
                or reader.attributes["window"].stride != (1, 1) or any(reader.attributes["window"].pads)
                or scale.data is not None or scale.shape != (*x.shape[:2], 1, 1)):
            continue
        reader.inputs["x"], reader.before = x, (Step("mul", {}, (None, scale)),)
        gone.add(node)
    graph.nodes = [node for node in graph.nodes if node not in gone]
    return graph


INFERENCE = (drop_dead, fold_constants, fold_scales, address_channels, one_slope, fuse_scales, fuse_steps,
             drop_dead)


def optimise(graph: Graph) -> Graph:
    """The graph after all passes for inference; one copy serves them all."""
    graph = copied(graph)
    for change in INFERENCE:
        graph = inspect.unwrap(change)(graph)
    return graph
