"""Registered networks in planned steps: float64 plans against the tape, float32 plans no worse than it."""
from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from engine_nets import MODELS
from training_nets import Pair, needs_float64
from zoo import FACTS

import tinycnn
from tinycnn import losses, models, optim

pytestmark = needs_float64
FEW, MANY = 2, 20  # steps
CLASSES = 10
EVERYDAY = ("shufflenet_v2_x0_5", "mobilenet_v3_small")


def built(name):
    return models.create_model(name, **FACTS[name].light | {"num_classes": CLASSES})


def momentum(parameters):
    return optim.SGD(parameters, lr=1e-3, momentum=0.9, weight_decay=1e-4)


def batches(count, dtype, size=64):
    rng = np.random.default_rng(0)
    return [(rng.standard_normal((4, 3, size, size)).astype(dtype), rng.integers(0, CLASSES, 4)) for _ in range(count)]


@pytest.mark.parametrize(("name", "steps"), [
    *[(name, FEW) for name in EVERYDAY],
    *[pytest.param(*each.values, MANY, marks=pytest.mark.slow, id=f"{each.values[0]}-all") for each in MODELS]])
def test_the_float64_plan_is_the_tape(name, steps):
    """Each step from the tape's state: deep networks make rounding grow, at their start up to tenfold a step."""
    pair = Pair(partial(built, name), losses.AuxiliaryLoss, momentum, options={"keep_grads": True})
    for number, each in enumerate(batches(steps, np.float64)):
        [eager], [planned] = pair.both([each], seed=number)
        assert planned == pytest.approx(eager, rel=1e-9)
        pair.assert_same(1e-9)
        # a bias that goes into another batch norm has no gradient but rounding: there, relative to the largest of all
        floor = 1e-6 * max(1, *(np.abs(p.grad).max() for p in pair.eager.parameters()))
        for (path, want), got in zip(pair.eager.named_parameters(), pair.planned.parameters()):
            scale = np.abs(want.grad).max() + floor
            np.testing.assert_allclose(got.grad / scale, want.grad / scale, rtol=0, atol=1e-8, err_msg=path)
        pair.planned.load_state_dict(pair.eager.state_dict())
    assert pair.step.report().host == {}


def error(pair, exact):
    """How far a state is from the exact one, over all parameters and statistics."""
    total = size = 0.0
    for name, value in pair.items():
        total += float(((value - exact[name]) ** 2).sum())
        size += float((exact[name] ** 2).sum())
    return (total / size) ** 0.5


@pytest.mark.parametrize(("name", "count"), [*[(name, 5) for name in EVERYDAY], *[
    pytest.param(*each.values, 21, marks=pytest.mark.slow, id=f"{each.values[0]}-all") for each in MODELS]])
def test_the_float32_plan_is_as_exact_as_the_tape(name, count):
    """By the median of some batches: where rounding takes an element over the threshold of a ReLU, it counts 10 to 100
    times as much.  In deep networks that happens to a third or half of the batches, on the tape as well."""
    pair, exact = (Pair(partial(built, name), losses.AuxiliaryLoss, momentum, dtype=dtype)
                   for dtype in (np.float32, np.float64))
    start, ratios = pair.planned.state_dict(), []
    for x, target in batches(count, np.float32):
        for model in (pair.eager, pair.planned, exact.eager):
            model.load_state_dict(start)
        for optimizer in (*pair.optimizers, exact.optimizers[0]):
            optimizer.state.clear()
        pair.both([(x, target)])
        tinycnn.manual_seed(1)
        exact.on_tape(x.astype(np.float64), target)
        truth = exact.eager.state_dict()
        ratios.append(error(pair.planned.state_dict(), truth) / error(pair.eager.state_dict(), truth))
    assert np.median(ratios) <= 3


DETECTORS = {"efficientdet_d0": 128, "fcos_fpn": 128, "gfl_fpn": 128, "refinedet": 320, "nanodet_m": 128,
             "yolov3_tiny": 128, "ssdlite": 320}


@pytest.mark.parametrize("name", DETECTORS)
def test_nothing_of_a_detector_but_its_loss_runs_on_the_tape(name):
    detector = models.create_model(name, num_classes=3, size=DETECTORS[name]).train()
    x, boxes = np.zeros((2, 3, *detector.size), "f"), np.array([[10, 10, 60, 50]], "f")
    dense = detector.encode([boxes, boxes[:0]], [np.zeros(1, int), np.zeros(0, int)])
    optimizer = optim.SGD(detector.parameters(), lr=1e-4)
    step = tinycnn.compile_training_step(detector, detector.criterion, optimizer, (x, dense))
    assert set(step.report().host) <= {"tape"}
