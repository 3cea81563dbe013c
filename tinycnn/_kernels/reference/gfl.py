"""Quality focal loss and distribution focal loss."""
import numpy as np

from .softmax import log_softmax_forward as _log_softmax
from .softmax import softmax_forward as _softmax


def _quality(x, y):
    """d = y - p, the binary cross-entropy, and p (1 - p), where p = sigmoid(x)."""
    e = np.exp(-np.abs(x))
    small = e / (1 + e)
    difference = np.where(x > 0, y - 1 + small, y - small)
    return difference, np.maximum(x, 0) - x * y + np.log1p(e), small / (1 + e)


def quality_focal_loss_forward(x, y, beta, loss):  # IN (n,)  IN (n,)  OUT (n,)
    """loss = |y - sigmoid(x)|^beta times the binary cross-entropy."""
    difference, entropy, _ = _quality(x, y)
    loss[:] = np.abs(difference)**beta * entropy


def quality_focal_loss_backward(x, y, beta, g, gx):  # IN (n,)  IN (n,)  IN (n,)  OUT (n,)
    """gx = g d loss / dx; where y = sigmoid(x), the factor's part is 0."""
    difference, entropy, spread = _quality(x, y)
    size = np.abs(difference)
    slope = np.where(size == 0, 0, -beta * np.where(size == 0, 1, size)**(beta - 1) * np.sign(difference))
    gx[:] = g * (entropy * slope * spread - difference * size**beta)


def _two_bins(x, label):
    """The share of each label in each bin: what lies between two is divided by distance."""
    low = np.minimum(label.astype(int), x.shape[1] - 2)
    q, rows = np.zeros_like(x), np.arange(len(x))
    q[rows, low], q[rows, low + 1] = low + 1 - label, label - low
    return q


def distribution_focal_loss_forward(x, label, loss, y):  # IN (r, c)  IN (r,)  OUT (r,)  OUT (r, c)
    """loss = -sum of q log softmax(x), q the label's share in each bin; y = softmax(x)."""
    _log_softmax(x, y)
    loss[:] = -(_two_bins(x, label) * y).sum(1)
    _softmax(x, y)


def distribution_focal_loss_backward(y, label, g, gx):  # IN (r, c)  IN (r,)  IN (r,)  OUT (r, c)
    """gx = g (y - q), y = softmax(x)."""
    gx[:] = g[:, None] * (y - _two_bins(y, label))
