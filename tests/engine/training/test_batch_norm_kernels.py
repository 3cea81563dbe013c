"""Batch norm of training plans, step by step, against the operation of the tape."""
from __future__ import annotations

import numpy as np
import pytest
from kernel_rows import TOLERANCE, Memory, channels, close, dtypes, eager, noise

SHAPES = [(1, 7, 9), (3, 5, 4), (4, 1, 1), (2, 40, 31)]
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)
EPS, MOMENTUM = 1e-5, 0.1


class Norm:
    """A batch norm in memory: x, parameters, statistics."""

    def __init__(self, dtype, c, shape, threads=1, offset=0.0, absent=False):
        n, h, w = shape
        self.memory = m = Memory(dtype, threads)
        self.x = (noise(n, c, h, w) * 2 + offset).astype(dtype)
        self.c, self.pixels = c, n * h * w
        numbers = [noise(c, seed=i) + 1 for i in range(3)] + [noise(c, seed=4) ** 2 + 0.5]
        self.w, self.b, self.mean, self.var = (v.astype(dtype) for v in numbers)
        self.fields = {"blocks": m.blocks(c), "images": n, "n": h * w, "k": c, "low": EPS, "high": MOMENTUM}
        self.at = m.put(self.x)
        self.absent = absent
        self.places = {"w": -1, "b": -1, "s": -1, "z": -1} if absent else {
            "w": m.put_io(0, self.w), "b": m.put_io(0, self.b), "s": m.put_io(1, self.mean), "z": m.put_io(1, self.var)}
        self.a = m.room(m.blocks(c) * 4 * m.width)

    def moments(self, rows):
        m = self.memory
        self.rows = {"rows": rows, "sums": m.room(-(-self.pixels // rows) * m.blocks(self.c) * 2 * m.width)}
        m.run("batch_moments", **self.fields, **self.rows, x=self.at)

    def finish(self, mode=0):
        self.memory.run("batch_norm_finish", **self.fields, **(self.rows if mode == 0 else {}), **self.places, y=self.a,
                        mode=mode)

    def normalised(self):
        m = self.memory
        y = m.room(m.blocks(self.c) * self.pixels * m.width)
        m.run("affine_clip", **{k: self.fields[k] for k in ("blocks", "images", "n")}, x=self.at, a=self.a, y=y, mode=6,
              low=-np.inf, high=np.inf)
        return m.map(y, self.x.shape)

    def expected(self, training, gy=None):
        self.moved = [self.mean.astype(np.float64), self.var.astype(np.float64)]
        given = [None] * 4 if self.absent else [self.w, self.b, *self.moved]
        return eager("batch_norm", self.x, *given, gy=gy, training=training, momentum=MOMENTUM, eps=EPS)


@dtypes
@channels
@shapes
@pytest.mark.parametrize("rows", [512, 7])
def test_training(dtype, c, shape, rows):
    norm = Norm(dtype, c, shape)
    norm.moments(rows)
    norm.finish()
    close(norm.normalised(), norm.expected(True), dtype)
    for place, want in zip("sz", norm.moved):
        close(norm.memory.io[1][norm.places[place]:][:c], want, dtype)
    norm.memory.rows.pop()
    norm.memory.assert_refused("y blocks images n k w b s z parameters statistics")


@dtypes
def test_neither_weights_nor_statistics(dtype):
    norm = Norm(dtype, 17, (3, 5, 4), absent=True)
    norm.moments(512)
    norm.finish()
    close(norm.normalised(), norm.expected(True), dtype)


@dtypes
@channels
def test_frozen(dtype, c):
    norm = Norm(dtype, c, (2, 3, 5))
    norm.finish(mode=1)
    close(norm.normalised(), norm.expected(False), dtype)
    np.testing.assert_array_equal(norm.memory.io[1][norm.places["s"]:][:c], norm.mean)


@dtypes
def test_a_mean_of_many_deviations(dtype):
    """Nothing is lost but what x itself cannot hold."""
    norm = Norm(dtype, 3, (4, 40, 31), offset=1000.0)
    norm.moments(512)
    norm.finish()
    want = norm.expected(True)
    mean, inverse = norm.memory.lanes(norm.a, 4, 3)[2:]
    exact = norm.x.astype(np.float64).transpose(1, 0, 2, 3).reshape(3, -1)
    np.testing.assert_allclose(mean, exact.mean(1), rtol=TOLERANCE[dtype] / 50)
    np.testing.assert_allclose(inverse, 1 / np.sqrt(exact.var(1) + EPS), rtol=TOLERANCE[dtype])
    close(norm.normalised(), want, dtype, factor=10)


def test_as_accurate_as_the_tape():
    """float32's errors against float64, of many pixels: those of the tape's kernel, or less."""
    norm = Norm(np.float32, 5, (8, 112, 112), offset=3.0)
    norm.moments(512)
    norm.finish()
    exact = norm.x.astype(np.float64).transpose(1, 0, 2, 3).reshape(5, -1)
    from tinycnn._kernels import kernels
    got = norm.memory.lanes(norm.a, 4, 5)
    y, mean, inverse = np.empty_like(norm.x), np.empty(5, "f"), np.empty(5, "f")
    kernels(np.dtype("f")).batch_norm_train(norm.x.reshape(8, 5, -1), norm.w, norm.b, norm.mean.copy(), norm.var.copy(),
                                            y.reshape(8, 5, -1), mean, inverse, MOMENTUM, EPS)
    for ours, tape, want in [(got[2], mean, exact.mean(1)), (got[3], inverse, 1 / np.sqrt(exact.var(1) + EPS))]:
        assert np.abs(ours - want).max() <= np.abs(tape - want).max() + 1e-7 * np.abs(want).max()


def back(norm, gy, gate=(-np.inf, np.inf), rows=7, mode=0, add=None):
    """What goes back through the norm and the clip behind it: gx, gw, gb."""
    m, c = norm.memory, norm.c
    runs = -(-norm.pixels // rows)
    whole = {k: norm.fields[k] for k in ("blocks", "images", "n")} | {"rows": rows}
    size = m.blocks(c) * norm.pixels * m.width
    g, sums = m.room(size), m.room(runs * m.blocks(c) * 2 * m.width)
    added = {} if add is None else {"add": m.put(add)}
    m.run("gate_sums", **whole, **added, g=m.put(gy), x=norm.at, px=m.width, ga=norm.a, low=gate[0], high=gate[1], gx=g,
          sums=sums)
    places = {"gw": m.put_io(2, np.full(c, np.nan)), "b": m.put_io(2, np.full(c, np.nan))}
    coefficients, gx = m.room(m.blocks(c) * 3 * m.width), m.room(size)
    m.run("batch_norm_back", **whole, k=c, sums=sums, a=norm.a, y=coefficients, mode=mode, **places)
    m.run("blend", **whole, g=g, x=norm.at, c=coefficients, y=gx)
    return m.map(gx, norm.x.shape), *(m.io[2][places[name]:][:c] for name in ("gw", "b"))


@dtypes
@channels
@shapes
@pytest.mark.parametrize("training", [True, False])
def test_back(dtype, c, shape, training):
    norm = Norm(dtype, c, shape)
    if training:
        norm.moments(512)
    norm.finish(mode=0 if training else 1)
    gy = noise(*norm.x.shape, seed=9).astype(dtype)
    _, (gx, gw, gb, _, _) = norm.expected(training, gy)
    for got, want in zip(back(norm, gy, mode=0 if training else 1), (gx, gw, gb)):
        close(got, want, dtype, factor=4)


@dtypes
def test_the_clip_behind_it_and_what_others_left(dtype):
    norm = Norm(dtype, 17, (3, 5, 4))
    norm.moments(512)
    norm.finish()
    gy, add = (noise(*norm.x.shape, seed=i).astype(dtype) for i in (9, 10))
    y = norm.expected(True)
    inside = (y > 0) & (y < 1.5)
    _, want = norm.expected(True, (gy.astype(np.float64) + add) * inside)
    for got, expected in zip(back(norm, gy, gate=(0, 1.5), add=add), want):
        close(got, expected, dtype, factor=4)
    norm.memory.assert_refused("x g c y blocks images n")


@dtypes
def test_threads_give_the_same_bits(dtype):
    results = []
    for threads in (1, 3):
        norm = Norm(dtype, 58, (3, 9, 7), threads)
        norm.moments(16)
        norm.finish()
        results.append([norm.normalised(), *back(norm, noise(*norm.x.shape, seed=9).astype(dtype), gate=(0, 6))])
    for one, three in zip(*results):
        np.testing.assert_array_equal(one, three)
