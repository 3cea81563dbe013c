"""Tasks of detection: which images are trained on and tested with, and that everything wrong is listed."""
import numpy as np
import pytest
from detection_files import coco, voc, write_images, write_json

from tinycnn.data import BadDataError
from tinycnn.data.datasets import FASHION_MNIST_SYSTEM
from tinycnn.data.detection_tasks import annotated, scenes

pytest.importorskip("PIL", reason="pillow is not installed: no photo can be read")


def write_voc(directory, names=("a", "b"), **changes):
    (directory / "Annotations").mkdir(parents=True)
    write_images(directory / "JPEGImages")
    sizes = {"a": (60, 40), "b": (30, 50)}
    for name in names:
        box = changes.get(name, (1, 1, 20, 20))
        (directory / "Annotations" / f"{name}.xml").write_text(voc(f"{name}.png", [("kite", box)], sizes[name]))
    return directory


def stems(side):
    return sorted(image.path.stem for image in side.images)


def test_a_share_of_the_images_is_kept(tmp_path):
    write_images(tmp_path)
    task = annotated(write_json(tmp_path / "all.json", coco()), share=0.5)
    assert stems(task.train) + stems(task.test) in (["a", "b"], ["b", "a"])
    assert (task.classes, task.category_ids) == (("dog", "kite"), (7, 90))
    again = annotated(tmp_path / "all.json", share=0.5)
    assert stems(again.train) == stems(task.train)
    assert len(task.limited(1).train) == 1



def test_kept_images_are_made_once(tmp_path):
    write_images(tmp_path)
    task = annotated(write_json(tmp_path / "all.json", coco()), share=0.5)
    kept = task.kept()
    first, truths = kept.train[0], kept.train.truths(0)
    assert len(kept.train) == len(task.train)
    assert first is kept.train[0] is not task.train[0]
    np.testing.assert_array_equal(first.image, task.train[0].image)
    for name, value in task.train.truths(0).items():
        np.testing.assert_array_equal(truths[name], value)


def test_a_set_of_its_own_to_test_with(tmp_path):
    write_images(tmp_path / "photos")
    train, test = (write_json(tmp_path / f"{name}.json", coco()) for name in ("train", "test"))
    task = annotated(train, tmp_path / "photos", test)
    assert len(task.train) == len(task.test) == 2


def test_lists_of_voc(tmp_path):
    root = write_voc(tmp_path / "VOC")
    (root / "ImageSets" / "Main").mkdir(parents=True)
    for name, stem in (("train", "b"), ("val", "a")):
        (root / "ImageSets" / "Main" / f"{name}.txt").write_text(f"{stem}\n")
    task = annotated(root)
    assert (stems(task.train), stems(task.test), task.classes) == (["b"], ["a"], ("kite",))


def test_xml_and_images_side_by_side(tmp_path):
    write_images(tmp_path)
    for name, size in (("a", (60, 40)), ("b", (30, 50))):
        (tmp_path / f"{name}.xml").write_text(voc(f"{name}.png", size=size, objects=[("dog", (1, 1, 9, 9))]))
    assert len(annotated(tmp_path, share=0.5).train) == 1


def test_the_faults_of_both_sides_are_listed_at_once(tmp_path):
    train = write_voc(tmp_path / "one", a=(30, 1, 20, 20))
    test = write_voc(tmp_path / "two", b=(1, 1, 500, 20))
    with pytest.raises(BadDataError) as raised:
        annotated(train, validation=test)
    assert [(fault.file.parent.parent.name, fault.file.name) for fault in raised.value.faults] == [
        ("one", "a.xml"), ("two", "b.xml")]
    assert all(fault.entry == "object 0" for fault in raised.value.faults)
    task = annotated(train, validation=test, skip_bad=True)
    assert len(task.faults) == 2
    assert len(task.train[0].boxes) == 0


def test_what_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing: no such file or folder; expected 'scenes'"):
        annotated(tmp_path / "nothing")
    write_images(tmp_path)
    path = write_json(tmp_path / "all.json", coco())
    with pytest.raises(ValueError, match="0 < share < 1, got 1"):
        annotated(path, share=1)
    other = write_json(tmp_path / "other.json", coco(categories=[{"id": 90, "name": "ship"}, {"id": 7, "name": "dog"}]))
    with pytest.raises(ValueError, match=r"its classes are dog, ship; those of .* are dog, kite"):
        annotated(path, validation=other)
    single = coco()
    single["images"], single["annotations"] = single["images"][:1], single["annotations"][:2]
    with pytest.raises(ValueError, match="a single image"):
        annotated(write_json(tmp_path / "single.json", single))
    write_json(tmp_path / "empty.json", "")
    with pytest.raises(BadDataError, match="is empty"):
        annotated(tmp_path / "empty.json")


@pytest.mark.skipif(not FASHION_MNIST_SYSTEM.is_dir(), reason="Fashion-MNIST is not installed")
def test_scenes():
    task = scenes(64, (6, 4))
    assert (len(task.train), len(task.test), len(task.classes)) == (6, 4, 10)
    few = task.limited(3)
    np.testing.assert_array_equal(few.train[2].image, task.train[2].image)
    assert len(few.train) == len(few.test) == 3
