"""What losses of classes, and gradients of softmax, touch (`_kernels/engine/train/loss.pxi`); see `engine.check`."""
from __future__ import annotations

from collections.abc import Callable, Iterator

from ..check_plain import result
from ..spans import Fields, PlanError, Span, arena, constants, not_negative, positive

PAIR_LOSSES = 11  # that train/pairs.pxi knows
MOST_PARTS = 64  # of a sum


def classes(f: Fields) -> int:
    """What the classes of all pixels extend over."""
    positive(f, "rows", "k")
    not_negative(f, "px", "ys")
    return (f.k - 1) // f.width * f.ys + (f.rows - 1) * f.px + f.width


def targets(f: Fields, extent: int) -> Iterator[Span]:
    """Class numbers of the caller, one for each pixel, or distributions; weights of classes."""
    yield Span(f.mode, 0, f.rows) if f.mode >= 0 else arena(f.s, extent)
    yield constants(f.w, -(-f.k // f.width) * f.width)


def cross_entropy(f: Fields) -> Iterator[Span]:
    """See train/loss.pxi."""
    extent = classes(f)
    yield arena(f.x, extent)
    yield from targets(f, extent)
    yield arena(f.t, 2 * f.rows, written=True)
    yield result(f, f.rows)


def loss_mean(f: Fields) -> Iterator[Span]:
    """See train/loss.pxi."""
    classes(f)
    yield arena(f.x, f.rows)
    if f.kh and f.mode >= 0:
        yield from targets(f, 0)
    yield arena(f.t, 1, written=True)
    yield result(f, 1)


def cross_entropy_gradient(f: Fields) -> Iterator[Span]:
    """See train/loss.pxi."""
    extent = classes(f)
    yield arena(f.x, extent)
    yield from targets(f, extent)
    yield arena(f.t, 2 * f.rows)
    yield arena(f.g, f.rows if f.kh else 1)
    if f.z >= 0:
        yield arena(f.z, 1)
    if f.add >= 0:
        yield arena(f.add, extent)
    yield arena(f.y, extent, written=True)


def softmax_gradient(f: Fields) -> Iterator[Span]:
    """See train/loss.pxi."""
    positive(f, "rows", "k", "n")
    size = f.rows * f.k * f.n
    yield arena(f.x, size)
    yield arena(f.g, size)
    yield arena(f.y, size, written=True)


def pairs(f: Fields) -> Iterator[Span]:
    """What losses of pairs read, both ways."""
    positive(f, "n")
    if f.mode not in range(PAIR_LOSSES):
        raise PlanError(f"mode {f.mode}, expected a loss from 0 to {PAIR_LOSSES - 1}")
    for start in (f.x, f.s):
        yield arena(start, f.n)
    for start in (f.z, f.a):
        if start >= 0:
            yield arena(start, f.n)
    yield constants(f.w, 3)


def pair_loss(f: Fields) -> Iterator[Span]:
    """See train/pairs.pxi."""
    yield from pairs(f)
    if not f.kh:
        yield result(f, f.n)
        return
    positive(f, "rows")
    if f.rows > MOST_PARTS:
        raise PlanError(f"a sum in {f.rows} parts, at most {MOST_PARTS}")
    yield arena(f.t, f.rows, written=True)


def pair_gradient(f: Fields) -> Iterator[Span]:
    """See train/pairs.pxi."""
    yield from pairs(f)
    yield arena(f.g, f.n if f.kh else 1)
    yield arena(f.y, f.n, written=True)


LOSSES: dict[str, Callable[[Fields], Iterator[Span]]] = {
    "cross_entropy": cross_entropy, "loss_mean": loss_mean, "cross_entropy_gradient": cross_entropy_gradient,
    "softmax_gradient": softmax_gradient, "pair_loss": pair_loss, "pair_gradient": pair_gradient,
}
