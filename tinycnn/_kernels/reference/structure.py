"""Operations that move or scale whole channels."""
import numpy as np


def channel_shuffle(x, y, groups):  # IN (n, c, p)  OUT (n, c, p)
    """Channels as a matrix of `groups` rows, transposed."""
    n, c, p = x.shape
    y[:] = x.reshape(n, groups, c // groups, p).swapaxes(1, 2).reshape(n, c, p)


def concat_shuffle_split_forward(a, b, left, right):  # IN (n, c, p)  IN (n, c, p)  OUT (n, c, p)  OUT (n, c, p)
    """Channels of a and b in turn, the first half of them and the second."""
    n, c, p = a.shape
    left[:], right[:] = np.split(np.stack([a, b], 2).reshape(n, 2 * c, p), 2, 1)


def concat_shuffle_split_backward(gleft, gright, ga, gb):  # IN (n, c, p)  IN (n, c, p)  OUT (n, c, p)  OUT (n, c, p)
    """Every second channel of both halves, joined."""
    both = np.concatenate([gleft, gright], 1)
    ga[:], gb[:] = both[:, ::2], both[:, 1::2]


def scale_channels_forward(x, s, y):  # IN (i, p)  IN (i,)  OUT (i, p)
    """y[i] = s[i] x[i]."""
    y[:] = x * s[:, None]


def scale_channels_backward(x, s, gy, gx, gs):  # IN (i, p)  IN (i,)  IN (i, p)  OUT (i, p)  OUT (i,)
    """gx[i] = s[i] gy[i]; gs[i] = sum of gy[i] x[i]."""
    gx[:] = gy * s[:, None]
    gs[:] = (gy * x).sum(1)
