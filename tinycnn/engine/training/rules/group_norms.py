"""Group and instance normalisation in training: coefficients for each plane, which an activation behind it applies."""
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...graph import Node, Value
from ...layout import Storage, blocks
from ..host import on_host
from ..values import Lazy, Sums
from .maps import OPEN, read, whole_map
from .rule import trains

if TYPE_CHECKING:
    from ..builder import TrainingBuilder


@trains("group_norm", "instance_norm")
def group_norm(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """Of every image by itself; instances are groups of one channel."""
    x, *affine = node.inputs.values()
    assert x is not None
    if any(value is not None and plan.masters.entry(value) is None for value in affine):
        yield from on_host(plan, node)  # they are computed
        return
    raw = plan.whole(x)
    fields = whole_map(plan, raw) | {"k": raw.shape[1], "rows": node.attributes.get("num_groups", raw.shape[1])}
    lazy = plan.by_plane[node.y] = Lazy(raw, finish(plan, node, fields, raw), by_plane=True)
    assert lazy.coefficients is not None
    yield
    g = plan.gradient(node.y)
    sums = plan.gradient_sums[node.y] if node.y in plan.gradient_sums else summed(plan, lazy, node.y)
    c = plan.storage(fields["blocks"] * fields["images"] * 3 * plan.width)
    places = {name: plan.gradient_at(value) if plan.needs(value) else -1 for name, value in zip(("gw", "b"), affine)}
    plan.emit_into(c, kind="group_norm_back", **fields, **places, a=lazy.coefficients, sums=sums.storage,
                   gradients=plan.gradients, reads=read(lazy.coefficients, sums))
    into = plan.into(x)
    if into is not None:
        plan.emit_into(into.y, kind="blend", **whole_map(plan, raw, by_plane=True), g=g, x=raw, c=c,
                       add=-1 if into.add is None else into.add, reads=read(g, raw, c, into.add))
        into.done()


def finish(plan: TrainingBuilder, node: Node, fields: dict[str, Any], raw: Any) -> Storage:
    """Coefficients of each plane, from its moments."""
    planes = fields["blocks"] * fields["images"] * plan.width
    moments, coefficients = plan.storage(2 * planes), plan.storage(4 * planes)
    plan.emit_into(moments, kind="moments", **whole_map(plan, raw), x=raw, reads=[raw])
    places = {name: -1 if node.inputs[of] is None else plan.at(node.inputs[of])
              for name, of in (("w", "weight"), ("b", "bias"))}
    plan.emit_into(coefficients, kind="group_norm_finish", **fields, **places, s=moments, low=node.attributes["eps"],
                   parameters=plan.parameters, reads=[moments])
    return coefficients


def summed(plan: TrainingBuilder, lazy: Lazy, y: Value) -> Sums:
    """Sums over the planes of a gradient that whoever made it left none of."""
    sums, g = room(plan, lazy), plan.gradient(y)
    plan.emit_into(sums.storage, kind="gate_sums", **whole_map(plan, lazy.raw, by_plane=True), **OPEN, rows=sums.pixels,
                   mode=0, x=lazy.raw, g=g, px=plan.width, ga=lazy.coefficients, sums=sums.storage, gx=-1,
                   reads=read(lazy.raw, lazy.coefficients, g))
    return sums


def room(plan: TrainingBuilder, lazy: Lazy) -> Sums:
    """For two sums of each plane and lane."""
    n, c, _, _ = lazy.raw.shape
    return Sums(plan.storage(blocks(c, plan.width) * n * 2 * plan.width), 1, lazy.raw.pixels)


def back_to_norm(plan: TrainingBuilder, x: Value, y: Value, lazy: Lazy, fields: dict[str, Any]) -> None:
    """The gradient of an activation's input x, which nobody else reads, and the sums over it.

    fields: how the activation is called.
    """
    into = plan.into(x)
    assert into is not None
    g, sums = plan.gradient(y), room(plan, lazy)
    plan.emit_into(into.y, kind="gate_sums", **whole_map(plan, lazy.raw, by_plane=True), **fields, rows=sums.pixels,
                   mode=0, x=lazy.raw, g=g, px=plan.width, ga=lazy.coefficients, sums=sums.storage, gx=into.y,
                   reads=read(lazy.raw, lazy.coefficients, g, sums))
    into.done(sums)
