"""Views: photos of any size to arrays of one."""
import numpy as np
import pytest

pytest.importorskip("PIL", reason="pillow is not installed: photos cannot be resized")

from tinycnn.data import prepare, views
from tinycnn.data.transforms import normalize
from tinycnn.models import Preprocessing

RNG = np.random.default_rng(0)
PHOTOS = [RNG.integers(0, 256, (h, w, 3), np.uint8) for h, w in ((40, 60), (33, 32), (100, 20))]


def test_the_middle_is_what_classification_sees():
    p = Preprocessing(resize=32, crop=28)
    got = views.middle(PHOTOS, 32, 28)
    assert (got.shape, got.dtype) == ((3, 28, 28, 3), np.uint8)
    np.testing.assert_array_equal(normalize(got, p.mean, p.std), np.concatenate([prepare(x, p) for x in PHOTOS]))


def test_random_crops_differ_by_their_generator_alone():
    one, two, other = (views.random_resized_crop(PHOTOS, np.random.default_rng(s), 24) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert (one.shape, one.dtype) == ((3, 24, 24, 3), np.uint8)
    assert (one != other).any()


def test_a_crop_of_all_is_the_photo():
    square = PHOTOS[0][:40, :40]
    got = views.random_resized_crop([square], np.random.default_rng(0), 40, scale=(1, 1), ratio=(1, 1))
    np.testing.assert_array_equal(got[0], square)


def test_crops_lie_within():
    rng = np.random.default_rng(3)
    for height, width in ((40, 60), (5, 200), (200, 5)):
        for _ in range(50):
            left, top, right, bottom = views._random_box(height, width, rng, (0.1, 1.0), (3 / 4, 4 / 3))
            assert 0 <= left < right <= width
            assert 0 <= top < bottom <= height


def test_where_no_crop_fits_the_middle_is_taken():
    assert views._random_box(10, 200, np.random.default_rng(0), (1.0, 1.0), (1.0, 1.0)) == (95, 0, 105, 10)
