"""CTC: counted paths, targets that do not fit, long sequences, torch's conventions, and what is refused."""
import itertools

import numpy as np
import pytest

from tinycnn import Tensor, losses
from tinycnn import functional as F


def logits(t: int, n: int, c: int, dtype=np.float64) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((t, n, c)).astype(dtype)*2


def collapse(path: tuple, blank: int) -> list:
    """What a path says: repeats merged, then blanks removed."""
    return [k for k, _ in itertools.groupby(path) if k != blank]


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("blank", [0, 2])
@pytest.mark.parametrize("target", [[], [1], [1, 1], [1, 3], [3, 1, 3], [1, 1, 3]])
def test_is_the_sum_over_all_paths(target, blank):
    """By the definition (equation 3 of the paper): every path of 5 frames over 4 classes, one by one."""
    logs = F.log_softmax(logits(5, 1, 4), 2)
    p = np.exp(logs.numpy()[:, 0])
    want = sum(np.prod(p[range(5), path]) for path in itertools.product(range(4), repeat=5)
               if collapse(path, blank) == target)
    got = F.ctc_loss(logs, np.array([target], int).reshape(1, -1), (5,), (len(target),), blank, "sum").item()
    assert got == pytest.approx(-np.log(want), rel=1e-12)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
class TestAgainstTorch:
    def run(self, torch, dtype, x, *args, **keywords):
        """Both results and both gradients, through log-softmax."""
        ours, theirs = Tensor(x.astype(dtype), requires_grad=True), torch.tensor(x.astype(dtype), requires_grad=True)
        y = F.ctc_loss(F.log_softmax(ours, 2), *args, **keywords)
        want = torch.nn.functional.ctc_loss(theirs.log_softmax(2), *map(torch.tensor, args), **keywords)
        y.sum().backward()
        want.sum().backward()
        return y.numpy(), want.detach().numpy(), ours.grad, theirs.grad.numpy()

    @pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
    @pytest.mark.parametrize("zero_infinity", [False, True])
    def test_targets_that_do_not_fit(self, torch, dtype, reduction, zero_infinity):
        """Too few frames, just enough, none at all; the same infinities, NaN gradients and zeros."""
        targets, lengths = np.array([[1, 1, 2], [1, 1, 2], [3, 9, 9], [9, 9, 9], [1, 2, 3]]), np.array([3, 3, 1, 0, 3])
        got, want, gx, tx = self.run(torch, dtype, logits(6, 5, 4), targets, np.array([3, 4, 0, 0, 6]), lengths,
                                     reduction=reduction, zero_infinity=zero_infinity)
        np.testing.assert_allclose(got, want, rtol=1e-5)
        np.testing.assert_allclose(gx, tx, atol=1e-5)
        assert np.isinf(got).any() != zero_infinity
        assert np.isnan(gx).any() != zero_infinity

    def test_a_long_text(self, torch, dtype):
        """200 frames: probabilities of 1e-200, far below float32."""
        rng = np.random.default_rng(1)
        targets, lengths = rng.integers(1, 40, (3, 60)), np.array([60, 1, 37])
        got, want, gx, tx = self.run(torch, dtype, logits(200, 3, 40), targets, np.array([200, 200, 150]), lengths,
                                     reduction="sum")
        np.testing.assert_allclose(got, want, rtol=1e-5 if dtype is np.float32 else 1e-12)
        np.testing.assert_allclose(gx, tx, atol=2e-3 if dtype is np.float32 else 1e-10)

    def test_sure_predictions(self, torch, dtype):
        """Logits of 1e4: probabilities of 1, and of 0."""
        x = np.full((3, 1, 3), -1e4)
        x[range(3), 0, [1, 0, 1]] = 1e4
        got, want, gx, tx = self.run(torch, dtype, x, np.array([[1, 1]]), np.array([3]), np.array([2]))
        assert got == want == 0
        np.testing.assert_allclose(gx, tx, atol=1e-6)


@pytest.mark.usefixtures("isa")
def test_classes_of_probability_0():
    """log_probs of -infinity are numbers like any other."""
    with np.errstate(divide="ignore"):
        x = np.log([[[0.5, 0.5, 0]], [[0.5, 0.25, 0.25]]])
    log_probs = Tensor(x, requires_grad=True)
    loss = F.ctc_loss(log_probs, np.array([[1]]), (2,), (1,), reduction="sum")
    assert loss.item() == pytest.approx(-np.log(0.5*0.25 + 0.5*0.5 + 0.5*0.25))
    loss.backward()
    assert np.isfinite(log_probs.grad).all()
    assert log_probs.grad.sum((1, 2)) == pytest.approx([-1, -1])
    assert np.isinf(F.ctc_loss(x[:1], np.array([[2]]), (1,), (1,)).item())


@pytest.mark.usefixtures("isa")
def test_nan_stays_in_its_sequence():
    x = logits(4, 3, 5)
    x[1, 1] = np.nan
    loss = F.ctc_loss(x, np.array([[1, 2]]*3), (4, 4, 4), (2, 2, 2), reduction="none").numpy()
    assert np.isnan(loss).tolist() == [False, True, False]


@pytest.mark.parametrize("kind", [np.int32, np.uint8, np.int64])
def test_integers_of_any_type(kind):
    x, targets, lengths = logits(5, 2, 4), np.array([[1, 2, 3], [2, 200, 200]], kind), np.array([3, 1], kind)
    padded = F.ctc_loss(x, targets, np.array([5, 4], kind), lengths).item()
    assert padded == F.ctc_loss(x, np.array([1, 2, 3, 2], kind), Tensor([5, 4]), [3, 1]).item()
    assert padded == losses.CTCLoss()(x, targets, (5, 4), (3, 1)).item()


GOOD = (logits(5, 2, 4), np.array([[1, 2, 3], [2, 1, 0]]), (5, 4), (3, 2))


@pytest.mark.parametrize(("changed", "message"), [
    ({0: GOOD[0][0]}, r"log_probs must be \(T, N, C\), got the shape \(2, 4\)"),
    ({0: GOOD[0][:, :0]}, r"log_probs of shape \(5, 0, 4\) has no elements"),
    ({1: GOOD[1][:1]}, r"targets has shape \(1, 3\), expected \(2, S\)"),
    ({1: np.array([1, 2, 3])}, "targets holds 3 labels, but target_lengths sum to 5"),
    ({1: np.array([[1, 2, 4], [2, 1, 0]])}, r"label 2 of target 0 is 4, expected 0 <= label < 4"),
    ({1: np.array([[1, 2, 3], [2, -1, 0]])}, r"label 1 of target 1 is -1"),
    ({1: np.array([[1, 2, 3], [2, 0, 0]])}, r"label 1 of target 1 is 0, expected .* not 0, the blank"),
    ({2: (5, 6)}, r"input_lengths\[1\] is 6, expected 0 <= length <= 5"),
    ({2: (-1, 5)}, r"input_lengths\[0\] is -1"),
    ({2: (5,)}, r"input_lengths has shape \(1,\), expected \(2,\)"),
    ({3: (3, 4)}, r"target_lengths\[1\] is 4, expected 0 <= length <= 3"),
    ({3: (3, 2, 1)}, r"target_lengths has shape \(3,\), expected \(2,\)"),
    ({1: np.array([1, 2]), 3: (1, -1)}, r"target_lengths\[1\] is -1, expected 0 <= length <= 2"),
    ({1: np.array([1, 2]), 3: (2**62, 2**62)}, r"target_lengths\[0\] is 4611686018427387904"),
], ids=str)
def test_refusals(changed, message):
    with pytest.raises(ValueError, match=f"ctc_loss: {message}"):
        F.ctc_loss(*[changed.get(i, value) for i, value in enumerate(GOOD)])


@pytest.mark.parametrize(("at", "name"), [(1, "targets"), (2, "input_lengths"), (3, "target_lengths")])
def test_what_is_no_integer_is_refused(at, name):
    with pytest.raises(TypeError, match=f"ctc_loss: {name} must be integers.*float"):
        F.ctc_loss(*[np.asarray(value, float) if i in (0, at) else value for i, value in enumerate(GOOD)])


@pytest.mark.parametrize(("keywords", "message"), [({"blank": 4}, "blank is 4, expected 0 <= blank < 4"),
                                                   ({"blank": -1}, "blank is -1"), ({"reduction": "all"}, "reduction")])
def test_options_that_are_refused(keywords, message):
    with pytest.raises(ValueError, match=f"ctc_loss: {message}"):
        F.ctc_loss(*GOOD, **keywords)
