"""train_detector: detectors learn, go on after a stop, keep their best weights, and are tested by COCO's metrics."""
import json
import math

import numpy as np
import pytest
from tiny_detector import CLASSES, Rectangles, tiny_detector

import tinycnn
from tinycnn.data.detection import Sample
from tinycnn.data.detection_tasks import DetectionTask
from tinycnn.detection import Description, Finder, metrics, read_detector
from tinycnn.models import create_model
from tinycnn.serialize import CheckpointError
from tinycnn.training import DetectionLoader, DetectionRecipe, Engine, measure_detector, read_log, train_detector

PLANNED = Engine(tinycnn.compile_training_step, tinycnn.compile)
ENGINES = pytest.mark.parametrize("engine", [Engine(), PLANNED], ids=["eager", "planned"])
TASK = DetectionTask(Rectangles(12), Rectangles(5, seed=1), CLASSES, (1, 2))
QUICK = DetectionRecipe(epochs=3, batch_size=4, lr=0.01, ema=0.5)
ABOUT = Description("tiny_detector", {"num_classes": 2, "size": 32}, CLASSES, (1, 2))


def train(out, recipe=QUICK, engine=PLANNED, task=TASK, **options):
    tinycnn.manual_seed(recipe.seed)
    detector = tiny_detector()
    return detector, train_detector(detector, task, recipe, out, description=ABOUT, engine=engine, progress=False,
                                    **options)


def states(path):
    return read_detector(path)[0]


def same_state(one, two):
    assert one.keys() == two.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(two[name], value, err_msg=name)


# ---- whole runs
@ENGINES
def test_it_learns_to_find_what_it_was_shown(tmp_path, engine):
    shown = Rectangles(12)
    task = DetectionTask(shown, shown, CLASSES, (1, 2))
    detector, result = train(tmp_path, DetectionRecipe(epochs=60, batch_size=12, lr=0.02, augment="none"), engine, task)
    rows = read_log(tmp_path / "log.csv")
    assert rows[-1]["loss"] < 0.1 * rows[0]["loss"]
    assert math.isclose(rows[-1]["classes"] + rows[-1]["sides"], rows[-1]["loss"], rel_tol=1e-4)
    assert result["AP50"] > 0.9
    found = detector.eval().detect([shown[0].image])[0]
    assert found.labels[0] == shown[0].labels[0]
    np.testing.assert_allclose(found.boxes[0], shown[0].boxes[0], atol=4)


def test_a_run_and_its_files(tmp_path):
    detector, result = train(tmp_path, workers=2, about={"model": "tiny_detector"})
    rows = read_log(tmp_path / "log.csv")
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert set(rows[0]) == {"epoch", "loss", "lr", "classes", "sides", "AP", "AP50", "AP75", "seconds"}
    (file,) = tmp_path.glob("result-*.json")
    assert json.loads(file.read_text())["AP"] == result["AP"] == rows[-1]["AP"]
    assert result["best_AP"] == max(row["AP"] for row in rows)
    assert result["settings"]["model"] == "tiny_detector"
    assert (tmp_path / "best.npz").is_file()
    finder = Finder(weights=tmp_path / "weights.npz")
    assert (finder.name, finder.classes) == ("tiny_detector", CLASSES)
    assert any((value != detector.state_dict()[name]).any() for name, value in states(finder.source).items()
               if name in detector.state_dict() and value.dtype.kind == "f"), "ema: the file has the averaged weights"


def test_what_mixed_images_count_reaches_the_losses_that_take_it():
    """Weights of MixUp, of YOLO v2 to v4; a detector that has no use for them is not given any."""
    recipe, found = DetectionRecipe(batch_size=8, augment="mixup"), []
    yolo = create_model("yolov3_tiny", backbone="mobilenetv1_025", width=0.0625, num_classes=len(CLASSES), size=64)
    for detector in (yolo, tiny_detector()):
        _, dense = next(iter(DetectionLoader(detector, TASK.train, recipe)))
        found.append(dense)
    counts = np.concatenate([weights[labels >= 0] for labels, weights in zip(found[0][:-1:3], found[0][2:-1:3])])
    assert 0 < counts.min() < 1
    assert counts.max() <= 1
    assert len(found[1]) == 3


def test_planned_steps_give_the_losses_of_the_tape(tmp_path):
    logs = []
    for name, engine in (("eager", Engine()), ("planned", PLANNED)):
        train(tmp_path / name, engine=engine)
        logs.append(read_log(tmp_path / name / "log.csv"))
    for one, two in zip(*logs):
        for part in ("loss", "classes", "sides"):
            assert math.isclose(one[part], two[part], rel_tol=1e-4), part


class Stopped(Exception):
    pass


class StopsAt:
    """The images, until one has been asked for so many times in all."""

    def __init__(self, images, most):
        self.images, self.left, self.truths = images, most, images.truths

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        self.left -= 1
        if self.left < 0:
            raise Stopped
        return self.images[index]


@pytest.mark.parametrize("augment", ["none", "flip"])
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(tmp_path, augment):
    recipe = DetectionRecipe(epochs=3, batch_size=4, lr=0.01, ema=0.5, augment=augment, sizes=(32, 40))
    train(tmp_path / "whole", recipe)
    broken = DetectionTask(StopsAt(TASK.train, 4 + 12 + 9), TASK.test, CLASSES, (1, 2))  # 4: the example
    with pytest.raises(Stopped):
        train(tmp_path / "parts", recipe, task=broken)
    assert len(read_log(tmp_path / "parts" / "log.csv")) == 1
    train(tmp_path / "parts", recipe, resume=True, workers=2)
    for name in ("weights.npz", "best.npz"):
        same_state(states(tmp_path / "whole" / name), states(tmp_path / "parts" / name))
    whole, parts = (read_log(tmp_path / name / "log.csv") for name in ("whole", "parts"))
    assert [{**row, "seconds": 0} for row in whole] == [{**row, "seconds": 0} for row in parts]


def test_the_best_weights_stay_when_later_ones_are_worse(tmp_path, monkeypatch):
    measures = iter([0.5, 0.7, 0.6])
    made = []

    def stats(self):
        made.append(next(measures))
        return dict.fromkeys(metrics.coco.NAMES, made[-1])
    monkeypatch.setattr(metrics.CocoResult, "stats", property(stats))
    detector, result = train(tmp_path, DetectionRecipe(epochs=3, batch_size=4, lr=0.01))
    assert (result["best_AP"], result["AP"]) == (0.7, 0.6)
    best, last = states(tmp_path / "best.npz"), states(tmp_path / "weights.npz")
    assert any((best[name] != last[name]).any() for name in best)
    same_state(last, {name: np.asarray(value) for name, value in detector.state_dict().items()})


def test_between_tests_there_are_no_measures_and_the_last_epoch_is_tested(tmp_path):
    train(tmp_path, DetectionRecipe(epochs=3, batch_size=4, test_every=2))
    assert [math.isnan(row["AP"]) for row in read_log(tmp_path / "log.csv")] == [True, False, False]


def test_a_run_in_the_way_is_left_alone(tmp_path):
    train(tmp_path)
    before = (tmp_path / "checkpoint.npz").read_bytes()
    with pytest.raises(FileExistsError, match=r"checkpoint.npz exists"):
        train(tmp_path)
    with pytest.raises(CheckpointError, match="batch_size=4"):
        train(tmp_path, DetectionRecipe(epochs=3, batch_size=6, lr=0.01, ema=0.5), resume=True)
    assert (tmp_path / "checkpoint.npz").read_bytes() == before
    train(tmp_path, DetectionRecipe(epochs=1, batch_size=4), overwrite=True)
    assert len(read_log(tmp_path / "log.csv")) == 1


def test_a_loss_that_is_no_number_ends_the_run_and_harms_no_checkpoint(tmp_path):
    with pytest.raises(FloatingPointError, match="epoch"):
        train(tmp_path, DetectionRecipe(epochs=30, batch_size=4, optimizer="sgd", lr=1e30, warmup=0, clip=None))


def test_other_classes_than_the_detectors_are_refused(tmp_path):
    with pytest.raises(ValueError, match="a detector of 2 classes for images with 3"):
        train(tmp_path, task=DetectionTask(TASK.train, TASK.test, ("a", "b", "c"), (1, 2, 3)))
    assert not any(tmp_path.iterdir())


# ---- batches
def tree_equal(one, two):
    return all(np.array_equal(a, b) for a, b in zip((one[0], *one[1]), (two[0], *two[1]), strict=True))


def test_batches_are_the_same_by_any_number_of_threads_and_others_in_another_epoch():
    recipe = DetectionRecipe(batch_size=5, sizes=(32, 40, 48), seed=3)
    plain, threaded = (DetectionLoader(tiny_detector(), TASK.train, recipe, workers) for workers in (0, 3))
    first, again = list(plain.batches(0)), list(threaded.batches(0))
    assert len(first) == len(plain) == 2
    assert all(tree_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not tree_equal(first[0], next(plain.batches(1)))


def test_sizes_are_drawn_and_the_targets_fit_them(monkeypatch):
    monkeypatch.setattr("tinycnn.training.detection_recipe.SIZE_LASTS", 1)
    detector = tiny_detector()
    loader = DetectionLoader(detector, TASK.train, DetectionRecipe(batch_size=2, sizes=(32, 40, 48)))
    shapes = {x.shape[2:] for epoch in range(3) for x, dense in loader.batches(epoch)
              if dense[0].shape[2:] == tuple(side // 8 for side in x.shape[2:])}
    assert shapes == {(32, 32), (40, 40), (48, 48)}
    assert detector.size == (32, 32)


def test_flips_move_boxes_with_their_images():
    image = np.zeros((32, 32, 3), np.uint8)
    image[8:24, 2:14, 0] = 255
    left = [Sample(image, [[2, 8, 14, 24]], [0])] * 40
    loader = DetectionLoader(tiny_detector(), left, DetectionRecipe(batch_size=40))
    x, (classes, _, _) = loader.example()
    bright_left = x[:, 0, :, :16].mean((1, 2)) > x[:, 0, :, 16:].mean((1, 2))
    object_left = classes[:, 0, :, :2].sum((1, 2)) > 0
    assert 8 < bright_left.sum() < 32
    np.testing.assert_array_equal(object_left, bright_left)


@pytest.mark.parametrize(("recipe", "says"), [
    (DetectionRecipe(augment="upside down"), "augment: recipe must be one of none, flip"),
    (DetectionRecipe(sizes=(32, 36)), r"multiples of 8 .*\[36\]")])
def test_what_a_loader_refuses(recipe, says):
    with pytest.raises(ValueError, match=says):
        DetectionLoader(tiny_detector(), TASK.train, recipe)


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="no images"):
        DetectionLoader(tiny_detector(), [], DetectionRecipe())
    with pytest.raises(ValueError, match="no images"):
        measure_detector(tiny_detector(), [])


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"sizes": (0,)}, {"test_every": 0}, {"optimizer": "magic"},
                                   {"ema": 1}, {"clip": 0}])
def test_what_a_recipe_refuses(wrong):
    with pytest.raises(ValueError, match=f"DetectionRecipe: {next(iter(wrong))}"):
        DetectionRecipe(**wrong)


# ---- tests
@ENGINES
def test_metrics_are_those_of_the_detections(engine):
    tinycnn.manual_seed(0)
    detector, images = tiny_detector(), Rectangles(20)  # more than a batch
    detector.score_threshold = 0.4
    result = measure_detector(detector, images, engine, workers=2)
    assert detector.training
    assert detector.score_threshold == 0.4
    detector.eval().score_threshold = 0.01
    found = [detector.detect([images[i].image])[0]._asdict() for i in range(20)]
    expected = metrics.coco_map(found, [images.truths(i) for i in range(20)])
    assert result.stats == pytest.approx(expected.stats, abs=1e-3)
