"""Operations that move whole channels."""


def channel_shuffle(x, y, groups):  # IN (n, c, p)  OUT (n, c, p)
    """Channels as a matrix of `groups` rows, transposed."""
    n, c, p = x.shape
    y[:] = x.reshape(n, groups, c // groups, p).swapaxes(1, 2).reshape(n, c, p)
