"""Batch normalisation in training: it stores nothing but a few numbers per channel; and what the builder asks for of
values and gradients that are computed on load.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...graph import Node, Value
from ...layout import Placed
from ..host import on_host
from ..values import Lazy, LazyGradient, Sums
from .maps import COPY, OPEN, RUN, as_value, is_open, loading, read, room_for_sums, whole_map
from .rule import trains

if TYPE_CHECKING:
    from ..builder import TrainingBuilder

FROZEN = 1  # mode: statistics are the running ones


@trains("batch_norm")
def batch_norm(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """Coefficients forward; back, those of the gradient of x, which its convolution applies on load."""
    x, *others = node.inputs.values()
    weight, bias = others[:2]
    assert x is not None
    if any(value is not None and plan.masters.entry(value) is None for value in others):
        yield from on_host(plan, node)  # they are computed
        return
    raw, mode = plan.whole(x), 0 if node.attributes["training"] else FROZEN
    fields = whole_map(plan, raw) | {"k": raw.shape[1], "mode": mode}
    coefficients = finish(plan, node, raw, fields)
    plan.lazies[node.y] = Lazy(raw, coefficients)
    yield
    g, sums = plan.gated(node.y)
    c = plan.storage(fields["blocks"] * 3 * plan.width)
    places = {name: plan.gradient_at(value) if plan.needs(value) else -1
              for name, value in (("gw", weight), ("b", bias))}
    plan.emit_into(c, kind="batch_norm_back", **fields, **places, a=coefficients, sums=sums.storage, rows=sums.pixels,
                   gradients=plan.gradients, reads=read(coefficients, sums))
    give_back(plan, x, LazyGradient(g, raw, c))


def finish(plan: TrainingBuilder, node: Node, raw: Placed, fields: dict[str, Any]) -> Any:
    """Coefficients, from the sums of x or from running statistics."""
    x, mean = node.inputs["x"], node.inputs["running_mean"]
    assert x is not None
    places = {name: -1 if node.inputs[of] is None else plan.at(node.inputs[of])
              for name, of in (("w", "weight"), ("b", "bias"), ("s", "running_mean"), ("z", "running_var"))}
    coefficients = plan.storage(fields["blocks"] * 4 * plan.width)
    summed: dict[str, Any] = {}
    sums = None
    if fields["mode"] != FROZEN:
        sums = plan.sums[x] if x in plan.sums else moments(plan, raw)
        summed = {"sums": sums.storage, "rows": sums.pixels}
    assert mean is not None or fields["mode"] != FROZEN
    plan.emit_into(coefficients, kind="batch_norm_finish", **fields, **places, **summed, low=node.attributes["eps"],
                   high=node.attributes["momentum"], parameters=plan.parameters, statistics=plan.statistics,
                   reads=read(sums))
    module: Any = plan.modules.get(node.path)
    if fields["mode"] != FROZEN and getattr(module, "momentum", 0) is None:  # the mean of all batches so far
        plan.changes("high", lambda: 1 / (module.num_batches_tracked.item() + 1))
    return coefficients


def moments(plan: TrainingBuilder, raw: Placed) -> Sums:
    """Sums of a value that whoever made it left none of."""
    sums = room_for_sums(plan, raw)
    plan.emit_into(sums.storage, kind="batch_moments", **whole_map(plan, raw), x=raw, rows=RUN, sums=sums.storage,
                   reads=[raw])
    return sums


def give_back(plan: TrainingBuilder, x: Value, gradient: LazyGradient) -> None:
    """The gradient of what was normalised: computed on load where nobody else contributes to it."""
    if not plan.needs(x):
        return
    if plan.needs_of.readers[x] == 1 and x not in plan.partial and x not in plan.lazies:
        plan.lazy_gradients[x] = gradient
        return
    value = as_value(x)
    blend(plan, value, gradient)
    plan.give(x, value)


# ---------------------------------------------------------------- what the builder asks for
def materialise(plan: TrainingBuilder, value: Value, lazy: Lazy) -> None:
    """Compute a value that was to be computed on load."""
    plan.emit(value, kind="affine_clip", **whole_map(plan, lazy.raw, lazy.by_plane), **loading(lazy), mode=COPY,
              reads=read(lazy.raw, lazy.coefficients))


def blend(plan: TrainingBuilder, value: Value, gradient: LazyGradient) -> None:
    """Compute a gradient that was to be computed on load, as a value."""
    assert gradient.y is not None
    plan.emit(value, kind="blend", **whole_map(plan, gradient.g), g=gradient.g, x=gradient.y, c=gradient.coefficients,
              reads=read(gradient.g, gradient.y, gradient.coefficients))


def gate_sums(plan: TrainingBuilder, gate: Lazy, gradient: Value, before: Value | None) -> tuple[Value, Sums]:
    """All of the gradient of a value that is computed on load, behind its clip, and the sums over it.

    gradient: what came last; before: what came before that.  Without a clip it is what it was, and only summed.
    """
    g, add = plan.whole(gradient), None if before is None else plan.whole(before)
    sums, result, written = room_for_sums(plan, gate.raw), gradient, None
    if before is not None or not is_open(gate):
        result, size = as_value(gradient), whole_map(plan, gate.raw)
        written = plan.storage(size["blocks"] * size["images"] * size["n"] * plan.width)
        plan.place(result, Placed.whole(gradient.shape, written))
    plan.emit_into(sums.storage, kind="gate_sums", **whole_map(plan, gate.raw), x=gate.raw, g=g, px=plan.width,
                   ga=gate.coefficients, rows=RUN, sums=sums.storage, mode=0, gx=-1 if written is None else written,
                   add=-1 if add is None else add, **OPEN | {"low": gate.low, "high": gate.high},
                   reads=read(gate.raw, gate.coefficients, g, add, written))
    return result, sums
