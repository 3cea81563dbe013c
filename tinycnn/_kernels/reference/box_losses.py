"""Losses of boxes against boxes, pair by pair; their gradients step by step, as the chain rule reads."""
import numpy as np

from .boxes import _area, _aspect, _aspect_term, _centre_term, _hull, _intersection, _ratio

_LINEAR, _LOGARITHMIC, _GENERALIZED, _DISTANCE, _COMPLETE = range(5)


def box_loss_forward(boxes1, boxes2, kind, eps, loss):  # IN (n, 4)  IN (n, 4)  OUT (n,)
    """1 - IoU (kind 0), -ln IoU (1), 1 - GIoU (2), 1 - DIoU (3) or 1 - CIoU (4)."""
    common = _intersection(boxes1, boxes2)
    union = _area(boxes1) + _area(boxes2) - common
    iou = common / (union + eps)
    loss[:] = -np.log(np.maximum(iou, eps)) if kind == _LOGARITHMIC else 1 - iou
    if kind == _GENERALIZED:
        cw, ch = _hull(boxes1, boxes2)
        loss += (cw * ch - union) / (cw * ch + eps)
    if kind >= _DISTANCE:
        loss += _centre_term(boxes1, boxes2, eps)
    if kind == _COMPLETE:
        loss += _aspect_term(boxes1, boxes2, iou, eps)


def _area_gradient(boxes):
    """d area / d (x1, y1, x2, y2)."""
    w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return np.stack([-h, -w, h, w], 1)


def _larger(a, b):
    """How much of the larger of two numbers is the first: 1, 0, or a half."""
    return (np.sign(a - b) + 1) / 2


def _intersection_gradient(a, b):
    """d I / d a."""
    overlap = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    across = np.where((overlap > 0).all(1)[:, None], overlap[:, ::-1], 0)
    return np.concatenate([-across * _larger(a[:, :2], b[:, :2]), across * _larger(b[:, 2:], a[:, 2:])], 1)


def _hull_gradient(a, b, gw, gh):
    """gw d cw / d a + gh d ch / d a."""
    g = np.stack([gw, gh], 1)
    return np.concatenate([-g * _larger(b[:, :2], a[:, :2]), g * _larger(a[:, 2:], b[:, 2:])], 1)


def _centre_gradient(a, b, eps):
    """d (d^2 / (cw^2 + ch^2 + eps)) / d a."""
    cw, ch = _hull(a, b)
    diagonal, term = (cw**2 + ch**2 + eps), _centre_term(a, b, eps)
    d = (a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]) / 2 / diagonal[:, None]
    return np.concatenate([d, d], 1) - _hull_gradient(a, b, 2 * term * cw / diagonal, 2 * term * ch / diagonal)


def _aspect_gradient(a, b, iou, eps):
    """alpha d v / d a, alpha constant."""
    difference = _aspect(b) - _aspect(a)
    v = 4 / np.pi**2 * difference**2
    w, h = a[:, 2] - a[:, 0], a[:, 3] - a[:, 1]
    turn = _ratio(-8 / np.pi**2 * difference * v / (1 - iou + v + eps), w**2 + h**2)
    return turn[:, None] * np.stack([-h, w, h, -w], 1)


def _gradient(a, b, kind, eps):
    """d loss / d a."""
    common = _intersection(a, b)
    union = _area(a) + _area(b) - common
    iou = common / (union + eps)
    d_common = _intersection_gradient(a, b)
    d_union = _area_gradient(a) - d_common
    d_iou = (d_common - iou[:, None] * d_union) / (union + eps)[:, None]
    if kind == _LOGARITHMIC:
        return np.where((iou > eps)[:, None], -d_iou / np.maximum(iou, eps)[:, None], 0)
    gradient = -d_iou
    if kind == _GENERALIZED:
        cw, ch = _hull(a, b)
        hull = (cw * ch + eps)[:, None]
        d_hull = _hull_gradient(a, b, ch, cw)
        gradient += (d_hull - d_union) / hull - (cw * ch - union)[:, None] * d_hull / hull**2
    if kind >= _DISTANCE:
        gradient += _centre_gradient(a, b, eps)
    if kind == _COMPLETE:
        gradient += _aspect_gradient(a, b, iou, eps)
    return gradient


def box_loss_backward(boxes1, boxes2, kind, eps, g, g1, g2):
    # IN (n, 4)  IN (n, 4)  IN (n,)  OUT (n, 4)  OUT (n, 4)
    """g d loss / d boxes1 and g d loss / d boxes2; alpha of kind 4 is held constant."""
    g1[:] = g[:, None] * _gradient(boxes1, boxes2, kind, eps)
    g2[:] = g[:, None] * _gradient(boxes2, boxes1, kind, eps)
