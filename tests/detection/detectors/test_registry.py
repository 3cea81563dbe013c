"""Every registered detector: what is known of it, and that it is built for other classes and sizes."""
from typing import NamedTuple

import numpy as np
import pytest
import trials
from zoo.counting import multiply_adds

import tinycnn
from tinycnn import models
from tinycnn.analysis.parts import NECKS
from tinycnn.detection import Detector, detectors
from tinycnn.detection.detector import arrays
from tinycnn.models import registry

SIZE, CLASSES, LABEL = 320, 7, 6


class Facts(NamedTuple):
    """What is known of a detector with its own number of classes, at its own size."""

    parameters: int
    places: int  # anchors, points or boxes of an image: what its papers call the number of boxes
    classes: int
    published: float | None = None  # G multiply-adds: the authors' figure, half of it where they count operations
    within: float = 0.01  # of that
    everyday: bool = True


FROZEN = 53_120  # weights and biases of ResNet 50's batch norms, which torchvision does not count where they are frozen
FACTS = {
    "atss_fpn": Facts(2_222_490, 2_134, 80),
    "atss_resnet50_fpn": Facts(32_297_370, 13_343, 80),
    "efficientdet_d0": Facts(3_877_763, 49_104, 90, 2.5),  # table 2 of the paper, as those to D7
    "efficientdet_d1": Facts(6_622_026, 76_725, 90, 6.1, 0.02),
    "efficientdet_d2": Facts(8_091_215, 110_484, 90, 11, 0.02),
    "efficientdet_d3": Facts(12_022_376, 150_381, 90, 25, 0.02),
    "efficientdet_d4": Facts(20_707_995, 196_416, 90, 55, everyday=False),
    "efficientdet_d5": Facts(33_633_155, 306_900, 90, 135, everyday=False),
    "efficientdet_d6": Facts(51_841_214, 306_900, 90, 226, everyday=False),
    "efficientdet_d7": Facts(51_841_214, 441_936, 90, 325, everyday=False),
    "fcos_fpn": Facts(2_222_490, 2_134, 80),
    "fcos_resnet50_fpn": Facts(32_269_600 + FROZEN, 13_343, 91, 128.207, 1e-4),  # torchvision's, as its others
    "gfl_fpn": Facts(2_258_585, 2_134, 80),
    "gfl_resnet50_fpn": Facts(32_440_537, 22_400, 80),
    "nanodet_m": Facts(950_036, 2_100, 80),  # published: 0.95 M
    "refinedet": Facts(2_849_396, 6_375, 20),
    "refinedet320_vgg16": Facts(34_440_884, 6_375, 20),
    "retinanet_fpn": Facts(2_756_852, 19_206, 80),
    "retinanet_resnet50_fpn": Facts(34_014_999 + FROZEN, 120_087, 91, 151.54, 1e-4),
    "retinanet_resnet50_fpn_v2": Facts(38_198_935, 120_087, 91, 152.238, 1e-4),
    "ssd": Facts(10_386_914, 8_744, 90),
    "ssd300_vgg16": Facts(35_641_826, 8_732, 90, 34.858, 1e-4),
    "ssdlite": Facts(3_154_588, 3_234, 90),
    "ssdlite320_mobilenet_v2": Facts(4_500_543, 2_034, 90, 0.8),  # Sandler et al., 2018, table 6
    "ssdlite320_mobilenet_v3_large": Facts(3_440_060, 3_234, 90, 0.583, 1e-3),
    "yolov1": Facts(271_703_550, 98, 20, everyday=False),  # a gigabyte
    "yolov2": Facts(50_962_889, 845, 80, 29.46 / 2, 2e-4),  # Darknet prints operations, as of those to v4
    "yolov3": Facts(61_949_149, 10_647, 80, 65.86 / 2, 2e-4),
    "yolov3_tiny": Facts(8_852_366, 2_535, 80, 5.56 / 2, 2e-3),
    "yolov4": Facts(64_363_101, 10_647, 80, 60.1 / 2, 2e-3),
}
WITH_NECK = [name for name, facts in FACTS.items() if facts.everyday and not name.startswith(("ssd", "yolov2"))]
of_each = pytest.mark.parametrize("name", [
    pytest.param(name, marks=() if facts.everyday else pytest.mark.slow) for name, facts in FACTS.items()])


def places(detector, shapes):
    """How many boxes raw heads of these shapes say."""
    if hasattr(detector, "scales"):
        return sum(len(scale.anchors) * h * w for scale, (_, _, h, w) in zip(detector.scales, shapes, strict=True))
    return shapes[0][1] * shapes[0][2] * detector.boxes if len(shapes) == 1 else shapes[0][1]


def shapes_of(detector):
    return [value.shape for value in tinycnn.trace(detector.eval(), (1, 3, *detector.size)).outputs]


def test_the_table_is_of_all_that_are_registered():
    own = [name for name in models.list_models(task="detection")  # other tests register detectors of theirs
           if registry._BUILDERS[name].__module__.startswith("tinycnn.")]
    assert sorted(FACTS) == own
    assert not set(FACTS) & set(models.list_models())


@of_each
def test_facts(name, blank):
    detector, facts = models.create_model(name), FACTS[name]
    assert trials.parameters(detector) == facts.parameters
    assert detector.num_classes == facts.classes
    assert places(detector, shapes_of(detector)) == facts.places
    if facts.published:
        assert multiply_adds(detector, *detector.size) / 1e3 == pytest.approx(facts.published, rel=facts.within)


@of_each
def test_other_classes_and_another_size(name, blank):
    """It takes truths and heads of zeros, whose shapes need no computation."""
    options = {"backbone": "shufflenet_v2_x0_5"} if name == "yolov1" else {}  # its own is a gigabyte
    detector = models.create_model(name, num_classes=CLASSES, size=SIZE, **options)
    assert isinstance(detector, Detector)
    assert (detector.num_classes, detector.size) == (CLASSES, (SIZE, SIZE))
    raw = zeros_of(detector)
    dense = detector.encode([[[40, 50, 170, 200]], []], [[LABEL], []])
    losses = detector.criterion(doubled(raw), dense)
    assert np.isfinite([term.item() for term in losses.values()]).all()
    assert len(detector.postprocess(raw, [(SIZE, SIZE)])) == 1


def zeros_of(detector):
    """Raw heads of one image that are zeros, in their own form."""
    found = []
    forward = type(detector).forward

    def kept(self, x):
        found.append(forward(self, x))
        return found[-1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(detector), "forward", kept)
        tinycnn.trace(detector.eval(), (1, 3, *detector.size))
    return trials.like(found[0], {name: np.zeros(part.shape, np.float32) for name, part in
                                  trials.leaves(found[0]).items()})


def doubled(raw):
    """The same for two images."""
    return trials.like(raw, {name: tinycnn.Tensor(np.repeat(part, 2, 0)) for name, part in
                             trials.leaves(arrays(raw)).items()})


@pytest.mark.parametrize("name", WITH_NECK)
def test_the_neck_is_known_as_one(name, blank):
    """To `analysis`, which tells what it costs."""
    detector = models.create_model(name)
    assert any(not NECKS.isdisjoint(path.split(".")) for path, _ in detector.named_modules())


def test_modules_and_what_the_package_exports_have_names_of_their_own():
    exported = {name: getattr(detectors, name) for name in detectors.__all__}
    assert all(isinstance(value, type) for value in exported.values())
    for name in ("yolov1", "yolov2", "efficientdet", "gfl", "refinedet", "ssdlite"):
        assert getattr(detectors, name).__name__ == f"tinycnn.detection.detectors.{name}"
