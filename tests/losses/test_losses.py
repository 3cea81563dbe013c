"""Losses as modules: each is its function, and torch's module where torch has one."""
import numpy as np
import pytest

from tinycnn import Tensor, losses

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((2, 5, 7))
P, Q = RNG.uniform(0.1, 0.9, (2, 5, 7))
LOGS = np.log(Q)
CLASSES = np.array([0, 6, 3, 3, 1])
SIGNS = np.where(Y > 0, 1.0, -1.0)
WEIGHT = RNG.uniform(0.5, 2, 7).astype(np.float32).astype(np.float64)
CASES = [
    ("L1Loss", {"reduction": "none"}, (X, Y)),
    ("MSELoss", {"reduction": "sum"}, (X, Y)),
    ("SmoothL1Loss", {"beta": 0.3}, (X, Y)),
    ("HuberLoss", {"delta": 0.3}, (X, Y)),
    ("CrossEntropyLoss", {}, (X, CLASSES)),
    ("CrossEntropyLoss", {"reduction": "none"}, (X, CLASSES)),
    ("CrossEntropyLoss", {"weight": WEIGHT, "label_smoothing": 0.1, "ignore_index": 3}, (X, CLASSES)),
    ("NLLLoss", {"weight": WEIGHT, "ignore_index": 3}, (LOGS, CLASSES)),
    ("MultiMarginLoss", {"weight": WEIGHT, "p": 2, "margin": 0.5}, (X, CLASSES)),
    ("BCELoss", {"weight": WEIGHT}, (P, Q)),
    ("BCEWithLogitsLoss", {"weight": WEIGHT, "pos_weight": WEIGHT + 1}, (X, Q)),
    ("KLDivLoss", {"reduction": "batchmean", "log_target": True}, (X, LOGS)),
    ("TripletMarginLoss", {"margin": 2.0, "swap": True, "p": 3, "eps": 0.1}, (X, Y, P)),
    ("MarginRankingLoss", {"margin": 0.2}, (X, Y, SIGNS)),
    ("CosineEmbeddingLoss", {"margin": 0.1}, (X, Y, SIGNS[:, 0])),
]


@pytest.mark.parametrize(("name", "options", "arrays"), CASES)
def test_modules_are_torchs(torch, name, options, arrays):
    ours = Tensor(arrays[0], requires_grad=True)
    theirs = torch.tensor(arrays[0], requires_grad=True)
    value = getattr(losses, name)(**options).to(np.float64)(ours, *arrays[1:])
    tensors = {key: torch.tensor(v) if isinstance(v, np.ndarray) else v for key, v in options.items()}
    want = getattr(torch.nn, name)(**tensors)(theirs, *map(torch.tensor, arrays[1:]))
    assert value.shape == tuple(want.shape)
    np.testing.assert_allclose(value.numpy(), want.detach().numpy(), atol=1e-12)
    value.sum().backward()
    want.sum().backward()
    np.testing.assert_allclose(ours.grad, theirs.grad.numpy(), atol=1e-12)


OWN = [
    (losses.SSELoss(weight=[1.0] * 6 + [0.0]), (X, Y), ((X - Y) ** 2)[:, :6].sum()),
    (losses.WingLoss(w=0.5, epsilon=1.0), (X[:1, :1], X[:1, :1] + 2), 2 - 0.5 + 0.5 * np.log(1.5)),
    (losses.FocalLoss(alpha=[2.0] * 7, gamma=0.0), (np.zeros((5, 7)), CLASSES), 2 * np.log(7)),
    (losses.SigmoidFocalLoss(alpha=0.5, gamma=1.0), (X * 0, P), np.log(2) / 4),
    (losses.HingeLoss(margin=0.5), (np.array([0.3, -0.3]), np.array([1.0, 1.0])), 0.5),
    (losses.ContrastiveLoss(margin=2.0), (X[:, :1] * 0, X[:, :1] * 0 + 1, np.ones(5, int)), 0.5),
    (losses.SquaredTripletLoss(margin=1.0), (X, X, X), 1.0),
    (losses.BatchHardTripletLoss(margin=0.5), (X * 0, np.array([0, 0, 1, 1, 2])), 0.5),
    (losses.BatchHardTripletLoss(soft_margin=True), (X * 0, np.array([0, 0, 1, 1, 2])), np.log(2)),
    (losses.SemiHardTripletLoss(margin=1.0), (np.array([[0.0], [1], [1.2]]), np.array([0, 0, 1])), 1 - 1.44 + 1),
]


@pytest.mark.parametrize(("module", "arrays", "want"), OWN, ids=lambda x: type(x).__name__)
def test_modules_that_torch_does_not_have(module, arrays, want):
    assert module.to(np.float64)(*arrays).item() == pytest.approx(want)


def test_every_module_is_tested_and_prints_its_settings():
    tested = {name for name, *_ in CASES} | {type(module).__name__ for module, *_ in OWN}
    elsewhere = {"AuxiliaryLoss", "CTCLoss", "CenterLoss", "DistributionFocalLoss", "FCOSLoss", "MultiBoxLoss",
                 "QualityFocalLoss", "RetinaNetLoss", "WordTree", "YOLO9000Loss", "YOLOv1Loss", "YOLOv2Loss",
                 "YOLOv3Loss", "YOLOv4Loss"}  # files of this folder with tests of their own
    assert tested | elsewhere == set(losses.__all__)
    assert repr(losses.FocalLoss(gamma=1.0)) == "FocalLoss(gamma=1.0, ignore_index=-100, reduction='mean')"


def test_a_weight_is_a_buffer_of_the_modules_element_type():
    module = losses.BCEWithLogitsLoss(pos_weight=[2.0])
    assert list(module.state_dict()) == ["pos_weight"]
    assert module(np.zeros((2, 1), np.float32), np.ones((2, 1), np.float32)).item() == pytest.approx(2 * np.log(2))
    assert losses.BCEWithLogitsLoss().state_dict() == {}
