"""Coders: each is its own inverse, the values are torchvision's and the losses', gradients are those of differences."""
import numpy as np
import pytest
from torchvision_oracle import import_torchvision

import tinycnn
from tinycnn.detection import coders as C
from tinycnn.losses import YOLOv4Loss

RNG = np.random.default_rng(5)


def boxes(n: int) -> np.ndarray:
    corner = RNG.uniform(0, 50, (n, 2))
    return np.concatenate([corner, corner + RNG.uniform(2, 60, (n, 2))], 1)


@pytest.mark.parametrize("variances", [C.PLAIN, C.SSD_VARIANCES])
def test_deltas(torch, variances):
    truth, anchors = boxes(40), boxes(40)
    deltas = C.encode_deltas(truth, anchors, variances)
    np.testing.assert_allclose(C.decode_deltas(deltas, anchors, variances), truth, rtol=1e-12)
    import_torchvision()
    from torchvision.models.detection._utils import BoxCoder
    coder = BoxCoder(tuple(1 / v for v in variances))
    want = coder.encode_single(torch.tensor(truth), torch.tensor(anchors))
    np.testing.assert_allclose(deltas, want.numpy(), rtol=1e-6)
    wild = RNG.standard_normal((40, 4)) * 9
    np.testing.assert_allclose(C.decode_deltas(wild, anchors, variances),
                               coder.decode_single(torch.tensor(wild), torch.tensor(anchors)).numpy(), rtol=1e-6)


def test_deltas_of_classes_broadcast_over_anchors():
    deltas, anchors = RNG.standard_normal((6, 3, 4)).astype("f"), boxes(6).astype("f")
    got = C.decode_deltas(deltas, anchors[:, None])
    np.testing.assert_array_equal(got[:, 2], C.decode_deltas(deltas[:, 2], anchors))


@pytest.mark.parametrize("scale", [1.0, np.repeat([8.0, 16.0], 10)[:, None]], ids=["pixels", "strides"])
def test_distances(torch, scale):
    truth, points = boxes(20), RNG.uniform(0, 90, (20, 2))
    distances = C.encode_distances(truth, points, scale)
    np.testing.assert_allclose(C.decode_distances(distances, points, scale), truth, rtol=1e-12)
    import_torchvision()
    from torchvision.models.detection._utils import BoxLinearCoder
    cells = np.concatenate([points - scale / 2, points + scale / 2], 1)
    want = BoxLinearCoder(normalize_by_size=True).encode(torch.tensor(cells), torch.tensor(truth))
    np.testing.assert_allclose(distances, want.numpy(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("decode", [
    lambda t: C.decode_deltas(t, ANCHORS, C.SSD_VARIANCES), lambda t: C.decode_distances(t, ANCHORS[:, :2], 8.0)])
def test_gradients_of_decoding(decode):
    tinycnn.gradcheck(decode, [tinycnn.Tensor(RNG.standard_normal((5, 4)), requires_grad=True)])


ANCHORS = boxes(5)


@pytest.mark.parametrize("scale_xy", [1.0, 1.2])
def test_logistic_codes_are_the_losses(scale_xy):
    """What the criterion makes of a head's output is what the post-processing makes of it."""
    loss = YOLOv4Loss([(10, 14), (23, 27)], 16, scale_xy=scale_xy)
    raw = RNG.standard_normal((2, 2 * 7, 3, 4)) * 3
    raw[0, 2] = 20  # beyond the largest growth
    want = loss._decode(loss._by_anchor(tinycnn.Tensor(raw))).numpy()
    codes = raw.reshape(2, 2, 7, 3, 4).transpose(0, 1, 3, 4, 2)[..., :4]
    rows, columns = np.indices((3, 4))
    priors = np.zeros((2, 3, 4, 4))
    priors[..., 0], priors[..., 1] = columns * 16, rows * 16
    priors[0, ..., 2:], priors[1, ..., 2:] = (10, 14), (23, 27)
    got = C.decode_logistic(codes, priors, 16, scale_xy)
    np.testing.assert_allclose(got, want, rtol=1e-12)
    back = C.encode_logistic(got, priors, 16, scale_xy)
    inside = (np.abs(codes) < [12, 12, 6.9, 6.9]).all(-1)
    np.testing.assert_allclose(back[inside], codes[inside], rtol=1e-6, atol=1e-6)


def test_a_centre_on_the_border_of_its_cell_gives_a_finite_code():
    assert np.isfinite(C.encode_logistic([[-8, -8, 8, 8]], [[0, 0, 16, 16]], 32)).all()


def test_grid_codes():
    truth, size = np.array([[10.0, 20, 110, 60], [300, 400, 420, 448], [0, 0, 4, 4]]), (448, 420)
    codes, cells = C.encode_grid(truth, 7, size)
    assert ((codes >= 0) & (codes <= 1)).all()
    assert cells.min() >= 0
    assert cells.max() < 7
    dense = np.zeros((7, 7, 1, 4))
    dense[cells[:, 0], cells[:, 1], 0] = codes
    got = C.decode_grid(dense, size)[cells[:, 0], cells[:, 1], 0]
    np.testing.assert_allclose(got, truth, rtol=1e-12, atol=1e-9)


def test_a_centre_on_the_images_last_border_falls_into_the_last_cell():
    _, cells = C.encode_grid([[40, 40, 60, 60]], 5, (50, 50))
    assert cells.tolist() == [[4, 4]]


@pytest.mark.parametrize(("call", "match"), [
    (lambda: C.encode_deltas(boxes(2), boxes(2), (1, 1)), "encode_deltas: variances must be four positive"),
    (lambda: C.decode_deltas(np.zeros((2, 3)), boxes(2)), r"decode_deltas: deltas must be \(..., 4\)"),
    (lambda: C.decode_distances(tinycnn.Tensor(np.zeros((2, 3))), boxes(2)), r"distances must be \(..., 4\)"),
    (lambda: C.encode_distances(boxes(2), boxes(2)), r"points must be \(..., 2\)"),
    (lambda: C.decode_grid(np.zeros((7, 6, 2, 4)), (9, 9)), r"codes must be \(..., S, S, B, 4\)"),
])
def test_what_is_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
