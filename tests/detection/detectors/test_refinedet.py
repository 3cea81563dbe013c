"""RefineDet: counts, the two steps' targets and losses by hand, training, inference, refusals."""
import numpy as np
import pytest
import trials
from twins import doubled

import tinycnn
from tinycnn import functional as F
from tinycnn import losses, models, nn
from tinycnn.detection import decode_deltas, encode_deltas
from tinycnn.detection.coders import SSD_VARIANCES
from tinycnn.detection.detectors import RefineDet
from tinycnn.detection.detectors.refinedet import TransferConnections, refinedet_anchors, second_targets


class Maps(nn.Module):
    """Four maps of a few convolutions; the first has pixels of length 1."""

    channels = (16, 24, 24, 24)

    def __init__(self):
        self.stem = nn.Sequential(*[nn.ConvBNAct(c, 16, 3, 2) for c in (3, 16, 16)])
        self.norm = nn.L2Norm(16, 10.0)
        self.rest = nn.ModuleList([nn.ConvBNAct(c, 24, 3, 2) for c in (16, 24, 24)])

    def forward(self, x):
        x = self.stem(x)
        maps = [self.norm(x)]
        for block in self.rest:
            x = block(x)
            maps.append(x)
        return maps


def small(size=64, width=16):
    return RefineDet(Maps(), 3, size, width)


def test_anchors():
    anchors = refinedet_anchors([(40, 40), (20, 20), (10, 10), (5, 5)])
    assert anchors.shape == (6375, 4)
    sides = anchors[:, 2:] - anchors[:, :2]
    root = np.sqrt(2)
    np.testing.assert_allclose(sides[:3], [[32, 32], [32 * root, 32 / root], [32 / root, 32 * root]], rtol=1e-6)
    np.testing.assert_allclose(anchors[:, :2] + sides / 2, (anchors[:, 2:] - sides / 2), rtol=1e-4)
    assert anchors[0].tolist() == [-12, -12, 20, 20]
    np.testing.assert_allclose(sides.prod(1)[[0, 4800, 6000, 6300]], [32**2, 64**2, 128**2, 256**2], rtol=1e-5)


def test_on_a_light_network():
    net = models.create_model("refinedet", backbone="shufflenet_v2_x0_5", num_classes=3, size=128, width=16).eval()
    raw = net(np.zeros((1, 3, 128, 128), np.float32))
    assert [part.shape for part in raw.values()] == [(1, 1020, 2), (1, 1020, 4), (1, 1020, 4), (1, 1020, 4)]
    trials.compiles(net)


def test_a_transfer_connection():
    """Figure 2, by its layers; what the last map holds reaches the first."""
    tcb = TransferConnections((3, 5), 4)
    large, small = (np.random.default_rng(i).standard_normal(shape).astype(np.float32)
                    for i, shape in enumerate([(1, 3, 8, 8), (1, 5, 4, 4)]))
    a, b = tcb([tinycnn.Tensor(large), tinycnn.Tensor(small)])
    def conv(layer, x):
        return F.conv2d(x, layer.weight, layer.bias, padding=1)
    def lateral(i, x):
        return conv(tcb.lateral[i][2], F.relu(conv(tcb.lateral[i][0], x)))
    last = F.relu(conv(tcb.out[1][1], F.relu(lateral(1, small))))
    np.testing.assert_allclose(b.numpy(), last.numpy(), atol=1e-6)
    up = F.conv_transpose2d(last, tcb.up[0].weight, tcb.up[0].bias, stride=2)
    first = F.relu(conv(tcb.out[0][1], F.relu(lateral(0, large) + up)))
    np.testing.assert_allclose(a.numpy(), first.numpy(), atol=1e-6)


def said(net, n=1):
    """Raw heads that say nothing."""
    p = len(net.anchors)
    return {"arm_logits": np.zeros((n, p, 2)), "arm_regression": np.zeros((n, p, 4)),
            "odm_logits": np.zeros((n, p, 4)), "odm_regression": np.zeros((n, p, 4))}


def test_the_second_step_is_matched_with_refined_anchors():
    net = small()
    truth, label = np.array([[20, 24, 44, 50]], np.float32), 2
    objects, offsets, _, _ = dense = net.encode([truth], [[label]])
    raw = said(net)
    raw["arm_regression"][0] = encode_deltas(truth, net.anchors, SSD_VARIANCES)  # the first step finds it everywhere
    labels, boxes = net._second_targets(doubled(raw), *dense[2:])
    assert (labels == label + 1).all()
    np.testing.assert_allclose(boxes, 0, atol=1e-4)
    assert 0 < objects.sum() < 20
    assert np.abs(offsets[objects > 0]).max() > 0.1
    raw["arm_regression"][:] = 0
    np.testing.assert_array_equal(net._second_targets(doubled(raw), *dense[2:])[0] > 0, objects > 0)


def test_clear_negatives_are_left_out_and_positives_never():
    net = small()
    dense = net.encode([[[20, 24, 44, 50]]], [[2]])
    dense = dense[0], dense[1].astype(float), *dense[2:]
    raw = said(net)
    sure = np.log(99.5 / 0.5)  # a probability of 0.995
    raw["arm_logits"][..., 0] = sure
    labels, _ = net._second_targets(doubled(raw), *dense[2:])
    assert set(labels[dense[0] > 0]) == {3}
    assert set(labels[dense[0] == 0]) == {-1}
    raw["arm_logits"][..., 0] = np.log(98 / 2)
    labels, _ = net._second_targets(doubled(raw), *dense[2:])
    assert set(labels[dense[0] == 0]) == {0}
    terms = net.criterion(doubled(raw), dense)
    raw["arm_logits"][..., 0] = sure
    without = net.criterion(doubled(raw), dense)
    positives = (dense[0] > 0).sum()
    assert terms["odm_classification"].item() == pytest.approx(4 * np.log(4))
    assert without["odm_classification"].item() == pytest.approx(np.log(4))
    assert positives


def test_losses_are_those_of_both_steps():
    net = small()
    rng = np.random.default_rng(0)
    raw = {name: rng.standard_normal(x.shape) * 0.5 for name, x in said(net, 3).items()}
    _, boxes, labels = trials.pictures(3, 64)
    dense = net.encode(boxes, labels)
    terms = net.criterion(doubled(raw), (dense[0], dense[1].astype(float), *dense[2:]))
    loss = losses.MultiBoxLoss()
    first = loss(raw["arm_logits"], raw["arm_regression"], dense[0], dense[1].astype(float))
    refined = decode_deltas(raw["arm_regression"], net.anchors, SSD_VARIANCES)
    targets = [second_targets(*of_image) for of_image in zip(refined, dense[2], dense[3])]
    second = loss(raw["odm_logits"], raw["odm_regression"], *map(np.stack, zip(*targets)))
    assert [*terms] == ["arm_classification", "arm_localization", "odm_classification", "odm_localization"]
    np.testing.assert_allclose([x.item() for x in terms.values()],
                               [x.item() for x in (*first.values(), *second.values())], rtol=1e-6)


def test_gradients(monkeypatch):
    """Given the second step's targets: they depend on the first one, but no gradient flows through them."""
    net = small()
    raw, dense = trials.noisy(net), trials.batch(net)[1]
    labels, boxes = net._second_targets(doubled(raw), *dense[2:])
    monkeypatch.setattr(net, "_second_targets", lambda *_: (labels, boxes))
    trials.criterion_gradients(net, raw, dense)


def test_more_truths_than_the_second_step_sees():
    net = small()
    boxes = np.tile(np.array([[8, 8, 40, 40]], np.float32), (120, 1)) + np.arange(120)[:, None] / 10
    dense = net.encode([boxes], [np.arange(120) % 3])
    assert [part.shape for part in dense[2:]] == [(1, 100, 4), (1, 100)]


def test_keeps_what_it_promises():
    trials.compiles(small())
    trials.survives_empty_images(small(), [f"{step}_{term}" for step in ("arm", "odm")
                                           for term in ("classification", "localization")])
    assert set(trials.trains_by_plan(small).host) == {"tape"}


def test_learns_and_finds():
    tinycnn.manual_seed(0)
    trials.overfits(small(), 100, 1e-2, fall=0.2)


def test_inference():
    """Anchors filtered by the first step, refined twice; labels without background."""
    net = small()
    truth = np.array([[20, 24, 44, 50]], np.float32)
    raw = {name: x.astype(np.float32) for name, x in said(net).items()}
    raw["arm_logits"][0, :, 0] = 9
    raw["arm_logits"][0, 50] = 0, 3
    raw["odm_logits"][0, :, 0] = 9
    raw["odm_logits"][0, (50, 51), 2] = 20  # 51 is filtered
    half = net.anchors[50] / 2 + truth[0] / 2
    raw["arm_regression"][0, 50] = encode_deltas(half, net.anchors[50], SSD_VARIANCES)
    raw["odm_regression"][0, 50] = encode_deltas(truth[0], half, SSD_VARIANCES)
    found, = net.postprocess(raw)
    assert found.labels.tolist() == [1]
    np.testing.assert_allclose(found.boxes, truth, atol=1e-3)
    raw["arm_logits"][0, :, 0] = 20
    assert len(net.postprocess(raw)[0].boxes) == 0


@pytest.mark.parametrize(("call", "match"), [
    (lambda: small(100), "multiples of 64"),
    (lambda: RefineDet(models.shufflenet_v2_x0_5(features_only=True), 3, 64), "must give 4 maps"),
    (lambda: models.create_model("refinedet", backbone="vit"), "there is no model"),
    (lambda: small().encode([[[0, 0, 9, 9]]], [[3]]), "labels has 3"),
    (lambda: small().postprocess({name: x[:, 1:] for name, x in said(small()).items()}), "raw heads of"),
])
def test_what_is_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()


@pytest.mark.slow
def test_refinedet320():
    net = models.create_model("refinedet320_vgg16").eval()
    assert net.anchors.shape == (6375, 4)
    trials.compiles(net)
