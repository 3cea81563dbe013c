"""Regions of interest beyond the table: boxes on the edge and off it, hostile coordinates, no boxes, refusals."""
from __future__ import annotations

import math

import numpy as np
import pytest

from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn._kernels import kernels

POOLS = [F.roi_pool, F.ps_roi_pool, F.roi_align]
INF, NAN = math.inf, math.nan


def maps(n=2, c=4, h=6, w=7, dtype="d"):
    return np.random.default_rng(0).standard_normal((n, c, h, w)).astype(dtype)


def by_definition(x, box, grid, scale, last, end, channel, reduce):
    """One box, bin by bin, in plain Python: whole corners, bins from floor to ceiling, cut off at the map."""
    (oh, ow), y = grid, []
    def rounded(v):
        return math.floor(abs(v) + 0.5)*(1 if v >= 0 else -1)
    image, (x1, y1, x2, y2) = int(box[0]), [rounded(v*scale) for v in box[1:]]
    height, width = max(y2 - y1 + last, 1), max(x2 - x1 + last, 1)
    for i in range(oh):
        for j in range(ow):
            rows = [r for r in range(y1 + i*height//oh, y1 - (-(i + 1)*height//oh)) if 0 <= r < x.shape[2] - end]
            columns = [c for c in range(x1 + j*width//ow, x1 - (-(j + 1)*width//ow)) if 0 <= c < x.shape[3] - end]
            found = [x[image, channel(i, j), r, c] for r in rows for c in columns]
            y.append(reduce(found) if found else 0.0)
    return np.reshape(y, grid)


BOXES = np.array([[0, 0, 0, 6, 5], [1, -3, -2, 4, 9], [0, 5, 4, 30, 30], [1, 2.5, 0.5, 3.5, 1.5], [0, 4, 4, 1, 1],
                  [1, 20, 20, 30, 30], [0, -9, -9, -4, -4], [1, -0.5, -1.5, 2.4999, 3.4999], [0, 6, 5, 6, 5]])


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("grid", [(1, 1), (2, 2), (3, 4), (9, 8)])
def test_roi_pool_is_its_definition_on_the_edge_and_off_it(grid, scale):
    x = maps()
    got = F.roi_pool(x, BOXES, grid, scale).numpy()
    for k, box in enumerate(BOXES):
        for c in range(x.shape[1]):
            want = by_definition(x, box, grid, scale, 1, 0, lambda i, j, c=c: c, max)
            np.testing.assert_array_equal(got[k, c], want)


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("grid", [(1, 1), (2, 2), (3, 4)])
def test_ps_roi_pool_is_its_definition_and_leaves_out_the_last_row_and_column(grid, scale):
    x = maps(c=2*grid[0]*grid[1])
    got = F.ps_roi_pool(x, BOXES, grid, scale).numpy()
    for k, box in enumerate(BOXES):
        for c in range(2):
            want = by_definition(x, box, grid, scale, 0, 1, lambda i, j, c=c: (c*grid[0] + i)*grid[1] + j,
                                 lambda found: sum(found)/len(found))
            np.testing.assert_allclose(got[k, c], want, rtol=1e-12, atol=1e-14)


def sample(plane, y, x):
    """Bilinear interpolation as torchvision defines it: nothing further out than a pixel, the edge within that."""
    h, w = plane.shape
    if not (-1 <= y <= h and -1 <= x <= w):
        return 0.0
    y, x = max(y, 0), max(x, 0)
    y0, x0 = min(int(y), h - 1), min(int(x), w - 1)
    y1, x1 = min(y0 + 1, h - 1), min(x0 + 1, w - 1)
    v, u = (y - y0 if y1 > y0 else 0), (x - x0 if x1 > x0 else 0)
    return ((1 - v)*((1 - u)*plane[y0, x0] + u*plane[y0, x1]) + v*((1 - u)*plane[y1, x0] + u*plane[y1, x1]))


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("ratio", [-1, 2])
def test_roi_align_is_the_mean_of_samples_on_the_edge_and_off_it(ratio, aligned):
    x, (oh, ow), scale = maps(c=1), (3, 2), 0.5
    boxes = BOXES*[1, 2, 2, 2, 2] + [0, 0.1, 0.2, 0.3, 0.4]
    got = F.roi_align(x, boxes, (oh, ow), scale, ratio, aligned).numpy()
    for k, (image, *corners) in enumerate(boxes):
        x1, y1, x2, y2 = [v*scale - aligned*0.5 for v in corners]
        height, width = (y2 - y1, x2 - x1) if aligned else (max(y2 - y1, 1), max(x2 - x1, 1))
        rows, columns = [ratio if ratio > 0 else math.ceil(n/parts) for n, parts in ((height, oh), (width, ow))]
        for i, j in np.ndindex(oh, ow):
            total = [sample(x[int(image), 0], y1 + i*height/oh + (r + 0.5)*height/oh/rows,
                            x1 + j*width/ow + (c + 0.5)*width/ow/columns)
                     for r in range(rows) for c in range(columns)]
            assert got[k, 0, i, j] == pytest.approx(sum(total)/max(len(total), 1), abs=1e-12)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("dtype", ["f", "d"])
def test_hostile_coordinates_stay_inside(pool, dtype):
    """Every combination of corners that could overflow: what is NaN gives 0, the rest is finite and has a gradient."""
    values = [NAN, INF, -INF, 1e30, -1e30, 2.0**31, -2.0**31, 2.0**62, 3.0]
    corners = np.stack(np.meshgrid(*[values]*4), -1).reshape(-1, 4)[::7]
    boxes = np.column_stack([np.zeros(len(corners)), corners])
    x = Tensor(maps(1, dtype=dtype), requires_grad=True)
    y = pool(x, boxes, 2)
    assert np.isfinite(y.numpy()).all()
    assert not y.numpy()[np.isnan(corners).any(1)].any()
    y.backward(np.ones(y.shape, dtype))
    assert np.isfinite(x.grad).all()


def test_an_infinite_box_is_the_whole_map():
    x = maps(1)
    box = np.array([[0, -INF, -INF, INF, INF]])
    np.testing.assert_array_equal(F.roi_pool(x, box, 1).numpy()[0, :, 0, 0], x.max((0, 2, 3)))


@pytest.mark.parametrize("pool", POOLS)
def test_no_boxes_give_no_elements_and_no_gradient(pool):
    x = Tensor(maps(), requires_grad=True)
    for none in (np.zeros((0, 5)), [np.zeros((0, 4)), np.zeros((0, 4))]):
        y = pool(x, none, 2)
        assert y.shape == (0, 1 if pool is F.ps_roi_pool else 4, 2, 2)
    y.backward(np.zeros(y.shape))
    assert not x.grad.any()


@pytest.mark.parametrize("pool", POOLS)
def test_a_list_holds_the_boxes_of_each_image(pool):
    x = maps()
    listed = [BOXES[:2, 1:], BOXES[2:5, 1:]]
    rows = np.column_stack([[0, 0, 1, 1, 1], np.concatenate(listed)])
    np.testing.assert_array_equal(pool(x, listed, 2).numpy(), pool(x, rows, 2).numpy())


@pytest.mark.parametrize("pool", POOLS)
def test_boxes_take_no_gradient_and_need_not_have_the_type_of_the_map(pool):
    boxes = Tensor(BOXES, requires_grad=True)
    x = Tensor(maps(dtype="f"), requires_grad=True)
    y = pool(x, boxes, 2)
    y.sum().backward()
    assert y.dtype == np.float32
    assert boxes.grad is None
    assert x.grad.any()


def test_the_first_of_equals_takes_the_gradient_and_nan_none():
    x = np.ones((1, 2, 4, 4))
    x[0, 1, 2, 2] = NAN
    x = Tensor(x, requires_grad=True)
    y = F.roi_pool(x, np.array([[0, 1, 1, 3, 3]]), 1)
    assert np.isnan(y.numpy().ravel()).tolist() == [False, True]
    y.backward(np.full(y.shape, 2.0))
    assert np.argwhere(x.grad).tolist() == [[0, 0, 1, 1]]


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("image", [-1, 2, 0.5, NAN, INF])
def test_a_box_of_no_image_is_refused(pool, image):
    with pytest.raises(ValueError, match=rf"{pool.__name__}: boxes\[1\] begins with .*one of 2 images"):
        pool(maps(), np.array([[0, 0, 0, 1, 1], [image, 0, 0, 1, 1]]), 2)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize(("change", "message"), [
    ({"input": np.ones((4, 6, 7), "f")}, r"input must have the axes \(N, C, H, W\)"),
    ({"input": np.ones((0, 4, 6, 7), "f")}, "none of extent 0"),
    ({"boxes": np.zeros((3, 4))}, r"boxes must have the shape \(K, 5\)"),
    ({"boxes": [np.zeros((3, 5))]}, r"boxes\[0\] must have the shape \(L, 4\)"),
    ({"output_size": 0}, "output_size"),
    ({"spatial_scale": 0.0}, "spatial_scale"),
    ({"spatial_scale": NAN}, "spatial_scale"),
])
def test_refusals(pool, change, message):
    arguments = {"input": maps(), "boxes": np.zeros((1, 5)), "output_size": 2, "spatial_scale": 1.0, **change}
    with pytest.raises(ValueError, match=f"{pool.__name__}: .*{message}"):
        pool(**arguments)


def test_channels_must_fit_the_bins():
    with pytest.raises(ValueError, match="4 channels of input are no multiple of the 9 bins"):
        F.ps_roi_pool(maps(), np.zeros((1, 5)), 3)


def test_sampling_ratio_is_limited():
    with pytest.raises(ValueError, match="sampling_ratio must be an integer up to 1024"):
        F.roi_align(maps(), np.zeros((1, 5)), 2, sampling_ratio=10**9)


@pytest.mark.parametrize("name", ["roi_pool_forward", "ps_roi_pool_forward"])
@pytest.mark.parametrize(("images", "rows", "message"), [
    ([2], [[[0, 6]]], "a box of image 2"),
    ([-1], [[[0, 6]]], "a box of image -1"),
    ([0], [[[0, 7]]], "bins of box 0"),
    ([0], [[[-1, 6]]], "bins of box 0"),
    ([0], [[[4, 2]]], "bins of box 0"),
])
def test_kernels_check_every_index(name, images, rows, message):
    x, y = maps(), np.zeros((1, 4, 1, 1))
    room = [np.zeros(64)] if name == "roi_pool_forward" else []
    columns = np.array([[[0, 7]]], np.intp)
    with pytest.raises(ValueError, match=message):
        getattr(kernels(x.dtype), name)(x, y, *room, np.array(images, np.intp), np.array(rows, np.intp), columns)


@pytest.mark.parametrize(("images", "bound", "message"), [([2], 6, "image 2"), ([0], 7, "samples of box 0")])
def test_the_kernel_of_align_checks_every_index(images, bound, message):
    x, y, whole = maps(), np.zeros((1, 4, 1, 1)), np.array([[[0, 7]]], np.intp)
    with pytest.raises(ValueError, match=message):
        kernels(x.dtype).roi_align_forward(x, y, np.zeros(64), np.array(images, np.intp), np.ones((1, 1, 6)),
                                           np.array([[[0, bound]]], np.intp), np.ones((1, 1, 7)), whole)
