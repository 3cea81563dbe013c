"""Scenes to find things in: garments of Fashion-MNIST, of several sizes and overlapping, on textured ground.

The garments are real photographs, so the classes are as hard to tell apart as they are there; where they lie, and what
is seen of each, is known to the pixel.  Scene i of a split depends on the seed, the split and i alone: nothing is
stored, any scene is drawn in one or two milliseconds, in any order.
"""
from __future__ import annotations

import os
from functools import cache

import numpy as np

from .datasets import FashionMNIST
from .detection.sample import Sample

COUNTS = {"train": 8000, "test": 1000}
GARMENTS = 2, 6  # the least and the most in a scene
SIDE = 0.2, 0.55  # of a garment's longer side, as a share of the scene's
PORTRAIT, OTHER = (0.6, 1.0), (0.25, 0.45)  # the same where one garment is the matter, and of another in front of it
FAINT = 12  # pixels of the photographs darker than this are background: their zeros are not quite clean
VISIBLE = 0.6  # of each garment at least; a place where it would hide more of another is not taken
TRIES = 12  # to find such a place; after that the garment is left out
TINT = 0.45  # the darkest a colour channel of a garment becomes: they are grey photographs
PATCHY = 0.15  # how far the patches of the ground go from its colour
GLOOM = 0.25  # added to the garments' own brightness: black ones would be holes


class Scenes:
    """A set of scenes, by split "train" (8,000, of the 60,000 training garments) or "test" (1,000, of the others).

    `scenes[i]` is a `detection.Sample`: uint8 (size, size, 3), and the garments' boxes and labels.  A box is the
    tight bounds of what is seen of a garment, which is at least 0.6 of it.

    root: where Fashion-MNIST is, as there.  count: another number of scenes.  Raises what `FashionMNIST` raises,
    ValueError for a size below 32 pixels, IndexError past the end.
    """

    def __init__(self, split: str = "train", size: int = 160, seed: int = 0, count: int | None = None,
                 root: str | os.PathLike[str] | None = None) -> None:
        if size < 32:
            raise ValueError(f"Scenes: size must be at least 32 pixels, got {size}")
        garments = FashionMNIST(root, split)
        self.images, self.labels, self.classes = garments.images, garments.labels, garments.classes
        self.split, self.size, self.seed, self.root = split, size, seed, root
        self.count = COUNTS[split] if count is None else count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.count:
            raise IndexError(f"Scenes: scene {index} of {self.count}")
        rng = np.random.default_rng((self.seed, list(COUNTS).index(self.split), index))
        scene = Scene(ground(rng, self.size))
        for chosen in rng.integers(len(self.images), size=rng.integers(GARMENTS[0], GARMENTS[1] + 1)):
            scene.add(self.images[chosen], int(self.labels[chosen]), rng)
        boxes = [bounds(scene.owner == i) for i in range(len(scene.labels))]
        return Sample(scene.image, np.array(boxes), np.array(scene.labels))

    def truths(self, index: int) -> dict[str, np.ndarray]:
        """The garments of a scene as the metrics take them."""
        sample = self[index]
        return {"boxes": sample.boxes, "labels": sample.labels}


def portraits(garments: FashionMNIST, size: int, seed: int = 0, count: int | None = None) -> np.ndarray:
    """Each garment of a split as scenes have them, for whoever is to tell them apart: uint8 (n, size, size, 3).

    It is large, on textured ground, and half of the time another one is in front of it.  Portrait i depends on the
    seed, the split and i alone.  count: only of the first so many.
    """
    drawn = np.empty((len(garments.images[:count]), size, size, 3), np.uint8)
    for i, photograph in enumerate(garments.images[:count]):
        rng = np.random.default_rng((seed, list(COUNTS).index(garments.split), i, 1))  # 1: not those of scene i
        scene = Scene(ground(rng, size))
        scene.add(photograph, 0, rng, PORTRAIT)
        if rng.random() < 0.5:
            scene.add(garments.images[rng.integers(len(garments.images))], 1, rng, OTHER)
        drawn[i] = scene.image
    return drawn


class Scene:
    """A scene while it is drawn.

    canvas: (size, size, 3), 0 to 1.  owner: (size, size), which garment is seen at a pixel, -1 for none.  labels: of
    the garments.  extents, seen: their pixels, and how many of these nothing hides.
    """

    def __init__(self, canvas: np.ndarray) -> None:
        self.canvas = canvas
        self.owner = np.full(canvas.shape[:2], -1)
        self.labels: list[int] = []
        self.extents = self.seen = np.zeros(0, np.int64)

    @property
    def image(self) -> np.ndarray:
        """uint8 (size, size, 3)."""
        return np.rint(np.clip(self.canvas, 0, 1) * 255).astype(np.uint8)

    def add(self, photograph: np.ndarray, label: int, rng: np.random.Generator,
            side: tuple[float, float] = SIDE) -> None:
        """Draw a garment over what is there, if there is a place where it leaves enough of that to be seen.

        side: between which shares of the scene's side its longer one lies.
        """
        light, opacity = cut_out(photograph, round(len(self.canvas) * rng.uniform(*side)), mirror=rng.random() < 0.5)
        tint, solid = rng.uniform(TINT, 1, 3).astype(np.float32), opacity > 0.5
        h, w = opacity.shape
        room = np.array([len(self.owner) - h + 1, len(self.owner) - w + 1])
        for top, left in rng.integers(0, room, (TRIES, 2)):
            window = slice(top, top + h), slice(left, left + w)
            seen = self.seen - np.bincount(self.owner[window][solid] + 1, minlength=len(self.seen) + 1)[1:]
            if (seen >= VISIBLE * self.extents).all():
                self.canvas[window] *= 1 - opacity[..., None]
                self.canvas[window] += light[..., None] * tint
                self.owner[window][solid] = len(self.labels)
                self.labels.append(label)
                extent = np.count_nonzero(solid)
                self.extents, self.seen = np.append(self.extents, extent), np.append(seen, extent)
                return


def cut_out(photograph: np.ndarray, side: int, mirror: bool) -> tuple[np.ndarray, np.ndarray]:
    """A garment without its black ground, its longer side so many pixels: light times opacity, opacity (h, w), 0 to 1.
    """
    mask = photograph >= FAINT
    x1, y1, x2, y2 = bounds(mask)
    turn = -1 if mirror else 1
    mask = mask[y1:y2, x1:x2][:, ::turn].astype(np.float32)
    grey = photograph[y1:y2, x1:x2][:, ::turn] / np.float32(255)
    h, w = mask.shape
    rows, columns = (stretch(n, max(1, round(n * side / max(h, w)))) for n in (h, w))
    return rows @ ((GLOOM + (1 - GLOOM) * grey) * mask) @ columns.T, rows @ mask @ columns.T


def ground(rng: np.random.Generator, size: int) -> np.ndarray:
    """Background, float32 (size, size, 3): soft patches around one colour, stripes over them, and grain."""
    cells = int(rng.integers(3, 8))
    colours = rng.uniform(0.2, 0.7, 3) + rng.uniform(-PATCHY, PATCHY, (cells, cells, 3))
    across = stretch(cells, size)
    patches = (across @ colours.astype(np.float32).reshape(cells, -1)).reshape(size, cells, 3)
    patches = (across @ patches.swapaxes(0, 1).reshape(cells, -1)).reshape(size, size, 3)  # one product, not one a row
    angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
    steps = np.arange(size) * 2 * np.pi / rng.uniform(5, 30)
    y, x = np.sin(angle) * steps + phase, np.cos(angle) * steps  # sin(y + x) by its addition theorem: a product
    down, right = np.stack([np.sin(y), np.cos(y)], 1), np.stack([np.cos(x), np.sin(x)])
    stripes = down.astype(np.float32) @ right.astype(np.float32)
    grain = rng.standard_normal((size, size), np.float32)
    texture = np.float32(rng.uniform(0, 0.1)) * stripes + np.float32(rng.uniform(0.01, 0.05)) * grain
    patches += texture[..., None]
    return patches


@cache
def stretch(n: int, m: int) -> np.ndarray:
    """The matrix (m, n) that takes n samples to m, linearly between the centres of pixels."""
    place = np.clip((np.arange(m) + 0.5) * n / m - 0.5, 0, n - 1)
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(n))).astype(np.float32)


def bounds(mask: np.ndarray) -> tuple[int, int, int, int]:
    """x1, y1, x2, y2 around what is set."""
    xs, ys = (np.flatnonzero(mask.any(axis=axis)) for axis in (0, 1))
    return int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1
