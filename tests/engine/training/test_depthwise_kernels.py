"""Depthwise convolution of training plans against the tape's: forward, back, with all that is done on load."""
from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_rows import DTYPES, TOLERANCE, Memory, channels, close, dtypes, eager, noise

from tinycnn.engine.training.planes import backward_frames, forward_frame
from tinycnn.ops.geometry import Window

OPEN = (-np.inf, np.inf)


class Layer:
    """A depthwise convolution in memory, whose input is computed on load and whose gradient is, too."""

    def __init__(self, dtype, c=3, n=2, size=(9, 8), kernel=(3, 3), stride=(1, 1), dilation=(1, 1), pads=(1, 1, 1, 1),
                 lazy=True, clip=(0.0, 1.5), rows=None, bias=True, threads=1, parts=None):
        self.memory = m = Memory(dtype, threads)
        self.dtype, self.c, self.parts = dtype, c, parts or n
        self.lazy, self.clip = lazy, clip if lazy else OPEN
        self.window = Window(kernel, stride, dilation, pads)
        oh, ow = self.window.output(*size)
        self.x, self.w = noise(n, c, *size).astype(dtype), noise(c, 1, *kernel).astype(dtype)
        self.b = noise(c, seed=1).astype(dtype) if bias else None
        self.scale, self.shift = (noise(c, seed=i).astype(dtype) for i in (2, 3))
        self.a = np.stack([self.scale, self.shift, *noise(2, c, seed=4).astype(dtype)])
        self.coefficients = m.put_lanes(*self.a) if lazy else -1
        taps = dict(zip(["kh", "kw", "sh", "sw", "dh", "dw"], (*kernel, *stride, *dilation)))
        self.fields = {"blocks": m.blocks(c), "images": n, "h": size[0], "wd": size[1], "oh": oh, "ow": ow,
                       "top": pads[0], "left": pads[1], "rows": rows or oh, **taps}
        self.fields |= {"a": self.coefficients, "low": self.clip[0], "high": self.clip[1], "x": m.put(self.x)}
        self.y_shape = (n, c, oh, ow)
        packed = m.room(m.blocks(c) * (2 * kernel[0] * kernel[1] + 1) * m.width)
        self.taps = {"kh": kernel[0], "kw": kernel[1], "h": kernel[0], "wd": kernel[1]}
        m.run("pack_depthwise", **self.taps, blocks=m.blocks(c), k=c, y=packed, w=m.put_io(0, self.w),
              b=m.put_io(0, self.b) if bias else -1)
        self.fields["w"] = packed

    def room(self, shape):
        n, c, h, w = shape
        return self.memory.room(self.memory.blocks(c) * n * h * w * self.memory.width)

    def sums(self):
        return self.memory.room(self.fields["images"] * self.fields["blocks"] * 2 * self.memory.width)

    @property
    def z(self):
        """The input as it is loaded, and what the clip lets pass back."""
        if not self.lazy:
            return self.x.astype(np.float64), np.ones(self.x.shape, bool)
        scale, shift = (v.astype(np.float64)[:, None, None] for v in (self.scale, self.shift))
        v = scale * self.x + shift
        return np.clip(v, *self.clip), (v > self.clip[0]) & (v < self.clip[1])

    def forward(self):
        m = self.memory
        y, sums = self.room(self.y_shape), self.sums()
        px = forward_frame(SimpleNamespace(**self.fields), m.width)
        m.run("depthwise_train", **self.fields, y=y, sums=sums, px=px, t=m.room(m.threads * px))
        return m.map(y, self.y_shape), self.read_sums(sums)

    def read_sums(self, at):
        """(images, 2, channels)."""
        m, f = self.memory, self.fields
        size = f["images"] * f["blocks"] * 2 * m.width
        sums = m.arena[at:at + size].reshape(f["images"], f["blocks"], 2, m.width)
        return sums.transpose(0, 2, 1, 3).reshape(f["images"], 2, -1)[:, :, :self.c]

    def back(self, gy, blended=None, gate=True, add=None, want=("gx", "gw")):
        """gx, gw, gb and the sums of gx; blended: y and the coefficients of gy."""
        m, f = self.memory, self.fields
        fields = dict(f, g=m.put(gy), ga=self.coefficients if gate else -1)
        if blended is not None:
            fields |= {"y": m.put(blended[0]), "c": m.put_lanes(*blended[1])}
        if add is not None:
            fields["add"] = m.put(add)
        frames = backward_frames(SimpleNamespace(**f), m.width)
        gx, sums = self.room(self.x.shape), self.sums()
        taps = f["kh"] * f["kw"] + 1
        parts = m.room(f["blocks"] * self.parts * taps * m.width)
        fields |= {"px": frames.z, "py": frames.gy, "ys": sum(frames), "t": m.room(m.threads * sum(frames)),
                   "lanes": self.parts}
        m.run("depthwise_back", **fields, gx=gx if "gx" in want else -1, sums=sums if "gx" in want else -1, b=0,
              r=parts if "gw" in want else -1)
        places = {"gw": m.put_io(2, np.full(self.w.shape, np.nan)), "b": m.put_io(2, np.full(self.c, np.nan))}
        if "gw" in want:
            m.run("depthwise_weights", **self.taps, blocks=f["blocks"], lanes=self.parts, k=self.c, x=parts, **places)
        gw = m.io[2][places["gw"]:][:self.w.size].reshape(self.w.shape)
        return m.map(gx, self.x.shape), gw, m.io[2][places["b"]:][:self.c], self.read_sums(sums)

    def expected(self, gy=None):
        z, _ = self.z
        return eager("conv2d", z, self.w, self.b, gy=gy, window=self.window, groups=self.c)

    def assert_forward(self):
        y, sums = self.forward()
        want = self.expected()
        close(y, want, self.dtype)
        pixels = want.shape[2] * want.shape[3]
        close(sums[:, 0], want.sum((2, 3)), self.dtype, factor=pixels)
        close(sums[:, 1], want.var((2, 3)) * pixels, self.dtype, factor=pixels)

    def assert_back(self, gate=True):
        n, c, h, w = self.y_shape
        g, y, add = noise(n, c, h, w, seed=5), noise(n, c, h, w, seed=6), noise(*self.x.shape, seed=7)
        c0, c1, c2 = noise(3, c, seed=8)
        given = [v.astype(self.dtype) for v in (g, y, np.stack([c0, c1, c2]), add)]
        gx, gw, gb, sums = self.back(given[0], (given[1], given[2]), gate, given[3])
        wide = [v.astype(np.float64) for v in given]
        gy = wide[2][0][:, None, None] * wide[0] + wide[2][1][:, None, None] * wide[1] + wide[2][2][:, None, None]
        _, (gz, want_gw, want_gb) = self.expected(gy)
        total = gz + wide[3]
        if gate and self.lazy:
            total = total * self.z[1]
            xhat = (self.x - self.a[2][:, None, None].astype(np.float64)) * self.a[3][:, None, None]
            for got, want in zip(sums.transpose(1, 0, 2), (total.sum((2, 3)), (total * xhat).sum((2, 3)))):
                close(got, want, self.dtype, factor=h * w)
        close(gx, total, self.dtype)
        close(gw, want_gw, self.dtype, factor=4)
        if self.b is not None:
            close(gb, want_gb, self.dtype, factor=4)


USUAL = [(k, s) for k in (3, 5, 7) for s in (1, 2)]


@dtypes
@pytest.mark.parametrize(("kernel", "stride"), USUAL)
@pytest.mark.parametrize("size", [(16, 16), (7, 7), (5, 4), (2, 2), (1, 1), (9, 23)])
def test_usual_kernels(dtype, kernel, stride, size):
    half = kernel // 2
    layer = Layer(dtype, 3, 2, size, (kernel, kernel), (stride, stride), pads=(half, half, half, half))
    layer.assert_forward()
    layer.assert_back()


@dtypes
@channels
def test_channels_and_bands(dtype, c):
    """Bands of 2 rows, the last of one."""
    for stride in (1, 2):
        layer = Layer(dtype, c, 3, (9, 10), stride=(stride, stride), rows=2, bias=False)
        layer.assert_forward()
        layer.assert_back()


@pytest.mark.parametrize("dtype", DTYPES[-1:])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_window(dtype, data):
    """Kernels, strides, dilations and paddings of all kinds, in bands of any height."""
    draw, upto = data.draw, lambda n: st.integers(1, n)
    pair = lambda n: (draw(upto(n)), draw(upto(n)))  # noqa: E731
    kernel, stride, dilation = pair(5), pair(3), pair(2)
    if draw(st.booleans()):
        kernel, stride, dilation = (kernel[0],) * 2, (stride[0],) * 2, (1, 1)
    pads = tuple(draw(st.integers(0, 4)) for _ in range(4))
    size = tuple(draw(st.integers(max(1, (k - 1) * d + 1 - a - b), 12))
                 for k, d, a, b in zip(kernel, dilation, pads[:2], pads[2:]))
    layer = Layer(dtype, 3, 2, size, kernel, stride, dilation, pads, lazy=draw(st.booleans()), rows=draw(upto(5)))
    layer.assert_forward()
    layer.assert_back(gate=draw(st.booleans()))


@dtypes
@pytest.mark.parametrize("parts", [1, 2, 3, 5])
def test_parts_of_the_images(dtype, parts):
    """Each of some images whose gradients of weights are summed as they come."""
    for threads in (1, 2):
        Layer(dtype, 17, 5, (4, 4), (5, 5), pads=(2, 2, 2, 2), parts=parts, threads=threads).assert_back()


@dtypes
@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_that_are_written_past_the_caches(dtype, stride):
    """Those of more than 4 MB, 64 bytes a pixel."""
    Layer(dtype, 3, 2, (190, 180), stride=(stride, stride), rows=50).assert_back()


@dtypes
def test_what_is_not_wanted(dtype):
    layer = Layer(dtype, 17, 2, (6, 6))
    gy = noise(*layer.y_shape, seed=5).astype(dtype)
    _, (_, want, _) = layer.expected(gy)
    close(layer.back(gy, want=["gw"])[1], want, dtype, factor=4)
    _, (want, _, _) = layer.expected(gy)
    close(layer.back(gy, want=["gx"])[0], want * layer.z[1], dtype)


@dtypes
def test_threads_give_the_same_bits(dtype):
    results = []
    for threads in (1, 3):
        layer = Layer(dtype, 58, 2, (13, 11), rows=4, threads=threads)
        gy = noise(*layer.y_shape, seed=5).astype(dtype)
        results.append([*layer.forward(), *layer.back(gy)])
    for one, three in zip(*results):
        np.testing.assert_array_equal(one, three)


def test_plans_that_leave_their_memory():
    layer = Layer(np.float32, 17, 2, (6, 6))
    layer.forward()
    layer.memory.assert_refused("x y w a t px blocks images h wd oh ow kh kw sums")
    layer.back(noise(*layer.y_shape).astype("f"))
    layer.memory.rows.pop()
    layer.memory.assert_refused("x g w a t px py ys blocks images h wd oh ow kh kw sums gx ga r lanes")


def test_moments_of_a_plane_unlike_its_first_rows():
    """Bands are summed about the first one's mean, which may be far from the plane's."""
    layer = Layer(np.float32, 3, 1, (64, 64), lazy=False, rows=4, bias=False)
    layer.memory.arena[layer.fields["x"] + 8 * 64 * layer.memory.width:][:56 * 64 * layer.memory.width] += 30
    layer.x[:, :, 8:] += np.float32(30)
    _, sums = layer.forward()
    want = layer.expected()
    np.testing.assert_allclose(sums[0, 0], want.sum((2, 3))[0], rtol=1e-5)
    np.testing.assert_allclose(sums[0, 1], want.var((2, 3))[0] * 64 * 64, rtol=10 * TOLERANCE[np.float32])
