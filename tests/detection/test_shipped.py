"""The detector that comes with the package, and the scene that comes with the examples."""
from pathlib import Path

import numpy as np
import pytest

import tinycnn
from tinycnn.data import Scenes, load_image
from tinycnn.data.datasets import FASHION_MNIST_SYSTEM
from tinycnn.detection import Finder
from tinycnn.detection.finder import SHIPPED

pytest.importorskip("PIL", reason="pillow is not installed: no photo can be read")
SCENE = Path(__file__).parents[2] / "examples" / "images" / "scene.png"
TRUTHS = {"Bag": [[48, 100, 156, 158]], "Dress": [[101, 135, 182, 287], [215, 148, 263, 298]],
          "Sneaker": [[7, 279, 72, 302], [59, 34, 166, 80]]}


@pytest.mark.parametrize("compile", [None, tinycnn.compile], ids=["eager", "compiled"])
def test_it_finds_each_garment_of_the_scene_and_nothing_else(compile):
    finder = Finder(compile=compile)
    (found,) = finder([SCENE])
    names = [finder.classes[label] for label in found.labels]
    assert sorted(names) == [name for name, boxes in TRUTHS.items() for _ in boxes]
    for name, boxes in TRUTHS.items():
        iou = tinycnn.ops.box_iou(np.array(boxes, np.float32), found.boxes[[n == name for n in names]])
        assert (iou.max(1) > 0.7).all(), name


def test_it_is_small():
    assert SHIPPED.stat().st_size < 2e6


@pytest.mark.skipif(not FASHION_MNIST_SYSTEM.is_dir(), reason="Fashion-MNIST is not installed")
def test_the_scene_is_the_one_that_its_page_says():
    scenes = Scenes("test", 320)
    scene = scenes[737]
    np.testing.assert_array_equal(load_image(SCENE), scene.image)
    labels = [scenes.classes[label] for label in scene.labels]
    assert labels == [name for name, boxes in TRUTHS.items() for _ in boxes]
    np.testing.assert_array_equal(scene.boxes, np.concatenate([*TRUTHS.values()]))
