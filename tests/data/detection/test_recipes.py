"""Recipes of augmentation by name, and the changes that only they make."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from painted import BLUE, bounds, check, painted

from tinycnn.data.detection import RECIPES, Sample, augment, random_window, sample_rng, scale_colour

SEEDS = st.integers(0, 10_000)
CANVAS = (64, 96)


def images(count=6):
    return [painted(np.random.default_rng(i), n=1 + i % 3, height=50 + i, width=90 - i) for i in range(count)]


def run(recipe, index=2, epoch=0, source=None, canvas=CANVAS):
    source = images() if source is None else source
    return augment(recipe)(source.__getitem__, index, len(source), sample_rng(7, epoch, index), canvas)


def same(a, b):
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("image", "boxes", "labels", "weights"))


def test_names():
    assert {"none", "flip", "ssd", "yolo", "yolov4"} <= set(RECIPES)
    with pytest.raises(ValueError, match="recipe must be one of none, flip, ssd, yolo, yolov4, mixup, got 'x'"):
        augment("x")


@pytest.mark.parametrize("recipe", RECIPES)
class TestEvery:
    def test_is_the_same_again(self, recipe):
        for epoch in range(4):
            assert same(run(recipe, epoch=epoch), run(recipe, epoch=epoch))

    def test_differs_between_epochs_and_images(self, recipe):
        several = [run(recipe, epoch=epoch).image for epoch in range(20)]
        if recipe != "none":
            assert any(one.shape != several[0].shape or (one != several[0]).any() for one in several)
        assert not same(run(recipe, index=1), run(recipe, index=2))

    def test_objects_stay_on_the_image_and_have_an_area(self, recipe):
        for epoch in range(20):
            sample = run(recipe, epoch=epoch)
            h, w = sample.size
            assert isinstance(sample, Sample)
            assert sample.image.dtype == np.uint8
            assert (sample.boxes >= 0).all()
            assert (sample.boxes <= np.array([w, h, w, h])).all()
            assert (sample.boxes[:, 2:] > sample.boxes[:, :2]).all()

    def test_leaves_its_source_alone(self, recipe):
        source = images()
        for sample in source:
            sample.image.flags.writeable = False
        for epoch in range(10):
            run(recipe, epoch=epoch, source=source)
        assert all(same(a, b) for a, b in zip(source, images()))

    def test_images_without_objects_and_a_single_one(self, recipe):
        source = [Sample(np.full((40, 50, 3), 90, np.uint8))]
        for epoch in range(10):
            assert len(run(recipe, 0, epoch, source).boxes) == 0

    def test_grey_and_floating_images(self, recipe):
        for image in (np.full((40, 50, 1), 90, np.uint8), np.full((40, 50, 3), 0.4, np.float32)):
            for epoch in range(5):
                sample = run(recipe, 0, epoch, [Sample(image, [[5, 5, 30, 30]], [1])])
                assert sample.image.dtype == image.dtype
                assert sample.image.shape[2] == image.shape[2]


def test_none_and_flip():
    assert run("none") is not None
    assert same(run("none"), images()[2])
    flips = [run("flip", epoch=epoch) for epoch in range(40)]
    mirrored = [np.array_equal(s.image, images()[2].image[:, ::-1]) for s in flips]
    assert 8 < sum(mirrored) < 32
    for sample in flips:
        check(sample, tolerance=0)


def test_mosaics_are_of_four_and_of_the_canvas():
    """Half of the images; in these, colours of several."""
    shades = [Sample(np.full((40, 60, 3), 30 + 20 * i, np.uint8), [[0, 0, 60, 40]], [i]) for i in range(10)]
    results = [run("yolov4", epoch=epoch, source=shades) for epoch in range(60)]
    mosaics = [s for s in results if s.size == CANVAS and len(set(s.labels)) > 1]
    assert 15 < len(mosaics) < 45
    assert max(len(set(s.labels)) for s in mosaics) == 4
    assert sum(2 in s.labels for s in results) > 40  # the image whose turn it is, unless its window shows little


def test_mixup_weighs_objects():
    results = [run("mixup", epoch=epoch) for epoch in range(40)]
    mixed = [s for s in results if (s.weights < 1).any()]
    assert 10 < len(mixed) < 30
    assert all(s.weights.min() > 0 and s.weights.max() <= 1 for s in mixed)


class TestRandomWindow:
    @given(seed=SEEDS, jitter=st.sampled_from([0, 0.2, 0.45]))
    @settings(max_examples=40)
    def test_boxes_follow_their_pixels(self, seed, jitter):
        sample = painted(np.random.default_rng(seed))
        moved = random_window(sample, np.random.default_rng(seed), jitter)
        check(moved, tolerance=0)
        h, w = sample.size
        assert abs(moved.size[0] - h) <= 2 * jitter * h + 2
        assert abs(moved.size[1] - w) <= 2 * jitter * w + 2
        for label in set(range(3)) - set(moved.labels):  # what is dropped is hardly to be seen
            found = bounds(moved.image, label)
            whole = np.prod(sample.boxes[label, 2:] - sample.boxes[label, :2])
            assert found is None or np.prod(found[2:] - found[:2]) < 0.3 * whole + 1

    def test_what_lies_beyond_is_filled(self):
        image = Sample(np.full((40, 40, 1), BLUE, np.uint8))
        seen = [random_window(image, np.random.default_rng(i), fill=0.0).image for i in range(20)]
        assert any((one == 0).any() for one in seen)
        assert all(set(np.unique(one)) <= {0, BLUE} for one in seen)

    def test_nothing_moves_without_jitter(self):
        sample = painted(np.random.default_rng(0))
        assert same(random_window(sample, np.random.default_rng(0), 0), sample)

    def test_refusals(self):
        with pytest.raises(ValueError, match=r"random_window: jitter must be at least 0 and less than 0\.5, got 0\.5"):
            random_window(painted(np.random.default_rng(0)), np.random.default_rng(0), 0.5)


class TestScaleColour:
    def test_grey_pixels_keep_their_hue_and_change_by_the_factor(self):
        sample = Sample(np.full((4, 4, 3), 0.4, np.float64))
        values = [scale_colour(sample, np.random.default_rng(i)).image for i in range(200)]
        assert max(np.ptp(one) for one in values) < 1e-12
        means = np.array([one.mean() for one in values]) / 0.4
        assert means.min() == pytest.approx(1 / 1.5, abs=0.08)
        assert means.max() == pytest.approx(1.5, abs=0.15)
        assert np.abs(np.log(means)).max() <= np.log(1.5) + 1e-9
        assert np.mean(means < 1) == pytest.approx(0.5, abs=0.12)

    def test_bytes_stay_within_their_range(self):
        sample = Sample(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8))
        for i in range(20):
            assert scale_colour(sample, np.random.default_rng(i)).image.dtype == np.uint8

    def test_nothing_changes_without_a_range(self):
        sample = painted(np.random.default_rng(0))
        np.testing.assert_array_equal(scale_colour(sample, np.random.default_rng(0), 1, 0).image, sample.image)

    def test_refusals(self):
        with pytest.raises(ValueError, match=r"scale_colour: factor must be at least 1, got 0\.9"):
            scale_colour(painted(np.random.default_rng(0)), np.random.default_rng(0), 0.9)
