"""Sums and products of maps, means of planes, and dropout in training."""
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graph import Node, Value
from ...layout import Placed
from ...lowering import RULES
from ...lowering.rules import COMBINING
from ..host import on_host
from ..values import Lazy
from .maps import OPEN, RUN, as_value, emit_gradient, is_open, loading, read, whole_map
from .rule import trains
from .views import over_copies

if TYPE_CHECKING:
    from ..builder import TrainingBuilder

NEGATED, SPREAD = 1, 2  # modes of gate_sums
OF_ELEMENTS, OF_ALL, OF_IMAGES, OF_CHANNELS = range(4)  # modes of dropout


def is_map(plan: TrainingBuilder, value: Value) -> bool:
    """Whether a value lies in blocks of channels, or could as well: what has no such order is left to others."""
    return value.data is None and (value in plan.lazies or value in plan.where or len(value.shape) == 4)


def factor_shape(x: Value) -> tuple[int, ...]:
    """Of a number for each plane of a value."""
    return *x.shape[:2], *[1] * (len(x.shape) - 2)


def is_factor(plan: TrainingBuilder, factor: Value, x: Value) -> bool:
    """Whether a value is a number for each plane of a map, or for each channel, or for all."""
    planes = factor_shape(x)
    own = (1,) * (len(planes) - len(factor.shape)) + factor.shape
    return (len(planes) > 2 and is_map(plan, x) and planes != x.shape and len(own) == len(planes)
            and all(n in (1, m) for n, m in zip(own, planes)))


@trains("add", "sub", "mul", "div", "scale_channels")
def combine(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """Two maps of one shape, a map and a number for each plane, anything and a number, any two that broadcast."""
    a, b = node.inputs.values()
    assert a is not None
    assert b is not None
    for x, other in ((a, b), (b, a)):
        if is_number(plan, other) and x.shape == node.y.shape and node.op != "div":
            return with_number(plan, node, x, other)
    maps = is_map(plan, a) and is_map(plan, b) and a is not b
    if maps and a.shape == b.shape and node.op != "div":
        return summed(plan, node, a, b) if node.op in ("add", "sub") else multiplied(plan, node, a, b)
    for x, factor in ((a, b), (b, a)):
        if node.op in ("mul", "scale_channels") and is_factor(plan, factor, x) and not is_constant(plan, factor):
            return scaled(plan, node, x, factor)
    if node.op in ("add", "sub") and a.shape == b.shape and a is not b and a.data is None and b.data is None:
        return summed_as_it_lies(plan, node, a, b)
    if node.op not in SLOPES or {a.dtype.kind, b.dtype.kind} != {"f"}:
        return on_host(plan, node)
    return broadcast(plan, node, a, b)


def emit_combined(plan: TrainingBuilder, node: Node, x: Lazy, other: Lazy, **fields: Any) -> None:
    """y = x . other, both computed as they are loaded; the second without a clip."""
    plan.emit(node.y, kind="affine_clip", **whole_map(plan, x.raw), **loading(x), activation=0, r=other.raw,
              s=-1 if other.coefficients is None else other.coefficients, mode=COMBINING[node.op], **fields,
              reads=read(x.raw, x.coefficients, other.raw, other.coefficients))


def unclipped(plan: TrainingBuilder, value: Value) -> Lazy:
    """A value whose scale and shift may be applied on load; one that is clipped besides is computed first."""
    lazy = plan.lazy(value)
    return lazy if is_open(lazy) else Lazy(plan.whole(value))


# ---------------------------------------------------------------- sums
def summed(plan: TrainingBuilder, node: Node, a: Value, b: Value) -> Iterator[None]:
    """a + b, a - b: the gradient of each is that of y, or its negative."""
    swapped = node.op == "add" and is_open(plan.lazy(a)) and not is_open(plan.lazy(b))
    one, other = (b, a) if swapped else (a, b)  # the second may have no clip
    emit_combined(plan, node, plan.lazy(one), unclipped(plan, other), px=plan.width)
    yield
    plan.give(a, plan.gradient_value(node.y))
    if node.op == "add":
        plan.give(b, plan.gradient_value(node.y))
    else:
        give_changed(plan, node.y, b, {"mode": NEGATED, "px": plan.width})


def summed_as_it_lies(plan: TrainingBuilder, node: Node, a: Value, b: Value) -> Iterator[None]:
    """a + b, a - b of what is no map, as inference has it."""
    RULES[node.op](plan, node)
    yield
    give_times(plan, node.y, a, 1)
    give_times(plan, node.y, b, 1 if node.op == "add" else -1)


def give_times(plan: TrainingBuilder, y: Value, x: Value, factor: float) -> None:
    """The gradient of y, times a number, to x of the same shape."""
    g = plan.gradient_value(y)
    if factor != 1 and plan.needs(x):
        gx = as_value(x)
        number = Value("factor", (), plan.dtype, data=np.full((), factor, plan.dtype))
        RULES["mul"](plan, Node("mul", {"a": g, "b": number}, {}, [gx]))
        g = gx
    plan.give(x, g)


def give_changed(plan: TrainingBuilder, y: Value, x: Value, fields: dict[str, Any],
                 reads: tuple[Placed, ...] = (), pixels: int = RUN) -> None:
    """The gradient of y, times what the fields say, to x. pixels: of a run of sums."""
    into = plan.into(x)
    if into is None:
        return
    g, gate = plan.gradient(y), into.gate
    raw = Placed.whole(x.shape, into.y) if gate is None else gate.raw  # which without a gate nothing depends on
    clipping = OPEN if gate is None else OPEN | {"low": gate.low, "high": gate.high}
    emit_gradient(plan, into, pixels, gate, kind="gate_sums", **whole_map(plan, raw), **clipping,
                  **{"mode": 0} | fields, rows=pixels, g=g, x=raw, reads=[g, raw, *reads])


# ---------------------------------------------------------------- products
def is_constant(plan: TrainingBuilder, value: Value) -> bool:
    """Whether no step changes a value."""
    return value.data is not None and plan.masters.entry(value) is None


def is_number(plan: TrainingBuilder, value: Value) -> bool:
    """Whether a value is one number that no step changes."""
    return is_constant(plan, value) and value.data is not None and value.data.size == 1


def with_number(plan: TrainingBuilder, node: Node, x: Value, number: Value) -> Iterator[None]:
    """x and a constant number, in either order, as inference has it."""
    assert number.data is not None
    RULES[node.op](plan, node)
    yield
    if node.op == "sub":
        give_times(plan, node.y, x, 1 if x is next(iter(node.inputs.values())) else -1)
    else:
        give_times(plan, node.y, x, 1 if node.op == "add" else number.data.item())


def multiplied(plan: TrainingBuilder, node: Node, a: Value, b: Value) -> Iterator[None]:
    """The gradient of each factor is that of y times the other."""
    emit_combined(plan, node, plan.lazy(a), unclipped(plan, b), px=plan.width)
    yield
    for x, other in ((a, b), (b, a)):
        if plan.needs(x):
            factor = plan.whole(other)
            give_changed(plan, node.y, x, {"s": factor, "px": plan.width, "py": plan.width}, (factor,))


def scaled(plan: TrainingBuilder, node: Node, x: Value, factor: Value) -> Iterator[None]:
    """x times a number for each plane, whose gradient is the sum over it of that of y times x.

    A number for several planes is copied to each.
    """
    each = Value(factor.name, factor_shape(x), factor.dtype)
    RULES["expand"](plan, Node("expand", {"x": factor}, {"shape": each.shape}, [each]))
    lazy, s = plan.lazy(x), plan.whole(each)
    emit_combined(plan, node, lazy, Lazy(s), px=0)
    yield
    if not plan.needs(factor):
        give_changed(plan, node.y, x, {"s": s, "px": plan.width, "py": 0}, (s,), lazy.raw.pixels)
        return
    g, into = plan.gradient(node.y), plan.into(x)
    gs, size = as_value(each), whole_map(plan, s)
    storage = plan.storage(size["blocks"] * size["images"] * plan.width)
    plan.place(gs, Placed.whole(each.shape, storage))
    fields = {"kind": "scale_back", **whole_map(plan, lazy.raw), **loading(lazy), "activation": 0, "g": g, "s": s,
              "reads": read(lazy.raw, lazy.coefficients, g, s, storage)}
    if into is None:
        plan.emit_into(storage, **fields, gx=-1)
    else:
        emit_gradient(plan, into, lazy.raw.pixels, into.gate, y=storage, **fields)
    plan.give(factor, over_copies(plan, gs, factor))


# ---------------------------------------------------------------- what broadcasts otherwise
SLOPES: dict[str, tuple[tuple[int, list[tuple[str, str]]], ...]] = {  # sign, and what the gradient of y is taken times
    "add": ((1, []), (1, [])), "sub": ((1, []), (-1, [])), "mul": ((1, [("mul", "b")]), (1, [("mul", "a")])),
    "div": ((1, [("div", "b")]), (-1, [("mul", "y"), ("div", "b")]))}


def broadcast(plan: TrainingBuilder, node: Node, a: Value, b: Value) -> Iterator[None]:
    """Two arrays of any shapes that broadcast, as inference has it, both ways."""
    of = {"a": readable(plan, a), "b": readable(plan, b), "y": node.y}
    RULES[node.op](plan, Node(node.op, {"a": of["a"], "b": of["b"]}, {}, [node.y]))
    yield
    for x, (sign, steps) in zip((a, b), SLOPES[node.op]):
        if plan.needs(x):
            g = plan.gradient_value(node.y)
            for op, other in steps:
                g = times_or_over(plan, op, g, of[other])
            plan.give(x, signed_gradient(plan, over_copies(plan, g, x), sign))


def readable(plan: TrainingBuilder, value: Value) -> Value:
    """A value as rules of inference may read it: to them one that has numbers is a constant, a parameter too."""
    if value.data is None or is_constant(plan, value):
        return value
    seen = as_value(value, "now")
    plan.see(seen, plan.view(value))
    return seen


def times_or_over(plan: TrainingBuilder, op: str, g: Value, other: Value) -> Value:
    """g times or over another value, of g's shape."""
    result = as_value(g)
    RULES[op](plan, Node(op, {"a": g, "b": other}, {}, [result]))
    return result


def signed_gradient(plan: TrainingBuilder, g: Value, sign: int) -> Value:
    """g or -g."""
    if sign == 1:
        return g
    return times_or_over(plan, "mul", g, Value("sign", (), plan.dtype, data=np.full((), sign, plan.dtype)))


# ---------------------------------------------------------------- means
@trains("global_avg_pool2d")
def global_mean(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """The mean of each plane; its gradient is spread over the plane."""
    x = node.inputs["x"]
    assert x is not None
    lazy = plan.lazy(x)
    plan.emit(node.y, kind="lazy_mean", **whole_map(plan, lazy.raw), **loading(lazy),
              reads=read(lazy.raw, lazy.coefficients))
    yield
    give_changed(plan, node.y, x, {"mode": SPREAD, "px": 0}, pixels=lazy.raw.pixels)


# ---------------------------------------------------------------- dropout
def signed(number: int) -> int:
    """64 bits as a field holds them."""
    return (number + 2**63) % 2**64 - 2**63


@trains("dropout", "dropout_rows")
def dropout(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """The mask is a function of seed, draw and place: back, it is made anew."""
    x, leading = node.inputs["x"], node.attributes.get("leading")
    assert x is not None
    if leading not in (None, 0, 1, 2) or (leading == 2 and len(x.shape) < 2):
        yield from on_host(plan, node)
        return
    mode = OF_ELEMENTS if leading is None else OF_ALL + leading
    emit_dropout(plan, node, plan.whole(x), node.y, mode)
    yield
    if plan.needs(x):
        gradient = as_value(x)
        emit_dropout(plan, node, plan.gradient(node.y), gradient, mode)
        plan.give(x, gradient)


def emit_dropout(plan: TrainingBuilder, node: Node, x: Placed, y: Value, mode: int) -> None:
    """x or a gradient, with the mask of this step."""
    p, key = node.attributes["p"], plan.keys[node]
    plan.emit(y, kind="dropout", **whole_map(plan, x), k=x.shape[1], x=x, mode=mode,
              px=min(round(p * 2**32), 2**32 - 1), low=1 / (1 - p) if p < 1 else 0.0, reads=[x])
    plan.changes("seed", lambda: signed(key[0]))
    plan.changes("draw", lambda: signed(key[1]))
