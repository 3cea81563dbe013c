"""The first YOLO's loss against equation 3 written out in loops, its gradients against differences, and refusals."""
import numpy as np
import pytest

from tinycnn import Tensor, losses

TERMS = ["box", "objectness", "noobj", "class"]


def iou(a, b):
    """Of (x, y, w, h) about the centre."""
    w = min(a[0] + a[2]/2, b[0] + b[2]/2) - max(a[0] - a[2]/2, b[0] - b[2]/2)
    h = min(a[1] + a[3]/2, b[1] + b[3]/2) - max(a[1] - a[3]/2, b[1] - b[3]/2)
    common = w*h if w > 0 and h > 0 else 0
    return common/(a[2]*a[3] + b[2]*b[3] - common)



def overlaps(pred, labels, boxes):
    """IoU of each predicted box with its cell's truth, in the image's units."""
    s = labels.shape[1]
    result = np.zeros(pred.shape[:4])
    for n, i, j, b in np.ndindex(*pred.shape[:4]):
        if labels[n, i, j] >= 0:
            one, two = (((box[0] + j)/s, (box[1] + i)/s, max(box[2], 0), max(box[3], 0))
                        for box in (pred[n, i, j, b], boxes[n, i, j]))
            result[n, i, j, b] = iou(one, two)
    return result


def root(x):
    return np.sqrt(x) if x >= 1e-4 else 0.01 + (x - 1e-4)/0.02


def formula(pred, classes, labels, boxes, held):
    """Equation 3, cell by cell; `held`: the overlaps, through which no gradient flows."""
    total = dict.fromkeys(TERMS, 0.0)
    for n, i, j in np.ndindex(*labels.shape):
        there = labels[n, i, j] >= 0
        best = held[n, i, j].argmax()
        for b, (x, y, w, h, confidence) in enumerate(pred[n, i, j]):
            if there and b == best:
                tx, ty, tw, th = boxes[n, i, j]
                total["box"] += 5*((x - tx)**2 + (y - ty)**2 + (root(w) - root(tw))**2 + (root(h) - root(th))**2)
                total["objectness"] += (confidence - held[n, i, j, b])**2
            else:
                total["noobj"] += 0.5*confidence**2
        if there:
            truth = np.eye(classes.shape[-1])[labels[n, i, j]]
            total["class"] += ((classes[n, i, j] - truth)**2).sum()
    return {name: value/len(labels) for name, value in total.items()}


def example(seed, n=2, s=3, b=2, c=3):
    rng = np.random.default_rng(seed)
    boxes = np.concatenate([rng.random((n, s, s, 2)), rng.uniform(0.05, 0.9, (n, s, s, 2))], -1)
    near = boxes[:, :, :, None] + rng.normal(0, 0.05, (n, s, s, b, 4))
    pred = np.concatenate([near, rng.random((n, s, s, b, 1))], -1)
    return pred, rng.random((n, s, s, c)), rng.choice([-1, -1, 0, c - 1], (n, s, s)), boxes


def run(arguments, names=TERMS):
    pred, classes = (Tensor(x, requires_grad=True) for x in arguments[:2])
    terms = losses.YOLOv1Loss()(pred, classes, *arguments[2:])
    assert list(terms) == TERMS
    assert all(term.shape == () for term in terms.values())
    sum(terms[name] for name in names).backward()
    zero = [np.zeros(x.shape) for x in arguments[:2]]
    return ({name: term.item() for name, term in terms.items()},
            *(z if x.grad is None else x.grad for x, z in zip((pred, classes), zero)))


@pytest.mark.parametrize(("seed", "b"), [(0, 2), (1, 1), (2, 3)])
def test_is_equation_3(seed, b):
    arguments = example(seed, b=b)
    got = run(arguments)[0]
    want = formula(*arguments, overlaps(arguments[0], *arguments[2:]))
    assert got == pytest.approx(want, rel=1e-6)  # IoU has an eps of 1e-7


@pytest.mark.parametrize("name", TERMS)
def test_gradients_are_those_of_the_equation(name):
    """Differences of the formula, in which the overlaps keep their values."""
    arguments = example(3, n=1)
    arguments[0][0, 0, 0, :, 2] = -0.02  # sides below 0
    arguments[0][0, 1, 1, :, 3] = 5e-5
    arguments[2][0, [0, 1], [0, 1]] = 1
    held = overlaps(arguments[0], *arguments[2:])
    for at, gx in enumerate(run(arguments, [name])[1:]):
        for place in np.ndindex(gx.shape):
            sides = []
            for step in (1e-6, -1e-6):
                moved = [x.copy() for x in arguments]
                moved[at][place] += step
                sides.append(formula(*moved, held)[name])
            assert gx[place] == pytest.approx((sides[0] - sides[1])/2e-6, abs=1e-5)


def test_sides_of_0_and_below_are_drawn_upwards():
    pred, classes, labels, boxes = example(4)
    pred[..., 2:4] = np.array([0, -5])
    labels[:] = 0
    _, gx, _ = run((pred, classes, labels, boxes))
    assert np.isfinite(gx).all()
    assert (gx[:, :, :, 0, 2:4] < 0).all()  # all overlaps are 0: the first box is responsible


def test_no_objects_leave_the_confidences():
    pred, classes, labels, boxes = example(5)
    terms, gx, gc = run((pred, classes, np.full_like(labels, -1), np.full_like(boxes, np.nan)))
    assert terms == {"box": 0, "objectness": 0, "noobj": pytest.approx(0.25*(pred[..., 4]**2).sum()), "class": 0}
    assert not gx[..., :4].any()
    assert not gc.any()


def test_nan_predictions_are_survived():
    pred, classes, labels, boxes = example(6)
    pred[0, 0, 0] = np.nan
    labels[0, 0, 0] = 1
    assert np.isnan(run((pred, classes, labels, boxes))[0]["box"])


def test_float32_and_weights():
    arguments = [x.astype("f") if x.dtype.kind == "f" else x for x in example(7)]
    one, two = losses.YOLOv1Loss()(*arguments), losses.YOLOv1Loss(lambda_coord=10, lambda_noobj=1)(*arguments)
    assert all(term.dtype == np.float32 for term in one.values())
    assert two["box"].item() == pytest.approx(2*one["box"].item())
    assert two["noobj"].item() == pytest.approx(2*one["noobj"].item())
    assert two["class"].item() == one["class"].item()


def changed(at, value):
    return [value if i == at else x for i, x in enumerate(example(0))]


@pytest.mark.parametrize(("at", "value", "error", "message"), [
    (0, np.zeros((2, 3, 3, 5)), ValueError, r"pred must be \(N, S, S, B, 5\), got the shape \(2, 3, 3, 5\)"),
    (0, np.zeros((2, 3, 4, 2, 5)), ValueError, r"pred must be \(N, S, S, B, 5\)"),
    (0, np.zeros((0, 3, 3, 2, 5)), ValueError, ".* no elements"),
    (1, np.zeros((2, 3, 3)), ValueError, r"classes has shape \(2, 3, 3\), expected \(2, 3, 3\) and C"),
    (1, np.zeros((1, 3, 3, 3)), ValueError, r"classes has shape \(1, 3, 3, 3\), expected \(2, 3, 3\) and C"),
    (1, np.zeros((2, 3, 3, 0)), ValueError, r"classes of shape \(2, 3, 3, 0\) has no elements"),
    (1, np.zeros((2, 3, 3, 3), "f"), TypeError, "classes has the type float32, expected float64"),
    (2, np.zeros((2, 3), int), ValueError, r"labels has shape \(2, 3\), expected \(2, 3, 3\)"),
    (2, np.full((2, 3, 3), 3), ValueError, r"label at \(0, 0, 0\) is 3, expected -1 <= label < 3"),
    (2, np.zeros((2, 3, 3)), TypeError, "labels must be integers"),
    (3, np.zeros((2, 3, 3, 5)), ValueError, r"boxes has shape \(2, 3, 3, 5\), expected \(2, 3, 3, 4\)"),
])
def test_refusals(at, value, error, message):
    with pytest.raises(error, match=f"YOLOv1Loss: {message}"):
        losses.YOLOv1Loss()(*changed(at, value))
