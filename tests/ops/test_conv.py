"""Convolution, linear and matmul beyond the table: refusals, chunks of columns, the choice of algorithm."""
import numpy as np
import pytest

from tinycnn import Tensor, no_grad
from tinycnn import functional as F
from tinycnn._kernels import kernels, scratch, use
from tinycnn.ops import conv, depthwise, im2col, pointwise, winograd
from tinycnn.ops.geometry import window


def ones(*shape, dtype="float32"):
    return np.ones(shape, dtype)


@pytest.mark.parametrize(("arguments", "keywords", "words"), [
    ((ones(3, 4, 4), ones(2, 3, 3, 3)), {}, ["x", "(N, C, H, W)", "(3, 4, 4)"]),
    ((ones(1, 3, 4, 4), ones(2, 3, 3)), {}, ["w", "(O, C/groups, kh, kw)", "(2, 3, 3)"]),
    ((ones(0, 3, 4, 4), ones(2, 3, 3, 3)), {}, ["x", "extent 0", "(0, 3, 4, 4)"]),
    ((ones(1, 3, 4, 4), ones(0, 3, 3, 3)), {}, ["w", "extent 0", "(0, 3, 3, 3)"]),
    ((ones(1, 3, 4, 4), ones(2, 3, 3, 0)), {}, ["w", "extent 0", "(2, 3, 3, 0)"]),
    ((ones(1, 3, 4, 4), ones(2, 4, 3, 3)), {}, ["w", "(O, 3, kh, kw)", "(2, 4, 3, 3)"]),
    ((ones(1, 4, 4, 4), ones(2, 4, 3, 3)), {"groups": 2}, ["w", "(O, 2, kh, kw)", "(2, 4, 3, 3)"]),
    ((ones(1, 4, 4, 4), ones(2, 4, 3, 3)), {"groups": 3}, ["groups", "4", "3"]),
    ((ones(1, 4, 4, 4), ones(3, 2, 3, 3)), {"groups": 2}, ["groups", "3", "2"]),
    ((ones(1, 4, 4, 4), ones(2, 4, 3, 3)), {"groups": 0}, ["groups", "0"]),
    ((ones(1, 4, 4, 4), ones(2, 4, 3, 3)), {"groups": 1.0}, ["groups", "1.0"]),
    ((ones(1, 3, 4, 4), ones(2, 3, 3, 3), ones(3)), {}, ["b", "(2,)", "(3,)"]),
    ((ones(1, 3, 4, 4), ones(2, 3, 3, 3), ones(1, 2)), {}, ["b", "(2,)", "(1, 2)"]),
    ((ones(1, 3, 4, 4), ones(2, 3, 5, 5)), {}, ["kernel", "(5, 5)", "(4, 4)"]),
    ((ones(1, 3, 4, 4), ones(2, 3, 3, 3)), {"dilation": 2}, ["kernel", "(5, 5)", "(4, 4)"]),
    ((ones(1, 3, 4, 4), ones(2, 3, 3, 3)), {"stride": 0}, ["stride", "0"]),
    ((ones(1, 3, 4, 4), ones(2, 3, 3, 3)), {"padding": -1}, ["padding", "-1"]),
    ((ones(1, 3, 4, 4), ones(2, 3, 3, 3)), {"padding": "valid"}, ["padding", "valid"]),
    ((ones(1, 3, 4, 4), ones(2, 3, 3, 3)), {"dilation": (1, 0)}, ["dilation", "(1, 0)"]),
])
def test_conv2d_refuses(arguments, keywords, words):
    with pytest.raises(ValueError, match="conv2d: ") as caught:
        F.conv2d(*arguments, **keywords)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(("call", "arguments", "words"), [
    (F.linear, (ones(2, 3), ones(4, 5)), ["linear: w", "(O, 3)", "(4, 5)"]),
    (F.linear, (ones(2, 3), ones(3)), ["linear: w", "(O, 3)", "(3,)"]),
    (F.linear, (ones(2, 3), ones(4, 3), ones(3)), ["linear: b", "(4,)", "(3,)"]),
    (F.linear, (ones(0, 3), ones(4, 3)), ["linear: x", "extent 0", "(0, 3)"]),
    (F.linear, (ones(), ones(4, 3)), ["linear: x", "axis", "()"]),
    (F.linear, (ones(2, 3), ones(0, 3)), ["linear: w", "(0, 3)"]),
    (F.matmul, (ones(2, 3), ones(2, 3)), ["matmul: b", "(2, 3)", "3 rows"]),
    (F.matmul, (ones(2, 2, 3), ones(3, 3, 4)), ["matmul", "leading axes", "(3,)", "(2,)"]),
    (F.matmul, (ones(), ones(3)), ["matmul: a", "axis", "()"]),
    (F.matmul, (ones(2, 3), ones(3, 0)), ["matmul: b", "extent 0", "(3, 0)"]),
])
def test_products_refuse(call, arguments, words):
    with pytest.raises(ValueError, match=r"linear|matmul") as caught:
        call(*arguments)
    for word in words:
        assert word in str(caught.value)


def test_element_types_must_agree():
    with pytest.raises(TypeError, match=r"conv2d: w .*float64.*float32"):
        F.conv2d(ones(1, 3, 4, 4), ones(2, 3, 3, 3, dtype="float64"))
    with pytest.raises(TypeError, match="int64"):
        F.conv2d(np.ones((1, 3, 4, 4), int), np.ones((2, 3, 3, 3), int))


def gradients(x, w, b, **keywords):
    """Values and gradients of a convolution under a fixed weighting."""
    x, w, b = (Tensor(a, requires_grad=True) for a in (x, w, b))
    y = F.conv2d(x, w, b, **keywords)
    y.backward(np.cos(np.arange(y.size, dtype=y.dtype)).reshape(y.shape))
    return y.numpy(), x.grad, w.grad, b.grad


@pytest.mark.parametrize("columns", [1, 300, 2000])
@pytest.mark.parametrize("groups", [1, 2])
def test_columns_made_in_chunks_give_what_all_at_once_give(monkeypatch, columns, groups):
    """A row at a time, some rows of one image, some images."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape) for shape in ((5, 4, 9, 7), (6, 4//groups, 3, 3), (6,))]
    keywords = {"stride": 2, "padding": (2, 1, 0, 1), "groups": groups}
    want = gradients(*arrays, **keywords)
    monkeypatch.setattr(im2col, "COLUMNS", columns)
    monkeypatch.setattr(im2col, "PIXELS", 1)
    for got, expected in zip(gradients(*arrays, **keywords), want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


def test_tf_same_padding_is_tensorflows():
    """Five columns, kernel 2, stride 2: three outputs, the padding after; kernel 3, stride 2 on four: one after."""
    x = np.arange(1, 6, dtype="float32").reshape(1, 1, 1, 5)
    assert F.conv2d(x, ones(1, 1, 1, 2), stride=2, padding="tf_same").tolist() == [[[[3, 7, 5]]]]
    assert F.conv2d(x[..., :4], ones(1, 1, 1, 3), stride=2, padding="tf_same").tolist() == [[[[6, 7]]]]


def test_each_algorithm_is_chosen_where_it_suits():
    def chosen(x, w, stride=1, padding=0, groups=1):
        return conv.algorithm(x, w, window("conv2d", x[2:], w[2:], stride, padding), groups)

    assert chosen((1, 8, 7, 7), (16, 8, 1, 1)) is pointwise
    assert chosen((1, 8, 7, 7), (16, 8, 1, 1), stride=2) is pointwise
    assert chosen((1, 8, 7, 7), (16, 8, 1, 1), padding=1) is im2col
    assert chosen((1, 8, 7, 7), (8, 1, 3, 3), groups=8) is depthwise
    assert chosen((4, 64, 28, 28), (64, 64, 3, 3), padding=1) is winograd
    assert chosen((4, 64, 28, 28), (64, 64, 3, 3), stride=2, padding=1) is im2col
    assert chosen((4, 64, 28, 28), (64, 32, 3, 3), padding=1, groups=2) is im2col


def test_only_what_is_needed_is_computed():
    w = Tensor(ones(2, 3, 3, 3), requires_grad=True)
    x = Tensor(ones(1, 3, 5, 5))
    F.conv2d(x, w).sum().backward()
    assert w.grad is not None
    assert x.grad is None
    with no_grad():
        assert F.conv2d(x, w).node is None


LARGE = [  # (groups, m, n, k): past the tile, the panels, the blocks of k; odd columns; slices of k
    (1, 29, 97, 600), (3, 14, 49, 300), (1, 40, 33, 257), (1, 5, 300, 20), (2, 61, 450, 40), (1, 3, 7, 9000),
    (1, 130, 1, 70), (1, 2, 130, 700)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("extents", LARGE, ids=str)
@pytest.mark.parametrize(("transpose_a", "transpose_b"), [(False, False), (True, False), (False, True), (True, True)])
def test_large_products_equal_the_twin(extents, transpose_a, transpose_b, dtype):
    groups, m, n, k = extents
    rng = np.random.default_rng(1)
    a = rng.standard_normal((groups, k, m) if transpose_a else (groups, m, k)).astype(dtype)
    b = rng.standard_normal((groups, n, k) if transpose_b else (groups, k, n)).astype(dtype)
    c = np.full((groups, m, n), np.nan, dtype)
    kernel = kernels(c.dtype)
    kernel.gemm(a, b, c, transpose_a, transpose_b, scratch(kernel.gemm_scratch(groups, m, n, k), c.dtype))
    with use("reference"):
        want = np.empty_like(c)
        kernels(c.dtype).gemm(a, b, want, transpose_a, transpose_b, c[0, 0, :0])
    np.testing.assert_allclose(c, want, rtol=0, atol=(1e-5 if dtype == "float32" else 1e-12) * np.abs(want).max())


@pytest.mark.parametrize("shape", [(2, 30, 40, 16), (16, 40, 60, 4), (3, 20, 70, 49), (1, 300, 17, 400)], ids=str)
def test_large_pointwise_products_equal_the_twin(shape):
    """Segments longer and shorter than a vector, several blocks of k, all three products."""
    n, c, o, pixels = shape
    rng = np.random.default_rng(2)
    x, w, gy = (rng.standard_normal(s) for s in ((n, c, pixels), (o, c), (n, o, pixels)))
    results = []
    for isa in (None, "reference"):
        with use(isa) if isa else no_grad():
            kernel = kernels(x.dtype)
            y, gx, gw = np.empty_like(gy), np.empty_like(x), np.ones_like(w)
            room = scratch(max(kernel.gemm_scratch(1, *e) for e in (
                (o, n*pixels, c), (c, n*pixels, o), (o, c, n*pixels))), x.dtype)
            kernel.pointwise_forward(x, w, w[:, 0].copy(), y, room)
            kernel.pointwise_backward_input(gy, w, gx, room)
            kernel.pointwise_backward_weight(x, gy, gw, True, room)
            results.append((y, gx, gw))
    for got, want in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-11)


def test_kernels_refuse_what_does_not_fit():
    kernel = kernels(np.dtype(np.float32))
    a, b, c, room = ones(1, 4, 5), ones(1, 5, 6), ones(1, 4, 6), np.empty(1 << 16, "float32")
    for wrong in ((b, b, c), (a, a, c), (a, b, a), (ones(3, 4, 5), b, ones(2, 4, 6))):
        with pytest.raises(ValueError, match="gemm: "):
            kernel.gemm(*wrong, False, False, room)
    with pytest.raises(ValueError, match="scratch is too small"):
        kernel.gemm(a, b, c, False, False, room[:10])
    x, w, y = ones(2, 4, 9), ones(6, 4), ones(2, 6, 9)
    for wrong in ((x, ones(6, 3), None, y), (x, w, ones(5), y), (x, w, None, ones(2, 6, 8)), (x[:1], w, None, y)):
        with pytest.raises(ValueError, match="pointwise_forward: "):
            kernel.pointwise_forward(*wrong, room)
    with pytest.raises(ValueError, match="side by side"):
        kernel.pointwise_forward(ones(2, 4, 18)[:, :, ::2], w, None, y, room)
    with pytest.raises(ValueError, match="im2col: "):
        kernel.im2col(ones(1, 2, 4, 4), ones(1, 3, 2, 2, 3, 3), 1, 1, 1, 1, 0, 0)
