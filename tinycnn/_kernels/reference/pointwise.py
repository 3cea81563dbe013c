"""1x1 convolutions, which are matrix products over (image, pixel)."""
import numpy as np


def _grouped(array, groups):  # (N, C, P) as (N, groups, C/groups, P)
    n, channels, pixels = array.shape
    return array.reshape(n, groups, channels // groups, pixels)


def pointwise_forward(x, w, b, y, scratch):  # IN (N, C, P)  IN (O, C/groups)  IN (O,) | None  OUT (N, O, P)
    """y[n,o,p] = b[o] + sum over c of w[o,c] x[n,c,p], c over the channels of o's group."""
    groups = x.shape[1] // w.shape[1]
    y[:] = np.einsum("ngcp,goc->ngop", _grouped(x, groups), w.reshape(groups, -1, w.shape[1])).reshape(y.shape)
    if b is not None:
        y += b[:, None]


def pointwise_backward_input(gy, w, gx, scratch):  # IN (N, O, P)  IN (O, C/groups)  OUT (N, C, P)
    """gx[n,c,p] = sum over o of w[o,c] gy[n,o,p]."""
    groups = gx.shape[1] // w.shape[1]
    gx[:] = np.einsum("ngop,goc->ngcp", _grouped(gy, groups), w.reshape(groups, -1, w.shape[1])).reshape(gx.shape)


def pointwise_backward_weight(x, gy, gw, accumulate, scratch):  # IN (N, C, P)  IN (N, O, P)  OUT (O, C/groups)
    """gw[o,c] = sum over n and p of gy[n,o,p] x[n,c,p]; added to gw where `accumulate` holds."""
    groups = x.shape[1] // gw.shape[1]
    total = np.einsum("ngop,ngcp->goc", _grouped(gy, groups), _grouped(x, groups)).reshape(gw.shape)
    gw[:] = gw + total if accumulate else total


def channel_sum(gy, gb):  # IN (N, C, P)  OUT (C,)
    """gb[c] = sum over n and p of gy[n,c,p]: the gradient of a bias."""
    gb[:] = gy.sum((0, 2))
