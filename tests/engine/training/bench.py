"""Operations of a training plan by themselves: rows of fields, over an arena that holds what a test puts there."""
from __future__ import annotations

import numpy as np

from tinycnn.engine.check import check
from tinycnn.engine.graph import Graph
from tinycnn.engine.layout import as_map, blocks
from tinycnn.engine.plan import Builder, Plan, aligned
from tinycnn.engine.views import as_blocks

IDLE = 1e3  # in lanes that no channel has: finite, and seen wherever it gets into a sum


class Bench:
    """Emit operations, put arrays into storages, run, read storages. What nobody has put somewhere is NaN."""

    def __init__(self, dtype, threads=1):
        self.dtype, self.threads = np.dtype(dtype), threads
        self.builder = Builder(Graph([], [], []), threads, self.dtype)
        self.width, self.kernels = self.builder.width, self.builder.kernels
        self.puts, self.io = [], []

    # ---- memory
    def room(self, *shape):
        """A storage for a map of a shape."""
        n, c, h, w = as_map(shape)
        return self.builder.storage(blocks(c, self.width) * self.width * n * h * w)

    def plain(self, size):
        return self.builder.storage(size)

    def put(self, array):
        """A storage that holds a map."""
        n, c, h, w = as_map(array.shape)
        lanes = -(-c // self.width) * self.width
        filled = np.full((n, lanes, h, w), IDLE)
        filled[:, :c] = np.asarray(array).reshape(n, c, h, w)
        return self.put_plain(as_blocks(filled.shape, filled, self.width))

    def put_plain(self, array):
        storage = self.plain(np.size(array))
        self.puts.append((storage, np.ravel(array)))
        return storage

    def put_vectors(self, *vectors):
        """A storage of [block][vector][lane]: coefficients, some for each channel."""
        c = len(vectors[0])
        filled = np.full((len(vectors), -(-c // self.width) * self.width), 0.5)
        filled[:, :c] = vectors
        return self.put_plain(filled.reshape(len(vectors), -1, self.width).swapaxes(0, 1))

    def given(self, array):
        """The number of an array of the caller."""
        self.io.append(array)
        return len(self.io) - 1

    # ---- operations
    def emit(self, y, **fields):
        self.builder.emit_into(y, **fields)

    def run(self):
        """Check the operations, and run them."""
        builder, at = self.builder, 64 // self.dtype.itemsize
        for storage in builder.storages:  # each its own place, a vector between them
            storage.offset, at = at, at + -(-storage.size // at) * at + 64
        entries = [np.asarray(entries(), np.int64) for entries in builder.tables] or [np.zeros(1, np.int64)]
        builder.table_at = np.cumsum([0, *map(len, entries)])
        constants = builder._all_constants()
        ops = np.stack([builder._row(e.fields) for e in builder.emitted])
        plan = Plan(ops, constants, np.concatenate(entries).astype(np.int32), at)
        check(plan, [a.size for a in self.io], self.width, self.threads, self.kernels)
        self.arena = aligned(at, self.dtype)
        self.arena[:] = np.nan
        for storage, array in self.puts:
            self.arena[storage.offset:storage.offset + storage.size] = array
        sizes = np.array([a.nbytes for a in self.io] or [0], np.int64)
        executor = self.kernels.Executor(ops, constants, plan.tables, self.threads, sizes, 0)
        executor.run(self.arena, self.io or [np.zeros(0)])
        return self

    def read(self, storage, size=None):
        """What a storage holds."""
        return self.arena[storage.offset:storage.offset + (storage.size if size is None else size)].copy()

    def read_map(self, storage, shape):
        n, c, h, w = as_map(shape)
        filled = self.read(storage).reshape(-1, n, h * w, self.width).transpose(1, 0, 3, 2).reshape(n, -1, h, w)
        return filled[:, :c].reshape(shape)

    def read_vectors(self, storage, runs, count, c):
        """[run][block][vector][lane] as (run, vector, channel)."""
        return self.read(storage).reshape(runs, -1, count, self.width).swapaxes(1, 2).reshape(runs, count, -1)[..., :c]
