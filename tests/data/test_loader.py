"""Loader: every image once, in an order that seed and epoch alone decide."""
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinycnn.data import Loader


def make(n=10, **keywords):
    return Loader(np.arange(n) * 10, np.arange(n), **keywords)


def flat(batches):
    return [value for x, y in batches for value in y.tolist()]


@given(n=st.integers(1, 30), batch_size=st.integers(1, 35), shuffle=st.booleans(), drop_last=st.booleans())
def test_every_image_once(n, batch_size, shuffle, drop_last):
    if drop_last and batch_size > n:
        with pytest.raises(ValueError, match="make no batch"):
            make(n, batch_size=batch_size, drop_last=True)
        return
    loader = make(n, batch_size=batch_size, shuffle=shuffle, drop_last=drop_last)
    batches = list(loader)
    assert len(batches) == len(loader)
    assert all((x == y * 10).all() for x, y in batches)
    seen = flat(batches)
    assert len(set(seen)) == len(seen) == (n // batch_size * batch_size if drop_last else n)
    if not shuffle:
        assert seen == sorted(seen)


def test_order_is_of_seed_and_epoch():
    one, two = make(seed=3, shuffle=True, batch_size=3), make(seed=3, shuffle=True, batch_size=3)
    first, second = flat(one), flat(one)
    assert first != second
    assert (flat(two), flat(two)) == (first, second)
    two.epoch = 1
    assert flat(two) == second
    assert flat(make(seed=4, shuffle=True, batch_size=3)) != first


def test_an_epoch_can_be_entered_anywhere():
    def noise(x, rng):
        return x + rng.random(len(x))
    loader = make(shuffle=True, batch_size=3, transform=noise)
    whole, rest = list(loader.batches(5)), list(loader.batches(5, first=2))
    assert len(rest) == len(whole) - 2
    for (x, y), (x_rest, y_rest) in zip(whole[2:], rest, strict=True):
        np.testing.assert_array_equal(x, x_rest)
        np.testing.assert_array_equal(y, y_rest)
    assert not np.array_equal(*(x[:1] % 1 for x, _ in whole[:2]))  # batches draw apart


def test_transform_leaves_the_data_alone():
    images = np.zeros((4, 2, 2), np.uint8)

    def spoil(x, rng):
        x += 1
        return x
    assert all(x.all() for x, _ in Loader(images, np.arange(4), 2, transform=spoil))
    assert not images.any()


def test_the_same_bits_by_any_number_of_threads():
    images, labels = np.random.default_rng(0).random((50, 6, 6)).astype(np.float32), np.arange(50) % 3

    def noise(x, rng):
        return x + rng.standard_normal(x.shape).astype(np.float32)

    def mix(x, y, rng):
        share = rng.random()
        return (share * x + (1 - share) * x[::-1]).astype(np.float32), y[rng.permutation(len(y))]

    def batches(workers):
        loader = Loader(images, labels, 7, shuffle=True, seed=3, transform=noise, mix=mix, workers=workers)
        return [array for _ in range(2) for batch in loader for array in batch]
    alone = batches(0)
    for workers in (1, 3):
        for one, two in zip(alone, batches(workers), strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("workers", [0, 2])
def test_what_fails_in_a_batch_says_in_which(workers):
    def fail(x, rng):
        if 7 in x:
            raise OSError("disk on fire")
        return x
    loader = Loader(np.arange(10), np.arange(10), 2, transform=fail, workers=workers)
    with pytest.raises(OSError, match="disk on fire") as caught:
        list(loader)
    assert caught.value.__notes__ == ["Loader: while making batch 3 of epoch 0"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tinycnn-data")]


def test_an_example_is_like_the_batches():
    loader = Loader(np.ones((5, 2), np.float32), np.arange(5), 3, transform=lambda x, rng: x[:, None], shuffle=True)
    x, y = loader.example()
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((3, 1, 2), np.float32, (3,), np.int64)
    assert loader.epoch == 0


@pytest.mark.parametrize(("keywords", "message"), [
    ({"workers": -1}, "workers must not be negative"),
    ({"batch_size": 0}, "batch_size must be at least 1, got 0"), ({"seed": -1}, "seed"), ({"n": 0}, "make no batch")])
def test_refuses(keywords, message):
    with pytest.raises(ValueError, match=message):
        make(**keywords)
    with pytest.raises(ValueError, match="3 images, but 2 labels"):
        Loader(np.zeros(3), np.zeros(2))
