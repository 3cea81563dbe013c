"""Resizing, crops, flips and the letterbox: boxes stay on what is painted in the image."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from painted import bounds, check, painted

from tinycnn.data.detection import (
    Sample,
    crop,
    letterbox,
    placement,
    random_expansion,
    random_flip,
    random_patch,
    resize,
)

SEEDS = st.integers(0, 10_000)
KINDS = st.sampled_from(["u1", "f4", "f8"])
RANDOM = {"random_flip": random_flip, "random_patch": random_patch, "random_expansion": random_expansion}


def test_a_painted_box_is_found():
    sample = painted(np.random.default_rng(0))
    check(sample, tolerance=0)
    with pytest.raises(AssertionError):
        check(Sample(sample.image, sample.boxes + 2, sample.labels))


@given(seed=SEEDS, kind=KINDS, height=st.integers(50, 130), width=st.integers(60, 170))
def test_resize(seed, kind, height, width):
    sample = resize(painted(np.random.default_rng(seed), kind=kind), (height, width))
    assert (sample.size, sample.image.dtype) == ((height, width), np.dtype(kind))
    check(sample, tolerance=0.8)


@pytest.mark.parametrize("size", [(31, 44), (93, 101), (60, 37)])
def test_pixels_are_those_of_pillows_bilinear_filter(size):
    Image = pytest.importorskip("PIL.Image", reason="pillow is not installed: nothing to compare with")
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    want = np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR))
    difference = np.abs(resize(Sample(image), size).image.astype(int) - want)
    assert difference.max() <= 1
    assert difference.mean() < 0.02  # exact halves are rounded to the other side


@pytest.mark.parametrize(("size", "canvas", "extent"), [
    ((500, 741), (416, 416), (280, 416)), ((741, 500), (416, 416), (416, 280)), ((400, 600), (416, 320), (213, 320)),
    ((1, 900), (32, 32), (1, 32))])
def test_a_letterbox_cuts_fractions_of_pixels_off(size, canvas, extent):
    where = placement(*size, canvas)
    assert tuple(round(n * s) for n, s in zip(size, where.scale)) == extent
    assert where.corner == tuple((side - n) // 2 for side, n in zip(canvas, extent))


@given(seed=SEEDS, kind=KINDS)
def test_random_flip(seed, kind):
    sample = painted(np.random.default_rng(seed), kind=kind)
    flipped = random_flip(sample, np.random.default_rng(0), 1)
    np.testing.assert_array_equal(flipped.image, sample.image[:, ::-1])
    check(flipped, tolerance=0)
    assert random_flip(sample, np.random.default_rng(0), 0) is sample


def test_about_half_are_flipped():
    rng, sample = np.random.default_rng(0), painted(np.random.default_rng(0))
    assert 400 < sum(random_flip(sample, rng) is sample for _ in range(1000)) < 600


@given(seed=SEEDS, visible=st.sampled_from([0, 0.3, 1]))
def test_crop(seed, visible):
    rng = np.random.default_rng(seed)
    sample = painted(rng)
    top, left = rng.integers(0, 30, 2)
    cut = crop(sample, top, left, int(rng.integers(10, 61 - top)), int(rng.integers(10, 81 - left)), visible)
    check(cut, tolerance=0)
    for label, box in zip(sample.labels, sample.boxes):
        found, whole = bounds(cut.image, label), (box[2] - box[0]) * (box[3] - box[1])
        share = 0 if found is None else (found[2] - found[0]) * (found[3] - found[1]) / whole
        assert (label in cut.labels) == (share > 0 and share >= visible)


@given(seed=SEEDS, kind=KINDS, size=st.sampled_from([96, (64, 120), (120, 64)]))
def test_letterbox_and_back(seed, kind, size):
    sample = painted(np.random.default_rng(seed), kind=kind)
    canvas, placement = letterbox(sample, size)
    height, width = (size, size) if isinstance(size, int) else size
    assert (canvas.size, canvas.image.dtype) == ((height, width), np.dtype(kind))
    check(canvas, tolerance=0.8)
    np.testing.assert_allclose(placement.back(canvas.boxes), sample.boxes, atol=1e-4)
    np.testing.assert_allclose(placement.back([[-99, -99, 999, 999]]), [[0, 0, 80, 60]])
    blue = canvas.image[..., 2] * (1 if kind == "u1" else 255.0)
    inside = np.abs(blue - 200) < 2
    assert inside.any(axis=0).all() or inside.any(axis=1).all()  # it fills the canvas one way
    assert np.abs(blue[~inside] - 114).max(initial=0) < 1


@given(seed=SEEDS)
def test_patches_are_ssds(seed):
    rng = np.random.default_rng(seed)
    sample = painted(rng)
    patch = random_patch(sample, rng)
    check(patch, tolerance=0)
    assert len(patch.labels)
    (h, w), (height, width) = sample.size, patch.size
    assert 0.09 < height * width / (h * w) <= 1
    assert 0.45 < (width / w) / (height / h) < 2.1
    whole = {label: box for label, box in zip(sample.labels, sample.boxes)}
    for label, box in zip(patch.labels, patch.boxes):  # the centre is inside: at least half is, or fills the patch
        sides = box[2:] - box[:2]
        assert ((2 * sides + 2 >= whole[label][2:] - whole[label][:2]) | (sides == [width, height])).all()


def test_every_way_to_choose_a_patch_is_taken():
    rng, sample = np.random.default_rng(1), painted(np.random.default_rng(0))
    patches = [random_patch(sample, rng) for _ in range(400)]
    assert 30 < sum(patch is sample for patch in patches) < 120  # one of seven, and where nothing else is found
    assert {len(patch.labels) for patch in patches} == {1, 2, 3}
    nothing = Sample(sample.image)
    assert random_patch(nothing, rng) is nothing


@given(seed=SEEDS, kind=KINDS)
def test_expansion(seed, kind):
    sample = painted(np.random.default_rng(seed), kind=kind)
    wide = random_expansion(sample, np.random.default_rng(seed), probability=1)
    check(wide, tolerance=0)
    assert all(a <= b <= 4 * a for a, b in zip(sample.size, wide.size))
    assert wide.image.dtype == np.dtype(kind)
    assert random_expansion(sample, np.random.default_rng(seed), probability=0) is sample


@pytest.mark.parametrize("name", RANDOM)
def test_random_ones_are_repeatable_and_leave_their_input(name):
    sample = painted(np.random.default_rng(3))
    image, boxes = sample.image.copy(), sample.boxes.copy()
    one, two = (RANDOM[name](sample, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one.image, two.image)
    np.testing.assert_array_equal(one.boxes, two.boxes)
    np.testing.assert_array_equal(sample.image, image)
    np.testing.assert_array_equal(sample.boxes, boxes)


def test_refusals():
    image = np.zeros((4, 6, 3), np.uint8)
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"image must be an array \(H, W, C\), got \(4, 6\)"):
        Sample(image[..., 0])
    with pytest.raises(TypeError, match="uint8, float32 or float64, got int64"):
        Sample(image.astype(np.int64))
    with pytest.raises(ValueError, match=r"got the shapes \(1, 3\), \(1,\), \(1,\)"):
        Sample(image, [[1, 2, 3]])
    with pytest.raises(ValueError, match=r"got the shapes \(1, 4\), \(2,\), \(1,\)"):
        Sample(image, [[1, 2, 3, 4]], [1, 2])
    for window in ((0, 0, 5, 1), (0, 0, 0, 1), (-1, 0, 1, 1), (0, 5, 1, 2)):
        with pytest.raises(ValueError, match="is empty or not within 4 x 6 pixels"):
            crop(Sample(image), *window)
    with pytest.raises(ValueError, match=r"resize: size must be an integer >= 1, or two of them, got \(0, 5\)"):
        resize(Sample(image), (0, 5))
    with pytest.raises(ValueError, match="letterbox: size must be an integer >= 1, or two of them, got 0"):
        letterbox(Sample(image), 0)
    with pytest.raises(ValueError, match=r"most must be at least 1, got 0\.5"):
        random_expansion(Sample(image), rng, 0.5)
