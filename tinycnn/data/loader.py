"""Loader: batches in an order that depends on a seed and the epoch alone."""
from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

Transform = Callable[[np.ndarray, np.random.Generator], np.ndarray]


class Loader:
    """Batches (x, y) of arrays, the same for the same seed and epoch wherever and whenever they are read.

    images: array (n, ...).  labels: array (n,).  transform: `transform(images[batch], rng)` gives x; it must take its
    randomness from `rng` alone.  shuffle: another order each epoch.  drop_last: leave out a smaller last batch.

    `epoch` is the number of the next pass; each `iter` advances it, and whoever resumes a run sets it.
    Raises ValueError for sizes that do not fit.

    >>> loader = Loader(np.arange(5), np.arange(5), batch_size=2)
    >>> [x.tolist() for x, y in loader], len(loader)
    ([[0, 1], [2, 3], [4]], 3)
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray, batch_size: int = 128, shuffle: bool = False,
                 seed: int = 0, transform: Transform | None = None, drop_last: bool = False) -> None:
        if len(images) != len(labels):
            raise ValueError(f"Loader: {len(images)} images, but {len(labels)} labels")
        if batch_size < 1:
            raise ValueError(f"Loader: batch_size must be at least 1, got {batch_size}")
        if seed < 0:
            raise ValueError(f"Loader: seed must not be negative, got {seed}")
        self.images, self.labels = images, labels
        self.batch_size, self.shuffle, self.seed = batch_size, shuffle, seed
        self.transform, self.drop_last = transform, drop_last
        self.epoch = 0
        if not len(self):
            raise ValueError(f"Loader: {len(images)} images make no batch of {batch_size}")

    def __len__(self) -> int:
        """Batches per epoch."""
        return (len(self.images) + (0 if self.drop_last else self.batch_size - 1)) // self.batch_size

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        epoch, self.epoch = self.epoch, self.epoch + 1
        return self.batches(epoch)

    def batches(self, epoch: int, first: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The batches of an epoch from number `first` on."""
        order = np.arange(len(self.images))
        if self.shuffle:
            np.random.default_rng([self.seed, epoch]).shuffle(order)
        for batch in range(first, len(self)):
            chosen = order[batch * self.batch_size:(batch + 1) * self.batch_size]
            x = self.images[chosen]
            if self.transform is not None:
                # A generator of its own for each batch: any of them can be made without those before it.
                x = self.transform(x, np.random.default_rng([self.seed, epoch, batch]))
            yield x, self.labels[chosen]
