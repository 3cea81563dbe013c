"""Rows of activations, and of softmax."""
from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from op_rows.frame import Example, any_shape, away, case, normal, shape
from tinycnn import functional as F

case("relu", F.relu, any_shape(0), lambda t, x: t.relu(x))
case("relu6", F.relu6, any_shape(0, 6), lambda t, x: t.nn.functional.relu6(x))
case("hardsigmoid", F.hardsigmoid, any_shape(-3, 3),  # torch's own has 1/6 in float32 even for float64
     lambda t, x: t.nn.functional.relu6(x + 3) / 6)
case("hardswish", F.hardswish, any_shape(-3, 3), lambda t, x: t.nn.functional.hardswish(x))
case("sigmoid", F.sigmoid, any_shape(), lambda t, x: t.sigmoid(x))
case("silu", F.silu, any_shape(), lambda t, x: t.nn.functional.silu(x))
case("tanh", F.tanh, any_shape(), lambda t, x: t.tanh(x))
case("mish", F.mish, any_shape(), lambda t, x: t.nn.functional.mish(x))


def leaky(draw: Any) -> Example:
    return Example(any_shape(0)(draw).inputs, {"negative_slope": draw(st.sampled_from([0.01, 0.1, 0.0, -0.5, 2.0]))})


def with_slopes(draw: Any) -> Example:
    """x of any shape, a slope for all or for each of its channels."""
    x = away(normal(draw, *shape(draw, most=3, extent=13), scale=3), 0)
    return Example((x, normal(draw, x.shape[1] if x.ndim > 1 and draw(st.booleans()) else 1)))


case("leaky_relu", F.leaky_relu, leaky, lambda t, x, **k: t.nn.functional.leaky_relu(x, **k))
case("prelu", F.prelu, with_slopes, lambda t, x, weight: t.nn.functional.prelu(x, weight))


def with_one_axis(draw: Any) -> Example:
    x = normal(draw, *shape(draw, most=3, extent=21), scale=3)
    return Example((x,), {"axis": draw(st.integers(-x.ndim, x.ndim - 1))})


case("softmax", F.softmax, with_one_axis, lambda t, x, axis: t.softmax(x, axis))
case("log_softmax", F.log_softmax, with_one_axis, lambda t, x, axis: t.log_softmax(x, axis))


def of_a_tree(draw: Any) -> Example:
    """Logits of a tree that grows from 1 to 3 roots, in the order of its levels."""
    parents, last = [-1] * draw(st.integers(1, 3)), 0
    for _ in range(draw(st.integers(0, 4))):
        last = draw(st.integers(last, len(parents) - 1))
        parents += [last] * draw(st.integers(1, 4))
        last += 1
    return Example((normal(draw, *shape(draw, most=2), len(parents), scale=3),), {"parents": tuple(parents)})


def torch_tree(t: Any, x: Any, parents: tuple[int, ...]) -> Any:
    """Node by node."""
    logs: list[Any] = []
    for node, parent in enumerate(parents):
        siblings = [i for i, other in enumerate(parents) if other == parent]
        given = x[..., siblings].log_softmax(-1)[..., siblings.index(node)]
        logs.append(given if parent < 0 else given + logs[parent])
    return t.stack(logs, -1)


case("tree_log_softmax", F.tree_log_softmax, of_a_tree, torch_tree, composed=True)
