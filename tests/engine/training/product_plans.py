"""Plans of single products of training plans, written by hand: what the tests of their kernels share."""
from __future__ import annotations

import numpy as np

from tinycnn._kernels import kernels
from tinycnn.engine.check import check
from tinycnn.engine.graph import Graph
from tinycnn.engine.layout import Placed, Storage, blocks
from tinycnn.engine.memory import lay_out
from tinycnn.engine.plan import Builder, Plan, aligned


def usable(dtype):
    """The element type, or float32 where the engine that is in use is not built for it."""
    try:
        kernels(np.dtype(dtype), "engine")
    except ImportError:
        return np.float32
    return dtype


class Bench(Builder):
    """A builder whose storages tests fill before, and read after, the operations that rules emit on it."""

    parameters = 0

    def __init__(self, threads=1, dtype=np.float64, arrays=()):
        """arrays: the caller's, numbered from 1 on."""
        super().__init__(Graph([], [], []), threads, np.dtype(dtype))
        self.arrays, self.gradients = [np.ascontiguousarray(a, dtype) for a in arrays], 1 + len(arrays)
        self.filled: list[tuple[Storage, np.ndarray]] = []

    def holds(self, array):
        """A map (N, C, H, W) in blocks of channels; what fills up the last block is NaN."""
        n, c, h, w = array.shape
        full = np.full((blocks(c, self.width) * self.width, n, h, w), np.nan)
        full[:c] = array.transpose(1, 0, 2, 3)
        return Placed.whole(array.shape, self.memory(self.in_blocks(full)))

    def in_blocks(self, full):
        return full.reshape(-1, self.width, *full.shape[1:]).transpose(0, *range(2, full.ndim + 1), 1)

    def per_channel(self, *vectors):
        """[block][vectors][VW]; NaN beyond the channels."""
        c = len(vectors[0])
        full = np.full((blocks(c, self.width) * self.width, len(vectors)), np.nan)
        full[:c] = np.transpose(vectors)
        return self.memory(self.in_blocks(full))

    def memory(self, array):
        storage = self.storage(array.size)
        self.filled.append((storage, np.ravel(array)))
        return storage

    def map(self, shape):
        n, c, h, w = shape
        return Placed.whole(shape, self.storage(blocks(c, self.width) * self.width * n * h * w))

    def run(self, parameters, gradients=0):
        """Run what was emitted; the array of gradients. Memory that nobody wrote is NaN."""
        for storage in self.storages:
            storage.used_by(0)
            storage.used_by(len(self.emitted))
        size = lay_out(self.storages, self.dtype.itemsize)
        tables = [np.asarray(entries(), np.int64) for entries in self.tables] or [np.zeros(1, np.int64)]
        self.table_at = np.cumsum([0, *map(len, tables)])
        plan = Plan(np.stack([self._row(e.fields) for e in self.emitted]), self._all_constants(),
                    np.concatenate(tables).astype(np.int32), size)
        unit = kernels(self.dtype, "engine")
        self.plan = plan
        io = [np.ascontiguousarray(parameters, self.dtype), *self.arrays,
              np.full(max(gradients, 1), np.nan, self.dtype)]
        check(plan, [a.size for a in io], unit.WIDTH, self.threads, unit)
        self.arena = aligned(size, self.dtype)
        self.arena[:] = np.nan
        for storage, array in self.filled:
            self.arena[storage.offset:storage.offset + array.size] = array
        self.executor = unit.Executor(plan.ops, plan.constants, plan.tables, self.threads,
                                      np.array([a.nbytes for a in io]), len(io) - 1)
        self.executor.run(self.arena, io)
        self.io = io
        return io[-1]

    def value(self, placed):
        """The map (N, C, H, W) that lies there."""
        n, c, h, w = placed.shape
        return self.read(placed.stores[0], (-1, n, h, w, self.width)).transpose(1, 0, 4, 2, 3).reshape(
            n, -1, h, w)[:, :c]

    def sums(self, sums, c):
        """(2, runs, C)."""
        found = self.read(sums.storage, (sums.runs, -1, 2, self.width)).transpose(2, 0, 1, 3)
        return found.reshape(2, sums.runs, -1)[:, :, :c]

    def read(self, storage, shape):
        return self.arena[storage.offset:storage.offset + storage.size].reshape(shape).copy()
