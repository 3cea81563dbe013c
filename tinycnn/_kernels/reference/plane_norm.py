"""Passes over planes x (R, P) with a few numbers for each: what switchable normalisation is made of."""
import numpy as np


def plane_moments(x, mean, variance):  # IN (r, p)  OUT (r,)  OUT (r,)
    """Mean and (biased) variance of each plane."""
    exact = x.astype(np.float64)
    mean[:], variance[:] = exact.mean(1), exact.var(1)


def plane_affine(x, mean, scale, bias, y):  # IN (r, p)  IN (r,)  IN (r,)  IN (r,)  OUT (r, p)
    """y = (x - mean) scale + bias."""
    y[:] = (x - mean[:, None]) * scale[:, None] + bias[:, None]


def plane_gradient_sums(x, gy, mean, total, product):  # IN (r, p)  IN (r, p)  IN (r,)  OUT (r,)  OUT (r,)
    """Sums over each plane of gy, and of gy (x - mean)."""
    total[:], product[:] = gy.sum(1), (gy * (x - mean[:, None])).sum(1)


def plane_gradient(x, gy, mean, scale, slope, offset, gx):
    # IN (r, p)  IN (r, p)  IN (r,)  IN (r,)  IN (r,)  IN (r,)  OUT (r, p)
    """gx = scale gy + slope (x - mean) + offset."""
    gx[:] = scale[:, None] * gy + slope[:, None] * (x - mean[:, None]) + offset[:, None]
