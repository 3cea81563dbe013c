"""Operations that move elements: most only change how a value is seen, and are copied where a kernel wants them so."""
from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import Node, Value
from ..layout import Part, blocks
from ..views import Axis, View, dense
from .rules import lowers, refuse

if TYPE_CHECKING:
    from ..plan import Builder

BLOCKS = {  # axes of (n, c, h, by, w, bx), in the order of (n, channels..., h, w)
    "pixel_unshuffle": (0, 1, 3, 5, 2, 4), "space_to_depth": (0, 3, 5, 1, 2, 4),
}
Groups = list[tuple[Axis, ...]]


def axes_of(plan: Builder, value: Value, shape: tuple[int, ...] | None = None) -> tuple[View, Groups]:
    """A view of a value, and the axes that make up each of its own; copied first where there are none."""
    view = plan.view(value)
    groups = view.by(value.shape if shape is None else shape)
    if groups is None:
        plan.plain(value)
        view = plan.view(value)
        groups = view.by(value.shape if shape is None else shape)
        assert groups is not None
    return view, groups


def sole_input(node: Node) -> Value:
    """The input of an operation that has one."""
    [x] = [value for value in node.inputs.values() if value is not None]
    return x


# ---------------------------------------------------------------- what moves nothing
@lowers("astype")
def astype(plan: Builder, node: Node) -> None:
    """To the element type that a value has."""
    x = sole_input(node)
    if node.y.dtype != x.dtype:
        raise refuse(node, f"from {x.dtype} to {node.y.dtype}; expected the element type that it has")
    plan.see(node.y, plan.view(x))


@lowers("reshape", "detach")
def reshape(plan: Builder, node: Node) -> None:
    """The same elements in the same order."""
    plan.see(node.y, plan.view(sole_input(node)))


@lowers("transpose")
def transpose(plan: Builder, node: Node) -> None:
    """Axes in another order."""
    view, groups = axes_of(plan, sole_input(node))
    plan.see(node.y, view.with_axes([groups[i] for i in node.attributes["axes"]]))


@lowers("expand")
def expand(plan: Builder, node: Node) -> None:
    """Axes that are repeated."""
    plan.see(node.y, expanded(plan, sole_input(node), node.y.shape))


def expanded(plan: Builder, x: Value, shape: tuple[int, ...]) -> View:
    """A view of x broadcast to a shape."""
    if x.shape == shape:
        return plan.view(x)
    view, groups = axes_of(plan, x)
    groups = [()] * (len(shape) - len(x.shape)) + groups
    extents = (1,) * (len(shape) - len(x.shape)) + x.shape
    return view.with_axes([g if n == m else (Axis(m, 0),) for g, n, m in zip(groups, extents, shape)])


@lowers("pixel_unshuffle", "space_to_depth")
def to_channels(plan: Builder, node: Node) -> None:
    """(N, C, H b, W b) to (N, C b b, H, W)."""
    x, [block] = sole_input(node), node.attributes.values()
    n, c, h, w = x.shape
    view, groups = axes_of(plan, x, (n, c, h // block, block, w // block, block))
    plan.see(node.y, view.with_axes([groups[i] for i in BLOCKS[node.op]]))


@lowers("pixel_shuffle")
def to_pixels(plan: Builder, node: Node) -> None:
    """(N, C b b, H, W) to (N, C, H b, W b)."""
    x, block = sole_input(node), node.attributes["upscale_factor"]
    n, c, h, w = x.shape
    view, groups = axes_of(plan, x, (n, c // block**2, block, block, h, w))
    plan.see(node.y, view.with_axes([groups[i] for i in np.argsort(BLOCKS["pixel_unshuffle"])]))


@lowers("channel_shuffle")
def channel_shuffle(plan: Builder, node: Node) -> None:
    """Channels as a matrix of so many rows, transposed; on maps a pass has made it a `pick`."""
    x, count = sole_input(node), node.attributes["groups"]
    n, c, *rest = x.shape
    view, (images, rows, columns, *others) = axes_of(plan, x, (n, count, c // count, *rest))
    plan.see(node.y, view.with_axes([images, columns, rows, *others]))


@lowers("concat_shuffle_split")
def concat_shuffle_split(plan: Builder, node: Node) -> None:
    """The channels of two in turn, and the halves of that; on maps a pass has made it a `pick`."""
    [a, b] = node.inputs.values()
    assert a is not None
    n, c, *rest = a.shape
    mixed = Value(node.y.name, (n, 2 * c, *rest), a.dtype)
    target, axes = plan.target(mixed), dense((n, c, 2, *rest))
    for i, x in enumerate((a, b)):
        plan.move(plan.view(x), target.with_axes([axes[:2], axes[3:]]).moved(axes[2], i))
    for i, half in enumerate(node.outputs):
        plan.see(half, cut(plan, mixed, 1, i * c, c))


# ---------------------------------------------------------------- parts
def cut(plan: Builder, x: Value, axis: int, begin: int, extent: int) -> View:
    """Elements from `begin` on along an axis."""
    view, groups = single_axes(plan, x, [axis])
    [old] = groups[axis]
    groups[axis] = (old._replace(extent=extent),)
    return view.with_axes(groups).moved(old, begin)


def single_axes(plan: Builder, x: Value, which: list[int]) -> tuple[View, Groups]:
    """A view of x and its axes, of which some must be one each (of extent 1 too); copied first where they are not."""
    view, groups = axes_of(plan, x)
    if any(len(groups[i]) > 1 for i in which):
        plan.plain(x)
        view, groups = axes_of(plan, x)
    return view, [group or (Axis(1, 0),) for group in groups]


@lowers("split")
def split(plan: Builder, node: Node) -> None:
    """Consecutive parts."""
    x, axis = sole_input(node), node.attributes["axis"] % len(node.y.shape)
    ends = np.cumsum([0, *node.attributes["sizes"]])
    for value, (begin, end) in zip(node.outputs, pairwise(ends)):
        plan.see(value, cut(plan, x, axis, int(begin), int(end - begin)))


@lowers("getitem")
def getitem(plan: Builder, node: Node) -> None:
    """Integers, slices and new axes are a view; arrays of indices are a table of where each element lies."""
    x, index = sole_input(node), node.attributes["index"]
    parts = index if isinstance(index, tuple) else (index,)
    if any(isinstance(part, (np.ndarray, list, bool, np.bool_)) for part in parts):
        plan.see(node.y, picked(plan, x, np.arange(np.prod(x.shape)).reshape(x.shape)[index]))
        return
    each = [(part, place) for part, place in whole_index(parts, len(x.shape)) if part is not None]
    view, groups = single_axes(plan, x, [place for part, place in each if part != slice(None)])
    result: Groups = []
    for part, place in each:
        axis, *others = groups[place]
        if others:
            result.append(groups[place])
        elif isinstance(part, slice):
            begin, end, step = part.indices(x.shape[place])
            result.append((Axis(len(range(begin, end, step)), step * axis.step, step * axis.entry),))
            view = view.moved(axis, begin)
        else:
            view = view.moved(axis, int(part) % x.shape[place])
    plan.see(node.y, view.with_axes(result))


def whole_index(parts: tuple[Any, ...], ndim: int) -> list[tuple[Any, int]]:
    """Each part of an index with the axis that it is for, an ellipsis written out."""
    named = sum(part is not None and part is not Ellipsis for part in parts)
    if Ellipsis not in parts:
        parts = (*parts, Ellipsis)
    i, place, result = parts.index(Ellipsis), 0, []
    for part in (*parts[:i], *[slice(None)] * (ndim - named), *parts[i + 1:]):
        result.append((part, place))
        place += part is not None
    return result


def picked(plan: Builder, x: Value, places: np.ndarray) -> View:
    """The elements of x that numbers name, in row-major order."""
    part = plan.plain(x)
    def table() -> np.ndarray:
        return part.storage.offset + part.start + places.ravel()
    return View((Axis(places.size, 0, 1),), table=table, stores=(part.storage,))


# ---------------------------------------------------------------- what writes a new array
@lowers("concat")
def concat(plan: Builder, node: Node) -> None:
    """Each part is moved to its place, from wherever it lies."""
    axis, shape = node.attributes["axis"] % len(node.y.shape), node.y.shape
    target, axes, begin = plan.target(node.y), dense(shape), 0
    for x in node.inputs.values():
        assert x is not None
        extents = [axis._replace(extent=n) for axis, n in zip(axes, x.shape)]
        plan.move(plan.view(x), target.with_axes([extents]).moved(axes[axis], begin))
        begin += x.shape[axis]


@lowers("pad")
def pad(plan: Builder, node: Node) -> None:
    """A frame of one value; of copies, as a table of where each element lies."""
    x, (pads, mode, value) = sole_input(node), (node.attributes[name] for name in ("pads", "mode", "value"))
    if mode != "constant":
        numbers = np.arange(np.prod(x.shape)).reshape(x.shape)
        plan.see(node.y, picked(plan, x, np.pad(numbers, pads, "edge" if mode == "replicate" else mode)))
    elif x in plan.where and len(x.shape) == 4 and not value and not any(map(any, pads[:2])):
        pad_map(plan, node, x)
    else:
        target, axes = plan.target(node.y), dense(node.y.shape)
        into = {} if target.space < 0 else {"r": target.space}
        plan.emit_into(target.address, kind="fill", n=target.size, low=value, reads=[*target.stores], **into)
        inside = target.with_axes([[axis._replace(extent=n) for axis, n in zip(axes, x.shape)]])
        for axis, (before, _) in zip(axes, pads):
            inside = inside.moved(axis, before)
        plan.move(plan.view(x), inside)


def pad_map(plan: Builder, node: Node, x: Value) -> None:
    """Zeros around a map in the blocked layout."""
    placed, (_, _, (top, _), (left, _)) = plan.whole(x), node.attributes["pads"]
    n, c, h, w = placed.shape
    plan.emit(node.y, kind="pad", blocks=blocks(c, plan.width) * n, images=1, h=h, wd=w, oh=node.y.shape[2],
              ow=node.y.shape[3], px=plan.width, top=top, left=left, x=placed, reads=[placed])


@lowers("where")
def where(plan: Builder, node: Node) -> None:
    """Choice by a mask, all three in plain order."""
    parts = [in_order(plan, value, node.y.shape) for value in node.inputs.values() if value is not None]
    fields = plan.result(node.y)
    plan.emit_into(fields.pop("y"), kind="select", s=parts[0], x=parts[1], z=parts[2], reads=parts,
                   n=int(np.prod(node.y.shape)), **fields)


def in_order(plan: Builder, value: Value, shape: tuple[int, ...]) -> Part:
    """A value broadcast to a shape, in plain order."""
    if value.shape == shape:
        return plan.plain(value)
    part = plan.copied(expanded(plan, value, shape)).part(0)
    assert part is not None
    return part
