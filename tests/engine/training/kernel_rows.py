"""Rows of operations written by hand: one kernel at a time, on memory in which everything else is NaN."""
from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from training_nets import FLOAT64

from tinycnn._kernels import kernels
from tinycnn.engine.check import check, touched
from tinycnn.engine.plan import ABSENT, FLOATING, aligned
from tinycnn.engine.spans import PlanError
from tinycnn.engine.training import checks  # noqa: F401  # which are looked up where all are

DTYPES = [np.float32, *([np.float64] if FLOAT64 else [])]
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-9}  # of the largest magnitude
FAR = 1 << 40
OPTIONAL = {*ABSENT, "w", "b", "gw", "gx"}  # a negative number says: nothing
dtypes = pytest.mark.parametrize("dtype", DTYPES)
channels = pytest.mark.parametrize("c", [1, 3, 17, 58])


class Memory:
    """An arena with arrays in blocks of channels between fences, parameters and so on, and operations on them."""

    def __init__(self, dtype, threads=1):
        self.dtype, self.threads = np.dtype(dtype), threads
        self.unit = kernels(self.dtype, "engine")
        self.width = self.unit.WIDTH
        self.arena = np.full(self.width, np.nan, dtype)
        self.tables, self.constants = np.zeros(1, np.int32), np.zeros(64, dtype)
        self.io = [np.full(16, np.nan, dtype) for _ in range(3)]  # parameters, statistics, gradients
        self.rows = []

    # ---- memory
    def room(self, size):
        at = len(self.arena)
        self.arena = np.append(self.arena, np.full(size + 2 * self.width, np.nan, self.dtype))
        return at

    def blocks(self, c):
        return -(-c // self.width)

    def put(self, x):
        """(N, C, H, W) in blocks; NaN in the lanes that are no channels."""
        n, c, h, w = x.shape
        filled = np.full((n, self.blocks(c) * self.width, h * w), np.nan, self.dtype)
        filled[:, :c] = x.reshape(n, c, h * w)
        return self.put_flat(filled.reshape(n, -1, self.width, h * w).transpose(1, 0, 3, 2).ravel())

    def put_flat(self, x):
        at = self.room(np.size(x))
        self.arena[at:at + np.size(x)] = np.ravel(x)
        return at

    def put_lanes(self, *vectors):
        """Vectors (C,) as [block][vector][lane], zeros in the lanes that are no channels."""
        count = self.blocks(len(vectors[0]))
        lanes = np.zeros((len(vectors), count * self.width), self.dtype)
        lanes[:, :len(vectors[0])] = vectors
        return self.put_flat(lanes.reshape(len(vectors), count, self.width).transpose(1, 0, 2))

    def put_io(self, number, x):
        """An array at the end of one of the caller's; where it begins."""
        at = len(self.io[number])
        parts = self.io[number], np.ravel(x).astype(self.dtype), np.full(8, np.nan, self.dtype)
        self.io[number] = np.concatenate(parts)
        return at

    def put_table(self, entries):
        at = len(self.tables)
        self.tables = np.append(self.tables, np.ravel(entries)).astype(np.int32)
        return at

    def map(self, at, shape):
        n, c, h, w = shape
        count = self.blocks(c)
        lanes = self.arena[at:at + count * n * h * w * self.width].reshape(count, n, h * w, self.width)
        return lanes.transpose(1, 0, 3, 2).reshape(n, -1, h, w)[:, :c].copy()

    def lanes(self, at, count, c):
        """`count` vectors (C,) that lie as [block][vector][lane]."""
        size = self.blocks(c) * count * self.width
        return self.arena[at:at + size].reshape(-1, count, self.width).transpose(1, 0, 2).reshape(count, -1)[:, :c]

    # ---- operations
    def row(self, kind, **fields):
        names = {name: i for i, name in enumerate(self.unit.FIELDS)}
        row = np.zeros(len(names), np.int64)
        row[[names[name] for name in ABSENT]] = -1
        fields = {"parameters": 0, "statistics": 1, "gradients": 2, "x": 0} | fields
        for name, value in fields.items():
            row[names[name]] = np.float64(value).view(np.int64) if name in FLOATING else value
        row[names["kind"]] = self.unit.KINDS.index(kind)
        return row

    def plan(self, row):
        return SimpleNamespace(ops=row[None], constants=self.constants, tables=self.tables, arena=len(self.arena))

    def check(self, row):
        check(self.plan(row), [x.size for x in self.io], self.width, self.threads, self.unit)

    def run(self, kind, **fields):
        """One operation, which sees what its check grants, the rest being NaN; nothing but what is granted changes."""
        row = self.row(kind, **fields)
        self.rows.append((kind, row))
        self.check(row)
        spans = next(iter(touched(self.plan(row), self.width, self.threads, self.unit))).spans
        memories = {"arena": self.arena, **dict(enumerate(self.io))}
        seen = {space: unseen(memory) for space, memory in memories.items()}
        free = {space: np.zeros(memory.size, bool) for space, memory in memories.items()}
        for span in spans:
            if span.space in memories:
                seen[span.space][span.start:span.stop] = memories[span.space][span.start:span.stop]
                free[span.space][span.start:span.stop] |= span.written
        before = {space: memory.copy() for space, memory in seen.items()}
        executor = self.unit.Executor(row[None].copy(), self.constants, self.tables, self.threads,
                                      np.array([x.nbytes for x in self.io]), 0)
        executor.run(seen["arena"], [seen[i] for i in range(len(self.io))])
        for space, memory in memories.items():
            same = np.equal(seen[space], before[space]) | (np.isnan(seen[space]) & np.isnan(before[space]))
            assert (same | free[space]).all(), f"{kind} wrote {np.flatnonzero(~(same | free[space]))[:5]} of {space}"
            memory[free[space]] = seen[space][free[space]]

    def assert_refused(self, names):
        """The last operation with one of these fields far too large, or far too small, is refused."""
        kind, row = self.rows[-1]
        for name in names.split():
            column = self.unit.FIELDS.index(name)
            before = int(row[column])
            for wrong in [FAR, -FAR] if name not in OPTIONAL else [FAR]:
                row[column] = wrong
                with pytest.raises(PlanError, match=kind):
                    self.check(row)
            row[column] = before


def unseen(memory):
    """As large, and nothing in it that anybody should read."""
    seen = aligned(memory.size, memory.dtype)
    seen[:] = np.nan if memory.dtype.kind == "f" else FAR
    return seen


def noise(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def close(got, want, dtype, factor=1):
    assert got.shape == want.shape
    scale = max(1.0, float(np.abs(want).max()))
    np.testing.assert_allclose(got, want, rtol=0, atol=factor * TOLERANCE[np.dtype(dtype).type] * scale)


def eager(op, *arrays, gy=None, **attributes):
    """The Function of an operation in float64: y, and for gy what backward gives."""
    from tinycnn.autograd import OPS
    arrays = [None if a is None else np.ascontiguousarray(a, np.float64) for a in arrays]
    function = OPS[op].like(arrays, attributes)
    function.parents = tuple(None if a is None else SimpleNamespace(requires_grad=True, data=a) for a in arrays)
    function.out_shapes = (function.shapes(*[None if a is None else a.shape for a in arrays]),)
    y = function.forward(*arrays)
    return y if gy is None else (y, function.backward(np.ascontiguousarray(gy, np.float64)))
