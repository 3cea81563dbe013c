"""Values in plain order: heads of detectors, attention and what else moves elements, compiled, against the tape."""
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinycnn
from tinycnn import Tensor, nn
from tinycnn import functional as F
from tinycnn._kernels import kernels
from tinycnn.engine.check import CHECKS, check
from tinycnn.engine.lowering import CompileError
from tinycnn.engine.spans import Fields, PlanError
from tinycnn.engine.views import Axis, View, dense, merged, paired

UNIT = kernels(np.dtype(np.float32), "engine")


def flat(result):
    """The arrays of nested lists, tuples and dicts."""
    if isinstance(result, dict):
        result = result.values()
    return [y for part in result for y in flat(part)] if not hasattr(result, "shape") else [np.asarray(result)]


def agrees(model, *shapes, threads=(1, 3)):
    """Compile a model, compare it with itself on the tape, and give the compiled network back."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    want = flat(model(*map(Tensor, arrays)))
    results = []
    for count in threads:
        net = tinycnn.compile(model, *shapes, threads=count)
        results.append(flat(net(*arrays)))
        for y, z in zip(results[-1], want, strict=True):
            assert y.shape == z.shape
            np.testing.assert_allclose(y, z, rtol=0, atol=3e-5 * max(1.0, float(np.abs(z).max())))
    for y, z in zip(results[0], results[-1], strict=True):
        np.testing.assert_array_equal(y, z)  # any number of threads gives the same bits
    return net


def kinds(net):
    return net.report().operations


# ---------------------------------------------------------------- detectors
class Heads(nn.Module):
    """Maps of several levels to boxes and scores, as SSD, RetinaNet and FCOS join them."""

    def __init__(self, classes, anchors=3, channels=20):
        self.stem = nn.Conv2d(3, channels, 3, padding=1)
        self.down = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.classify = nn.Conv2d(channels, anchors * classes, 3, padding=1)
        self.locate = nn.Conv2d(channels, anchors * 4, 1)
        self.classes = classes

    def rows(self, y, each):
        return y.transpose(0, 2, 3, 1).reshape(y.shape[0], -1, each)

    def forward(self, x):
        levels = [F.relu(self.stem(x))]
        for _ in range(2):
            levels.append(F.relu(self.down(levels[-1])))
        boxes = F.concat([self.rows(self.locate(level), 4) for level in levels], axis=1)
        scores = F.concat([self.rows(self.classify(level), self.classes) for level in levels], axis=1)
        return {"boxes": boxes, "scores": F.softmax(scores, -1), "levels": levels}


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("classes", [1, 7, 21])
def test_heads_of_a_detector(batch, classes, isa):
    net = agrees(Heads(classes), (batch, 3, 14, 10))
    assert kinds(net)["move"] == 6  # each level once into its place, boxes straight into the result
    assert kinds(net)["softmax"] == 1


def test_flattened_heads_are_joined():
    def heads(x):
        y = F.conv2d(x, np.ones((6, 3, 1, 1), "f"))
        z = F.max_pool2d(y, 2)
        return F.concat([v.transpose(0, 2, 3, 1).reshape(v.shape[0], -1) for v in (y, z)], axis=1)
    agrees(heads, (2, 3, 6, 4))


def test_space_to_depth_joins_a_finer_map():
    class Passthrough(nn.Module):
        def __init__(self):
            self.first, self.second = nn.Conv2d(3, 10, 3, padding=1), nn.Conv2d(50, 9, 1)

        def forward(self, x):
            y = self.first(x)
            return self.second(F.concat([F.space_to_depth(y, 2), F.max_pool2d(y, 2)]))
    agrees(Passthrough(), (2, 3, 8, 12))


def test_slices_of_an_image_are_joined():
    def focus(x):
        parts = [x[..., i::2, j::2] for i in range(2) for j in range(2)]
        return F.conv2d(F.concat(parts), np.ones((5, 12, 1, 1), "f"))
    agrees(focus, (2, 3, 8, 6))


def test_segmentation_ends_in_a_softmax(isa):
    class UNet(nn.Module):
        def __init__(self):
            self.down, self.inner = nn.Conv2d(3, 18, 3, padding=1), nn.Conv2d(18, 20, 3, padding=1)
            self.up = nn.ConvTranspose2d(20, 18, 2, stride=2)
            self.last = nn.Conv2d(36, 5, 1)

        def forward(self, x):
            y = F.relu(self.down(x))
            z = self.up(F.relu(self.inner(F.max_pool2d(y, 2))))
            return F.softmax(self.last(F.concat([y, z])), 1)
    agrees(UNet(), (2, 3, 12, 8))


def test_scales_of_levels_are_constants():
    """FCOS multiplies each level by a number, BiFPN adds maps by weights: the maps stay where they are."""
    class Weighted(nn.Module):
        def __init__(self):
            self.conv, self.scale = nn.Conv2d(3, 20, 1), nn.Parameter(np.array(1.7, "f"))
            self.each = nn.Parameter(np.linspace(-1, 1, 20, dtype="f").reshape(1, 20, 1, 1))

        def forward(self, x):
            y = self.conv(x)
            full = np.linspace(1, 2, 20 * 30, dtype="f").reshape(20, 5, 6)
            return 1 - (y * self.scale + y * self.each) / full, 2 / (F.maximum(y, 0.5) + 1), self.each - y
    net = agrees(Weighted(), (2, 3, 5, 6))
    assert "move" not in kinds(net)


def test_a_map_times_one_channel():
    """Spatial attention (CBAM): mean and largest of all channels, a factor for each pixel."""
    def attend(x):
        y = F.conv2d(x, np.linspace(-1, 1, 60, dtype="f").reshape(20, 3, 1, 1))
        return y * F.sigmoid(F.concat([y.mean(1, keepdims=True), y.max(1, keepdims=True)]).sum(1, keepdims=True))
    agrees(attend, (2, 3, 5, 6))


def test_means_of_pixels_are_those_of_maps():
    net = agrees(lambda x: (F.relu(F.conv2d(x, np.ones((5, 3, 1, 1), "f"))).mean((2, 3)),
                            F.conv2d(x, np.ones((5, 3, 1, 1), "f")).mean((-1, -2), keepdims=True)), (2, 3, 5, 6))
    assert kinds(net)["global_mean"] == 2
    assert "reduce" not in kinds(net)


# ---------------------------------------------------------------- transformers
class Block(nn.Module):
    """Attention and a residual, a feed-forward part and another; on a map, as a sequence of pixels."""

    def __init__(self, width=24, heads=3):
        self.embed, self.heads, self.width = nn.Conv2d(3, width, 2, stride=2), heads, width
        self.norm, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def attend(self, x):
        n, length, _ = x.shape
        q, k, v = F.split(self.qkv(x).reshape(n, length, 3, self.heads, -1).transpose(2, 0, 3, 1, 4), [1, 1, 1], 0)
        y = F.scaled_dot_product_attention(q[0], k[0], v[0])
        return self.out(y.transpose(0, 2, 1, 3).reshape(n, length, -1))

    def forward(self, x):
        y = self.embed(x)
        n, c, h, w = y.shape
        y = y.reshape(n, c, h * w).transpose(0, 2, 1)
        y = y + self.attend(self.norm(y))
        y = y + self.down(F.relu(self.up(self.second(y))))
        return y.mean(1), y.transpose(0, 2, 1).reshape(n, c, h, w)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_transformer(batch, isa):
    agrees(Block(), (batch, 3, 10, 8))


@pytest.mark.parametrize("constant", [0, 1])
def test_products_with_a_constant_matrix(constant):
    weights = np.random.default_rng(1).standard_normal((2, 4, 4)).astype("f")
    agrees(lambda x: x @ weights if constant else weights @ x, (3, 2, 4, 4))
    agrees(lambda x: x @ weights[0] if constant else weights[0] @ x, (3, 2, 4, 4))


# ---------------------------------------------------------------- views
def test_moves_in_a_row_are_one():
    net = agrees(lambda x: x.transpose(0, 2, 3, 1)[:, 1:, ::-1].reshape(2, -1, 4).transpose(1, 0, 2)[:, :, None],
                 (2, 4, 5, 6))
    assert kinds(net) == {"move": 1}


@pytest.mark.parametrize("model", [
    lambda x: F.relu(F.conv2d(x, np.ones((20, 3, 1, 1), "f")).reshape(2, -1)),  # what is flattened stays in blocks
    lambda x: F.conv2d(x, np.ones((4, 3, 1, 1), "f")).reshape(2, -1) + x[:, :1, :1, 0].reshape(2, 1),
    lambda x: F.conv2d(x, np.ones((4, 3, 1, 1), "f")).reshape(2, -1) * np.linspace(0, 1, 80, dtype="f"),
    lambda x: F.relu(F.layer_norm(x, 5) + x) - F.layer_norm(F.conv2d(x, np.ones((3, 3, 1, 1), "f")), 5),
    lambda x: (x[0] * x[1, :1] - x[1]) + x[1].reshape(4, 3, 5).transpose(1, 0, 2),
    lambda x: F.conv2d(F.conv2d(x, np.ones((20, 3, 1, 1), "f"))[:, 3:, 1:].transpose(0, 1, 3, 2),
                       np.ones((2, 17, 1, 1), "f")),
    lambda x: (x, x, x.reshape(2, -1), x[:, [2, 0]], x[0]),  # inputs as results
    lambda x: F.pad(F.conv2d(x, np.ones((4, 3, 1, 1), "f")), (1, 2, 0, 3)),
    lambda x: F.pad(F.conv2d(x, np.ones((4, 3, 1, 1), "f")), (1, 2, 0, 3), value=2),
    lambda x: F.pixel_shuffle(F.conv2d(x, np.ones((20, 3, 1, 1), "f")), 2) * 2,
    lambda x: F.global_avg_pool2d(F.conv2d(x, np.ones((20, 3, 1, 1), "f"))).reshape(2, -1)[:, 3:19] + 1,
    lambda x: F.log_softmax(x.transpose(3, 2, 0, 1), 0).var((0, 2)),
    lambda x: F.softmax(x.expand(4, 2, 3, 4, 5).sum(0), 3).min((0, 3), keepdims=True) - x,
    lambda x: F.concat([x, x[:, :, :, :2]], 3),
])
def test_views_of_all_kinds(model, isa):
    agrees(model, (2, 3, 4, 5))


def test_nothing_at_all_is_refused():
    with pytest.raises(CompileError, match=r"getitem .*no elements"):
        tinycnn.compile(lambda x: x[:, :0], (2, 3, 4, 4))


def test_saved_indices_come_back(tmp_path):
    def model(x):
        return x[..., None, ::2], x[:, np.array([2, 0])]
    net = tinycnn.compile(model, (2, 3, 4, 5))
    net.save(tmp_path / "m.tinycnn")
    x = np.arange(120, dtype=np.float32).reshape(2, 3, 4, 5)
    for y, z in zip(tinycnn.load_compiled(tmp_path / "m.tinycnn")(x), model(x), strict=True):
        np.testing.assert_array_equal(y, z)


@given(st.data())
def test_axes_of_a_view_are_those_of_numpy(data):
    """Splitting, joining and pairing axes never changes the order of elements."""
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    order = data.draw(st.permutations(range(len(shape))))
    numbers = np.arange(np.prod(shape)).reshape(shape).transpose(order)
    view = View(merged([dense(shape)[i] for i in order]))
    assert places(view.axes) == numbers.ravel().tolist()
    groups = view.by(numbers.shape)
    assert groups is not None
    assert [int(np.prod([axis.extent for axis in group])) for group in groups] == list(numbers.shape)
    pairs = paired(view.axes, merged(dense((numbers.size,))))
    if pairs is not None:
        assert places([Axis(p.extent, p.x) for p in pairs]) == numbers.ravel().tolist()
        assert places([Axis(p.extent, p.y) for p in pairs]) == list(range(numbers.size))


def places(axes):
    """Where the elements of a view lie, one after the other."""
    result = np.zeros(1, int)
    for axis in axes:
        result = (result[:, None] + np.arange(axis.extent) * axis.step).ravel()
    return result.tolist()


# ---------------------------------------------------------------- memory
class Residual(nn.Module):
    """What is added must be brought together first: after the memory of its convolution is thought of."""

    def __init__(self):
        self.first, self.second, self.third = (nn.Conv2d(*c, 3, padding=1) for c in ((3, 20), (20, 20), (20, 20)))

    def forward(self, x):
        y = F.relu(self.first(x))
        z = F.max_pool2d(y, 3, stride=1, padding=1)
        return self.second(y * 2) + F.channel_shuffle(F.concat([y[:, :10], z[:, 10:]]), 2)


@pytest.mark.parametrize("name", ["heads", "block", "views", "residual"])
def test_what_an_operation_writes_is_nothing_that_it_reads(name):
    net = NETS[name]
    plan, names = net._latest.plan, {field: i for i, field in enumerate(UNIT.FIELDS)}
    for i, kind in enumerate(plan.kinds):
        spans = [span for span in CHECKS[kind](Fields(names, UNIT.KINDS, plan.ops, i, plan.tables, UNIT.WIDTH, 1))
                 if span.space == "arena"]
        for j, one in enumerate(spans):
            for other in spans[:j]:
                assert not (one.written or other.written) or one.stop <= other.start or other.stop <= one.start, kind


# ---------------------------------------------------------------- damaged plans
NETS = {
    "heads": tinycnn.compile(Heads(7), (2, 3, 14, 10), threads=1),
    "block": tinycnn.compile(Block(), (1, 3, 10, 8), threads=1),
    "views": tinycnn.compile(lambda x, c: (F.pad(x.transpose(0, 2, 3, 1), (1, 1)), F.where(c, x, x * 2), x.max(1)),
                             (2, 20, 4, 5), (2, 20, 4, 5), threads=1),
    "residual": tinycnn.compile(Residual().eval(), (1, 3, 12, 12), threads=1),
}
MOVING = ("block", "heads", "views")
PLAIN = ("move", "fill", "softmax", "reduce", "layer_norm", "select", "matmul")
USES = {"move": ("x", "y", "off", "k", "n"), "fill": ("y", "n"), "softmax": ("x", "y", "rows", "k", "n"),
        "reduce": ("x", "y", "rows", "k", "n"), "layer_norm": ("x", "y", "w", "b", "rows", "k"),
        "select": ("x", "y", "s", "z", "n"),
        "matmul": ("x", "y", "s", "rows", "k", "n", "images", "image_step", "xrow", "px")}


def tried(net):
    """Whether check takes the plan of a network as it is now."""
    io = [int(np.prod(v.shape)) for v in (*net.graph.inputs, *net.graph.outputs)]
    check(net._latest.plan, io, UNIT.WIDTH, 1, UNIT)


@settings(max_examples=200)
@given(st.data())
def test_fields_that_leave_memory_are_refused(data):
    net = NETS[data.draw(st.sampled_from(MOVING))]
    plan = net._latest.plan
    i = data.draw(st.sampled_from([i for i, kind in enumerate(plan.kinds) if kind in PLAIN]))
    kind = plan.kinds[i]
    column = UNIT.FIELDS.index(data.draw(st.sampled_from(USES[kind])))
    before = plan.ops[i, column]
    plan.ops[i, column] = data.draw(st.sampled_from([1 << 40, -(1 << 40)]))
    try:
        alone = UNIT.FIELDS[column] == "image_step" and plan.ops[i, UNIT.FIELDS.index("images")] == 1
        if not alone:
            with pytest.raises(PlanError, match=f"operation {i}, {kind}"):
                tried(net)
    finally:
        plan.ops[i, column] = before
    tried(net)


@settings(max_examples=300)
@given(st.data())
def test_descriptors_of_moves_are_refused_or_stay_in_memory(data):
    """Any number of a move or its description, changed: what check lets through is in memory, counted out."""
    net = NETS[data.draw(st.sampled_from(MOVING))]
    plan = net._latest.plan
    i = data.draw(st.sampled_from([i for i, kind in enumerate(plan.kinds) if kind == "move"]))
    f = dict(zip(UNIT.FIELDS, plan.ops[i].tolist()))
    inside = f["off"] + data.draw(st.integers(0, 40 + f["k"] + f["n"] - 1))
    column = UNIT.FIELDS.index(data.draw(st.sampled_from(["x", "y", "k", "n", "off", "mode", "r"])))
    numbers, place = data.draw(st.sampled_from([(plan.tables, inside), (plan.ops, (i, column))]))
    before = numbers[place]
    numbers[place] = data.draw(st.sampled_from([0, 1, -1, -2, 2, 7, 1 << 20, -(1 << 20)]))
    f = dict(zip(UNIT.FIELDS, plan.ops[i].tolist()))
    try:
        tried(net)
    except PlanError:
        pass
    else:
        sizes = [v.shape for v in (*net.graph.inputs, *net.graph.outputs)]
        x, y = touched(plan, f)
        for space, at in ((f["mode"], x), (-1 if f["r"] < 0 else f["r"], y)):
            size = {-1: plan.arena, -2: len(plan.constants)}.get(space) or int(np.prod(sizes[space]))
            assert 0 <= at.min() <= at.max() < size
    finally:
        numbers[place] = before


def touched(plan, f):
    """All places that a move reads, and writes, counted out as its kernel does."""
    axes = plan.tables[f["off"]:f["off"] + 40].reshape(8, 5).astype(np.int64)
    tables = plan.tables[f["off"] + 40:]
    sums = np.zeros((4, 1), np.int64)
    for extent, *steps in axes:
        sums = (sums[:, :, None] + np.array(steps)[:, None, None] * np.arange(extent)).reshape(4, -1)
    x = f["x"] + sums[0] + tables[:f["k"]][sums[1]]
    return x, f["y"] + sums[2] + tables[f["k"]:f["k"] + f["n"]][sums[3]]
