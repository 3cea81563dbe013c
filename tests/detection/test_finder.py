"""Finder and the files of weights that say what they are of."""
import json

import numpy as np
import pytest
from tiny_detector import CLASSES, Rectangles, tiny_detector

import tinycnn
from tinycnn import models, random
from tinycnn.data import ImageError
from tinycnn.detection import (
    Description,
    Detections,
    Finder,
    class_names,
    finder,
    load_backbone,
    load_into,
    read_detector,
    save_detector,
)
from tinycnn.detection.files import MEMBER
from tinycnn.serialize import CheckpointError

ABOUT = Description("tiny_detector", {"num_classes": 2, "size": 32, "width": 8}, CLASSES, (5, 9))
IMAGE = Rectangles(2)[0].image


def shaken():
    """A detector that finds something nearly everywhere."""
    random.manual_seed(1)
    detector = ABOUT.build()
    detector.classes.bias.data[...] = 0
    return detector.eval()


@pytest.fixture(params=["npz", "safetensors"])
def file(tmp_path, request):
    if request.param == "safetensors":
        pytest.importorskip("safetensors")
    save_detector(tmp_path / f"tiny.{request.param}", shaken(), ABOUT)
    return tmp_path / f"tiny.{request.param}"


# ---- files
def test_a_file_says_what_it_is_of(file):
    state, said = read_detector(file)
    assert said == ABOUT
    assert {name: value.tolist() for name, value in state.items()} == {
        name: np.asarray(value).tolist() for name, value in shaken().state_dict().items()}


def test_halves_take_half_the_bytes_and_are_read_back(tmp_path):
    detector = shaken()
    save_detector(tmp_path / "half.npz", detector, ABOUT, half=True)
    state, _ = read_detector(tmp_path / "half.npz")
    assert state["trunk.0.weight"].dtype == np.float16
    other = ABOUT.build()
    load_into(other, state, "half.npz")
    np.testing.assert_allclose(other.trunk[0].weight.numpy(), detector.trunk[0].weight.numpy(), rtol=1e-3, atol=1e-6)
    detector.classes.bias.data[0] = 1e6
    with pytest.raises(ValueError, match=r"classes.bias holds 1e"):
        save_detector(tmp_path / "half.npz", detector, ABOUT, half=True)


def test_scales_of_a_yolo_come_back_as_they_were(tmp_path):
    scales = [[32, [[20.0, 30.0]], 1.0], [16, [[8.0, 9.0], [10.0, 4.0]], 1.0]]
    about = Description("yolov3_tiny", {"num_classes": 2, "size": 64, "backbone": "mobilenetv1_025", "width": 0.125,
                                        "scales": scales})
    save_detector(tmp_path / "yolo.npz", about.build(), about)
    found = read_detector(tmp_path / "yolo.npz")[1].build()
    assert [(scale.stride, [list(a) for a in scale.anchors]) for scale in found.scales] == [
        (32, [[20.0, 30.0]]), (16, [[8.0, 9.0], [10.0, 4.0]])]


@pytest.mark.parametrize("said", [b"no JSON", b"[]", json.dumps({"format": "another"}).encode(),
                                  json.dumps({"format": "tinycnn detector 1", "model": "x"}).encode()])
def test_a_damaged_description_is_said(tmp_path, said):
    tinycnn.save({MEMBER: np.frombuffer(said, np.uint8)}, tmp_path / "bad.npz")
    with pytest.raises(CheckpointError, match=r"bad.npz: not a description of a detector"):
        read_detector(tmp_path / "bad.npz")


def test_weights_of_other_classes_leave_what_tells_classes_apart():
    state = {name: np.asarray(value) + 1 for name, value in tiny_detector(num_classes=3).state_dict().items()}
    detector = tiny_detector()
    before = detector.classes.weight.numpy().copy()
    assert load_into(detector, state, "x", other_classes=True) == ["classes.weight", "classes.bias"]
    np.testing.assert_array_equal(detector.classes.weight.numpy(), before)
    np.testing.assert_array_equal(detector.sides.weight.numpy(), state["sides.weight"])
    with pytest.raises(CheckpointError, match=r"x: .*classes"):
        load_into(detector, state, "x")


def test_a_backbone_begins_with_a_classifiers_weights(tmp_path):
    classifier = models.create_model("shufflenet_v2_x0_5", num_classes=3)
    tinycnn.save(classifier.state_dict(), tmp_path / "c.npz")
    detector = models.create_model("nanodet_m", num_classes=4, size=64, backbone="shufflenet_v2_x0_5")
    before = {name: np.array(value) for name, value in detector.state_dict().items()}
    load_backbone(detector, tmp_path / "c.npz")
    known = {name: np.asarray(value) for name, value in classifier.state_dict().items()}
    taken = {name for name, value in detector.state_dict().items() if (before[name] != value).any()}
    assert taken
    for name in taken:
        np.testing.assert_array_equal(detector.state_dict()[name], known[name.partition(".")[2]])
    with pytest.raises(ValueError, match="Tiny has 0"):
        load_backbone(tiny_detector(), tmp_path / "c.npz")


# ---- finding
@pytest.mark.parametrize("compile", [None, tinycnn.compile], ids=["eager", "compiled"])
def test_it_finds_what_the_network_says(file, compile):
    found = Finder(weights=file, threshold=0.4, compile=compile)
    assert (found.name, found.classes, found.category_ids) == ("tiny_detector", CLASSES, (5, 9))
    expected = shaken()
    expected.score_threshold = 0.4
    want, got = expected.detect([IMAGE])[0], found([IMAGE, IMAGE])[1]
    assert len(got.boxes) > 3
    assert (got.scores >= 0.4).all()
    np.testing.assert_allclose(got.boxes, want.boxes, atol=1e-3)
    np.testing.assert_array_equal(got.labels, want.labels)


@pytest.mark.parametrize(("agnostic", "kept"), [(False, [0, 1, 2, 3]), (True, [0, 2, 3])])
def test_an_object_is_named_once_if_classes_do_not_count(file, monkeypatch, agnostic, kept):
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 5], [20, 20, 30, 30]], np.float32)
    found = Detections(boxes, np.array([0.9, 0.8, 0.7, 0.6], np.float32), np.array([0, 1, 1, 0]))
    finder = Finder(weights=file, class_agnostic=agnostic)
    monkeypatch.setattr(finder.detector, "detect", lambda images, run: [found])
    for got, column in zip(finder.find(IMAGE), found):
        np.testing.assert_array_equal(got, column[kept])


def test_it_reads_photos(file, tmp_path):
    Image = pytest.importorskip("PIL.Image")
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    found = Finder(weights=file)
    np.testing.assert_array_equal(found([tmp_path / "a.png"])[0].boxes, found([IMAGE])[0].boxes)
    (tmp_path / "b.png").write_bytes(b"nothing")
    with pytest.raises(ImageError, match=r"b.png"):
        found([tmp_path / "b.png"])


def test_options_of_the_caller_go_before_those_of_the_file(file):
    assert Finder(weights=file, size=64).detector.size == (64, 64)
    assert Finder(weights=file, classes=["a", "b"]).classes == ("a", "b")


def test_weights_alone_need_a_name_and_get_numbers_for_classes(tmp_path):
    tinycnn.save(tiny_detector().state_dict(), tmp_path / "plain.npz")
    assert Finder("tiny_detector", tmp_path / "plain.npz").classes == ("0", "1")
    with pytest.raises(CheckpointError, match="does not say which detector"):
        Finder(weights=tmp_path / "plain.npz")


def test_what_is_wrong_is_said(file, tmp_path):
    for arguments, error, says in (
            (("tiny_detector",), FileNotFoundError, "tiny_detector: no weights are known"),
            ((None, tmp_path / "none.npz"), FileNotFoundError, "none.npz"),
            (("yolov3_tiny", file), CheckpointError, "weights of tiny_detector, not of yolov3_tiny"),
            (("resnet18", tmp_path / "x.weights"), ValueError, "resnet18 is no detector"),
            ((None, tmp_path / "x.weights"), CheckpointError, "does not say which detector"),
            ((None, file, 1.5), ValueError, r"threshold must be within \[0, 1\], got 1.5"),
            ((None, file, 0.5, ["one"]), ValueError, "names of 1 classes for a network of 2")):
        with pytest.raises(error, match=says):
            Finder(*arguments)
    with pytest.raises(ValueError, match="unexpected keyword argument 'colour'"):
        Finder(weights=file, colour=3)
    with pytest.raises(ValueError, match=r"must be uint8 \(H, W, 3\), got float64"):
        Finder(weights=file).find(np.zeros((4, 4, 3)))


def test_weights_that_are_no_numbers_are_said(tmp_path):
    detector = shaken()
    detector.sides.bias.data[0] = np.nan
    save_detector(tmp_path / "nan.npz", detector, ABOUT)
    with pytest.raises(CheckpointError, match=r"nan.npz: the network's answer is not a number"):
        Finder(weights=tmp_path / "nan.npz").find(IMAGE)


def test_the_detector_of_the_package(monkeypatch, tmp_path):
    monkeypatch.setattr(finder, "SHIPPED", tmp_path / "detector.npz")
    with pytest.raises(FileNotFoundError, match="without a trained detector"):
        Finder()
    save_detector(tmp_path / "detector.npz", shaken(), ABOUT, half=True)
    assert Finder().classes == CLASSES


def test_names_of_coco():
    names, numbers = class_names(80)
    assert (len(names), len(set(names)), numbers[-1]) == (80, 80, 90)
    by_number, same = class_names(90)
    assert same == tuple(range(1, 91))
    assert {by_number[number - 1] for number in numbers} == set(names)
