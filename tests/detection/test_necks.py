"""Necks: torchvision's and effdet's values and names, gradients by differences, compiled as eager."""
from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise

import numpy as np
import pytest
from torchvision_oracle import import_torchvision

import tinycnn
from tinycnn import Tensor, nn
from tinycnn.detection import bifpn, necks

CHANNELS, SIZES = (6, 10, 12), ((20, 13), (10, 7), (5, 4))
NECKS = {
    "fpn": lambda c: necks.FeaturePyramidNetwork(c, 8),
    "fpn and pool": lambda c: necks.FeaturePyramidNetwork(c, 8, necks.LastLevelMaxPool()),
    "fpn, p6 of c5": lambda c: necks.FeaturePyramidNetwork(c, 8, necks.LastLevelP6P7(c[-1], 8)),
    "fpn, p6 of p5": lambda c: necks.FeaturePyramidNetwork(c, 8, necks.LastLevelP6P7(8, 8)),
    "pan": lambda c: necks.PAN(c, 8),
    "lite pan": lambda c: necks.LitePAN(c, 8),
    "bifpn": lambda c: bifpn.BiFPN(c, 8, cells=2, levels=4),
    "bifpn by softmax": lambda c: bifpn.BiFPN(c, 8, cells=1, levels=4, fusion="softmax"),
    "bifpn as tensorflow's": lambda c: bifpn.BiFPN(c, 8, cells=1, levels=4, bias=True, padding="tf_same"),
}
by_name = pytest.mark.parametrize("name", NECKS)


def maps(dtype=np.float32, sizes=SIZES, batch: int = 2) -> list[Tensor]:
    rng = np.random.default_rng(0)
    return [Tensor(rng.standard_normal((batch, c, *size)).astype(dtype)) for c, size in zip(CHANNELS, sizes)]


def shaken(module: nn.Module) -> nn.Module:
    """Every parameter moved off its start, running statistics too."""
    rng = np.random.default_rng(1)
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        if value.dtype.kind == "f":
            value.data[...] += (0.2 * rng.uniform(0, 1, value.shape) if name.endswith("var")
                                else 0.2 * rng.standard_normal(value.shape))
    return module


@by_name
def test_shapes(name):
    for y in NECKS[name](CHANNELS)(maps()):
        assert y.shape[:2] == (2, 8)
    results = NECKS[name](CHANNELS)(maps())
    assert [y.shape[2:] for y in results[:3]] == list(SIZES)
    for larger, smaller in pairwise(results[2:]):
        assert smaller.shape[2:] == tuple(-(-n // 2) for n in larger.shape[2:])


@pytest.mark.parametrize("extra", [None, "pool", "c5", "p5"])
def test_fpn_is_torchvisions(torch, extra):
    ops = import_torchvision().ops.feature_pyramid_network
    blocks = {None: (None, None), "pool": (ops.LastLevelMaxPool(), necks.LastLevelMaxPool()),
              "c5": (ops.LastLevelP6P7(12, 8), necks.LastLevelP6P7(12, 8)),
              "p5": (ops.LastLevelP6P7(8, 8), necks.LastLevelP6P7(8, 8))}[extra]
    theirs = ops.FeaturePyramidNetwork(list(CHANNELS), 8, blocks[0])
    ours = necks.FeaturePyramidNetwork(CHANNELS, 8, blocks[1])
    state = {name: value.numpy() for name, value in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict(state)
    with torch.no_grad():
        want = theirs(OrderedDict((str(i), torch.tensor(x.numpy())) for i, x in enumerate(maps())))
    got = ours(maps())
    assert len(got) == len(want)
    for a, b in zip(got, want.values()):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-5)


@pytest.mark.parametrize("fusion", bifpn.FUSIONS)
@pytest.mark.parametrize("tensorflow", [False, True])
def test_bifpn_is_effdets(torch, fusion, tensorflow):
    import_torchvision()
    effdet = pytest.importorskip("effdet", reason="effdet is not installed: BiFPN is not compared")
    from effdet.config import fpn_config
    config = effdet.get_efficientdet_config("tf_efficientdet_d0" if tensorflow else "efficientdet_d0")
    config.image_size, config.fpn_channels = (256, 128), 8
    config.fpn_config = fpn_config.bifpn_config(3, 7, {"fast": "fastattn", "softmax": "attn"}[fusion])
    theirs = effdet.efficientdet.BiFpn(config, [{"num_chs": c, "reduction": 8 << i} for i, c in enumerate(CHANNELS)])
    ours = bifpn.BiFPN(CHANNELS, 8, cells=3, levels=5, fusion=fusion,
                       **({"bias": True, "padding": "tf_same"} if tensorflow else {}))
    shaken(ours)
    state = ours.state_dict()
    assert set(state) == set(theirs.state_dict())
    theirs.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
    images = maps(sizes=((32, 16), (16, 8), (8, 4)))
    with torch.no_grad():
        want = theirs.eval()([torch.tensor(x.numpy()) for x in images])
    for a, b in zip(ours.eval()(images), want, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=2e-5)


@by_name
def test_gradients(name):
    """Of the input maps and of a few small parameters, through all results, as differences say."""
    neck = shaken(NECKS[name](CHANNELS[:2])).to(np.float64).eval()
    inputs = [Tensor(x.numpy(), requires_grad=True) for x in maps(np.float64, ((2, 3), (1, 2)), batch=1)]
    few = [parameter for parameter in neck.parameters() if parameter.size < 13]

    def total(*_):
        return sum((y * y).sum() for y in neck(inputs))

    assert tinycnn.gradcheck(total, [*inputs, *few[:3], *few[-3:]], rtol=1e-4)


class Trunk(nn.Module):
    """Two maps, and a neck."""

    def __init__(self, neck: nn.Module) -> None:
        self.large, self.small = nn.ConvBNAct(3, 6, 3, 2), nn.ConvBNAct(6, 10, 3, 2)
        self.neck = neck

    def forward(self, x):
        large = self.large(x)
        return self.neck([large, self.small(large)])


@by_name
def test_compiled_is_eager(name):
    net = shaken(Trunk(NECKS[name](CHANNELS[:2]))).eval()
    x = np.random.default_rng(2).standard_normal((2, 3, 40, 26), np.float32)
    for a, b in zip(tinycnn.compile(net, x, threads=2)(x), net(x), strict=True):
        np.testing.assert_allclose(a, b.numpy(), atol=2e-5, rtol=1e-4)


def test_fusion_weights():
    node = bifpn.Node(0, (0, 1))
    combine = bifpn.Combine(node, (4, 4), 4, "fast", False, 1)
    combine.edge_weights.data[...] = [3, -1]
    np.testing.assert_allclose(combine.weights().numpy(), [3 / 3.0001, 0], rtol=1e-6)
    combine = bifpn.Combine(node, (4, 4), 4, "softmax", False, 1)
    combine.edge_weights.data[...] = [np.log(3), 0]
    np.testing.assert_allclose(combine.weights().numpy(), [0.75, 0.25], rtol=1e-6)


def test_the_order_of_predictions_is_that_of_anchors():
    from tinycnn.detection.anchors import anchor_boxes
    grids, anchors = [(3, 4), (2, 2)], 2
    boxes = anchor_boxes(grids, (24, 32), [(8, 12), (16, 24)], (1.0,))
    planes, first = [], 0
    for h, w in grids:  # a head that says each anchor's own box
        own = boxes[first:first + h * w * anchors]
        planes.append(Tensor(own.reshape(1, h, w, anchors * 4).transpose(0, 3, 1, 2)))
        first += len(own)
    np.testing.assert_array_equal(necks.flatten_levels(planes, 4).numpy()[0], boxes)


def test_heads_of_their_own_and_scales():
    heads = necks.PerLevel(nn.Sequential(nn.Conv2d(c, 4, 1), necks.Scale(2.0)) for c in CHANNELS)
    got = heads(maps())
    for head, x, y in zip(heads, maps(), got):
        np.testing.assert_array_equal(y.numpy(), 2 * head[0](x).numpy())
    with pytest.raises(ValueError, match="PerLevel: 2 maps for 3 heads"):
        heads(maps()[:2])


@pytest.mark.parametrize(("call", "match"), [
    (lambda: necks.FeaturePyramidNetwork(CHANNELS, 8)(maps()[:2]), r"expected 3 maps .* \[6, 10, 12\] channels"),
    (lambda: bifpn.BiFPN(CHANNELS[::-1], 8)(maps()), "BiFPN: expected 3 maps"),
    (lambda: bifpn.BiFPN(CHANNELS, 8, levels=2), "BiFPN: expected at least one cell"),
    (lambda: bifpn.BiFPN(CHANNELS, 8, fusion="sum"), "fusion must be one of fast, softmax"),
    (lambda: necks.flatten_levels(maps(), 4), "flatten_levels: maps must be"),
    (lambda: necks.prior_bias(0), "probability must lie between 0 and 1"),
])
def test_what_is_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
