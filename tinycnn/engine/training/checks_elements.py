"""What the kernels of batch norm, depthwise convolution and element-wise passes of training plans touch."""
from __future__ import annotations

from collections.abc import Iterator

from ..check_maps import ALONE
from ..spans import Fields, PlanError, Span, arena, constants, not_negative, positive
from .planes import backward_frames, forward_frame

MOST_ROWS = 32  # of a depthwise kernel
MOST_EXTENT = 1 << 20  # of a map: its bands are looked at one by one
ACTIVATIONS = {*range(8), 3 + 32, 5 + 32}  # op.pxi; sigmoid and tanh told from their results too
DROPPING = 4  # ways to drop


# ---------------------------------------------------------------- parts
def extent(f: Fields) -> int:
    """Elements of a map in blocks of channels."""
    positive(f, "blocks", "images", "n")
    return f.blocks * f.images * f.n * f.width


def sums(f: Fields, written: bool = False) -> Iterator[Span]:
    """Two sums for each run of `rows` pixels and each block."""
    positive(f, "rows")
    runs = -(-f.images * f.n // f.rows)
    yield arena(f.sums, runs * f.blocks * 2 * f.width, written)


def sums_of_images(f: Fields) -> Iterator[Span]:
    """The same, of planes, if they are left."""
    if f.sums >= 0:
        yield arena(f.sums, f.images * f.blocks * 2 * f.width, written=True)


def optional(start: int, size: int, written: bool = False) -> Iterator[Span]:
    """A stretch of the arena that is there unless it begins at -1."""
    if start >= 0:
        yield arena(start, size, written)


def channels(f: Fields, array: int, *starts: int, written: bool = False) -> Iterator[Span]:
    """k numbers from each start on in an array of the caller's; -1: none."""
    if not (f.blocks - 1) * f.width < f.k <= f.blocks * f.width:
        raise PlanError(f"{f.k} channels in {f.blocks} blocks of {f.width}")
    for start in starts:
        if start >= 0:
            yield Span(array, start, start + f.k, written)


def coefficients(f: Fields, *starts: int, count: int = 4) -> Iterator[Span]:
    """Vectors for each block; -1: none."""
    for start in starts:
        yield from optional(start, f.blocks * count * f.width)


def one_of(name: str, value: int, count: int) -> None:
    """Refuse what is not in [0, count)."""
    if not 0 <= value < count:
        raise PlanError(f"{name} is {value}, expected 0 to {count - 1}")


def activation(f: Fields) -> None:
    """Refuse what no kernel computes."""
    if f.activation not in ACTIVATIONS:
        raise PlanError(f"activation {f.activation}")


# ---------------------------------------------------------------- batch norm
def batch_moments(f: Fields) -> Iterator[Span]:
    """See batch_norm.pxi."""
    yield arena(f.x, extent(f))
    yield from sums(f, written=True)


def batch_norm_finish(f: Fields) -> Iterator[Span]:
    """See batch_norm.pxi."""
    extent(f)
    one_of("mode", f.mode, 2)
    yield arena(f.y, f.blocks * 4 * f.width, written=True)
    yield from channels(f, f.parameters, f.w, f.b)
    if f.mode == 0:
        yield from sums(f)
    if f.mode == 1 or f.s >= 0:
        if min(f.s, f.z) < 0:
            raise PlanError(f"running statistics at {f.s} and {f.z}")
        yield from channels(f, f.statistics, f.s, f.z)
        yield from channels(f, f.statistics, f.s, f.z, written=True)


def batch_norm_back(f: Fields) -> Iterator[Span]:
    """See batch_norm.pxi."""
    extent(f)
    yield arena(f.y, f.blocks * 3 * f.width, written=True)
    yield arena(f.a, f.blocks * 4 * f.width)
    yield from sums(f)
    yield from channels(f, f.gradients, f.gw, f.b, written=True)


# ---------------------------------------------------------------- element by element
def affine_clip(f: Fields) -> Iterator[Span]:
    """See elements.pxi."""
    size = extent(f)
    activation(f)
    if f.mode not in range(9) or (f.mode != ALONE and (f.r < 0 or f.activation != 0)) or f.px not in (0, f.width):
        raise PlanError(f"mode {f.mode} with r at {f.r}, activation {f.activation}, px {f.px}")
    yield arena(f.x, size)
    yield arena(f.y, size, written=True)
    yield from optional(f.r, size if f.px else f.blocks * f.images * f.width)
    yield from coefficients(f, f.a, f.s)


def lazy_mean(f: Fields) -> Iterator[Span]:
    """See elements.pxi."""
    yield arena(f.x, extent(f))
    yield arena(f.y, f.blocks * f.images * f.width, written=True)
    yield from coefficients(f, f.a)


def gate_sums(f: Fields) -> Iterator[Span]:
    """See elements.pxi."""
    size, each = extent(f), f.blocks * f.images * f.width
    activation(f)
    positive(f, "rows")
    if f.px not in (0, f.width) or f.py not in (0, f.width):
        raise PlanError(f"px is {f.px} and py {f.py}, expected 0 or a vector")
    if f.rows != f.n and (f.px == 0 or (f.s >= 0 and f.py == 0)):
        raise PlanError(f"runs of {f.rows} pixels, expected planes of {f.n}")
    if f.s < 0 and f.py:
        raise PlanError("one factor that moves on")
    yield arena(f.x, size)
    yield arena(f.g, size if f.px else each)
    yield from optional(f.s, size if f.py else each)
    yield from optional(f.add, size)
    yield from optional(f.gx, size, written=True)
    yield from coefficients(f, f.ga)
    if f.sums >= 0:
        yield from sums(f, written=True)


def scale_back(f: Fields) -> Iterator[Span]:
    """See elements.pxi."""
    size, each = extent(f), f.blocks * f.images * f.width
    one_of("activation", f.activation, 1)
    yield arena(f.x, size)
    yield arena(f.g, size)
    yield arena(f.s, each)
    yield arena(f.y, each, written=True)
    yield from coefficients(f, f.a, f.ga)
    yield from optional(f.add, size)
    yield from optional(f.gx, size, written=True)
    yield from sums_of_images(f)


def blend(f: Fields) -> Iterator[Span]:
    """See elements.pxi."""
    size = extent(f)
    yield arena(f.x, size)
    yield arena(f.g, size)
    yield arena(f.c, f.blocks * 3 * f.width)
    yield from optional(f.add, size)
    yield arena(f.y, size, written=True)


def dropout(f: Fields) -> Iterator[Span]:
    """See dropout.pxi."""
    size = extent(f)
    one_of("mode", f.mode, DROPPING)
    yield from channels(f, 0)
    yield arena(f.x, size)
    yield arena(f.y, size, written=True)


# ---------------------------------------------------------------- picks
def lanes(f: Fields, start: int, tables: int, further: int) -> Iterator[Span]:
    """What offsets of lanes lead to, and `further` elements behind each."""
    low, high = f.table(start, tables * f.blocks * f.width)
    if low < -1:
        raise PlanError(f"an offset of {low}, expected at least -1")
    yield arena(max(low, 0), max(high, 0) - max(low, 0) + further + 1)


def pick(f: Fields) -> Iterator[Span]:
    """See pick.pxi."""
    size = extent(f)
    yield from lanes(f, f.off, 1, (f.images * f.n - 1) * f.width)
    yield from lanes(f, f.soff, 1, f.width)
    yield constants(f.w, 2 * f.blocks * f.width)
    yield arena(f.y, size, written=True)


def pick_back(f: Fields) -> Iterator[Span]:
    """See pick.pxi."""
    size = extent(f)
    positive(f, "k", "rows")
    activation(f)
    yield from lanes(f, f.off, f.k, (f.images * f.n - 1) * f.width)
    yield arena(f.x, size)
    yield from optional(f.add, size)
    yield arena(f.gx, size, written=True)
    yield from coefficients(f, f.ga)
    if f.sums >= 0:
        yield from sums(f, written=True)


# ---------------------------------------------------------------- depthwise convolution
def window(f: Fields) -> tuple[int, int, int]:
    """Elements of the input, of the output and of the packed weights."""
    positive(f, "blocks", "images", "h", "wd", "oh", "ow", "kh", "kw", "sh", "sw", "dh", "dw", "rows")
    not_negative(f, "top", "left")
    if f.kh > MOST_ROWS:
        raise PlanError(f"a depthwise kernel of {f.kh} rows, at most {MOST_ROWS}")
    if max(f.h, f.oh) > MOST_EXTENT:
        raise PlanError(f"maps of {f.h} and {f.oh} rows, at most {MOST_EXTENT}")
    planes = f.blocks * f.images * f.width
    return planes * f.h * f.wd, planes * f.oh * f.ow, packed(f)


def packed(f: Fields) -> int:
    """Taps, taps in reverse, biases."""
    return f.blocks * (2 * f.kh * f.kw + 1) * f.width


def part_of_kernel(f: Fields) -> int:
    """Taps of the whole kernel, of which some are computed with."""
    positive(f, "blocks", "kh", "kw")
    not_negative(f, "top", "left")
    if f.top + f.kh > f.h or f.left + f.kw > f.wd:
        raise PlanError(f"{f.kh} rows of {f.kw} taps at {f.top}, {f.left} of a kernel of {f.h} by {f.wd}")
    return f.h * f.wd


def pack_depthwise(f: Fields) -> Iterator[Span]:
    """See depthwise.pxi."""
    yield Span(f.parameters, f.w, f.w + f.k * part_of_kernel(f))
    yield from channels(f, f.parameters, f.b)
    yield arena(f.y, packed(f), written=True)


def depthwise_train(f: Fields) -> Iterator[Span]:
    """See depthwise.pxi."""
    x, y, weights = window(f)
    if f.px < forward_frame(f, f.width):
        raise PlanError(f"{f.px} elements for a frame of {forward_frame(f, f.width)}")
    yield arena(f.x, x)
    yield arena(f.y, y, written=True)
    yield arena(f.w, weights)
    yield from coefficients(f, f.a)
    yield arena(f.t, f.threads * f.px, written=True)
    yield from sums_of_images(f)


def depthwise_back(f: Fields) -> Iterator[Span]:
    """See depthwise_back.pxi."""
    x, y, weights = window(f)
    frames = backward_frames(f, f.width)
    if f.px < frames.z or f.py < frames.gy or f.ys < f.px + f.py + frames.gz:
        raise PlanError(f"{f.px}, {f.py} and {f.ys} elements for frames of {frames}")
    one_of("activation", f.activation, 1)
    positive(f, "lanes")
    yield arena(f.x, x)
    yield arena(f.g, y)
    if f.c >= 0:
        yield arena(f.y, y)
    yield arena(f.w, weights)
    yield from coefficients(f, f.a, f.ga)
    yield from coefficients(f, f.c, count=3)
    yield from optional(f.add, x)
    yield from optional(f.gx, x, written=True)
    yield from optional(f.r, f.blocks * f.lanes * (f.kh * f.kw + 1) * f.width, written=True)
    yield arena(f.t, f.threads * f.ys, written=True)
    yield from sums_of_images(f)


def depthwise_weights(f: Fields) -> Iterator[Span]:
    """See depthwise_back.pxi."""
    positive(f, "lanes")
    whole = part_of_kernel(f)
    yield arena(f.x, f.blocks * f.lanes * (f.kh * f.kw + 1) * f.width)
    yield from channels(f, f.gradients, f.b, written=True)
    if f.gw >= 0:
        yield Span(f.gradients, f.gw, f.gw + f.k * whole, True)


ELEMENTS = {check.__name__: check for check in (
    batch_moments, batch_norm_finish, batch_norm_back, affine_clip, lazy_mean, gate_sums, scale_back, blend, dropout,
    pick, pick_back, pack_depthwise, depthwise_train, depthwise_back, depthwise_weights)}
