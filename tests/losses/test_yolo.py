"""YOLO's losses, versions 2 to 4, against the papers' terms written out in loops; gradients, masks, refusals."""
import numpy as np
import pytest

from tinycnn import Tensor, losses

TERMS = ["box", "objectness", "noobj", "class"]
ANCHORS, STRIDE, THRESHOLD = ((10.0, 14.0), (40.0, 22.0)), 16, 0.2
LOSSES = {
    "v2": losses.YOLOv2Loss(ANCHORS, STRIDE, ignore_threshold=THRESHOLD),
    "v3": losses.YOLOv3Loss(ANCHORS, STRIDE, ignore_threshold=THRESHOLD),
    "v3 bce": losses.YOLOv3Loss(ANCHORS, STRIDE, ignore_threshold=THRESHOLD, xy="bce"),
    "v4": losses.YOLOv4Loss(ANCHORS, STRIDE, ignore_threshold=THRESHOLD),
    "v4 scaled": losses.YOLOv4Loss(ANCHORS, STRIDE, ignore_threshold=THRESHOLD, scale_xy=1.2),
}


def sigmoid(x):
    return 1/(1 + np.exp(-x))


def bce(x, t):
    return -(t*np.log(sigmoid(x)) + (1 - t)*np.log(1 - sigmoid(x)))


def decode(t, a, i, j, stretch):
    x, y = ((sigmoid(v)*stretch - (stretch - 1)/2 + cell)*STRIDE for v, cell in zip(t[:2], (j, i)))
    w, h = np.exp(t[2:4])*ANCHORS[a]
    return np.array([x - w/2, y - h/2, x + w/2, y + h/2])


def iou(a, b):
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = w*h if w > 0 and h > 0 else 0
    area = [(c[2] - c[0])*(c[3] - c[1]) for c in (a, b)]
    return common/(sum(area) - common)


def ciou_terms(a, b):
    """1 - DIoU, v, alpha."""
    centres = ((a[0] + a[2] - b[0] - b[2])/2)**2 + ((a[1] + a[3] - b[1] - b[3])/2)**2
    hull = (max(a[2], b[2]) - min(a[0], b[0]))**2 + (max(a[3], b[3]) - min(a[1], b[1]))**2
    v = 4/np.pi**2*(np.arctan2(b[2] - b[0], b[3] - b[1]) - np.arctan2(a[2] - a[0], a[3] - a[1]))**2
    return 1 - iou(a, b) + centres/hull, v, v/(1 - iou(a, b) + v)


def places(raw):
    """(n, a, i, j) and what is said there."""
    (n, channels, h, w), a = raw.shape, len(ANCHORS)
    by_anchor = raw.reshape(n, a, channels//a, h, w)
    for at in np.ndindex(n, a, h, w):
        yield at, by_anchor[at[0], at[1], :, at[2], at[3]]


def held_values(kind, raw, labels, boxes, truths):
    """What no gradient flows through: the IoU with the truth, alpha of CIoU, and whether "no object" is asked."""
    stretch, held = LOSSES[kind].scale_xy, {}
    for at, t in places(raw):
        box = decode(t, *at[1:], stretch)
        best = max((iou(box, truth) for truth in truths[at[0]]), default=0)
        there = labels[at] >= 0
        held[at] = (iou(box, boxes[at]) if there else None, ciou_terms(box, boxes[at])[2] if there else None,
                    labels[at] == -1 and best <= THRESHOLD)
    return held


def box_term(kind, t, at, box, alpha):
    if kind.startswith("v4"):
        distance, v, _ = ciou_terms(decode(t, *at[1:], LOSSES[kind].scale_xy), box)
        return distance + alpha*v
    centre, size = (box[:2] + box[2:])/2/STRIDE - (at[3], at[2]), np.log((box[2:] - box[:2])/ANCHORS[at[1]])
    xy = bce(t[:2], centre) if kind == "v3 bce" else (sigmoid(t[:2]) - centre)**2
    return xy.sum() + ((t[2:4] - size)**2).sum()


def formula(kind, raw, labels, boxes, held):
    total = dict.fromkeys(TERMS, 0.0)
    for at, t in places(raw):
        overlap, alpha, empty = held[at]
        if labels[at] >= 0:
            total["box"] += box_term(kind, t, at, boxes[at], alpha)
            total["objectness"] += 5*(sigmoid(t[4]) - overlap)**2 if kind == "v2" else bce(t[4], 1)
            truth = np.eye(len(t) - 5)[labels[at]]
            if kind == "v2":
                total["class"] += np.log(np.exp(t[5:]).sum()) - t[5 + labels[at]]
            else:
                total["class"] += bce(t[5:], truth).sum()
        elif empty:
            total["noobj"] += sigmoid(t[4])**2 if kind == "v2" else bce(t[4], 0)
    return {name: value/len(raw) for name, value in total.items()}


def example(seed, n=2, h=2, w=3, c=3):
    """Two truths an image, each at the anchor of its cell; the predictions near it, so that some overlap enough."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(0, 0.7, (n, len(ANCHORS)*(5 + c), h, w))
    labels, boxes = np.full((n, 2, h, w), -1), np.full((n, 2, h, w, 4), np.nan)
    truths = np.zeros((n, 4, 4))
    for image in range(n):
        for k in range(2):
            i, j = int(rng.integers(h)), k + int(rng.integers(2))*(w - 2)
            centre, size = (rng.random(2) + np.array([j, i]))*STRIDE, np.array(ANCHORS[k])*rng.uniform(0.7, 1.5, 2)
            truths[image, k] = np.concatenate([centre - size/2, centre + size/2])
            labels[image, k, i, j], boxes[image, k, i, j] = rng.integers(c), truths[image, k]
    labels[0, 1, 0, 0] = -2 if labels[0, 1, 0, 0] < 0 else labels[0, 1, 0, 0]
    return raw, labels, boxes, truths


def run(kind, arguments, names=TERMS):
    raw = Tensor(arguments[0], requires_grad=True)
    terms = LOSSES[kind](raw, *arguments[1:])
    assert list(terms) == TERMS
    assert all(term.shape == () for term in terms.values())
    sum(terms[name] for name in names).backward()
    return {name: term.item() for name, term in terms.items()}, raw.grad


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("seed", range(3))
def test_is_the_papers_terms(kind, seed):
    arguments = example(seed)
    raw, labels, boxes, _ = arguments
    held = held_values(kind, *arguments)
    assert len({empty for *_, empty in held.values()}) == 2
    assert any(labels[at] == -1 and not empty for at, (_, _, empty) in held.items()), "nothing is ignored"
    assert run(kind, arguments)[0] == pytest.approx(formula(kind, raw, labels, boxes, held), rel=1e-8)


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("kind", LOSSES)
def test_gradients_are_those_of_the_terms(kind, name):
    """Differences of the formula, in which overlaps, masks and alpha keep their values."""
    raw, labels, boxes, truths = example(3, n=1, h=2, w=2, c=2)
    held = held_values(kind, raw, labels, boxes, truths)
    _, gx = run(kind, (raw, labels, boxes, truths), [name])
    assert gx.any()
    for place in np.ndindex(raw.shape):
        sides = []
        for step in (1e-6, -1e-6):
            moved = raw.copy()
            moved[place] += step
            sides.append(formula(kind, moved, labels, boxes, held)[name])
        assert gx[place] == pytest.approx((sides[0] - sides[1])/2e-6, abs=1e-6)


@pytest.mark.parametrize("kind", LOSSES)
class TestSpecialTargets:
    def test_ignored_places_get_no_gradient(self, kind):
        raw, labels, _, truths = example(4)
        terms, gx = run(kind, (raw, np.full_like(labels, -2), np.full((*labels.shape, 4), np.nan), truths))
        assert terms == dict.fromkeys(TERMS, 0)
        assert not gx.any()

    @pytest.mark.parametrize("most", [0, 3])
    def test_an_image_without_objects(self, kind, most):
        raw, labels, boxes, _ = example(5)
        terms, gx = run(kind, (raw, np.full_like(labels, -1), np.zeros_like(boxes), np.zeros((2, most, 4))))
        assert terms["box"] == terms["objectness"] == terms["class"] == 0
        assert (gx.reshape(2, 2, 8, 2, 3)[:, :, 4] > 0).all()  # every objectness goes down
        assert not np.delete(gx.reshape(2, 2, 8, 2, 3), 4, 2).any()

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_huge_outputs_stay_finite(self, kind, dtype):
        arguments = [x.astype(dtype) if x.dtype.kind == "f" else x for x in example(6)]
        for scale in (1e3, -1e3):
            terms, gx = run(kind, (np.full_like(arguments[0], scale), *arguments[1:]))
            assert np.isfinite(list(terms.values())).all()
            assert np.isfinite(gx).all()
            assert gx.dtype == dtype

    def test_nan_outputs_are_survived(self, kind):
        raw, *targets = example(7)
        assert np.isnan(run(kind, (np.full_like(raw, np.nan), *targets))[0]["box"])

    def test_zero_logits_are_no_kink(self, kind):
        """A fresh head says 0 everywhere; there the logistic loss has the slope σ(0) - t."""
        raw, labels, boxes, truths = example(8)
        _, gx = run(kind, (np.zeros_like(raw), labels, boxes, truths), ["class"])
        place = tuple(np.argwhere(labels >= 0)[0])
        slopes = gx.reshape(2, 2, 8, 2, 3)[place[0], place[1], 5:, place[2], place[3]]*2
        want = np.full(3, 1/3 if kind == "v2" else 1/2)
        want[labels[place]] -= 1
        assert slopes == pytest.approx(want)


def test_weights():
    arguments = example(9)
    one = run("v3", arguments)[0]
    two = losses.YOLOv3Loss(ANCHORS, STRIDE, THRESHOLD, weights={"box": 2.5, "noobj": 0.5})(*arguments)
    assert {name: two[name].item()/one[name] for name in TERMS} == pytest.approx(
        {"box": 2.5, "objectness": 1, "noobj": 0.5, "class": 1})


@pytest.mark.parametrize(("options", "message"), [
    ({"anchors": []}, "YOLOv3Loss: anchors and stride must be positive"),
    ({"anchors": [(3, 4), (5, -1)]}, r"anchors and stride must be positive, got \[\(3, 4\), \(5, -1\)\]"),
    ({"stride": 0}, "anchors and stride must be positive"),
    ({"xy": "l1"}, "xy must be 'sse' or 'bce', got 'l1'"),
    ({"weights": {"iou": 1}}, r"weights has \['iou'\], expected some of \['box', 'objectness', 'noobj', 'class'\]"),
])
def test_options_that_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        losses.YOLOv3Loss(**{"anchors": ANCHORS, "stride": STRIDE, **options})


def changed(at, value):
    return [value if i == at else x for i, x in enumerate(example(0))]


@pytest.mark.parametrize("kind", ["v2", "v3", "v4"])
@pytest.mark.parametrize(("at", "value", "error", "message"), [
    (0, np.zeros((2, 15, 2, 3)), ValueError, r"raw must be \(N, 2 \(5 \+ C\), H, W\).*\(2, 15, 2, 3\)"),
    (0, np.zeros((2, 10, 2, 3)), ValueError, r"raw must be \(N, 2 \(5 \+ C\), H, W\)"),
    (0, np.zeros((16, 2, 3)), ValueError, r"raw must be .* got the shape \(16, 2, 3\)"),
    (0, np.zeros((0, 16, 2, 3)), ValueError, ".* no elements"),
    (1, np.zeros((2, 2, 3, 2), int), ValueError, r"labels has shape \(2, 2, 3, 2\), expected \(2, 2, 2, 3\)"),
    (1, np.full((2, 2, 2, 3), 3), ValueError, r"label at \(0, 0, 0, 0\) is 3, expected -2 <= label < 3"),
    (1, np.full((2, 2, 2, 3), -3), ValueError, r"label at \(0, 0, 0, 0\) is -3"),
    (1, np.zeros((2, 2, 2, 3)), TypeError, "labels must be integers"),
    (2, np.zeros((2, 2, 2, 3)), ValueError, r"boxes has shape \(2, 2, 2, 3\), expected \(2, 2, 2, 3, 4\)"),
    (2, np.zeros((2, 2, 2, 3, 4), "f"), TypeError, "boxes has the type float32, expected float64"),
    (3, np.zeros((1, 4, 4)), ValueError, r"truths has shape \(1, 4, 4\), expected \(2, 4, 4\)"),
    (3, np.zeros((2, 4, 4), "f"), TypeError, "truths has the type float32, expected float64"),
    (2, np.full((2, 2, 2, 3, 4), 7.0), ValueError, r"box at .* is \[7.0, 7.0, 7.0, 7.0\], expected x1 < x2"),
    (2, np.full((2, 2, 2, 3, 4), np.nan), ValueError, r"box at .* is \[nan, nan, nan, nan\], expected x1 < x2"),
])
def test_refusals(kind, at, value, error, message):
    with pytest.raises(error, match=f"YOLO{kind}Loss: {message}"):
        LOSSES[kind](*changed(at, value))
