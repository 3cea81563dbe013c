"""The transforms of Winograd's F(2x2, 3x3)."""
import numpy as np

INPUT = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])  # B transposed
KERNEL = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])  # G
OUTPUT = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])  # A transposed


def winograd_scratch(tw):
    """Elements of scratch memory that `winograd_input` wants per thread; the twin wants none."""
    return 0


def winograd_weight(w, u, rotated):  # IN (o, c, 3, 3)  OUT (16, o, c)
    """U = G g G'; rotated: of the kernels turned by 180 degrees."""
    g = w[:, :, ::-1, ::-1] if rotated else w
    u[:] = (KERNEL @ g @ KERNEL.T).reshape(*w.shape[:2], 16).transpose(2, 0, 1)


def winograd_input(x, v, scratch, first, th, tw, top, left):  # IN (n, c, h, w)  OUT (16, c, rows tw)
    """V = B' d B for rows of tiles first, ...; tile (p, q) of an image starts at (2 p - top, 2 q - left)."""
    n, c, h, w = x.shape
    padded = np.zeros((n, c, 2*th + 2 + abs(top) + h, 2*tw + 2 + abs(left) + w), x.dtype)
    padded[:, :, max(top, 0):max(top, 0) + h, max(left, 0):max(left, 0) + w] = x
    padded = padded[:, :, max(-top, 0):, max(-left, 0):]
    for t in range(v.shape[2]):
        image, p, q = (first + t//tw)//th, (first + t//tw)%th, t%tw
        v[:, :, t] = (INPUT @ padded[image, :, 2*p:2*p + 4, 2*q:2*q + 4] @ INPUT.T).reshape(c, 16).T


def winograd_output(m, b, y, first):  # IN (16, o, rows tw)  IN (o,) or None  OUT (n, o, oh, ow)
    """Y = A' M A + b for rows of tiles first, ...; what hangs over the edge is dropped."""
    th, tw = -(-y.shape[2]//2), -(-y.shape[3]//2)
    for t in range(m.shape[2]):
        image, p, q = (first + t//tw)//th, (first + t//tw)%th, t%tw
        tile = OUTPUT @ m[:, :, t].T.reshape(-1, 4, 4) @ OUTPUT.T + (0 if b is None else b[:, None, None])
        out = y[image, :, 2*p:2*p + 2, 2*q:2*q + 2]
        out[:] = tile[:, :out.shape[1], :out.shape[2]]
