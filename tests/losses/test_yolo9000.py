"""Joint training of detection and classification: the terms, their gradients, and that both kinds of images teach."""
import numpy as np
import pytest

import tinycnn
from tinycnn import Tensor, optim
from tinycnn.detection import YOLOScale, decode_logistic, pad_truths, yolo_priors, yolo_targets
from tinycnn.losses import WordTree, YOLO9000Loss, YOLOv2Loss
from tinycnn.models.darknet import convolution
from tinycnn.nn import Conv2d, MaxPool2d, Sequential, init
from tinycnn.ops.boxes import box_iou

TREE = WordTree.from_nested(["animal", ["dog", "cat"], "vehicle", ["car", "bus"]])
NODES, STRIDE = len(TREE), 16
ANCHORS = ((16.0, 20.0), (36.0, 24.0))
LOSS = YOLO9000Loss(ANCHORS, TREE, STRIDE)


def example(seed, n=3, h=2, w=3):
    """Image 0 has two boxes, one of them with the label of an inner node; 1 and 2 have a class alone."""
    rng = np.random.default_rng(seed)
    boxes = [[[2, 3, 20, 22], [16, 4, 46, 30]], [], []]
    kinds = [[TREE.names.index("dog"), TREE.names.index("vehicle")], [], []]
    (labels, dense, _), = yolo_targets(boxes, kinds, [(h, w)], [YOLOScale(STRIDE, ANCHORS)])
    truths = pad_truths(boxes).astype(float)
    image_labels = np.array([-1, TREE.names.index("bus"), TREE.names.index("animal")])
    return rng.normal(0, 1, (n, 2 * (5 + NODES), h, w)), labels, dense.astype(float), truths, image_labels


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def of_images(raw, image_labels, threshold=0.0):
    """The terms written out: the place where objectness times probability is largest."""
    n, _, h, w = raw.shape
    rows = raw.reshape(n, 2, 5 + NODES, h, w)
    classes = objectness = 0.0
    for image, label in zip(rows, image_labels):
        if label < 0:
            continue
        best = (-1.0, 0.0, 0.0)
        for a, i, j in np.ndindex(2, h, w):
            t = image[a, :, i, j]
            p, confidence = TREE.probabilities(t[5:])[label], sigmoid(t[4])
            best = max(best, (confidence * p, p, confidence))
        if best[0] > threshold:
            classes -= np.log(best[1])
            objectness += 5 * max(0, 0.3 - best[2])**2
    return classes / n, objectness / n


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("threshold", [0.0, 0.25])
def test_images_with_a_class_alone(seed, threshold):
    raw, *targets = example(seed)
    raw[:, [4, 15]] -= 2  # so that the assumed overlap matters
    terms = YOLO9000Loss(ANCHORS, TREE, STRIDE, threshold=threshold)(raw, *targets)
    want = of_images(raw, targets[-1], threshold)
    assert (terms["image_class"].item(), terms["image_objectness"].item()) == pytest.approx(want, rel=1e-9)


def test_class_of_boxes_is_the_way_to_the_label():
    raw, labels, boxes, truths, image_labels = example(1)
    terms = LOSS(raw, labels, boxes, truths, image_labels)
    rows = raw.reshape(3, 2, 5 + NODES, 2, 3)
    want = sum(-np.log(TREE.probabilities(rows[n, a, 5:, i, j])[labels[n, a, i, j]])
               for n, a, i, j in np.argwhere(labels >= 0)) / 3
    assert terms["class"].item() == pytest.approx(want, rel=1e-9)


def test_other_terms_are_those_of_version_2():
    raw, labels, boxes, truths, image_labels = example(2)
    ignored = np.where((image_labels >= 0).reshape(-1, 1, 1, 1), -2, labels)
    plain = YOLOv2Loss(ANCHORS, STRIDE)(raw, ignored, boxes, truths)
    ours = LOSS(raw, labels, boxes, truths, image_labels)
    assert list(ours) == [*plain, "image_class", "image_objectness"]
    for name in ("box", "objectness", "noobj"):
        assert ours[name].item() == pytest.approx(plain[name].item(), rel=1e-12)


def test_gradients():
    raw, *targets = example(3)

    def criterion(raw):
        terms = LOSS(raw, *targets)  # the IoU that objectness aims at counts as given
        return sum(terms[name] for name in ("box", "noobj", "class", "image_class", "image_objectness"))
    assert tinycnn.gradcheck(criterion, [Tensor(raw, requires_grad=True)])


def test_only_one_place_of_such_an_image_is_taught():
    raw, *targets = example(4)
    x = Tensor(raw, requires_grad=True)
    sum(LOSS(x, *targets).values()).backward()
    slopes = x.grad.reshape(3, 2, 5 + NODES, 2, 3)[1:]
    assert not slopes[:, :, :4].any()  # no box
    assert (np.count_nonzero(np.abs(slopes[:, :, 5:]).sum(2).reshape(2, -1), axis=1) == 1).all()
    animal = np.abs(slopes[1, :, 5:]).sum((0, 2, 3)) > 0
    assert animal.tolist() == [True, True, False, False, False, False]  # nothing below an inner node


def test_a_batch_of_one_kind():
    raw, labels, boxes, truths, _ = example(5)
    terms = LOSS(raw, labels, boxes, truths, np.full(3, -1))
    assert terms["image_class"].item() == terms["image_objectness"].item() == 0
    terms = LOSS(raw, labels, boxes, truths, np.full(3, 2))
    assert all(terms[name].item() == 0 for name in ("box", "objectness", "noobj", "class"))


@pytest.mark.parametrize(("change", "error", "message"), [
    ({"image_labels": np.array([0, 1])}, ValueError, r"image_labels has shape \(2,\), expected \(3,\)"),
    ({"image_labels": np.array([0, 1, NODES])}, ValueError, r"label at \(2,\) is 6, expected -1 <= label < 6"),
    ({"image_labels": np.zeros(3)}, TypeError, "labels must be integers"),
    ({"raw": np.zeros((3, 24, 2, 3))}, ValueError, "raw has logits of 7 nodes, expected 6"),
])
def test_refusals(change, error, message):
    arguments = dict(zip(("raw", "labels", "boxes", "truths", "image_labels"), example(0))) | change
    with pytest.raises(error, match=message):
        LOSS(*arguments.values())


def test_options():
    with pytest.raises(ValueError, match=r"YOLO9000Loss: threshold must be within \[0, 1\], got 2"):
        YOLO9000Loss(ANCHORS, TREE, threshold=2)
    raw, *targets = example(6)
    raw[:, [4, 15]] -= 3
    assert YOLO9000Loss(ANCHORS, TREE, STRIDE, assumed_iou=0)(raw, *targets)["image_objectness"].item() == 0


def pictures(seed, names, n):
    """A rectangle each, of the colour and stripes of its kind: what shares a parent shares the colour."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 0.05, (n, 3, 48, 48)).astype(np.float32)
    boxes, labels = [], []
    for image in x:
        name = names[int(rng.integers(len(names)))]
        w, h = rng.integers(16, 28, 2)
        left, top = rng.integers(0, [48 - w, 48 - h])
        part = image[:, top:top + h, left:left + w]
        part[0 if name in ("dog", "cat") else 2] += 2
        part[1, ::4 if name in ("dog", "car") else 1] += 1
        boxes.append([[left, top, left + w, top + h]])
        labels.append(TREE.names.index(name))
    return x, boxes, labels


def train(net, scale, boxed, alone, before=40, steps=60):
    """Totals of the loss over pictures with boxes, labelled by what their kind is a kind of, and others with their kind
    alone, which are left out before: who does not know yet where things are cannot choose a place.
    """
    (x, boxes, kinds), (others, _, classes) = boxed, alone
    every, none = boxes + [[]] * len(others), [[]] * len(others)
    parents = [[TREE.parents[kind]] for kind in kinds]
    (labels, dense, _), = yolo_targets(every, parents + none, [(3, 3)], [scale])
    labels[len(x):] = -2
    both = labels, dense, pad_truths(every), np.array([-1] * len(x) + classes)
    x, loss = np.concatenate([x, others]), YOLO9000Loss(scale.anchors, TREE, STRIDE)
    step = tinycnn.compile_training_step(net, lambda raw, dense: loss(raw, *dense),
                                         optim.Adam(net.parameters(), 5e-3), (x, both))
    for _ in range(before):
        step(x, (*both[:3], np.full(len(x), -1)))
    return [step(x, both) for _ in range(steps)]


def test_boxes_and_classes_teach_together():
    """Where something is, and that it is an animal, is learnt from some; that it is a dog from others without boxes."""
    tinycnn.manual_seed(0)
    head = Conv2d(32, 2 * (5 + NODES), 1)
    net = Sequential(convolution(3, 16, 3), MaxPool2d(2), convolution(16, 16, 3), MaxPool2d(2), convolution(16, 32, 3),
                     MaxPool2d(2), convolution(32, 32, 3), MaxPool2d(2), head)
    init.normal(head.weight, 0.01)
    scale, leaves = YOLOScale(STRIDE, ((20.0, 20.0), (26.0, 26.0))), ["dog", "cat", "car", "bus"]
    totals = train(net, scale, pictures(1, leaves, 24), pictures(2, leaves, 24))
    assert totals[-1] < 0.3 * totals[0]
    x, boxes, kinds = pictures(3, leaves, 24)
    raw = net.eval()(x).numpy()
    rows = raw.reshape(24, 2, 5 + NODES, 9).transpose(0, 1, 3, 2).reshape(24, -1, 5 + NODES)
    at = np.arange(24), rows[..., 4].argmax(1)
    priors, _, _ = yolo_priors([(3, 3)], [scale])
    found = decode_logistic(rows[at][:, :4], priors[at[1]], STRIDE)
    overlap = np.diag(box_iou(found, np.concatenate(boxes).astype(np.float32)))
    assert np.median(overlap) > 0.5
    assert np.mean(TREE.deepest(TREE.probabilities(rows[at][:, 5:]), 0.5) == kinds) > 0.7  # by chance 0.5: dog or cat
