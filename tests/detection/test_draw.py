"""Drawn boxes: frames where the boxes are, tags in the picture, the best on top."""
import numpy as np
import pytest

from tinycnn.detection import class_colour, draw_detections

pytest.importorskip("PIL", reason="pillow is not installed: nothing can be drawn")
GREY = np.full((200, 300, 3), 128, np.uint8)


def pixels_of(picture, label):
    return (picture == class_colour(label)).all(axis=2)


def one(box, label=0, **more):
    return {"boxes": [box], "labels": [label], "scores": [0.5]} | more


def test_the_frame_is_where_the_box_is():
    picture = draw_detections(GREY, one([50, 80, 150, 180]))
    assert (picture.shape, picture.dtype) == (GREY.shape, np.uint8)
    frame = pixels_of(picture, 0)[80:]
    ys, xs = np.nonzero(frame)
    assert (xs.min(), xs.max() + 1, ys.max() + 81) == (50, 150, 180)
    assert frame[0, 50:150].all()
    assert frame[:100, 50].all()
    assert not frame[5:95, 55:145].any()
    assert (GREY == 128).all()
    changed = (picture != GREY).any(axis=2)
    changed[80:180, 50:150] = False
    ys, xs = np.nonzero(changed)  # what is left is the tag, above the box
    assert len(ys)
    assert ys.max() < 80
    assert xs.min() == 50


@pytest.mark.parametrize("box", [[0, 0, 40, 40], [280, 150, 300, 200], [-50, -50, 400, 400], [400, 400, 500, 500],
                                 [20, 20, 20, 20], [90, 90, 30, 30], [1e30, 0, -1e30, 5]])
def test_any_box_can_be_drawn(box):
    picture = draw_detections(GREY, one(box), ["a rather long name of a class that says little"])
    assert (picture != GREY).any()


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 400, 3), (400, 5, 3)])
def test_any_picture_can_be_drawn_on(shape):
    assert draw_detections(np.zeros(shape, np.uint8), one([0, 0, 400, 400]), ["name"]).shape == shape


def test_the_best_is_on_top_and_the_worst_left_out():
    found = {"boxes": [[50, 80, 150, 180]] * 3, "labels": [0, 1, 2], "scores": [0.5, 0.9, 0.1]}
    picture = draw_detections(GREY, found, threshold=0.3)
    assert pixels_of(picture, 1)[82:, 50].any()
    assert not pixels_of(picture, 2).any()
    assert not pixels_of(picture, 0)[82:, 50].any()


def test_names_scores_and_truths():
    box = [50, 80, 150, 180]
    name, number = (draw_detections(GREY, one(box), classes) for classes in (["kite"], []))
    assert (name != number).any()
    truth = draw_detections(GREY, {"boxes": [box], "labels": [0]}, ["kite"])
    assert pixels_of(truth, 0).sum() < pixels_of(name, 0).sum()  # its tag has no score


def test_colours_differ_and_stay():
    colours = {class_colour(label) for label in range(80)}
    assert len(colours) > 75
    apart = [np.abs(np.subtract(class_colour(a), class_colour(b))).max() for a in range(8) for b in range(a)]
    assert min(apart) > 40


def test_nothing_to_draw():
    picture = draw_detections(GREY, {"boxes": np.zeros((0, 4)), "labels": [], "scores": []})
    np.testing.assert_array_equal(picture, GREY)
    assert picture is not GREY


@pytest.mark.parametrize(("image", "found", "message"), [
    (GREY / 2, one([0, 0, 1, 1]), r"image must be uint8 \(H, W, 3\), got float64"),
    (GREY[..., 0], one([0, 0, 1, 1]), r"got uint8 \(200, 300\)"),
    (GREY, one([0, 0, 1]), r"got the shapes \(1, 3\), \(1,\), \(1,\)"),
    (GREY, one([0, 0, 1, 1], scores=[]), r"got the shapes \(1, 4\), \(1,\), \(0,\)"),
    (GREY, one([0, 0, 1, 1], label=0.5), "labels must be integers, got float64"),
    (GREY, one([0, 0, 1, np.nan]), "boxes must be finite")])
def test_refusals(image, found, message):
    with pytest.raises(ValueError, match="draw_detections: .*" + message):
        draw_detections(image, found)


def test_without_pillow(run_python):
    done = run_python("import sys; sys.modules['PIL.Image'] = None\n"
                      "import numpy as np; from tinycnn.detection import draw_detections\n"
                      "draw_detections(np.zeros((9, 9, 3), np.uint8), {'boxes': [], 'labels': []})")
    assert 'ImportError: drawing detections needs pillow: pip install "tinycnn[images]"' in done.stderr
