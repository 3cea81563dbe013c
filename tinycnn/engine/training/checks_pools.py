"""What gradients of pooling touch (`_kernels/engine/train/pool.pxi`); see `engine.check`."""
from __future__ import annotations

from collections.abc import Callable, Iterator

from ..spans import Fields, PlanError, Span, arena, not_negative, positive

LARGEST, MEAN_PADDED = 0, 2  # modes, of which the adaptive ones have no padding


def pool_gradient(f: Fields) -> Iterator[Span]:
    """See train/pool.pxi."""
    positive(f, "blocks", "images", "h", "wd", "oh", "ow")
    if f.mode not in range(MEAN_PADDED + (f.kh != 0)):
        raise PlanError(f"mode {f.mode} of a window of {f.kh} rows, expected 0, 1, or 2 with a window")
    if f.kh:
        positive(f, "kh", "kw", "sh", "sw", "dh", "dw")
        not_negative(f, "top", "left", "n", "px")
    vectors = f.blocks * f.images * f.width
    size, results = vectors * f.h * f.wd, vectors * f.oh * f.ow
    yield arena(f.y, size, written=True)
    yield arena(f.g, results)
    if f.add >= 0:
        yield arena(f.add, size)
    if f.mode == LARGEST or f.ga >= 0:
        yield arena(f.x, size)
    if f.mode == LARGEST:
        yield arena(f.r, results)
    for coefficients in (f.a, f.ga):
        if coefficients >= 0:
            yield arena(coefficients, 4 * f.blocks * f.width)
    if f.ga >= 0 and f.sums >= 0:
        yield arena(f.sums, 2 * vectors, written=True)


POOLS: dict[str, Callable[[Fields], Iterator[Span]]] = {"pool_gradient": pool_gradient}
