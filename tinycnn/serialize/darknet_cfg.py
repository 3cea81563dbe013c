"""Darknet's `.cfg`: sections of key=value lines, one for each layer, of which the shapes of all weights follow."""
from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tinycnn.serialize.bounds import CheckpointError, shown

MAX_BYTES = 1 << 20  # of a file; that of YOLO v4 has 12 kB
MAX_SIDE = 1 << 16  # of a map, and of its channels
COMMENTS = ("#", ";")


class Section(NamedTuple):
    """A part of a configuration: its name in brackets, the line where it begins, and what it says."""

    kind: str
    line: int
    options: dict[str, str]

    def number(self, key: str, default: int) -> int:
        """The integer that a key has."""
        return self.numbers(key, [default])[0]

    def numbers(self, key: str, default: list[int] | None = None) -> list[int]:
        """The integers that a key has, separated by commas."""
        if key not in self.options and default is not None:
            return default
        written = self.options.get(key, "")
        try:
            return [_bounded(int(n)) for n in written.split(",")]
        except ValueError:
            raise CheckpointError(f"line {self.line}: [{self.kind}] has {key}={shown(written)}, expected integers "
                                  f"up to {MAX_SIDE}") from None


class Map(NamedTuple):
    """The extents of a feature map, of no batch."""

    channels: int
    height: int
    width: int

    def sliding(self, channels: int, size: int, stride: int, padding: int) -> Map:
        """What a window leaves of it; padding: in all."""
        h, w = ((side + padding - size) // stride + 1 for side in self[1:])
        return Map(channels, h, w)


class Stored(NamedTuple):
    """A layer with weights, as `.weights` files have it."""

    name: str
    shape: tuple[int, ...]  # (out, in / groups, size, size) of a convolution, (out, in) of a linear layer
    normalised: bool

    @property
    def size(self) -> int:
        """How many numbers it has."""
        count = 1
        for extent in self.shape:
            count *= extent
        return count + self.shape[0] * (4 if self.normalised else 1)

    def arrays(self) -> Iterator[tuple[str, str, tuple[int, ...]]]:
        """Whose ("conv", "linear" or "bn"), name and shape, in the file's order."""
        vector, linear = self.shape[:1], len(self.shape) == 2
        layer = "linear" if linear else "conv"
        yield "bn" if self.normalised else layer, "bias", vector
        if linear or not self.normalised:  # a linear layer's weights stand before its normalisation
            yield layer, "weight", self.shape
        if self.normalised:
            yield from (("bn", name, vector) for name in ("weight", "running_mean", "running_var"))
        if self.normalised and not linear:
            yield layer, "weight", self.shape


def read_cfg(path: str | os.PathLike[str]) -> list[Section]:
    """The sections of a `.cfg` file, [net] first.  Raises CheckpointError that names the line that is none."""
    with open(path, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    try:
        if len(data) > MAX_BYTES:
            raise CheckpointError(f"the file is larger than {MAX_BYTES:,} bytes")
        return parse_cfg(data.decode())
    except UnicodeDecodeError:
        raise CheckpointError(f"{os.fspath(path)}: not a .cfg file of Darknet: not text") from None
    except CheckpointError as error:
        raise CheckpointError(f"{os.fspath(path)}: {error}") from None


def parse_cfg(text: str) -> list[Section]:
    """The sections of a configuration.

    >>> parse_cfg("[net]\\nwidth = 416  # pixels")[0].options
    {'width': '416'}
    """
    sections: list[Section] = []
    for i, raw in enumerate(text.splitlines(), 1):
        line = raw
        for mark in COMMENTS:
            line = line.partition(mark)[0]
        line = line.strip()
        key, equals, value = (part.strip() for part in line.partition("="))
        if line.startswith("[") and line.endswith("]"):
            sections.append(Section(line[1:-1].strip(), i, {}))
        elif equals and key and sections:
            sections[-1].options[key] = value
        elif line:
            raise CheckpointError(f"line {i} is {shown(raw)}, expected [section] or, below one, key=value")
    if not sections or sections[0].kind not in ("net", "network"):
        raise CheckpointError(f"a configuration begins with [net], this one with "
                              f"{shown(sections[0].kind) if sections else 'nothing'}")
    return sections


def stored_layers(sections: list[Section]) -> list[Stored]:
    """The layers that have weights, in the order of a `.weights` file.

    Raises CheckpointError for a kind of layer that is not known, and for maps that do not fit each other.
    """
    net, *layers = sections
    maps = [Map(net.number("channels", 3), net.number("height", 416), net.number("width", 416))]
    stored = []
    for i, section in enumerate(layers):
        if section.kind not in _KINDS:
            raise CheckpointError(f"line {section.line}: [{section.kind}] is not known, expected one of "
                                  f"{', '.join(sorted(_KINDS))}")
        after, shape = _KINDS[section.kind](section, maps)
        if min(after) < 1 or max(after) > MAX_SIDE:
            raise CheckpointError(f"line {section.line}: [{section.kind}] makes a map {tuple(after)} of "
                                  f"{tuple(maps[-1])}, expected extents from 1 to {MAX_SIDE}")
        maps.append(after)
        if shape is not None:
            stored.append(Stored(f"layers.{i}", shape, bool(section.number("batch_normalize", 0))))
    return stored


# ---- kinds of layers: the map behind it, and the shape of its weights; maps[0] is the image, maps[i + 1] layer i's
Behind = tuple[Map, "tuple[int, ...] | None"]


def _bounded(n: int) -> int:
    if abs(n) > MAX_SIDE:
        raise ValueError(n)
    return n


def _positive(section: Section, key: str, default: int) -> int:
    n = section.number(key, default)
    if n < 1:
        raise CheckpointError(f"line {section.line}: [{section.kind}] has {key}={n}, expected an integer >= 1")
    return n


def _convolutional(section: Section, maps: list[Map]) -> Behind:
    before, filters = maps[-1], _positive(section, "filters", 1)
    size, stride, groups = (_positive(section, key, 1) for key in ("size", "stride", "groups"))
    if before.channels % groups or filters % groups:
        raise CheckpointError(f"line {section.line}: groups={groups} must divide {before.channels} channels and "
                              f"{filters} filters")
    padding = size // 2 if section.number("pad", 0) else section.number("padding", 0)
    return before.sliding(filters, size, stride, 2 * padding), (filters, before.channels // groups, size, size)


def _connected(section: Section, maps: list[Map]) -> Behind:
    outputs, (c, h, w) = _positive(section, "output", 1), maps[-1]
    return Map(outputs, 1, 1), (outputs, c * h * w)


def _maxpool(section: Section, maps: list[Map]) -> Behind:
    stride = _positive(section, "stride", 1)
    size = _positive(section, "size", stride)
    padding = section.number("padding", size - 1)
    return maps[-1].sliding(maps[-1].channels, size, stride, padding), None


def _avgpool(section: Section, maps: list[Map]) -> Behind:
    return Map(maps[-1].channels, 1, 1), None


def _reorg(section: Section, maps: list[Map]) -> Behind:
    by, (c, h, w) = _positive(section, "stride", 1), maps[-1]
    return Map(c * by * by, h // by, w // by), None


def _upsample(section: Section, maps: list[Map]) -> Behind:
    by, (c, h, w) = _positive(section, "stride", 2), maps[-1]
    return Map(c, h * by, w * by), None


def _route(section: Section, maps: list[Map]) -> Behind:
    sources = [_source(section, "layers", n, maps) for n in section.numbers("layers")]
    if any(source[1:] != sources[0][1:] for source in sources):
        raise CheckpointError(f"line {section.line}: [route] joins maps of the sizes {[s[1:] for s in sources]}")
    channels = sum(source.channels for source in sources) // _positive(section, "groups", 1)
    return sources[0]._replace(channels=channels), None


def _shortcut(section: Section, maps: list[Map]) -> Behind:
    for n in section.numbers("from"):
        _source(section, "from", n, maps)
    return maps[-1], None


def _source(section: Section, key: str, n: int, maps: list[Map]) -> Map:
    """The map of layer n, counted from the first, or, below 0, back from this one."""
    i = n + len(maps) if n < 0 else n + 1
    if not 1 <= i < len(maps):
        raise CheckpointError(f"line {section.line}: [{section.kind}] has {key}={n}, expected one of the "
                              f"{len(maps) - 1} layers before it")
    return maps[i]


def _same(section: Section, maps: list[Map]) -> Behind:
    return maps[-1], None


_KINDS: dict[str, Callable[[Section, list[Map]], Behind]] = {
    "avg": _avgpool, "avgpool": _avgpool, "conv": _convolutional, "convolutional": _convolutional, "conn": _connected,
    "connected": _connected, "cost": _same, "detection": _same, "dropout": _same, "max": _maxpool, "maxpool": _maxpool,
    "region": _same, "reorg": _reorg, "route": _route, "shortcut": _shortcut, "soft": _same, "softmax": _same,
    "upsample": _upsample, "yolo": _same,
}
