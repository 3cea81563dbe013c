"""Darknet's own weights of YOLOv3-tiny: what it finds in real photographs, eager and compiled.

The file is that which TINYCNN_YOLOV3_TINY names, or yolov3-tiny.weights in weights/ of TINYCNN_HOME; the photographs
are scikit-image's.  Scores: those of the network on what Pillow's bilinear filter makes of them, letterboxed on grey;
OpenCV 4.10 has the same to 1e-4.
"""
import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import tinycnn
from tinycnn import models, no_grad
from tinycnn.serialize.darknet import read_darknet
from tinycnn.serialize.darknet_cfg import read_cfg, stored_layers

FOUND = {  # of each photograph the one object: number among COCO's 80 classes, score, box to two pixels
    "coffee.png": (41, 0.5925, [149, 22, 428, 311]),  # a cup
    "motorcycle_left.png": (3, 0.5458, [48, 50, 703, 460]),  # a motorbike
}


@pytest.fixture(scope="module")
def weights():
    named = os.environ.get("TINYCNN_YOLOV3_TINY")
    try:
        return Path(named) if named else models.WEIGHTS["yolov3_tiny"].path()
    except models.WeightsNotFound as error:
        pytest.skip(f"yolov3-tiny.weights is not here (TINYCNN_YOLOV3_TINY may name it): {error}")


@pytest.fixture(scope="module")
def net(weights):
    net = models.create_model("yolov3_tiny", score_threshold=0.5).eval()
    models.load_weights(net, weights)
    return net


@pytest.fixture(params=FOUND)
def photo(request):
    pytest.importorskip("PIL", reason="pillow is not installed: photographs are not read")
    from tinycnn.data.images import load_image

    spec = find_spec("skimage")
    if spec is None:
        pytest.skip("scikit-image is not installed: its photographs are not looked at")
    return request.param, load_image(Path(spec.origin).with_name("data") / request.param)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_known_objects(net, photo, compiled):
    name, image = photo
    label, score, box = FOUND[name]
    run = tinycnn.compile(net, (1, 3, 416, 416)) if compiled else None
    found, = net.detect([image], run)
    assert found.labels.tolist() == [label]
    assert found.scores[0] == pytest.approx(score, abs=1e-3)
    np.testing.assert_allclose(found.boxes[0], box, atol=2)


def test_the_file_there_and_back(net, weights, tmp_path):
    header, numbers = read_darknet(weights)
    assert len(numbers) == 8_858_734
    models.save_darknet(net, tmp_path / "again.weights", seen=header.seen)
    assert (tmp_path / "again.weights").read_bytes()[12:] == weights.read_bytes()[12:]
    cfg = weights.with_suffix(".cfg")
    if cfg.exists():
        assert sum(layer.size for layer in stored_layers(read_cfg(cfg))) == len(numbers)
        assert len(tinycnn.load(weights)) == 59


def test_heads_are_opencvs(net, weights):
    cv2 = pytest.importorskip("cv2", reason="opencv is not installed: its values are not compared")
    cfg = weights.with_suffix(".cfg")
    if not hasattr(cv2.dnn, "readNetFromDarknet") or not cfg.exists():
        pytest.skip("this opencv reads no files of Darknet, or yolov3-tiny.cfg is not beside the weights")
    x = np.random.default_rng(0).uniform(0, 1, (1, 3, 416, 416)).astype(np.float32)
    theirs = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
    theirs.setInput(x)
    with no_grad():
        for got, want in zip(net(x), theirs.forward(["conv_15", "conv_22"]), strict=True):
            np.testing.assert_allclose(got.numpy(), want, rtol=0, atol=2e-4 * np.abs(want).max())
