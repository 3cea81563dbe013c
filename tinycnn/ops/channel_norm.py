"""Normalisation across the channels of one pixel: to length 1, or against the strongest responses near by."""
from __future__ import annotations

import numpy as np

from .._kernels import kernels, scratch
from ..autograd import Function
from .contracts import as_tensor, planes, require_elements


class L2Norm(Function, op="l2_norm"):
    """Each pixel's vector of channels with length 1, then scaled channel by channel."""

    inputs = ("x", "weight")
    attributes = ("eps",)
    eps: float

    def shapes(self, x, weight):
        """The shape of x."""
        if len(x) < 2:
            raise ValueError(f"l2_norm: x must be (N, C, ...), got the shape {x}")
        require_elements("l2_norm", "x", x)
        if weight is not None and weight != x[1:2]:
            raise ValueError(f"l2_norm: weight has shape {weight}, expected {x[1:2]} for x of shape {x}")
        return x

    def forward(self, x, weight):
        """y = weight x inverse."""
        n, c, p = planes(x.shape)
        weight = np.ones(c, x.dtype) if weight is None else weight
        y, inverse = np.empty_like(x), np.empty((n, p), x.dtype)
        kernels(x.dtype).l2_norm_forward(x.reshape(n, c, p), weight, y.reshape(n, c, p), inverse, self.eps)
        self.save(x=x, weight=weight, inverse=inverse)
        return y

    def backward(self, gy):
        saved, shape, kernel = self.saved, planes(gy.shape), kernels(gy.dtype)
        gx, gw = np.empty_like(gy), np.empty_like(saved.weight)
        kernel.l2_norm_backward(saved.x.reshape(shape), gy.reshape(shape), saved.weight, saved.inverse,
                                gx.reshape(shape), gw, scratch(kernel.l2_norm_scratch(*shape), gy.dtype), self.eps)
        return gx, gw


class LocalResponseNorm(Function, op="local_response_norm"):
    """x (k + alpha / size times the squares of channels near by)^-beta."""

    attributes = ("size", "alpha", "beta", "k")
    size: int
    alpha: float
    beta: float
    k: float

    def shapes(self, x):
        """The shape of x."""
        if len(x) < 3:
            raise ValueError(f"local_response_norm: x must be (N, C, L), (N, C, H, W) or of more axes, "
                             f"got the shape {x}")
        require_elements("local_response_norm", "x", x)
        return x

    def forward(self, x):
        """y = x d^-beta."""
        shape, y, d = planes(x.shape), np.empty_like(x), np.empty_like(x)
        kernels(x.dtype).local_response_norm_forward(x.reshape(shape), y.reshape(shape), d.reshape(shape), self.size,
                                                     self.alpha, self.beta, self.k)
        self.save(x=x, d=d)
        return y

    def backward(self, gy):
        shape, gx = planes(gy.shape), np.empty_like(gy)
        x, d = self.saved.x.reshape(shape), self.saved.d.reshape(shape)
        kernels(gy.dtype).local_response_norm_backward(x, d, gy.reshape(shape), gx.reshape(shape),
                                                       scratch(gy.size, gy.dtype), self.size, self.alpha, self.beta)
        return gx


def l2_norm(x, weight=None, eps: float = 1e-12):
    """x (N, C, ...), each pixel's vector of channels divided by its length: weight x / max(|x|, eps).

    weight: (C,), the learned scale of each channel, or None for 1.  A vector of zeros gives zeros, and its gradient is
    weight gy / eps, which is large but finite.  Raises ValueError where an argument does not fit.
    Liu, Rabinovich and Berg, "ParseNet", 2016, section 3.3, as in Liu et al., "SSD", ECCV 2016, for conv4_3.

    >>> import numpy as np
    >>> l2_norm(np.array([[3, 4], [0, 0]], "f"), np.array([10, 10], "f")).numpy().round(3).tolist()
    [[6.0, 8.0], [0.0, 0.0]]
    """
    return L2Norm.apply(x, weight, eps=float(eps))


def normalize(x, p: float = 2.0, dim: int = 1, eps: float = 1e-12):
    """x / max(|x|, eps), with the length along an axis: for embeddings, (N, C).

    Raises ValueError for a norm other than p = 2, and where x has no axis `dim`.

    >>> from tinycnn import Tensor
    >>> normalize(Tensor([[3.0, 4.0]])).numpy().round(3).tolist()
    [[0.6..., 0.8...]]
    """
    if p != 2:
        raise ValueError(f"normalize: only the norm p=2 is there, got p={p!r}")
    x = as_tensor(x)
    if not -x.ndim <= dim < x.ndim:
        raise ValueError(f"normalize: axis dim={dim} is none of x, of shape {x.shape}")
    dim %= x.ndim
    if dim == 1:
        return l2_norm(x, eps=eps)
    others = [i for i in range(x.ndim) if i != dim]
    rows = x.transpose((*others, dim)).reshape(-1, x.shape[dim])
    back = l2_norm(rows, eps=eps).reshape(*(x.shape[i] for i in others), x.shape[dim])
    return back.transpose([int(i) for i in np.argsort((*others, dim))])


def local_response_norm(x, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
    """x (N, C, L) or (N, C, H, W), each element divided by how strong the channels near by are at that pixel.

    y_c = x_c (k + alpha / size sum x_j^2)^-beta, over the channels j from c - size // 2 to c + (size - 1) // 2 that
    there are: alpha counts a mean over `size` channels, as in torch and Caffe, where the paper's counts the sum.  The
    gradient is gy_j d_j^-beta - 2 alpha beta / size x_j sum gy_c x_c d_c^(-beta - 1), with d the bracket and the sum
    over those c in whose window j is.  Raises ValueError for a size below 1 or an x of fewer than three axes.
    Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks", NIPS 2012,
    section 3.3.

    >>> import numpy as np
    >>> y = local_response_norm(np.full((1, 3, 1), 2.0), size=3, alpha=3, beta=1)
    >>> y.numpy().ravel().round(4).tolist()
    [0.2222, 0.1538, 0.2222]

    which is 2 / (1 + 8), 2 / (1 + 12), 2 / (1 + 8).
    """
    if size < 1:
        raise ValueError(f"local_response_norm: size must be at least 1, got {size!r}")
    return LocalResponseNorm.apply(x, size=int(size), alpha=float(alpha), beta=float(beta), k=float(k))
