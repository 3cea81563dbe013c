"""Mosaic, MixUp and multi-scale training."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from painted import bounds, painted

from tinycnn.data.detection import Sample, mixup, mosaic, multi_scale_size

SEEDS = st.integers(0, 10_000)


def of_label(label, seed, **options):
    """A painted sample with one object; its label is also its colour."""
    sample = painted(np.random.default_rng(seed), **options)
    alone = sample.image.copy()
    alone[(sample.image[..., :2] != painted_colour(sample, label)).any(axis=2), :2] = 40
    return Sample(alone, sample.boxes[label:label + 1], [label])


def painted_colour(sample, label):
    x, y = sample.boxes[label, :2].astype(int)
    return sample.image[y, x, :2]


@given(seed=SEEDS, size=st.sampled_from([96, (80, 120)]))
def test_mosaic_boxes_follow_their_pixels(seed, size):
    samples = [of_label(i, seed + i) for i in range(3)] + [Sample(np.full((60, 9, 3), [40, 40, 200], np.uint8))]
    result = mosaic(samples, np.random.default_rng(seed), size)
    assert result.size == ((size, size) if isinstance(size, int) else size)
    assert len(set(result.labels)) == len(result.labels)
    for box, label in zip(result.boxes, result.labels):
        np.testing.assert_allclose(box, bounds(result.image, label), atol=1)


def test_mosaic_fills_the_canvas_by_four():
    shades = [Sample(np.full((40 + 9 * i, 60 - 9 * i, 1), 50 * (i + 1), np.uint8)) for i in range(4)]
    image = mosaic(shades, np.random.default_rng(1), (50, 70)).image[..., 0]
    assert image.shape == (50, 70)
    assert set(np.unique(image)) == {50, 100, 150, 200}
    assert [image[0, 0], image[0, -1], image[-1, 0], image[-1, -1]] == [50, 100, 150, 200]


def test_mosaic_drops_what_is_hardly_to_be_seen():
    sample = Sample(np.zeros((40, 40, 1), np.uint8), [[0, 0, 40, 40], [0, 0, 1, 1]], [1, 2])
    rng = np.random.default_rng(0)
    results = [mosaic([sample] * 4, rng, 40) for _ in range(50)]
    assert all(((r.boxes[:, 2:] - r.boxes[:, :2]) >= 2).all() for r in results)
    assert all(r.boxes.min(initial=0) >= 0 and r.boxes.max(initial=0) <= 40 for r in results)
    assert 0 < np.mean([np.count_nonzero(r.labels == 1) for r in results]) < 4


@given(seed=SEEDS, kind=st.sampled_from(["u1", "f4"]))
def test_mixup_adds_what_it_weighs(seed, kind):
    rng = np.random.default_rng(seed)
    a, b = painted(rng, height=50, width=90, kind=kind), painted(rng, n=2, height=60, width=70, kind=kind)
    mixed = mixup(a, b, np.random.default_rng(seed))
    share = mixed.weights[0]
    np.testing.assert_allclose(mixed.weights, [share] * 3 + [1 - share] * 2, atol=1e-6)
    np.testing.assert_array_equal(mixed.boxes, np.concatenate([a.boxes, b.boxes]))
    np.testing.assert_array_equal(mixed.labels, [0, 1, 2, 0, 1])
    expected = np.zeros((60, 90, 3))
    expected[:50, :90] += share * a.image
    expected[:60, :70] += (1 - share) * b.image
    assert mixed.image.dtype == np.dtype(kind)
    np.testing.assert_allclose(mixed.image, expected, atol=0.51 if kind == "u1" else 1e-5)


def test_mixup_of_mixtures_and_its_shares():
    rng = np.random.default_rng(0)
    a = painted(rng)
    twice = mixup(mixup(a, a, rng), a, rng)
    assert twice.weights.sum() == pytest.approx(3)
    shares = [mixup(a, a, rng).weights[0] for _ in range(500)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.05)
    assert np.var(shares) == pytest.approx(1 / 16, abs=0.01)  # of Beta(1.5, 1.5)


def test_multi_scale_sizes():
    sizes = [multi_scale_size(batch, seed=3) for batch in range(2000)]
    assert set(sizes) == set(range(320, 609, 32))
    assert all(len(set(sizes[i:i + 10])) == 1 for i in range(0, 2000, 10))
    assert sizes != [multi_scale_size(batch, seed=4) for batch in range(2000)]
    assert {multi_scale_size(b, every=1, smallest=96, largest=170, step=32) for b in range(99)} == {96, 128, 160}


def test_refusals():
    rng = np.random.default_rng(0)
    a, grey = painted(rng), Sample(np.zeros((9, 9, 1), np.uint8))
    with pytest.raises(ValueError, match="expected four images of one type and number of channels"):
        mosaic([a] * 3, rng, 32)
    with pytest.raises(ValueError, match="expected four images of one type and number of channels"):
        mosaic([a, a, a, grey], rng, 32)
    with pytest.raises(ValueError, match=r"mosaic: size must be an integer >= 8, or two of them, got \(7, 32\)"):
        mosaic([a] * 4, rng, (7, 32))
    with pytest.raises(ValueError, match=r"mixup: images of uint8 \(60, 80, 3\) and uint8 \(9, 9, 1\)"):
        mixup(a, grey, rng)
    with pytest.raises(ValueError, match="alpha must be positive, got 0"):
        mixup(a, a, rng, 0)
    with pytest.raises(ValueError, match="no size for batch 0, another every 10, from 320 to 300 by 32"):
        multi_scale_size(0, largest=300)
