"""What products of training plans must not be told: every field that would lead them out of their memory is refused."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from product_plans import Bench, usable

from tinycnn._kernels import kernels
from tinycnn.engine.check import check
from tinycnn.engine.layout import Part
from tinycnn.engine.spans import PlanError
from tinycnn.engine.training.rules import dense, pointwise, winograd
from tinycnn.engine.training.values import Lazy, LazyGradient
from tinycnn.ops.geometry import window

DTYPE = usable(np.float64)
FAR = 1 << 24  # elements: outside of any memory here
# (off of a layer: the table behind its own, of places in the whole map, which leave the memory of a strip)
def far(names):
    return dict.fromkeys(names.split(), FAR)


WRONG = {
    "pack": far("off w y") | {"blocks": 9, "n": 0, "kh": 10**6, "kw": 7, "px": 10**6, "h": 10**4, "mode": 9},
    "layer": far("soff x xs ys a b w y sums t") | {"rows": 99, "px": 1, "off": 20, "k": 10**4, "blocks": 99, "n": 0,
                                                   "pixels": 0},
    "layer_back": far("off kw x g y c a gx ga r add sums w t xs ys") | {"rows": 99, "px": 1, "lanes": 99, "soff": 0,
                                                                        "k": 10**4, "blocks": 99},
    "add_lanes": far("gw t") | {"lanes": 10**4, "blocks": 9, "k": 10**4, "mode": 9},
    "weight_gradient": far("off x g gw xs ys px xrow t") | {"wd": 10**5, "oh": 0, "k": 10**4, "kh": 10**4, "n": 10**6,
                                                            "rows": 10**6, "image_rows": 0, "mode": 9},
    "frame": far("ys yrow py x y a") | {"left": 99, "top": -1, "oh": 10**6},
    "trained_product": far("w b x y ys off") | {"k": 10**4},
    "winograd_weights": far("w y t") | {"k": 10**4, "sw": 99, "kh": 3, "blocks": 9, "mode": 9},
    "winograd_layer": far("off x y ys g c b w t ga r add sums") | {
        "kh": 3, "kw": 2, "n": 0, "rows": 9, "k": 10**4, "h": 10**6, "wd": 17, "oh": 99, "ow": 99, "images": 9,
        "left": 3, "top": -1, "pixels": 1, "mode": 0},
    "winograd_gradient": far("x a g y c gw t") | {
        "kh": 3, "kw": 10**4, "sh": 10**4, "sw": 10**4, "dh": 10**6, "wd": 17, "oh": 99, "ow": 99, "left": -1,
        "blocks": 9, "k": 10**4, "h": 10**4, "mode": 9},
    "bias_gradient": far("ys gw g") | {"blocks": 9, "pixels": 10**7, "k": 10**4, "mode": 9},
}


@pytest.fixture(scope="module")
def plan():
    """Every kind once or more, and the sizes of the caller's arrays."""
    bench, rng = Bench(2, DTYPE), np.random.default_rng(0)
    c, o, shape, gshape = 20, 24, (4, 20, 14, 14), (4, 24, 14, 14)
    layer, three = pointwise.Layer(c, o, 784, 0, 0), window("conv2d", (14, 14), (3, 3), 1, 1)
    x = Lazy(bench.holds(rng.random(shape)), bench.per_channel(*rng.random((4, c))), 0, 6)
    y, gx, sums = bench.map(gshape), bench.map(shape), pointwise.sums_for(bench, layer, o)
    pointwise.forward(bench, layer, x, y.stores[0], sums.storage)
    g = bench.holds(rng.random(gshape))
    gated = pointwise.sums_for(bench, layer, c)
    into = pointwise.Target(gx.stores[0], bench.holds(rng.random(shape)), x, gated.storage)
    pointwise.back(bench, layer, x, LazyGradient(g, y, bench.per_channel(*rng.random((3, o)))), 0, into)
    conv = dense.Dense(shape, gshape, three, 0, 0)
    frame = dense.input_frame(bench, conv, x)
    dense.forward(bench, conv, frame, 0, Part(y.stores[0], 0))
    dense.back_to_weights(bench, conv, frame, 0, Part(g.stores[0], 0), 0)
    dense.bias_gradient(bench, g, 0)
    blended = LazyGradient(g, y, bench.per_channel(*rng.random((3, o))))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("FEW_TILES", "SHORTEST", "STRIP", "LONG_STRIP"):
            patch.setattr(winograd, name, 1)
        tiles = winograd.Layer(conv, 2, turned=True)
        into = pointwise.Target(gx.stores[0], into.add, x, tiles.sums(bench).storage)
        winograd.back_to_input(bench, tiles, blended, into)
        winograd.back_to_weights(bench, conv, 2, x, blended, 0)
    winograd.forward(bench, winograd.Layer(conv, 4), x, y.stores[0], None)
    bench.run(np.zeros(9 * c * o + 64), 9 * c * o)
    assert layer.strips > 1
    return bench.plan, [a.size for a in bench.io]


@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind, fields in WRONG.items() for field in fields])
def test_wrong_fields_are_refused(plan, kind, field):
    made, sizes = plan
    unit = kernels(np.dtype(DTYPE), "engine")
    check(made, sizes, unit.WIDTH, 2, unit)
    row = np.flatnonzero(made.ops[:, unit.FIELDS.index("kind")] == unit.KINDS.index(kind))[0]
    ops = made.ops.copy()
    ops[row, unit.FIELDS.index(field)] = WRONG[kind][field]
    with pytest.raises(PlanError, match=f"operation {row}, {kind}"):
        check(replace(made, ops=ops), sizes, unit.WIDTH, 2, unit)
