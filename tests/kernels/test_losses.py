"""Kernels of losses trust nothing: an array that does not fit the others, or a class that is none, is refused."""
import numpy as np
import pytest

from tinycnn._kernels import available, dispatch

N, C, P, D = 3, 4, 5, 6
PAIR = {name: np.full(N, 0.5) for name in ("x", "target", "weight", "other")} | {"kind": "bce", "a": 0, "b": 0, "c": 0}
PLANES = np.zeros((N, C, P))
CLASS = np.zeros(N * P, np.int64)
ROW = np.zeros(N, np.int64)
ROWS, EACH, SQUARE = np.zeros((N, D)), np.ones(N), np.zeros((N, N))
PIXELS, CLASS_WEIGHTS = np.ones(N * P), np.ones(C)
HARD = {"target": CLASS, "weight": CLASS_WEIGHTS, "smoothing": 0.1, "ignore": -1}
SOFT = {"target": PLANES, "weight": CLASS_WEIGHTS, "smoothing": 0.1}
MARGIN = {"x": np.zeros((N, C)), "target": ROW, "weight": CLASS_WEIGHTS, "p": 1, "margin": 1.0}
NORM = {"x1": ROWS, "x2": ROWS, "p": 2.0, "eps": 0.0, "d": EACH}
CALLS = {  # a call of each kernel that fits
    "elementwise_loss_forward": PAIR | {"each": EACH},
    "elementwise_loss_backward": PAIR | {"g": EACH, "to_target": False, "gx": EACH},
    "cross_entropy_forward": {"x": PLANES, **HARD, "loss": PIXELS, "y": PLANES},
    "cross_entropy_backward": {"y": PLANES, **HARD, "g": PIXELS, "gx": PLANES},
    "soft_cross_entropy_forward": {"x": PLANES, **SOFT, "loss": PIXELS, "y": PLANES},
    "soft_cross_entropy_backward": {"y": PLANES, **SOFT, "g": PIXELS, "gx": PLANES},
    "nll_forward": {"x": PLANES, "target": CLASS, "weight": CLASS_WEIGHTS, "ignore": -1, "loss": PIXELS},
    "nll_backward": {"target": CLASS, "weight": CLASS_WEIGHTS, "ignore": -1, "g": PIXELS, "gx": PLANES},
    "multi_margin_forward": MARGIN | {"loss": EACH},
    "multi_margin_backward": MARGIN | {"g": EACH, "gx": np.zeros((N, C))},
    "row_distance_forward": NORM,
    "row_distance_backward": NORM | {"g": EACH, "gx": ROWS},
    "distance_matrix_forward": {"x": ROWS, "d": SQUARE},
    "distance_matrix_backward": {"x": ROWS, "d": SQUARE, "gd": SQUARE, "gx": ROWS},
    "hardest_triplets": {"d": SQUARE, "label": ROW, "positive": ROW, "negative": ROW},
    "semi_hard_triplets": {"d": SQUARE, "label": ROW, "margin": 1.0, "negative": np.zeros((N, N), np.int64)},
    "center_forward": {"x": ROWS, "target": ROW, "centers": np.zeros((2, D)), "difference": ROWS, "loss": EACH},
    "center_backward": {"difference": ROWS, "g": EACH, "gx": ROWS},
}
ARRAYS = [(kernel, name) for kernel, call in CALLS.items() for name, value in call.items()
          if isinstance(value, np.ndarray) and (kernel, name) != ("distance_matrix_forward", "x")]  # any (r, n) fits


def call(isa: str, kernel: str, **changed) -> None:
    arguments = {name: value.copy() if isinstance(value, np.ndarray) else value
                 for name, value in (CALLS[kernel] | changed).items()}
    getattr(dispatch.load(isa, np.dtype(np.float64), "losses"), kernel)(**arguments)


@pytest.mark.parametrize("isa", available())
@pytest.mark.parametrize("kernel", CALLS)
def test_what_fits_is_taken(kernel, isa):
    call(isa, kernel)


@pytest.mark.parametrize("isa", available())
@pytest.mark.parametrize(("kernel", "name"), ARRAYS)
@pytest.mark.parametrize("by", [-1, 1])
def test_an_array_that_does_not_fit_is_refused(kernel, name, by, isa):
    value = CALLS[kernel][name]
    shape = (*value.shape[:-1], value.shape[-1] + by)
    with pytest.raises(ValueError, match=r"^\w+: "):
        call(isa, kernel, **{name: np.zeros(shape, value.dtype)})


@pytest.mark.parametrize("isa", available())
@pytest.mark.parametrize("kernel", [kernel for kernel, call in CALLS.items() if "target" in call
                                    and call["target"].dtype == np.int64])
@pytest.mark.parametrize("wrong", [-2, C, 2**62])
def test_a_class_that_is_none_is_refused(kernel, wrong, isa):
    target = CALLS[kernel]["target"].copy()
    target[-1] = wrong
    with pytest.raises(ValueError, match=r"a target (is not a class|has no centre)"):
        call(isa, kernel, target=target)


@pytest.mark.parametrize("isa", available())
def test_a_loss_that_is_none_is_refused(isa):
    with pytest.raises(ValueError, match="there is no loss of this kind"):
        call(isa, "elementwise_loss_forward", kind="l3")
