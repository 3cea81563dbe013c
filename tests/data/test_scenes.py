"""The scenes: what is drawn is what the boxes say, and a scene depends on its number alone."""
import gzip

import numpy as np
import pytest
from idx_files import idx

from tinycnn.data import Scenes
from tinycnn.data.datasets import FashionMNIST
from tinycnn.data.scenes import OTHER, PORTRAIT, VISIBLE, Scene, bounds, cut_out, ground, portraits, stretch


def photographs(count, seed):
    """Ellipses of several shapes: brightness by the label, a corner that is not quite black."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:28, :28] - 13.5
    a, b = rng.uniform(4, 13, (2, count, 1, 1))
    inside = (x / a)**2 + (y / b)**2 < 1
    labels = np.arange(count) % 10
    images = np.where(inside, 60 + 19 * labels[:, None, None], 0).astype(np.uint8)
    images[:, 0, 0] = 5
    return images, labels.astype(np.uint8)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    directory = tmp_path_factory.mktemp("garments")
    for seed, split in enumerate(("train", "t10k")):
        images, labels = photographs(40, seed)
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            (directory / f"{split}-{name}-ubyte.gz").write_bytes(gzip.compress(idx(array)))
    return directory


def test_a_scene_depends_on_seed_split_and_number_alone(root):
    one, two = Scenes("train", root=root), Scenes("train", root=root)
    assert (len(one), len(Scenes("test", root=root)), len(Scenes("test", count=7, root=root))) == (8000, 1000, 7)
    first = [one[i] for i in (5, 3)]
    for sample, again in zip(first, [two[5], [two[i] for i in (1, 3)][1]]):
        for name in ("image", "boxes", "labels"):
            np.testing.assert_array_equal(getattr(sample, name), getattr(again, name))
    others = [one[6], Scenes("train", seed=1, root=root)[5], Scenes("test", root=root)[5]]
    assert len({sample.image.tobytes() for sample in (first[0], *others)}) == 4
    np.testing.assert_array_equal(one.truths(5)["boxes"], first[0].boxes)


def test_what_a_scene_is(root):
    scenes = Scenes("train", root=root)
    samples = [scenes[i] for i in range(60)]
    assert {sample.image.shape for sample in samples} == {(160, 160, 3)}
    assert {len(sample.labels) for sample in samples} >= {2, 3, 4, 5}
    assert {int(label) for sample in samples for label in sample.labels} == set(range(10))
    boxes = np.concatenate([sample.boxes for sample in samples])
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    assert boxes.min() >= 0
    assert boxes.max() <= 160
    assert sides.max() <= 88
    assert sides.min() >= VISIBLE * 0.2 * 160 / 2
    assert sum(sample.labels.size for sample in samples) / 60 > 3


def test_boxes_are_around_what_is_seen():
    """The garments are painted one by one; every pixel that changes much belongs to the last one."""
    images, labels = photographs(30, 3)
    rng = np.random.default_rng(0)
    for _ in range(5):
        scene = Scene(ground(rng, 128))
        for image, label in zip(images[:6], labels):
            before, known = scene.canvas.copy(), len(scene.labels)
            scene.add(image, int(label), rng)
            changed = np.abs(scene.canvas - before).max(axis=2) > 0
            if len(scene.labels) == known:
                assert not changed.any()
                continue
            drawn, around = bounds(scene.owner == known), bounds(changed)
            assert np.abs(np.subtract(drawn, around)).max() <= 4  # the soft edge
            assert scene.labels[-1] == label
        counts = [np.count_nonzero(scene.owner == i) for i in range(len(scene.labels))]
        assert scene.seen.tolist() == counts
        assert (scene.seen >= VISIBLE * scene.extents).all()


def test_cut_out():
    photograph = np.zeros((28, 28), np.uint8)
    photograph[4:14, 6:26] = 255
    photograph[4:14, 6:16] = 100
    photograph[0, 0] = 11  # a speck that is no garment
    light, opacity = cut_out(photograph, 40, mirror=False)
    assert light.shape == opacity.shape == (20, 40)
    assert (opacity == 1).all()
    assert light[:, -1].min() == 1
    assert light[0, 0] == pytest.approx(0.25 + 0.75 * 100 / 255)
    np.testing.assert_allclose(cut_out(photograph, 40, mirror=True)[0], light[:, ::-1])


def test_stretch_is_linear_between_pixel_centres():
    assert stretch(2, 4).tolist() == [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]]
    np.testing.assert_allclose(stretch(7, 31).sum(axis=1), 1, atol=1e-6)
    assert stretch(3, 3).tolist() == np.eye(3).tolist()


def test_portraits_are_large_and_depend_on_seed_split_and_number_alone(root):
    garments = FashionMNIST(root, "train")
    drawn = portraits(garments, 48)
    assert (drawn.shape, drawn.dtype) == ((40, 48, 48, 3), np.uint8)
    np.testing.assert_array_equal(drawn, portraits(garments, 48))
    for other in (portraits(garments, 48, seed=1), portraits(FashionMNIST(root, "test"), 48)):
        assert (drawn != other).any((1, 2, 3)).all()
    assert OTHER[1] < PORTRAIT[0]  # which of two is meant is seen
    rng = np.random.default_rng(0)
    scene = Scene(ground(rng, 48))
    scene.add(garments.images[0], 7, rng, PORTRAIT)
    x1, y1, x2, y2 = bounds(scene.owner == 0)
    assert PORTRAIT[0] * 48 - 2 <= max(x2 - x1, y2 - y1) <= PORTRAIT[1] * 48


def test_refusals(root, tmp_path):
    with pytest.raises(ValueError, match="size must be at least 32 pixels, got 31"):
        Scenes(size=31, root=root)
    with pytest.raises(IndexError, match="scene 3 of 3"):
        Scenes(count=3, root=root)[3]
    with pytest.raises(ValueError, match="split must be 'train' or 'test', got 'val'"):
        Scenes("val", root=root)
    with pytest.raises(FileNotFoundError, match="FashionMNIST: no train-images"):
        Scenes(root=tmp_path)
    assert sum(1 for _ in Scenes(count=3, root=root)) == 3
