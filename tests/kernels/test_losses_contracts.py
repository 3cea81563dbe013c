"""The kernels of boxes and what is done with them, CTC and generalized focal loss refuse what does not fit."""
import numpy as np
import pytest

from tinycnn._kernels import available, kernels, use


def real(*shape):
    return np.zeros(shape)


def labels(*values):
    return np.array(values, np.int64)


CTC = {"log_probs": real(4, 2, 3), "targets": labels([1, 2], [2, 1]), "input_lengths": labels(4, 3),
       "target_lengths": labels(2, 1), "blank": 0, "alpha": real(2, 4, 7), "skip": real(2, 7), "loss": real(2)}
PAIRS = {"boxes1": real(3, 4), "boxes2": real(3, 4), "kind": 0, "eps": 1e-7}
MATRIX = {"boxes1": real(3, 4), "planes2": real(4, 2), "y": real(3, 2)}
CALLS = {  # arguments that fit
    "box_iou": MATRIX,
    "generalized_box_iou": MATRIX,
    "distance_box_iou": {**MATRIX, "eps": 1e-7},
    "complete_box_iou": {**MATRIX, "eps": 1e-7},
    "best_iou": {"boxes": real(2, 3, 4), "truths": real(2, 5, 4), "best": real(2, 3)},
    "box_loss_forward": {**PAIRS, "loss": real(3)},
    "box_loss_backward": {**PAIRS, "g": real(3), "g1": real(3, 4), "g2": real(3, 4)},
    "greedy_nms": {"boxes": real(5, 4), "starts": labels(0, 2, 5), "distance": False, "threshold": 0.5, "most": 5,
                   "kept": real(4, 5), "keep": np.zeros(5, np.uint8)},
    "soft_nms": {"planes": real(4, 5), "starts": labels(0, 2, 5), "gaussian": True, "threshold": 0.3, "sigma": 0.5,
                 "least": 0.1, "live": real(5), "scores": real(5)},
    "match_anchors": {"planes": real(4, 5), "truths": real(3, 4), "row": real(5), "best": real(5), "which": real(5),
                      "tops": real(3), "firsts": labels(0, 0, 0), "tied": real(5)},
    "assign_points": {"points": real(5, 6), "truths": real(3, 4), "which": real(6)},
    "ctc_loss_forward": CTC,
    "ctc_loss_backward": {**CTC, "g": real(2), "work": real(2, 2, 7), "gx": real(4, 2, 3)},
    "quality_focal_loss_forward": {"x": real(5), "y": real(5), "beta": 2.0, "loss": real(5)},
    "quality_focal_loss_backward": {"x": real(5), "y": real(5), "beta": 2.0, "g": real(5), "gx": real(5)},
    "distribution_focal_loss_forward": {"x": real(2, 3), "label": real(2), "loss": real(2), "y": real(2, 3)},
    "distribution_focal_loss_backward": {"y": real(2, 3), "label": real(2), "g": real(2), "gx": real(2, 3)},
}
WRONG = [(name, argument) for name, arguments in CALLS.items() for argument, value in arguments.items()
         if isinstance(value, np.ndarray)]


@pytest.fixture(params=available())
def losses(request):
    with use(request.param):
        yield kernels(np.dtype(np.float64), "losses")


@pytest.mark.parametrize("name", CALLS)
def test_what_fits_is_taken(losses, name):
    getattr(losses, name)(**CALLS[name])


@pytest.mark.parametrize(("name", "argument"), WRONG)
@pytest.mark.parametrize("change", ["shorter", "longer", "empty"])
def test_every_extent_is_checked(losses, name, argument, change):
    """Each axis of each array, one shorter, one longer, or without elements."""
    value = CALLS[name][argument]
    for axis in range(value.ndim):
        extents = list(value.shape)
        extents[axis] = {"shorter": extents[axis] - 1, "longer": extents[axis] + 1, "empty": 0}[change]
        if (name, argument, axis) in {("best_iou", "truths", 1), ("ctc_loss_forward", "log_probs", 2),
                                      ("distribution_focal_loss_forward", "x", 1),
                                      ("assign_points", "truths", 0)} and change != "empty":
            continue  # an extent that nothing else depends on, or that others are told by
        with pytest.raises(ValueError, match=r"_iou|loss|_nms|match|assign"):
            getattr(losses, name)(**{**CALLS[name], argument: np.zeros(extents, value.dtype)})


@pytest.mark.parametrize(("name", "changed"), [
    ("box_loss_forward", {"kind": 5}), ("box_loss_backward", {"kind": -1}),
    ("ctc_loss_forward", {"targets": labels([1, 3], [2, 1])}),
    ("ctc_loss_forward", {"targets": labels([-1, 2], [2, 1])}),
    ("ctc_loss_forward", {"input_lengths": labels(5, 3)}), ("ctc_loss_forward", {"input_lengths": labels(-1, 3)}),
    ("ctc_loss_forward", {"target_lengths": labels(2, 3)}), ("ctc_loss_forward", {"target_lengths": labels(2, -1)}),
    ("ctc_loss_forward", {"blank": 3}), ("ctc_loss_backward", {"blank": -1}),
    ("ctc_loss_backward", {"targets": labels([1, 3], [2, 1])}), ("ctc_loss_backward", {"input_lengths": labels(5, 3)}),
    ("distribution_focal_loss_forward", {"label": np.array([0, 2.5])}),
    ("distribution_focal_loss_forward", {"label": np.array([0, np.nan])}),
    ("distribution_focal_loss_backward", {"label": np.array([-1.0, 0])}),
    ("greedy_nms", {"starts": labels(0, 6, 5)}), ("greedy_nms", {"starts": labels(-1, 2, 5)}),
    ("soft_nms", {"starts": labels(0, 6, 5)}), ("soft_nms", {"starts": labels(0, 2, 4)}),
    ("soft_nms", {"least": -0.5}), ("soft_nms", {"least": np.nan}),
])
def test_every_index_is_checked(losses, name, changed):
    with pytest.raises(ValueError, match=r"_loss|_nms"):
        getattr(losses, name)(**{**CALLS[name], **changed})


def test_a_label_past_the_length_is_not_looked_at(losses):
    losses.ctc_loss_forward(**{**CTC, "targets": labels([1, 2], [2, 99])})
