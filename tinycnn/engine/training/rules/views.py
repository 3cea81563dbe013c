"""What moves elements, forward and back: most gradients are only seen in the order of what they belong to."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graph import Node, Value
from ...layout import Part
from ...lowering import RULES
from ...lowering.moves import BLOCKS, axes_of, cut, sole_input
from ...views import Axis, View
from ..host import on_host
from .rule import trains

if TYPE_CHECKING:
    from ..builder import TrainingBuilder

MOST_TIMES = 16  # that an element may be taken, before Python adds up what came of it


def like(x: Value) -> Value:
    """The gradient of a value, as a value."""
    return Value(f"g({x.name})", x.shape, x.dtype)


def lowered(plan: TrainingBuilder, op: str, g: Value, gx: Value, **attributes: Any) -> Value:
    """gx as an operation of inference makes it of g."""
    RULES[op](plan, Node(op, {"x": g}, attributes, [gx]))
    return gx


# ---------------------------------------------------------------- seen in another order
@trains("reshape", "astype")
def reshape(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """The same elements in the same order."""
    RULES[node.op](plan, node)
    yield
    x = sole_input(node)
    plan.give(x, lowered(plan, "reshape", plan.gradient_value(node.y), like(x)))


@trains("transpose")
def transpose(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """Axes back in their order."""
    RULES[node.op](plan, node)
    yield
    x, axes = sole_input(node), tuple(int(i) for i in np.argsort(node.attributes["axes"]))
    plan.give(x, lowered(plan, "transpose", plan.gradient_value(node.y), like(x), axes=axes))


@trains("channel_shuffle")
def channel_shuffle(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """The transposed matrix of channels, transposed."""
    RULES[node.op](plan, node)
    yield
    x, groups = sole_input(node), node.y.shape[1] // node.attributes["groups"]
    plan.give(x, lowered(plan, "channel_shuffle", plan.gradient_value(node.y), like(x), groups=groups))


@trains("pixel_shuffle")
def pixel_shuffle(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """Pixels back to channels."""
    RULES[node.op](plan, node)
    yield
    x, factor = sole_input(node), node.attributes["upscale_factor"]
    plan.give(x, lowered(plan, "pixel_unshuffle", plan.gradient_value(node.y), like(x), downscale_factor=factor))


@trains("pixel_unshuffle", "space_to_depth")
def to_channels(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """Channels back to pixels."""
    RULES[node.op](plan, node)
    yield
    x, [block], order = sole_input(node), node.attributes.values(), BLOCKS[node.op]
    n, c, h, w = x.shape
    sizes = (n, c, h // block, block, w // block, block)
    view, groups = axes_of(plan, plan.gradient_value(node.y), tuple([sizes[i] for i in order]))
    gx = like(x)
    plan.see(gx, view.with_axes([groups[i] for i in np.argsort(order)]))
    plan.give(x, gx)


# ---------------------------------------------------------------- parts
@trains("concat")
def concat(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """Each input has its part of the gradient."""
    RULES[node.op](plan, node)
    yield
    g, axis, begin = plan.gradient_value(node.y), node.attributes["axis"] % len(node.y.shape), 0
    for x in node.inputs.values():
        assert x is not None
        if plan.needs(x):
            gx = like(x)
            plan.see(gx, cut(plan, g, axis, begin, x.shape[axis]))
            plan.give(x, gx)
        begin += x.shape[axis]


@trains("split", "getitem")
def parts(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """The gradients of parts, each moved to its place; what is no part has zeros."""
    x, index = sole_input(node), node.attributes.get("index", ())
    each = index if isinstance(index, tuple) else (index,)
    if any(isinstance(i, (np.ndarray, list, bool, np.bool_)) for i in each):
        yield from taken(plan, node, numbers_of(x)[index].ravel())
        return
    RULES[node.op](plan, node)
    yield
    if not plan.needs(x):
        return
    gx, places = like(x), [like(value) for value in node.outputs]
    zeros(plan, gx)
    RULES[node.op](plan, Node(node.op, {"x": gx}, node.attributes, places))  # the same parts of gx
    for value, place in zip(node.outputs, places):
        plan.move(plan.view(plan.gradient_value(value)), plan.view(place))
    plan.give(x, gx)


@trains("pad")
def pad(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """What lies inside the frame; where the frame has copies, these belong to what they are copies of."""
    x, pads, mode = sole_input(node), node.attributes["pads"], node.attributes["mode"]
    if mode != "constant":
        yield from taken(plan, node, np.pad(numbers_of(x), pads, "edge" if mode == "replicate" else mode).ravel())
        return
    RULES[node.op](plan, node)
    yield
    if plan.needs(x):
        inside = tuple([slice(before, before + n) for (before, _), n in zip(pads, x.shape)])
        plan.give(x, lowered(plan, "getitem", plan.gradient_value(node.y), like(x), index=inside))


def numbers_of(x: Value) -> np.ndarray:
    """The number of each element of a value, in row-major order."""
    return np.arange(np.prod(x.shape, dtype=int)).reshape(x.shape)


def zeros(plan: TrainingBuilder, gx: Value) -> View:
    """A value in plain order that is zero as yet."""
    target = plan.target(gx)
    plan.emit_into(target.address, kind="fill", n=target.size, low=0.0, reads=[*target.stores])
    return target


def taken(plan: TrainingBuilder, node: Node, numbers: np.ndarray) -> Iterator[None]:
    """A node whose output is made of elements of x that have these numbers.

    An element may be taken several times: for each time one move, and these are added up; many times: by the tape.
    """
    times = earlier(numbers)
    most = int(times.max()) + 1
    if most > MOST_TIMES:
        yield from on_host(plan, node)
        return
    RULES[node.op](plan, node)
    yield
    x = sole_input(node)
    if not plan.needs(x):
        return
    g = plan.plain(plan.gradient_value(node.y))
    gx = moved_back(plan, x, g, np.flatnonzero(times == 0), numbers)
    for time in range(1, most):
        both = like(x)
        plan.add_up(both, gx, moved_back(plan, x, g, np.flatnonzero(times == time), numbers))
        gx = both
    plan.give(x, gx)


def earlier(numbers: np.ndarray) -> np.ndarray:
    """How often each number has come before."""
    order = np.argsort(numbers, kind="stable")
    ordered, at = numbers[order], np.arange(len(numbers))
    begins = np.append(True, ordered[1:] != ordered[:-1])
    result = np.empty(len(numbers), np.intp)
    result[order] = at - np.maximum.accumulate(np.where(begins, at, 0))
    return result


def moved_back(plan: TrainingBuilder, x: Value, g: Part, here: np.ndarray, numbers: np.ndarray) -> Value:
    """Zeros like x, but for those elements of g `here` that go to places of their own."""
    gx = like(x)
    target = zeros(plan, gx)
    storage = target.storage
    assert storage is not None
    plan.move(numbered(len(here), lambda: g.storage.offset + g.start + here, (g.storage,)),
              numbered(len(here), lambda: storage.offset + numbers[here], target.stores))
    return gx


def numbered(count: int, places: Callable[[], np.ndarray], stores: tuple[Any, ...]) -> View:
    """Elements that lie wherever a table says."""
    return View((Axis(count, 0, 1),), table=places, stores=stores)


# ---------------------------------------------------------------- sums, and what they undo
@trains("sum", "mean")
def total(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """What a sum is made of has its gradient each."""
    RULES[node.op](plan, node)
    yield
    x, g = sole_input(node), plan.gradient_value(node.y)
    if not plan.needs(x):
        return
    axis, ndim = node.attributes["axis"], len(x.shape)
    axes = range(ndim) if axis is None else {i % ndim for i in np.atleast_1d(axis).tolist()}
    kept = tuple([1 if i in axes else n for i, n in enumerate(x.shape)])
    share = 1 / max(1, int(np.prod([x.shape[i] for i in axes]))) if node.op == "mean" else 1.0
    each = Value(g.name, kept, g.dtype)
    lowered(plan, "reshape", times(plan, g, share), each)
    plan.give(x, lowered(plan, "expand", each, like(x), shape=x.shape))


def times(plan: TrainingBuilder, g: Value, factor: float) -> Value:
    """A gradient times a number."""
    if factor == 1:
        return g
    placed, result = plan.whole(g), like(g)
    n, c, h, w = placed.shape
    count = -(-c // plan.width)
    plan.emit(result, kind="affine", x=placed, mode=0, blocks=count, images=n, n=h * w, reads=[placed], activation=0,
              low=-np.inf, high=np.inf, w=plan.constant(np.full(count * plan.width, factor)),
              b=plan.constant(np.zeros(count * plan.width)))
    return result


@trains("expand")
def expand(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """The sum over all copies."""
    RULES[node.op](plan, node)
    yield
    x = sole_input(node)
    if plan.needs(x):
        plan.give(x, over_copies(plan, plan.gradient_value(node.y), x))


def over_copies(plan: TrainingBuilder, g: Value, x: Value) -> Value:
    """The gradient of x, where g is that of x broadcast to another shape."""
    lead = len(g.shape) - len(x.shape)
    axes = tuple([i for i in range(len(g.shape)) if i < lead or x.shape[i - lead] != g.shape[i]])
    return summed(plan, g, axes, like(x))


def summed(plan: TrainingBuilder, g: Value, axes: tuple[int, ...], gx: Value) -> Value:
    """gx is g but for axes over which g is summed up."""
    if not axes:
        return lowered(plan, "reshape", g, gx)
    left = Value(gx.name, tuple([n for i, n in enumerate(g.shape) if i not in axes]), g.dtype)
    lowered(plan, "sum", g, left, axis=axes, keepdims=False)
    return lowered(plan, "reshape", left, gx)
