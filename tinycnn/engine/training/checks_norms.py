"""What the kernels of group norm and of l2_norm in training plans touch."""
from __future__ import annotations

from collections.abc import Iterator

from ..spans import Fields, PlanError, Span, arena, positive
from .checks_elements import channels, extent, optional


def groups(f: Fields) -> int:
    """Numbers of which each plane has a vector, where k channels are in `rows` groups."""
    positive(f, "blocks", "images", "rows")
    if f.k % f.rows:
        raise PlanError(f"{f.k} channels in {f.rows} groups")
    return f.blocks * f.images * f.width


def group_norm_finish(f: Fields) -> Iterator[Span]:
    """See group_norm.pxi."""
    planes = groups(f)
    yield from channels(f, f.parameters, f.w, f.b)
    yield arena(f.s, 2 * planes)
    yield arena(f.y, 4 * planes, written=True)


def group_norm_back(f: Fields) -> Iterator[Span]:
    """See group_norm.pxi."""
    planes = groups(f)
    positive(f, "n")
    yield from channels(f, f.gradients, f.gw, f.b, written=True)
    yield arena(f.a, 4 * planes)
    yield arena(f.sums, 2 * planes)
    yield arena(f.y, 3 * planes, written=True)


def l2_norm_back(f: Fields) -> Iterator[Span]:
    """See l2_norm.pxi."""
    size = extent(f)
    yield from channels(f, 0)
    yield arena(f.x, size)
    yield arena(f.g, size)
    yield from optional(f.add, size)
    yield arena(f.gx, size, written=True)


NORMS = {check.__name__: check for check in (group_norm_finish, group_norm_back, l2_norm_back)}
