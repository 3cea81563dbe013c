"""Which truth an anchor or a point answers for."""
import numpy as np

from .boxes import _iou


def match_anchors(planes, truths, row, best, which, tops, firsts, tied):
    # IN (4, p)  IN (m, 4)  (p,): unused  OUT (p,)  OUT (p,)  OUT (m,)  OUT (m,)  OUT (p,)
    """The best IoU of each anchor and of each truth, and with whom; a NaN counts as 0."""
    iou = np.nan_to_num(_iou(truths[:, None], planes.T[None]))
    best[:], tops[:] = iou.max(0), iou.max(1)
    which[:] = np.where(best > 0, iou.argmax(0), -1)
    firsts[:] = np.where(tops > 0, iou.argmax(1), -1)
    tied[:] = ((iou == tops[:, None]) & (tops > 0)[:, None]).any(0)


def assign_points(points, truths, which):  # IN (5, p)  IN (m, 4)  OUT (p,)
    """The smallest truth that a point lies in, whose sides are in its range and whose centre is within its radius."""
    x, y, low, high, radius = points[:, None]
    l, t, r, b = x - truths[:, :1], y - truths[:, 1:2], truths[:, 2:3] - x, truths[:, 3:] - y
    reach, apart = np.maximum(np.maximum(l, t), np.maximum(r, b)), np.maximum(abs(l - r), abs(t - b)) / 2
    inside = np.minimum(np.minimum(l, t), np.minimum(r, b)) > 0
    fits = inside & (reach >= low) & (reach <= high) & (apart < radius)
    area = (truths[:, 2] - truths[:, 0]) * (truths[:, 3] - truths[:, 1])
    size = np.where(fits, area[:, None], np.inf)
    which[:] = np.where(np.isfinite(size).any(0), size.argmin(0), -1)
