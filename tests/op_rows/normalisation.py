"""Rows of normalisation."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from op_rows.frame import Example, away, case, normal
from tinycnn import functional as F


def spread(x: np.ndarray) -> np.ndarray:
    """x, far from constant: a row of nearly equal elements has a gradient that is a small difference of large terms."""
    return x + np.where(np.arange(x.size) % 2, 3, -3).reshape(x.shape)


def channels(draw: Any, values: int = 1) -> np.ndarray:
    """x (N, C), (N, C, L) or (N, C, H, W) with at least `values` elements per channel, far from constant."""
    n, c = draw(st.integers(1, 5)), draw(st.integers(1, 19))
    spatial = draw(st.sampled_from([(), (1, 1), (2, 2), (3,), (3, 5), (7, 7), (1, 40), (9, 17)]))
    n = max(n, -(-values // int(np.prod(spatial))))
    x = normal(draw, n, c, *spatial, scale=2)
    return spread(x) + normal(draw, 1, c, *[1] * len(spatial))


def batch_normed(training: bool) -> Callable[[Any], Example]:
    def examples(draw: Any) -> Example:
        x = channels(draw, values=4)
        vectors = [normal(draw, x.shape[1]) if draw(st.booleans()) else None for _ in range(2)]
        statistics = [normal(draw, x.shape[1]), np.abs(normal(draw, x.shape[1])) + 0.3]
        if training and draw(st.booleans()):
            statistics = [None, None]
        return Example((x, *statistics, *vectors),
                       {"training": training, "momentum": 0.2, "eps": draw(st.sampled_from([1e-5, 1e-3]))})
    return examples


for _training in (True, False):
    case(f"batch_norm {'train' if _training else 'eval'}", F.batch_norm, batch_normed(_training),
         lambda t, *arrays, **k: t.nn.functional.batch_norm(*arrays, **k), ops=("batch_norm",), constant=(1, 2))


def optional(draw: Any, *shape: int) -> np.ndarray | None:
    return normal(draw, *shape) if draw(st.booleans()) else None


def layer_normed(draw: Any) -> Example:
    """Rows shorter and longer than vectors, of one axis or of several; few of them, and more than a part."""
    lead = draw(st.sampled_from([(), (1,), (3,), (2, 5), (70,)]))
    shape = draw(st.sampled_from([(5,), (16,), (37,), (3, 4), (70,)]))
    x = spread(2 * normal(draw, *lead, *shape)) + 1
    return Example((x, optional(draw, *shape), optional(draw, *shape)),
                   {"normalized_shape": shape, "eps": draw(st.sampled_from([1e-5, 1e-3]))})


def maps(draw: Any, c: int) -> np.ndarray:
    spatial = draw(st.sampled_from([(5,), (2, 3), (3, 5), (7, 7), (1, 40), (9, 17)]))
    return spread(2 * normal(draw, draw(st.integers(1, 4)), c, *spatial)) + normal(draw, 1, c, *[1] * len(spatial))


def group_normed(draw: Any) -> Example:
    groups, each = draw(st.tuples(*[st.integers(1, 4)] * 2))
    if draw(st.integers(0, 3)) == 0:
        each, groups = draw(st.sampled_from([5, 17])), draw(st.sampled_from([1, 3]))
        x = spread(normal(draw, draw(st.sampled_from([1, 5, 40])), groups * each))
    else:
        x = maps(draw, groups * each)
    c = groups * each
    return Example((x, optional(draw, c), optional(draw, c)), {"num_groups": groups})


def instance_normed(draw: Any) -> Example:
    x = maps(draw, draw(st.integers(1, 5)))
    return Example((x, optional(draw, x.shape[1]), optional(draw, x.shape[1])))


case("layer_norm", lambda x, w, b, **k: F.layer_norm(x, weight=w, bias=b, **k), layer_normed,
     lambda t, x, w, b, normalized_shape, eps: t.nn.functional.layer_norm(x, normalized_shape, w, b, eps))
case("group_norm", lambda x, w, b, num_groups: F.group_norm(x, num_groups, w, b), group_normed,
     # torch 2.13 fails to go back through a bias without a weight
     lambda t, x, w, b, num_groups: t.nn.functional.group_norm(
         x, num_groups, x.new_ones(x.shape[1]) if w is None else w, b))
case("instance_norm", F.instance_norm, instance_normed,
     lambda t, x, w, b: t.nn.functional.instance_norm(x, weight=w, bias=b))


def switched(draw: Any) -> Example:
    c = draw(st.integers(1, 4))
    x = spread(normal(draw, draw(st.integers(1, 3)), c, *draw(st.sampled_from([(5, 1), (2, 3)]))))
    statistics = [normal(draw, c), np.abs(normal(draw, c)) + 0.3]
    return Example((x, *statistics, *(normal(draw, n) for n in (c, c, 3, 3))), {"training": draw(st.booleans())})


def switchable(x: Any, running_mean: Any, running_var: Any, *more: Any, training: bool) -> Any:
    """With running statistics that a call made again meets again."""
    return F.switchable_norm(x, np.array(running_mean), np.array(running_var), *more, training=training)


def torch_switchable(t: Any, x: Any, running_mean: Any, running_var: Any, weight: Any, bias: Any, mean_weight: Any,
                     var_weight: Any, training: bool) -> Any:
    """The statistics of each set of axes, taken one by one."""
    def statistics(axes: tuple[int, ...]) -> tuple[Any, Any]:
        return x.mean(axes, keepdim=True), x.var(axes, correction=0, keepdim=True)

    def channels(v: Any) -> Any:
        return v.reshape(1, -1, 1, 1)
    batch = statistics((0, 2, 3)) if training else (channels(running_mean), channels(running_var))
    means, variances = zip(statistics((2, 3)), statistics((1, 2, 3)), batch)
    mean = sum(p * m for p, m in zip(mean_weight.softmax(0), means))
    variance = sum(p * v for p, v in zip(var_weight.softmax(0), variances))
    return (x - mean) / (variance + 1e-5).sqrt() * channels(weight) + channels(bias)


case("switchable_norm", switchable, switched, torch_switchable, constant=(1, 2))


def pixels(draw: Any) -> np.ndarray:
    """x (N, C), (N, C, L) or (N, C, H, W), of more pixels than a strip now and then; no pixel near 0."""
    spatial = draw(st.sampled_from([(), (1,), (3,), (4, 5), (7, 7), (270,)]))
    n, c = draw(st.integers(1, 3)), draw(st.sampled_from([1, 3, 8, 19]))
    return away(normal(draw, n, c, *spatial, scale=2), 0, by=0.2)


def l2_normed(draw: Any) -> Example:
    x = pixels(draw)
    return Example((x, optional(draw, x.shape[1])), {"eps": draw(st.sampled_from([1e-12, 0.5]))})


def torch_l2_norm(t: Any, x: Any, weight: Any, eps: float) -> Any:
    y = t.nn.functional.normalize(x, eps=eps)
    return y if weight is None else y * weight.reshape(1, -1, *[1] * (x.ndim - 2))


def normalized(draw: Any) -> Example:
    x = away(normal(draw, *draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))), 0, by=0.2)
    return Example((x,), {"dim": draw(st.integers(-x.ndim, x.ndim - 1))})


def responses(draw: Any) -> Example:
    spatial = draw(st.sampled_from([(1,), (3,), (4, 5), (270,)]))
    x = normal(draw, draw(st.integers(1, 2)), draw(st.sampled_from([1, 3, 8])), *spatial, scale=3)
    return Example((x,), {"size": draw(st.sampled_from([1, 2, 3, 5, 8])), "alpha": draw(st.sampled_from([1e-4, 0.5])),
                          "beta": draw(st.sampled_from([0.75, 0.5, 1.3])), "k": draw(st.sampled_from([1.0, 2.0]))})


case("l2_norm", F.l2_norm, l2_normed, torch_l2_norm)
case("normalize", F.normalize, normalized, lambda t, x, dim: t.nn.functional.normalize(x, dim=dim), ops=("l2_norm",))
case("local_response_norm", F.local_response_norm, responses,
     lambda t, x, **k: t.nn.functional.local_response_norm(x, **k))
