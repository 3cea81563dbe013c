"""COCO's files: what is read is what was written, and everything that is wrong is listed before anything is used."""
import json

import numpy as np
import pytest
from detection_files import coco, write_images, write_json

from tinycnn.data import BadDataError
from tinycnn.data.detection import read_coco, read_coco_results, write_coco, write_coco_results
from tinycnn.detection.metrics import coco_map

pytest.importorskip("PIL", reason="pillow is not installed: images cannot be checked")


@pytest.fixture
def images(tmp_path):
    return write_images(tmp_path / "images")


@pytest.fixture
def read(tmp_path, images):
    return lambda content, **options: read_coco(write_json(tmp_path / "a.json", content), images, **options)


def problems(read, content):
    with pytest.raises(BadDataError) as raised:
        read(content)
    return [(p.entry, p.reason) for p in raised.value.faults]


def one_changed(**changes):
    """The third annotation with other values; None takes one away."""
    content = coco()
    entry = content["annotations"][2]
    entry |= changes
    content["annotations"][2] = {name: value for name, value in entry.items() if value is not None}
    return content


def test_what_is_read(read, images):
    dataset = read(coco())
    assert (dataset.classes, dataset.category_ids, dataset.faults) == (("dog", "kite"), (7, 90), ())
    first, second = dataset.images
    assert (first.path, first.width, first.height, first.id) == (images / "a.png", 60, 40, 30)
    assert first.boxes.tolist() == [[10, 5, 30, 35], [0, 0, 60, 40]]
    assert first.labels.tolist() == [1, 0]
    assert first.crowd.tolist() == [False, True]
    assert first.area.tolist() == [333.5, 2400]
    assert second.boxes.tolist() == [[1.5, 2.25, 4.5, 6.25]]


def test_samples_to_train_on_and_truths_to_measure_with(read):
    dataset = read(coco())
    sample, truths = dataset[0], dataset.truths(0)
    assert sample.image.shape == (40, 60, 3)
    assert (sample.boxes.tolist(), sample.labels.tolist()) == ([[10, 5, 30, 35]], [1])  # without the crowd
    assert dataset[1].image.shape == (50, 30, 3)
    found = {"boxes": sample.boxes, "labels": sample.labels, "scores": [0.5]}
    assert coco_map([found], [truths]).ap == pytest.approx(1)
    assert sorted(truths) == ["area", "boxes", "difficult", "iscrowd", "labels"]


def test_an_image_without_objects_stays(read):
    dataset = read(coco(annotations=coco()["annotations"][:2]))
    assert [len(image.boxes) for image in dataset.images] == [2, 0]


def test_a_file_without_annotations_is_listed(read):
    assert problems(read, coco(annotations=[])) == [("", "has no annotation")]
    dataset = read(coco(annotations=[]), skip_bad=True)
    assert [len(image.boxes) for image in dataset.images] == [0, 0]
    assert all(image.boxes.shape == (0, 4) for image in dataset.images)


def test_written_and_read_again(read, images, tmp_path):
    dataset = read(coco())
    write_coco(dataset, tmp_path / "b.json", images)
    again = read_coco(tmp_path / "b.json", images)
    assert (again.classes, again.category_ids) == (dataset.classes, dataset.category_ids)
    for one, other in zip(dataset.images, again.images):
        for name, value in vars(one).items():
            np.testing.assert_array_equal(value, getattr(other, name), err_msg=name)


BAD = {
    "inverted": (one_changed(bbox=[5, 5, -2, 3]), "the box (5, 5) to (3, 8) is inverted or empty"),
    "empty box": (one_changed(bbox=[5, 5, 0, 3]), "the box (5, 5) to (5, 8) is inverted or empty"),
    "outside": (one_changed(bbox=[100, 5, 4, 3]), "the box (100, 5) to (104, 8) is not within the image, 30 x 50"),
    "half outside": (one_changed(bbox=[28, 5, 4, 3]), "the box (28, 5) to (32, 8) is not within the image, 30 x 50"),
    "just outside": (one_changed(bbox=[30, 5, 1, 3]), "the box (30, 5) to (31, 8) is not within the image, 30 x 50"),
    "not finite": (one_changed(bbox=[float("nan"), 5, 4, 3]), "a number of bbox is nan, expected a finite number"),
    "text": (one_changed(bbox=["5", 5, 4, 3]), "a number of bbox is '5', expected a finite number"),
    "three numbers": (one_changed(bbox=[5, 4, 3]), "bbox is [5, 4, 3], expected [x, y, width, height]"),
    "no box": (one_changed(bbox=None), "bbox is missing, expected [x, y, width, height]"),
    "unknown category": (one_changed(category_id=8), "unknown category 8"),
    "no category": (one_changed(category_id=None), "category_id is missing, expected a whole number"),
    "unknown image": (one_changed(image_id=99), "its image 99 is not in the list of images, or bad"),
    "negative area": (one_changed(area=-1), "an area of -1"),
    "huge": (one_changed(area=10**400), "area is 1" + "0" * 56 + "..., expected a finite number"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_annotation_is_listed(name, read):
    content, reason = BAD[name]
    assert problems(read, content) == [("annotation 2 (id 3)", reason)]
    dataset = read(content, skip_bad=True)
    assert [len(image.boxes) for image in dataset.images] == [2, 0]
    assert [p.reason for p in dataset.faults] == [reason]


def test_a_pixel_over_the_edge_is_clipped(read):
    assert read(one_changed(bbox=[-0.5, 5, 31, 45.5])).images[1].boxes.tolist() == [[0, 5, 30, 50]]


def test_numbers_that_come_twice(read):
    content = coco(categories=[*coco()["categories"], {"id": 7, "name": "cat"}])
    content["annotations"].append(content["annotations"][0])
    content["images"].append(content["images"][0])
    assert problems(read, content) == [("category 2", "its id 7 has come before"),
                                       ("image 2", "its id 30 has come before"),
                                       ("annotation 3 (id 1)", "its id has come before")]
    dataset = read(content, skip_bad=True)
    assert (len(dataset), len(dataset.images[0].boxes), dataset.classes) == (2, 2, ("dog", "kite"))


def test_bad_images_are_listed(read, images):
    (images / "b.png").write_bytes((images / "b.png").read_bytes()[:60])
    content = coco()
    content["images"] += [{"id": 40, "file_name": "none.png", "width": 5, "height": 5},
                          {"id": 41, "file_name": "a.png", "width": 40, "height": 60},
                          {"id": 42, "file_name": "a.png", "width": 0, "height": 60}, {"id": 43}, "what"]
    found = problems(read, content)
    assert found[:3] == [("image 4", "a size of 0 x 60"), ("image 5", "width is missing, expected a whole number"),
                         ("image 6", "is 'what', expected an object")]
    assert "cannot be read as a photo" in found[3][1]
    assert [reason for _, reason in found[4:]] == ["there is no such file",
                                                   "60 x 40 pixels, but its annotations are for 40 x 60"]
    assert [image.id for image in read(content, skip_bad=True).images] == [30]
    assert len(read(coco(), check_images=False)) == 2


@pytest.mark.parametrize(("content", "reason"), [
    ("", "is empty"), (" \n", "is empty"), ("{", "not JSON: Expecting property name"), ("[]", "the top is no object"),
    ("[" * 100000, "not JSON: "), ("{}", "no list 'images'"), (coco(annotations={}), "no list 'annotations'")])
def test_another_file_is_refused_whatever_may_be_skipped(read, content, reason):
    for skip_bad in (False, True):
        with pytest.raises(BadDataError) as raised:
            read(content, skip_bad=skip_bad)
        assert reason in raised.value.faults[0].reason


def test_no_file(tmp_path):
    with pytest.raises(BadDataError, match=r"none\.json: cannot be read: No such file"):
        read_coco(tmp_path / "none.json", tmp_path)


def test_nothing_left(read):
    with pytest.raises(BadDataError, match="none is left"):
        read(coco(images=[], annotations=[]), skip_bad=True)


def test_the_message_is_short_and_the_list_is_not(read):
    content = coco()
    content["annotations"] = [one_changed(category_id=8, id=i)["annotations"][2] for i in range(50)]
    message = r"(?s)a\.json: 50 of its images and entries cannot be used \(skip_bad=True.*and 30 more$"
    with pytest.raises(BadDataError, match=message) as raised:
        read(content)
    assert len(raised.value.faults) == 50


def test_results_written_and_read_again(read, tmp_path):
    dataset = read(coco())
    found = [{"boxes": np.array([[1, 2, 3, 4.5]], np.float32), "scores": np.array([0.25], np.float32), "labels": [1]},
             {"boxes": np.zeros((0, 4)), "scores": [], "labels": []}]
    write_coco_results(tmp_path / "r.json", found, dataset)
    assert json.loads((tmp_path / "r.json").read_text()) == [
        {"image_id": 30, "category_id": 90, "bbox": [1, 2, 2, 2.5], "score": 0.25}]
    again = read_coco_results(tmp_path / "r.json", dataset)
    assert again[0]["boxes"].tolist() == [[1, 2, 3, 4.5]]
    assert (again[0]["labels"].tolist(), again[0]["scores"].tolist()) == ([1], [0.25])
    assert again[1]["boxes"].shape == (0, 4)


def test_bad_results_are_listed(read, tmp_path):
    dataset = read(coco())
    good = {"image_id": 30, "category_id": 90, "bbox": [1, 2, 2, 2], "score": 0.25}
    bad = [good, good | {"image_id": 1}, good | {"category_id": 1}, good | {"score": None}, 5]
    with pytest.raises(BadDataError) as raised:
        read_coco_results(write_json(tmp_path / "r.json", bad), dataset)
    assert [(p.entry, p.reason) for p in raised.value.faults] == [
        ("result 1", "the image 1 is not in the data set"), ("result 2", "unknown category 1"),
        ("result 3", "score is missing, expected a finite number"), ("result 4", "is 5, expected an object")]
    with pytest.raises(BadDataError, match="not a list of results"):
        read_coco_results(write_json(tmp_path / "r.json", {}), dataset)


def test_a_failed_write_leaves_what_was_there(read, tmp_path, images):
    dataset = read(coco())
    path = write_json(tmp_path / "r.json", "before")
    found = {"boxes": [[0, 0, 1, 1]], "scores": [0.5], "labels": [2]}
    with pytest.raises(ValueError, match="label 2, expected 0 to 1"):
        write_coco_results(path, [found, found], dataset)
    with pytest.raises(ValueError, match="detections of 1 images, a data set of 2"):
        write_coco_results(path, [found], dataset)
    with pytest.raises(ValueError, match="JSON compliant"):
        write_coco_results(path, [found | {"labels": [1], "scores": [np.nan]}] * 2, dataset)
    dataset.images[0].id = dataset.images[1].id
    with pytest.raises(ValueError, match="two images of the data set have the same id"):
        write_coco(dataset, path, images)
    assert path.read_text() == "before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "images", "r.json"]
