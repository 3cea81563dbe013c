"""How well boxes (x1, y1, x2, y2) agree, each with each; arrays here broadcast, coordinates on the last axis."""
import numpy as np


def _area(boxes):
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _intersection(a, b):
    w = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    h = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    return np.where((w > 0) & (h > 0), w * h, 0)


def _hull(a, b):
    """Sides of the smallest box around both."""
    return (np.maximum(a[..., 2], b[..., 2]) - np.minimum(a[..., 0], b[..., 0]),
            np.maximum(a[..., 3], b[..., 3]) - np.minimum(a[..., 1], b[..., 1]))


def _ratio(p, q):
    """p / q, 0 where q is 0."""
    return np.divide(p, q, out=np.zeros_like(p), where=q != 0)


def _aspect(boxes):
    """arctan(w / h); 0 for a box without both."""
    w, h = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.arctan(np.where(w == 0, 0, w / h))


def _centre_term(a, b, eps):
    cw, ch = _hull(a, b)
    d = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2
    return (d**2).sum(-1) / (cw**2 + ch**2 + eps)


def _aspect_term(a, b, iou, eps):
    """alpha v."""
    v = 4 / np.pi**2 * (_aspect(b) - _aspect(a))**2
    return v * v / (1 - iou + v + eps)


def _pairs(boxes1, planes2):
    return boxes1[:, None], planes2.T[None]


def _iou(a, b):
    common = _intersection(a, b)
    return _ratio(common, _area(a) + _area(b) - common)


def box_iou(boxes1, planes2, y):  # IN (n, 4)  IN (4, m)  OUT (n, m)
    """Intersection over union; 0 where the union has no area."""
    y[:] = _iou(*_pairs(boxes1, planes2))


def generalized_box_iou(boxes1, planes2, y):  # IN (n, 4)  IN (4, m)  OUT (n, m)
    """IoU - (C - U) / C, C the area of the smallest box around both."""
    a, b = _pairs(boxes1, planes2)
    cw, ch = _hull(a, b)
    union = _area(a) + _area(b) - _intersection(a, b)
    y[:] = _iou(a, b) - _ratio(cw * ch - union, cw * ch)


def distance_box_iou(boxes1, planes2, eps, y):  # IN (n, 4)  IN (4, m)  OUT (n, m)
    """IoU - d^2 / (cw^2 + ch^2 + eps)."""
    a, b = _pairs(boxes1, planes2)
    y[:] = _iou(a, b) - _centre_term(a, b, eps)


def complete_box_iou(boxes1, planes2, eps, y):  # IN (n, 4)  IN (4, m)  OUT (n, m)
    """The former less alpha v."""
    a, b = _pairs(boxes1, planes2)
    iou = _iou(a, b)
    y[:] = iou - _centre_term(a, b, eps) - _aspect_term(a, b, iou, eps)


def best_iou(boxes, truths, best):  # IN (n, p, 4)  IN (n, m, 4)  OUT (n, p)
    """The largest IoU of each box with any truth of its image; a NaN counts as 0."""
    best[:] = np.maximum(0, np.nan_to_num(_iou(boxes[:, :, None], truths[:, None]))).max(2)
