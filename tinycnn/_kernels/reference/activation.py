"""Element-wise activations and their gradients."""
import numpy as np


def relu_forward(x, y):  # IN (n,)  OUT (n,)
    """y = max(x, 0)."""
    y[:] = np.maximum(x, 0)


def relu_backward(x, gy, gx):  # IN (n,)  IN (n,)  OUT (n,)
    """gx = gy where x > 0, else 0."""
    gx[:] = np.where(x > 0, gy, 0)
