"""Distances between embeddings, whom to compare, class centres."""
import numpy as np


def row_distance_forward(x1, x2, p, eps, d):  # IN (r, n) (r, n)  OUT (r,)
    """d = |x1 - x2 + eps|_p."""
    d[:] = (np.abs(x1 - x2 + eps) ** p).sum(1) ** (1 / p)


def row_distance_backward(x1, x2, d, p, eps, g, gx):  # IN (r, n) (r, n) (r,) (r,)  OUT (r, n)
    """gx = g sign(e) (|e| / d)^(p - 1); 0 where d is 0."""
    e = x1 - x2 + eps
    ratio = np.abs(e) / np.where(d == 0, 1, d)[:, None]
    gx[:] = np.where(d == 0, 0, g)[:, None] * np.sign(e) * ratio ** (p - 1)


def distance_matrix_forward(x, d):  # IN (r, n)  OUT (r, r)
    """d_ij = |x_i - x_j|."""
    d[:] = np.sqrt(((x[:, None] - x) ** 2).sum(2))


def distance_matrix_backward(x, d, gd, gx):  # IN (r, n) (r, r) (r, r)  OUT (r, n)
    """gx_i = sum_j (gd_ij + gd_ji) (x_i - x_j) / d_ij; 0 where d_ij is 0."""
    factor = np.where(d == 0, 0, (gd + gd.T) / np.where(d == 0, 1, d))
    gx[:] = (factor[:, :, None] * (x[:, None] - x)).sum(1)


def hardest_triplets(d, label, positive, negative):  # IN (r, r) (r,)  OUT (r,) (r,)
    """The farthest of the same label and the nearest of another, for each; -1 where there is none."""
    same = label[:, None] == label
    others = same & ~np.eye(len(d), dtype=bool)
    positive[:] = np.where(others.any(1), np.where(others, d, -np.inf).argmax(1), -1)
    negative[:] = np.where(same.all(1), -1, np.where(same, np.inf, d).argmin(1))


def semi_hard_triplets(d, label, margin, negative):  # IN (r, r) (r,)  OUT (r, r)
    """For anchor and positive: the nearest negative beyond, in squares by less than margin; -1 where none is."""
    negative[:] = -1
    far = d * d
    for i, j in np.argwhere((label[:, None] == label) & ~np.eye(len(d), dtype=bool)):
        fits = (label != label[i]) & (far[i] > far[i, j]) & (far[i] < far[i, j] + margin)
        if fits.any():
            negative[i, j] = np.where(fits, d[i], np.inf).argmin()


def center_forward(x, target, centers, difference, loss):  # IN (r, n) (r,) (c, n)  OUT (r, n) (r,)
    """loss = |x - its centre|^2 / 2."""
    difference[:] = x - centers[target]
    loss[:] = (difference ** 2).sum(1) / 2


def center_backward(difference, g, gx):  # IN (r, n) g  OUT (r, n)
    """gx = g (x - its centre)."""
    gx[:] = difference * g[:, None]
