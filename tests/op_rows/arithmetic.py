"""Rows of arithmetic and reductions."""
from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from op_rows.frame import Example, any_shape, case, normal, positive, two_broadcast, with_axis
from tinycnn import functional as F

case("add", lambda a, b: a + b, two_broadcast, lambda _, a, b: a + b)
case("sub", lambda a, b: a - b, two_broadcast, lambda _, a, b: a - b)
case("mul", lambda a, b: a * b, two_broadcast, lambda _, a, b: a * b)
case("div", lambda a, b: a / b, two_broadcast, lambda _, a, b: a / b)
case("maximum", F.maximum, two_broadcast, lambda t, a, b: t.maximum(a, b))
case("minimum", F.minimum, two_broadcast, lambda t, a, b: t.minimum(a, b))
case("neg", lambda x: -x, any_shape(), lambda _, x: -x)
case("pow", lambda x, exponent: x**exponent,
     lambda draw: Example(positive(draw).inputs, {"exponent": draw(st.sampled_from([0, 1, 2, 3, -1, 0.5, 1.7]))}),
     lambda _, x, exponent: x**exponent)
case("exp", lambda x: x.exp(), any_shape(), lambda _, x: x.exp(), composed=False)
case("log", lambda x: x.log(), positive, lambda _, x: x.log())
case("sqrt", lambda x: x.sqrt(), positive, lambda _, x: x.sqrt())
case("abs", lambda x: abs(x), any_shape(0), lambda _, x: x.abs())
case("clip", lambda x: x.clip(-1, 2), any_shape(-1, 2), lambda _, x: x.clip(-1, 2))
case("astype", lambda x: x.astype("float64"), any_shape(), lambda _, x: x.double())
case("where", F.where,
     lambda draw: (lambda e: Example((normal(draw, *e.inputs[0].shape) > 0, *e.inputs)))(two_broadcast(draw)),
     lambda t, c, a, b: t.where(c, a, b), constant=(0,))


def _all_axes(x: Any, axis: int | None) -> Any:
    return tuple(range(x.ndim)) if axis is None else axis


case("sum", lambda x, **k: x.sum(**k), with_axis, lambda _, x, axis, keepdims: x.sum(_all_axes(x, axis), keepdims))
case("mean", lambda x, **k: x.mean(**k), with_axis, lambda _, x, axis, keepdims: x.mean(_all_axes(x, axis), keepdims))
case("var", lambda x, **k: x.var(**k), with_axis,
     lambda t, x, axis, keepdims: t.var(x, _all_axes(x, axis), correction=0, keepdim=keepdims))
case("max", lambda x, **k: x.max(**k), with_axis, lambda _, x, axis, keepdims: x.amax(_all_axes(x, axis), keepdims))
case("min", lambda x, **k: x.min(**k), with_axis, lambda _, x, axis, keepdims: x.amin(_all_axes(x, axis), keepdims))
