"""YOLO v2, v3 and v3-tiny: their published sizes, what is encoded and decoded, training, compiled forms."""
import numpy as np
import pytest
import trials
from trials import pictures
from zoo.counting import multiply_adds

import tinycnn
from tinycnn import models, optim
from tinycnn.data.detection import multi_scale_size
from tinycnn.detection import PUBLISHED, YOLOScale, encode_logistic, yolo_priors
from tinycnn.models.darknet import PlainDarknet

SCALES = (YOLOScale(32, ((30.0, 20.0), (20.0, 30.0), (28.0, 28.0))), YOLOScale(16, ((16.0, 16.0), (24.0, 14.0))),
          YOLOScale(8, ((8.0, 8.0), (12.0, 18.0))))
SMALL = {
    "yolov2": {"scales": SCALES[:1], "width": 64},
    "yolov3": {"scales": SCALES, "width": 0.0625},
    "yolov3_tiny": {"scales": SCALES[:2], "width": 0.25},
}
by_name = pytest.mark.parametrize("name", SMALL)


def small(name, **options):
    tinycnn.manual_seed(0)
    given = {"num_classes": 3, "size": 64, "backbone": PlainDarknet((0,) * 5, width=0.25, features_only=True)}
    return models.create_model(name, **{**given, **SMALL[name], **options})


# ---------------------------------------------------------------- the published networks
@pytest.mark.parametrize(("name", "numbers"), [
    ("yolov2", 50_983_561), ("yolov3", 62_001_757), ("yolov3_tiny", 8_858_734)])
def test_numbers_of_darknets_files(name, numbers, blank):
    net = models.create_model(name)
    assert sum(value.size for value in net.state_dict().values() if value.ndim) == numbers


def test_shares_of_backbone_and_rest(blank):
    net = models.create_model("yolov3")
    backbone = 2 * multiply_adds(net.backbone, 416) / 1e3
    assert backbone == pytest.approx(49.0, abs=0.05)
    assert 2 * multiply_adds(net, 416) / 1e3 - backbone == pytest.approx(16.8, abs=0.05)


def test_published_settings(blank):
    nets = {name: models.create_model(name) for name in SMALL}
    assert [loss.ignore_threshold for loss in nets["yolov3"].losses] == [0.5] * 3
    assert [loss.ignore_threshold for loss in nets["yolov3_tiny"].losses] == [0.7] * 2
    assert nets["yolov3_tiny"].scales[1].anchors == PUBLISHED["yolov3_tiny"][1].anchors
    assert nets["yolov2"].probabilities(np.log([[1.0, 3.0]])).tolist() == [[0.25, pytest.approx(0.75)]]
    assert nets["yolov3"].probabilities(np.zeros((1, 2))).tolist() == [[0.5, 0.5]]


def test_the_passthrough_takes_darknets_pixels_or_the_papers():
    x, nets = np.random.default_rng(0).uniform(0, 1, (1, 3, 64, 64)).astype(np.float32), [small("yolov2").eval(), None]
    nets[1] = small("yolov2", reorg=False).eval()
    nets[1].load_state_dict(nets[0].state_dict())
    darknet, paper = (net(x)[0].numpy() for net in nets)
    assert darknet.shape == paper.shape
    assert np.abs(darknet - paper).max() > 1e-3 * np.abs(paper).max()


# ---------------------------------------------------------------- truths and detections
def said(net, boxes, labels):
    """Raw heads that say the truths, each at the anchor that answers for it, and surely nothing elsewhere."""
    dense = net.encode(boxes, labels)
    raw = []
    for scale, found, where in zip(net.scales, dense[:-1:3], dense[1:-1:3]):
        n, a, h, w = found.shape
        priors = yolo_priors([(h, w)], [scale])[0].reshape(a, h, w, 4)
        codes = np.full((n, a, h, w, 5 + net.num_classes), -20, np.float32)
        there = np.nonzero(found >= 0)
        codes[(*there, slice(4))] = encode_logistic(where[there], priors[there[1:]], scale.stride)
        codes[(*there, 4)], codes[(*there, 5 + found[there])] = 20, 20
        raw.append(codes.transpose(0, 1, 4, 2, 3).reshape(n, -1, h, w))
    return tuple(raw)


@by_name
def test_what_is_encoded_is_decoded(name):
    net, (_, boxes, labels) = small(name), pictures(3, 64)
    for found, truths, classes in zip(net.decode(said(net, boxes, labels)), boxes, labels):
        order = np.lexsort(found.boxes.T[::-1])
        expected = np.lexsort(truths.T[::-1])
        np.testing.assert_allclose(found.boxes[order], truths[expected], atol=0.01)
        assert found.labels[order].tolist() == classes[expected].tolist()
        assert (found.scores > 0.99).all()


@by_name
def test_decoding_agrees_with_the_formulas(name):
    """Box by box, without the short cut by objectness; Redmon and Farhadi, 2018, figure 2."""
    net = small(name, score_threshold=0.3, iou_threshold=1.0, max_detections=10_000)
    rng = np.random.default_rng(0)
    raw = [rng.normal(0, 1.5, (1, net.outputs(s), 64 // s.stride, 64 // s.stride)).astype(np.float32)
           for s in net.scales]
    expected = []
    for scale, of_map in zip(net.scales, raw):
        t = of_map.astype(np.float64).reshape(len(scale.anchors), 8, *of_map.shape[2:])
        for a, row, column in np.ndindex(t.shape[0], *t.shape[2:]):
            tx, ty, tw, th, to, *classes = t[a, :, row, column]
            x, y = ((1 / (1 + np.exp(-v)) + cell) * scale.stride for v, cell in ((tx, column), (ty, row)))
            w, h = np.exp([tw, th]) * scale.anchors[a] / 2
            powers = np.exp(classes)
            shares = powers / powers.sum() if name == "yolov2" else powers / (1 + powers)
            for label, score in enumerate(shares / (1 + np.exp(-to))):
                if score > 0.3:
                    expected.append([score, label, *np.clip([x - w, y - h, x + w, y + h], 0, 64)])
    found, = net.decode(raw)
    assert len(expected) > 5
    got = np.column_stack([found.scores, found.labels, found.boxes])
    np.testing.assert_allclose(got, sorted(expected, reverse=True), rtol=1e-4, atol=1e-3)


@by_name
def test_nothing_is_found_where_nothing_is(name):
    net = small(name, score_threshold=0.0)
    raw = said(net, [[]], [[]])
    assert len(net.decode(raw)[0].boxes) <= net.max_detections
    net.score_threshold = 0.5
    assert [len(array) for array in net.decode(raw)[0]] == [0, 0, 0]


@by_name
def test_a_label_beyond_the_classes_is_refused(name):
    with pytest.raises(ValueError, match=r"encode: labels has 3, but there are 3 classes"):
        small(name).encode([[[0, 0, 9, 9]]], [[3]])


def test_more_truths_than_are_compared_are_still_looked_for():
    boxes = [[[i, 8, i + 8, 20] for i in range(50)] * 2]
    dense = small("yolov3").encode(boxes, [[1] * 100])
    assert dense[-1].shape == (1, 90, 4)


@pytest.mark.parametrize(("options", "match"), [
    ({"backbone": models.create_model("shufflenet_v2_x0_5")}, "built with features_only=True"),
    ({"scales": [YOLOScale(64, ((9, 9),))] * 3}, r"maps at the reductions \[64, 64, 64\], got"),
    ({"size": 100}, "multiples of 32"), ({"num_classes": 0}, "num_classes")])
def test_what_is_refused(options, match):
    with pytest.raises(ValueError, match=match):
        small("yolov3", **options)


# ---------------------------------------------------------------- losses
@by_name
def test_the_truth_costs_next_to_nothing(name):
    net, (_, boxes, labels) = small(name), pictures(3, 64)
    terms = net.criterion(said(net, boxes, labels), net.encode(boxes, labels))
    assert set(terms) == {"box", "objectness", "noobj", "class"}
    assert all(0 <= term.item() < 1e-3 for term in terms.values()), terms


@by_name
def test_nothing_at_all_costs_what_can_be_counted(name):
    """All outputs 0, an image without objects: log 2 or 1/4 for each anchor of each cell."""
    net = small(name)
    raw = [np.zeros((1, net.outputs(s), 64 // s.stride, 64 // s.stride), np.float32) for s in net.scales]
    terms = net.criterion(raw, net.encode([[]], [[]]))
    anchors = sum(len(s.anchors) * (64 // s.stride)**2 for s in net.scales)
    assert terms["noobj"].item() == pytest.approx(anchors * (0.25 if name == "yolov2" else np.log(2)), rel=1e-5)
    assert [terms[key].item() for key in ("box", "objectness", "class")] == [0, 0, 0]


@pytest.mark.parametrize("name", ["yolov2", "yolov3_tiny"])
def test_gradients_by_differences(name):
    net = small(name, size=32)
    moves = {"objectness"} if name == "yolov2" else set()  # its target moves with the box, without a gradient
    trials.criterion_gradients(net, trials.noisy(net, 2, 0.5), trials.batch(net, 2)[1],
                               {"box", "objectness", "noobj", "class"} - moves)


@by_name
def test_weights_are_factors_of_what_objects_cost(name):
    """MixUp: Zhang et al., 2019, section 3.1; "no object" is asked as before."""
    net, (_, boxes, labels) = small(name), pictures(3, 64)
    raw = trials.noisy(net)
    full, half = (net.criterion(raw, trials.in_double(net.encode(boxes, labels, weights)))
                  for weights in (None, [np.full(len(of_image), 0.5) for of_image in labels]))
    assert full["noobj"].item() == half["noobj"].item()
    for term in ("box", "objectness", "class"):
        assert half[term].item() == pytest.approx(full[term].item() / 2)
    one = net.encode(boxes, labels, [np.array([0.25, 1]), np.ones(2), np.ones(0)])
    counts = np.concatenate([weights[found >= 0] for found, weights in zip(one[:-1:3], one[2:-1:3])])
    assert sorted(counts) == [0.25, 1, 1, 1]


# ---------------------------------------------------------------- training, compiled forms
@by_name
def test_keeps_what_it_promises(name):
    trials.compiles(small(name), (96, 32))
    trials.survives_empty_images(small(name), ("box", "objectness", "class"))
    trials.trains_by_plan(lambda: small(name))


def test_multi_scale_training_on_planned_steps():
    """Redmon and Farhadi, 2017, section 2: the size changes from step to step."""
    net = small("yolov3_tiny")
    optimizer, step, sizes = optim.SGD(net.parameters(), lr=1e-3), None, [64, 96, 64, 128]
    for i, size in enumerate(sizes):
        net.size = (size, size)
        x, dense = trials.batch(net, 2, seed=i)
        assert dense[0].shape[2:] == (size // 32, size // 32)
        step = step or tinycnn.compile_training_step(net, net.criterion, optimizer, (x, dense))
        assert np.isfinite(step(x, dense))
        found = net.postprocess(net(x))
        assert all((one.boxes <= size).all() for one in found)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [0, 10, 20])
def test_sizes_of_multi_scale_training(batch):
    net, size = small("yolov3_tiny"), multi_scale_size(batch)
    net.size = (size, size)
    x, dense = trials.batch(net, 1)
    terms = net.criterion(net(x), dense)
    assert all(np.isfinite(term.item()) for term in terms.values())


def test_it_learns_three_images():
    trials.overfits(small("yolov3_tiny"), 80, 5e-3, fall=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["yolov2", "yolov3"])
def test_the_others_learn_them_too(name):
    trials.overfits(small(name), 200, 5e-3, fall=0.05)
