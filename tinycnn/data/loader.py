"""Loader: batches in an order that depends on a seed and the epoch alone."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .prefetch import prefetch

Batch = tuple[np.ndarray, np.ndarray]
Transform = Callable[[Any, np.random.Generator], np.ndarray]
Mix = Callable[[np.ndarray, np.ndarray, np.random.Generator], Batch]


class Loader:
    """Batches (x, y), the same for the same seed and epoch, wherever, whenever and by however many threads.

    images: array (n, ...), or what gives images for an array of their numbers, as `Photos` does.  labels: array (n,).
    transform: `transform(images[batch], rng)` gives x; mix: `mix(x, y, rng)` gives another x and y.  Both must take
    their randomness from `rng` alone.  shuffle: another order each epoch.  drop_last: leave out a smaller last batch.

    workers: threads that make the next batches while one is used: decoding photos, NumPy on whole arrays and planned
    steps of training all let other threads run.  What fails in one fails, with a note of the batch, where the batch
    would have come.  No thread outlives the iterator.

    `epoch` is the number of the next pass; each `iter` advances it, and whoever resumes a run sets it.
    Raises ValueError for sizes that do not fit.

    >>> loader = Loader(np.arange(5), np.arange(5), batch_size=2)
    >>> [x.tolist() for x, y in loader], len(loader)
    ([[0, 1], [2, 3], [4]], 3)
    """

    def __init__(self, images: Any, labels: np.ndarray, batch_size: int = 128, shuffle: bool = False,
                 seed: int = 0, transform: Transform | None = None, drop_last: bool = False, mix: Mix | None = None,
                 workers: int = 0) -> None:
        if len(images) != len(labels):
            raise ValueError(f"Loader: {len(images)} images, but {len(labels)} labels")
        if batch_size < 1:
            raise ValueError(f"Loader: batch_size must be at least 1, got {batch_size}")
        for name, value in (("seed", seed), ("workers", workers)):
            if value < 0:
                raise ValueError(f"Loader: {name} must not be negative, got {value}")
        self.images, self.labels = images, labels
        self.batch_size, self.shuffle, self.seed = batch_size, shuffle, seed
        self.transform, self.mix, self.drop_last, self.workers = transform, mix, drop_last, workers
        self.epoch = 0
        if not len(self):
            raise ValueError(f"Loader: {len(images)} images make no batch of {batch_size}")

    def __len__(self) -> int:
        """Batches per epoch."""
        return (len(self.images) + (0 if self.drop_last else self.batch_size - 1)) // self.batch_size

    def __iter__(self) -> Iterator[Batch]:
        epoch, self.epoch = self.epoch, self.epoch + 1
        return self.batches(epoch)

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from number `first` on."""
        order = np.arange(len(self.images))
        if self.shuffle:
            np.random.default_rng([self.seed, epoch]).shuffle(order)
        return prefetch(lambda batch: self._batch(order, epoch, batch), range(first, len(self)), self.workers)

    def example(self) -> Batch:
        """A batch as the first of an epoch, for its shapes."""
        return self._batch(np.arange(len(self.images)), 0, 0)

    def _batch(self, order: np.ndarray, epoch: int, batch: int) -> Batch:
        chosen = order[batch * self.batch_size:(batch + 1) * self.batch_size]
        # A generator of its own for each batch: any of them can be made without those before it.
        rng = np.random.default_rng([self.seed, epoch, batch])
        try:
            x, y = self.images[chosen], self.labels[chosen]
            if self.transform is not None:
                x = self.transform(x, rng)
            return (x, y) if self.mix is None else self.mix(x, y, rng)
        except Exception as error:
            error.add_note(f"Loader: while making batch {batch} of epoch {epoch}")
            raise
